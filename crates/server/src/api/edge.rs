//! What happens to every request before a handler sees it, and to every answer
//! after: who is calling from where, one log line, counters, security headers,
//! a problem document where there would be none.
//!
//! It must not know who is signed in, and it looks at no body and no query.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chartkey_service::Origin;
use tracing::Instrument as _;

use super::problem::Problem;
use crate::metrics::Metrics;

/// Longest `User-Agent` that is looked at, in bytes.
const MAX_AGENT_LEN: usize = 256;

/// Where a request came from, as the edge found it.
#[derive(Clone, Debug)]
pub struct From(pub Origin);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::new("server.internal"))
    }
}

/// What the edge is configured with.
#[derive(Clone)]
pub struct Edge {
    /// Proxies whose word on addresses is believed.
    pub trusted_proxies: Arc<[IpAddr]>,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// Whether people reach us over TLS.
    pub https: bool,
}

const NAMED: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// The policy of answers that are not pages.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The middleware around everything.
pub async fn guard(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let running = edge.metrics.begin();
    let origin = origin(&request, &edge.trusted_proxies);
    request.extensions_mut().insert(From(origin));
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let request_id = request_id(request.headers());
    let span = tracing::info_span!("request", id = %request_id);
    let answer = next.run(request);
    let mut response = answer.instrument(span.clone()).await;
    if let Some(problem) = plain_refusal(&response) {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    add_headers(response.headers_mut(), &edge, &request_id);
    let status = response.status().as_u16();
    let took = started.elapsed();
    edge.metrics.answered(method.as_str(), &route, status, took);
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(%method, route, status, ms, "answered"));
    drop(running);
    response
}

/// The problem that stands for a refusal of the framework's own, which comes
/// as text or empty: an address that cannot be read, a method without a route.
fn plain_refusal(response: &Response) -> Option<Problem> {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !is_plain {
        return None;
    }
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Some(Problem::new("route.method")),
        StatusCode::BAD_REQUEST => {
            Some(Problem::new("body.malformed").with_detail("The address cannot be read."))
        }
        StatusCode::PAYLOAD_TOO_LARGE => Some(Problem::new("body.too_large")),
        StatusCode::REQUEST_TIMEOUT => Some(Problem::new("body.timeout")),
        _ => None,
    }
}

fn add_headers(headers: &mut HeaderMap, edge: &Edge, request_id: &str) {
    for (name, value) in NAMED {
        headers
            .entry(name)
            .or_insert_with(|| HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| HeaderValue::from_static(API_POLICY));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert_with(|| HeaderValue::from_static("no-store"));
    if edge.https {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert_with(|| HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
}

/// The caller's own id for the request where it is harmless, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|text| {
            (8..=64).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    match given {
        Some(text) => text.to_owned(),
        None => crate::chance::hex_id(),
    }
}

/// The peer, or, when the peer is a trusted proxy, the last address in
/// `X-Forwarded-For` that is not one.
fn origin(request: &Request, trusted: &[IpAddr]) -> Origin {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |peer| canonical(peer.0.ip()));
    let address = if trusted.contains(&peer) {
        forwarded_for(request.headers(), trusted).unwrap_or(peer)
    } else {
        peer
    };
    let agent = request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(|text| text.chars().take(MAX_AGENT_LEN).collect());
    Origin { address, agent }
}

fn forwarded_for(headers: &HeaderMap, trusted: &[IpAddr]) -> Option<IpAddr> {
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    for part in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let address = canonical(part.trim().parse().ok()?);
        if !trusted.contains(&address) {
            return Some(address);
        }
    }
    None
}

/// IPv4 inside IPv6 is IPv4, so that limits and lists see one address.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// A panic in a handler becomes a problem, never a closed connection.
pub fn panicked(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    Problem::new("server.internal").into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut builder = Request::builder();
        for value in forwarded {
            builder = builder.header("x-forwarded-for", *value);
        }
        let mut request = builder.body(Body::empty()).unwrap();
        let peer: IpAddr = peer.parse().unwrap();
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::new(peer, 9)));
        let trusted: Vec<IpAddr> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        origin(&request, &trusted).address.to_string()
    }

    #[test]
    fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(
            seen("10.0.0.2", &["203.0.113.9"], &["10.0.0.2"]),
            "203.0.113.9"
        );
        assert_eq!(
            seen(
                "10.0.0.2",
                &["198.51.100.7, 203.0.113.9, 10.0.0.3"],
                &["10.0.0.2", "10.0.0.3"]
            ),
            "203.0.113.9",
            "what a client puts in front is not believed"
        );
        assert_eq!(
            seen("10.0.0.2", &["198.51.100.7", "203.0.113.9"], &["10.0.0.2"]),
            "203.0.113.9"
        );
        assert_eq!(seen("10.0.0.2", &["nonsense"], &["10.0.0.2"]), "10.0.0.2");
        assert_eq!(seen("::ffff:192.0.2.1", &[], &[]), "192.0.2.1");
    }

    #[test]
    fn harmless_request_ids_are_kept() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_str(text).unwrap());
            request_id(&headers)
        };
        assert_eq!(with("abc-12345"), "abc-12345");
        assert_ne!(with("a"), "a");
        assert_ne!(with("evil\"}, {\"x"), "evil\"}, {\"x");
        assert_eq!(request_id(&HeaderMap::new()).len(), 32);
    }
}

//! The web app, as it was built and embedded: its two pages for every address
//! that is theirs, and their assets.
//!
//! Pages are small and fetched every time, since they carry the policy of the
//! moment. Assets are named after their content and never change. Nothing here
//! depends on who asks. Where no app was built, nothing is routed.

use std::io::Read as _;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::read::GzDecoder;

use crate::api::problem::Problem;
use crate::app::App;

/// A file of the app.
struct Asset {
    /// Below `web/dist`, with slashes.
    path: &'static str,
    /// None where it is large and carried compressed only.
    plain: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

impl Asset {
    /// For the rare client that takes nothing compressed.
    fn unpacked(&self) -> Bytes {
        let mut plain = Vec::new();
        match (self.plain, self.gzip) {
            (Some(plain), _) => return Bytes::from_static(plain),
            // Our own file, as it was built in: it ends, and it is whole.
            (None, Some(gzip)) => drop(GzDecoder::new(gzip).read_to_end(&mut plain)),
            (None, None) => {}
        }
        plain.into()
    }
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/web_assets.rs"));

/// Addresses of the app: the first parts of their paths.
const SCREENS: [&str; 15] = [
    "sign-in",
    "sign-up",
    "recover",
    "verify-email",
    "claim",
    "connections",
    "home",
    "record",
    "sharing",
    "activity",
    "settings",
    "patients",
    "caseload",
    "requests",
    "admin",
];

/// What stands for the nonce in the pages as built.
const NONCE: &str = "__CSP_NONCE__";

fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS
        .binary_search_by(|one| one.path.cmp(path))
        .ok()
        .and_then(|at| ASSETS.get(at))
}

/// Whether the app was built into this server.
pub fn is_embedded() -> bool {
    asset("index.html").is_some() && asset("viewer.html").is_some()
}

/// The app's routes; none where it was not built.
pub fn routes() -> Router<App> {
    let mut router = Router::new();
    if !is_embedded() {
        return router;
    }
    router = router
        .route("/", get(app_page))
        .route("/records/shared/shl", get(other_viewer_page))
        .route("/records/shared/{token}", get(viewer_page))
        .route("/favicon.svg", get(favicon))
        .route("/assets/{*path}", get(find_asset));
    for screen in SCREENS {
        router = router
            .route(&format!("/{screen}"), get(app_page))
            .route(&format!("/{screen}/{{*rest}}"), get(app_page));
    }
    router
}

async fn app_page() -> Response {
    page("index.html", "'self'")
}

async fn viewer_page() -> Response {
    page("viewer.html", "'self'")
}

/// SMART Health Links of other systems: only here may a page ask others, and
/// it does once its reader chose to open one. What opens the answer is a
/// worker, whose own policy lets it reach nobody else. No token is `shl`.
async fn other_viewer_page() -> Response {
    page("viewer.html", "'self' https:")
}

/// A page with a nonce for the style elements that its scripts make. Scripts
/// come from files of ours only; `wasm-unsafe-eval` lets the core be compiled
/// and nothing else be evaluated. `connect` is whom it may ask.
fn page(name: &str, connect: &str) -> Response {
    let plain = asset(name).and_then(|file| file.plain);
    let Some(text) = plain.and_then(|plain| std::str::from_utf8(plain).ok()) else {
        return Problem::new("server.internal").into_response();
    };
    let nonce = crate::chance::hex_id();
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
         style-src 'self' 'nonce-{nonce}'; font-src 'self'; img-src 'self' data: blob:; \
         media-src blob:; connect-src {connect}; manifest-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    );
    let mut response = (
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        text.replace(NONCE, &nonce),
    )
        .into_response();
    if let Ok(value) = HeaderValue::from_str(&policy) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, value);
    }
    response
}

async fn favicon(headers: HeaderMap) -> Response {
    file("favicon.svg", "public, max-age=86400", &headers)
}

async fn find_asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(
        &format!("assets/{path}"),
        "public, max-age=31536000, immutable",
        &headers,
    )
}

fn file(path: &str, caching: &'static str, headers: &HeaderMap) -> Response {
    let Some(found) = asset(path) else {
        return Problem::new("route.unknown").into_response();
    };
    let accepts = |word: &str| {
        headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .any(|part| {
                let mut parts = part.split(';').map(str::trim);
                parts.next() == Some(word) && !parts.any(|one| matches!(one, "q=0" | "q=0.0"))
            })
    };
    let (body, encoding) = match (found.brotli, found.gzip) {
        (Some(brotli), _) if accepts("br") => (Bytes::from_static(brotli), Some("br")),
        (_, Some(gzip)) if accepts("gzip") => (Bytes::from_static(gzip), Some("gzip")),
        _ => (found.unpacked(), None),
    };
    let mut response = body.into_response();
    let into = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        into.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_TYPE, media_type(path));
    set(header::CACHE_CONTROL, caching);
    set(header::VARY, "accept-encoding");
    // A worker's own policy comes with its script, not with the page.
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; frame-ancestors 'none'",
    );
    if let Some(encoding) = encoding {
        set(header::CONTENT_ENCODING, encoding);
    }
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("ttf") => "font/ttf",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_files_are_found_by_their_path() {
        for one in ASSETS {
            assert!(asset(one.path).is_some(), "{}", one.path);
        }
        assert!(asset("no/such/file").is_none());
    }

    #[test]
    fn what_is_carried_compressed_only_comes_plain_to_whoever_wants_it_so() {
        for one in ASSETS.iter().filter(|one| one.plain.is_none()) {
            let plain = one.unpacked();
            assert!(
                plain.len() > one.gzip.map_or(0, <[u8]>::len),
                "{}",
                one.path
            );
        }
    }

    #[test]
    fn every_suffix_of_the_app_has_a_media_type() {
        for one in ASSETS.iter().filter(|one| one.path.starts_with("assets/")) {
            let expected = media_type(one.path) != "application/octet-stream";
            assert!(expected || one.path.ends_with(".woff"), "{}", one.path);
        }
    }
}

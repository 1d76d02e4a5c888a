//! What the adapters of platforms share on top of the wire: bodies that are wiped,
//! JSON, ids that can stand in a path, keys and headers. It must not know any
//! platform by name.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chartkey_domain::connections::{ConnectorError, ConnectorResult, Credentials, ErrorClass};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::wire::Wire;
pub(crate) use super::wire::{Effect, remote_code};
use crate::http::HttpAnswer;

/// Answers that hold lists of clients or of documents.
pub(crate) const MAX_LIST_LEN: usize = 8 << 20;
/// Answers about one thing.
pub(crate) const MAX_ANSWER_LEN: usize = 1 << 20;
/// A slow line still carries this many bytes a second.
const SLOWEST_LINE: usize = 128 << 10;

/// The wire as the adapters of platforms use it.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    wire: Arc<Wire>,
    timeout: Duration,
}

impl Calls {
    /// Calls over this wire, whose whole-call time limit is `timeout`.
    pub(crate) fn new(wire: Arc<Wire>, timeout: Duration) -> Self {
        Self { wire, timeout }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.wire.now()
    }

    /// Whether the operator allows this URL's host by name, private or not.
    pub(crate) fn is_allowed_host(&self, url: &Url) -> bool {
        self.wire.is_allowed_host(url)
    }

    /// Begins a request.
    ///
    /// # Errors
    /// [`ErrorClass::Address`].
    pub(crate) fn request(&self, method: Method, url: &Url) -> ConnectorResult<RequestBuilder> {
        self.wire.request(method, url.as_str())
    }

    /// Gives a request a body that is wiped when it was sent, and the time that a
    /// slow line needs for it.
    pub(crate) fn carry(
        &self,
        request: RequestBuilder,
        body: Zeroizing<Vec<u8>>,
    ) -> RequestBuilder {
        self.carry_bytes(request, Bytes::from_owner(body))
    }

    /// [`Self::carry`] for a body that may be sent twice.
    pub(crate) fn carry_bytes(&self, request: RequestBuilder, body: Bytes) -> RequestBuilder {
        let extra = u64::try_from(body.len() / SLOWEST_LINE).unwrap_or(u64::MAX);
        let timeout = self.timeout.saturating_add(Duration::from_secs(extra));
        request.timeout(timeout).body(body)
    }

    /// Gives a request a JSON body.
    pub(crate) fn carry_json(&self, request: RequestBuilder, value: &Value) -> RequestBuilder {
        let body = Zeroizing::new(value.to_string().into_bytes());
        self.carry(request.header("content-type", "application/json"), body)
    }

    /// Sends; any status is an answer.
    ///
    /// # Errors
    /// Those of the transport.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        effect: Effect,
        max_len: usize,
    ) -> ConnectorResult<HttpAnswer> {
        self.wire.send(request, effect, max_len).await
    }

    /// Sends; only a success is an answer.
    ///
    /// # Errors
    /// As [`Self::send`] and [`Self::refusal`].
    pub(crate) async fn succeed(
        &self,
        request: RequestBuilder,
        effect: Effect,
        max_len: usize,
    ) -> ConnectorResult<HttpAnswer> {
        let answer = self.send(request, effect, max_len).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(self.refusal(&answer, effect))
        }
    }

    /// What an answer means that is not a success.
    pub(crate) fn refusal(&self, answer: &HttpAnswer, effect: Effect) -> ConnectorError {
        self.wire.refusal(answer, effect)
    }
}

/// An error of this class and nothing more.
pub(crate) const fn error(class: ErrorClass) -> ConnectorError {
    ConnectorError::new(class)
}

/// The answer's JSON. A write whose answer cannot be read may have been done.
///
/// # Errors
/// [`ErrorClass::Broken`], or [`ErrorClass::Unknown`] after a write.
pub(crate) fn json(answer: &HttpAnswer, effect: Effect) -> ConnectorResult<Value> {
    serde_json::from_slice(&answer.body).map_err(|_| unreadable(effect))
}

/// The error of an answer that says success and nothing that can be understood.
pub(crate) const fn unreadable(effect: Effect) -> ConnectorError {
    error(match effect {
        Effect::Reads => ErrorClass::Broken,
        Effect::Writes => ErrorClass::Unknown,
    })
}

/// What stands at a path of names with dots between them; at an empty one, all.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('.')
        .try_fold(value, |value, name| value.get(name))
}

/// An id out of an answer: a number, or text that can stand in a path.
pub(crate) fn id_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => is_id(text).then(|| text.clone()),
        Value::Number(number) => number.is_u64().then(|| number.to_string()),
        _ => None,
    }
}

/// Whether this can stand in a path as one segment.
fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\');
    (1..=200).contains(&text.len()) && !matches!(text, "." | "..") && text.bytes().all(plain)
}

/// A URL below a base: each segment is one, whatever it is made of.
///
/// # Errors
/// [`ErrorClass::Address`] for a base that is no URL to call below, and
/// [`ErrorClass::Invalid`] for a segment that cannot be one.
pub(crate) fn url_below(base: &str, segments: &[&str]) -> ConnectorResult<Url> {
    let mut url = base_url(base)?;
    if !segments.iter().all(|segment| is_id(segment)) {
        return Err(error(ErrorClass::Invalid));
    }
    url.path_segments_mut()
        .map_err(|()| error(ErrorClass::Address))?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}

/// A base URL: no query, no fragment.
///
/// # Errors
/// [`ErrorClass::Address`].
pub(crate) fn base_url(base: &str) -> ConnectorResult<Url> {
    let url = Url::parse(base).map_err(|_| error(ErrorClass::Address))?;
    if url.query().is_some() || url.fragment().is_some() || url.cannot_be_a_base() {
        return Err(error(ErrorClass::Address));
    }
    Ok(url)
}

/// The key of a platform that knows only keys, however it was written down.
///
/// # Errors
/// [`ErrorClass::Auth`] where there is none.
pub(crate) fn api_key(credentials: &Credentials) -> ConnectorResult<&Zeroizing<String>> {
    let key = match credentials {
        Credentials::Bearer { token } => token,
        Credentials::Basic { username, .. } => username,
        Credentials::Header { value, .. } => value,
        Credentials::None | Credentials::BackendServices { .. } | Credentials::Smart { .. } => {
            return Err(error(ErrorClass::Auth));
        }
    };
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(error(ErrorClass::Auth));
    }
    Ok(key)
}

/// A header's value that is shown nowhere.
///
/// # Errors
/// [`ErrorClass::Auth`] for what cannot stand in a header.
pub(crate) fn secret_value(text: &str) -> ConnectorResult<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| error(ErrorClass::Auth))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Proves a request with credentials that need no further call.
///
/// # Errors
/// [`ErrorClass::Auth`] for credentials of another kind, or that cannot be sent.
pub(crate) fn prove(
    request: RequestBuilder,
    credentials: &Credentials,
) -> ConnectorResult<RequestBuilder> {
    match credentials {
        Credentials::None => Ok(request),
        Credentials::Bearer { token } => {
            let bearer = Zeroizing::new(format!("Bearer {}", token.as_str()));
            Ok(request.header(AUTHORIZATION, secret_value(&bearer)?))
        }
        Credentials::Basic { username, password } => {
            Ok(request.basic_auth(username.as_str(), Some(password.as_str())))
        }
        Credentials::Header { name, value } => {
            Ok(request.header(own_header(name)?, secret_value(value)?))
        }
        Credentials::BackendServices { .. } | Credentials::Smart { .. } => {
            Err(error(ErrorClass::Auth))
        }
    }
}

/// The name of a header that a connection may set: none that frames the message
/// or names the host.
///
/// # Errors
/// [`ErrorClass::Invalid`].
pub(crate) fn own_header(name: &str) -> ConnectorResult<HeaderName> {
    const NEVER: [&str; 9] = [
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| error(ErrorClass::Invalid))?;
    if NEVER.contains(&name.as_str()) {
        return Err(error(ErrorClass::Invalid));
    }
    Ok(name)
}

/// The calls of a [`Platform`](chartkey_domain::connections::Platform) that opens an
/// account of the connection's and asks that: `account_does!(|platform, endpoint,
/// tokens| platform.account(endpoint))`.
macro_rules! account_does {
    (|$platform:ident, $endpoint:ident, $tokens:ident| $open:expr) => {
        fn verify<'a>(
            &'a self,
            $endpoint: &'a Endpoint,
            $tokens: &'a dyn TokenKeeper,
        ) -> BoxFuture<'a, ConnectorResult<Verified>> {
            let $platform = self;
            Box::pin(async move { $open?.verify().await })
        }

        fn find_clients<'a>(
            &'a self,
            $endpoint: &'a Endpoint,
            $tokens: &'a dyn TokenKeeper,
            who: &'a ClientMatch,
        ) -> BoxFuture<'a, ConnectorResult<Vec<RemoteClient>>> {
            let $platform = self;
            Box::pin(async move { $open?.find_clients(who).await })
        }

        fn create_client<'a>(
            &'a self,
            $endpoint: &'a Endpoint,
            $tokens: &'a dyn TokenKeeper,
            who: &'a ClientMatch,
        ) -> BoxFuture<'a, ConnectorResult<RemoteClient>> {
            let $platform = self;
            Box::pin(async move { $open?.create_client(who).await })
        }

        fn find_document<'a>(
            &'a self,
            $endpoint: &'a Endpoint,
            $tokens: &'a dyn TokenKeeper,
            client: &'a RemoteClient,
            key: &'a DedupeKey,
        ) -> BoxFuture<'a, ConnectorResult<Option<String>>> {
            let $platform = self;
            Box::pin(async move { $open?.find_document(client, key).await })
        }

        fn put_document<'a>(
            &'a self,
            $endpoint: &'a Endpoint,
            $tokens: &'a dyn TokenKeeper,
            client: &'a RemoteClient,
            document: &'a OutgoingDocument,
            key: &'a DedupeKey,
            resume: Option<&'a str>,
        ) -> BoxFuture<'a, ConnectorResult<PutState>> {
            let $platform = self;
            Box::pin(async move {
                let len = document.bytes.len();
                let most = $platform.capabilities($endpoint).max_bytes;
                if u64::try_from(len).map_or(true, |len| len > most) {
                    return Err(ConnectorError::new(ErrorClass::TooLarge));
                }
                $open?.put_document(client, document, key, resume).await
            })
        }

        fn remove_document<'a>(
            &'a self,
            $endpoint: &'a Endpoint,
            $tokens: &'a dyn TokenKeeper,
            client: &'a RemoteClient,
            document: &'a str,
        ) -> BoxFuture<'a, ConnectorResult<Removed>> {
            let $platform = self;
            Box::pin(async move { $open?.remove_document(client, document).await })
        }
    };
}
pub(crate) use account_does;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_a_number_or_one_segment_of_a_path() {
        let check = |value: Value, expected: Option<&str>| {
            assert_eq!(id_of(Some(&value)).as_deref(), expected, "{value}");
        };
        check(json!(17), Some("17"));
        check(json!("a-b_c.1?#%"), Some("a-b_c.1?#%"));
        for hostile in [
            json!(""),
            json!("."),
            json!(".."),
            json!("a/b"),
            json!("a\\b"),
            json!("a b"),
            json!("a\r\nb"),
            json!("ü"),
            json!("x".repeat(201)),
            json!(-1),
            json!(1.5),
            json!(true),
            json!({}),
        ] {
            check(hostile, None);
        }
        assert_eq!(id_of(None), None);
    }

    #[test]
    fn a_url_stays_below_its_base() {
        let below = |base: &str, segments: &[&str]| {
            url_below(base, segments)
                .map(|url| url.to_string())
                .map_err(|error| error.class)
        };
        let expected = Ok("https://a.example/v1/c/7%3Fx%23y".to_owned());
        assert_eq!(below("https://a.example/v1", &["c", "7?x#y"]), expected);
        assert_eq!(below("https://a.example/v1/", &["c", "7?x#y"]), expected);
        let invalid = Err(ErrorClass::Invalid);
        assert_eq!(below("https://a.example/v1", &["c", ".."]), invalid);
        assert_eq!(below("https://a.example/v1", &["a/b"]), invalid);
        for base in [
            "",
            "a.example",
            "https://a.example/?x=1",
            "https://a.example/#x",
            "data:,x",
        ] {
            assert_eq!(below(base, &["c"]), Err(ErrorClass::Address), "{base}");
        }
    }

    #[test]
    fn a_key_is_a_key_however_it_was_written_down() {
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        let key = |credentials: &Credentials| api_key(credentials).map(|key| key.to_string());
        let bearer = |text: &str| Credentials::Bearer {
            token: secret(text),
        };
        let basic = Credentials::Basic {
            username: secret("k"),
            password: secret("unused"),
        };
        assert_eq!(key(&bearer("k")), Ok("k".to_owned()));
        assert_eq!(key(&basic), Ok("k".to_owned()));
        for none in [Credentials::None, bearer(""), bearer("a b"), bearer("a\nb")] {
            let class = key(&none).map_err(|error| error.class);
            assert_eq!(class, Err(ErrorClass::Auth));
        }
    }

    #[test]
    fn no_connection_sets_a_header_that_frames_the_message() {
        assert!(own_header("X-Api-Key").is_ok());
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "a b",
            "",
            "a\r\nb",
        ] {
            assert!(own_header(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_stands_at_a_path_is_found_and_nothing_else() {
        let value = json!({"data": {"id": 7, "list": [1]}});
        assert_eq!(at(&value, "data.id"), Some(&json!(7)));
        assert_eq!(at(&value, ""), Some(&value));
        for path in ["data.", ".data", "data.list.0", "id", "data.id.x"] {
            assert_eq!(at(&value, path), None, "{path}");
        }
    }
}

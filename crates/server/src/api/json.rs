//! JSON in: one extractor that is strict about the envelope and names the
//! field that is wrong.
//!
//! Bounded in size (the route's body limit), in time ([`BODY_DEADLINE`]) and in
//! depth (`serde_json` stops at 128). It never repeats a value that was sent:
//! bodies hold passwords and medical content.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chartkey_crypto::SecretBytes;
use chartkey_crypto::secret::wipe;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::problem::Problem;

/// How long a JSON body may take to arrive.
pub const BODY_DEADLINE: Duration = Duration::from_secs(60);

/// The media type of sealed bodies.
pub const SEALED: &str = "application/vnd.chartkey.sealed+json";

/// What a body can be read as.
pub trait Body: Sized {
    /// Reads `bytes` that came as `media_type` (lower-case, no parameters).
    fn read(media_type: &str, bytes: &[u8]) -> Result<Self, Problem>;
}

/// A JSON body, read and typed. Answers JSON as `axum::Json` does.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// A body that comes assisted (`application/json`) or sealed ([`SEALED`]).
#[derive(Clone, Copy, Debug)]
pub enum Form<A, S> {
    /// The server runs the core for this request.
    Assisted(A),
    /// The client ran it.
    Sealed(S),
}

impl<T: DeserializeOwned> Body for Json<T> {
    fn read(media_type: &str, bytes: &[u8]) -> Result<Self, Problem> {
        match media_type {
            "application/json" => parse_object(bytes).map(Self),
            _ => Err(Problem::new("body.media_type").with_detail("Send application/json.")),
        }
    }
}

impl<A: DeserializeOwned, S: DeserializeOwned> Body for Form<A, S> {
    fn read(media_type: &str, bytes: &[u8]) -> Result<Self, Problem> {
        match media_type {
            "application/json" => parse_object(bytes).map(Self::Assisted),
            SEALED => parse_object(bytes).map(Self::Sealed),
            _ => Err(Problem::new("body.media_type")
                .with_detail("Send application/json or application/vnd.chartkey.sealed+json.")),
        }
    }
}

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut text = Wiped::default();
        if serde_json::to_writer(&mut text, &self.0).is_err() {
            return Problem::new("server.internal").into_response();
        }
        let kind = HeaderValue::from_static("application/json");
        let body = Bytes::from_owner(SecretBytes::new(text.0));
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    }
}

/// JSON that may hold open content, as it is written: what it outgrows is
/// wiped at once, and the whole of it when it has been sent.
#[derive(Default)]
struct Wiped(Vec<u8>);

impl std::io::Write for Wiped {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let needed = self.0.len().saturating_add(piece.len());
        if needed > self.0.capacity() {
            let room = needed.max(self.0.capacity().saturating_mul(4)).max(1_024);
            let mut larger = Vec::with_capacity(room);
            larger.extend_from_slice(&self.0);
            wipe(&mut self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        read(request, state).await.map(|(body, _)| body)
    }
}

impl<A: DeserializeOwned, B: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<A, B> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        read(request, state).await.map(|(body, _)| body)
    }
}

/// Reads a body by its media type; also its exact bytes.
pub async fn read<B: Body, S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<(B, Bytes), Problem> {
    let media_type = media_type(request.headers()).unwrap_or_default();
    let bytes = read_body(request, state).await?;
    Ok((B::read(&media_type, &bytes)?, bytes))
}

/// Whether the caller asks for sealed answers.
pub fn wants_sealed(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|part| part.split(';').next())
        .any(|part| part.trim().eq_ignore_ascii_case(SEALED))
}

/// Reads a body within the route's limit and the deadline.
pub async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_DEADLINE, Bytes::from_request(request, state)).await {
        Err(_elapsed) => Err(Problem::new("body.timeout")),
        Ok(Err(rejection)) => Err(refused(&rejection)),
        Ok(Ok(bytes)) => Ok(bytes),
    }
}

fn refused(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new("body.too_large")
    } else {
        Problem::new("body.malformed").with_detail("The connection ended before the body did.")
    }
}

/// The media type of the body, lower-case and without parameters.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .map(|text| text.trim().to_ascii_lowercase())
}

/// [`parse`] for what must be an object: `serde` would take the fields of a
/// struct from an array too, by position.
pub fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let first = bytes
        .strip_prefix(BOM)
        .unwrap_or(bytes)
        .iter()
        .find(|byte| !byte.is_ascii_whitespace());
    if matches!(
        first,
        Some(b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9')
    ) {
        return Err(Problem::field("body", "expected an object"));
    }
    parse(bytes)
}

/// UTF-8's byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Parses `bytes`, and says what is wrong where.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::new("body.malformed").with_detail("The body is not UTF-8."))?;
    if text.trim().is_empty() {
        return Err(Problem::new("body.malformed").with_detail("The body is empty."));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        explain(error.inner(), &path)
    })?;
    reader
        .end()
        .map_err(|_| Problem::new("body.malformed").with_detail("Something follows the JSON."))?;
    Ok(value)
}

fn explain(error: &serde_json::Error, path: &str) -> Problem {
    match error.classify() {
        Category::Data => {
            let (field, message) = describe(&error.to_string(), path);
            Problem::field(field, message)
        }
        // The library's wording names positions and what was expected, never
        // what was sent, except for the number out of range, which it does not.
        Category::Syntax | Category::Eof | Category::Io => {
            let reason = if error.to_string().starts_with("recursion limit") {
                "It is nested too deeply.".to_owned()
            } else {
                format!(
                    "It is not JSON at line {}, column {}.",
                    error.line(),
                    error.column()
                )
            };
            Problem::new("body.malformed").with_detail(reason)
        }
    }
}

/// Field and message of a type error, with nothing of what was sent.
pub(super) fn describe(message: &str, path: &str) -> (String, String) {
    // `serde_json` ends its messages with the position.
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(before, _)| before);
    let quoted = |text: &str| text.split('`').nth(1).map(str::to_owned);
    let inside = |name: String| match path {
        "." | "" => name,
        _ if path.ends_with(&name) => path.to_owned(),
        _ => format!("{path}.{name}"),
    };
    let here = || match path {
        "." | "" => "body".to_owned(),
        _ => path.to_owned(),
    };
    if message.starts_with("missing field") {
        let name = quoted(message).unwrap_or_default();
        return (inside(name), "is missing".to_owned());
    }
    if message.starts_with("duplicate field") {
        let name = quoted(message).unwrap_or_default();
        return (inside(name), "stands twice".to_owned());
    }
    if message.starts_with("unknown field") {
        return (here(), "is not a field of this call".to_owned());
    }
    // `invalid type: string "…", expected …`: only the end is ours. What types
    // of our own say begins with the end; what other crates say may quote.
    let is_serdes = message.starts_with("invalid ") || message.starts_with("unknown variant");
    if is_serdes && let Some((_, expected)) = message.rsplit_once(", expected ") {
        return (here(), format!("expected {expected}"));
    }
    if message.starts_with("expected ") && !message.contains("got") {
        return (here(), message.to_owned());
    }
    (here(), "is not valid".to_owned())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsing is looked at")]
    struct Order {
        name: String,
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only parsing is looked at")]
    struct Item {
        count: u8,
        colour: Option<Colour>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Colour {
        Red,
        Green,
    }

    async fn answer(body: &[u8]) -> (u16, String) {
        let response = parse::<Order>(body).unwrap_err().into_response();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let what = if value["errors"].is_null() {
            format!("{} {}", value["code"], value["detail"])
        } else {
            format!(
                "{} {}",
                value["errors"][0]["field"], value["errors"][0]["message"]
            )
        };
        (status, what.replace('"', ""))
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_never_repeated() {
        for (body, status, expected) in [
            (&br#"{"name":"a"}"#[..], 422, "items is missing"),
            (br#"{"name":7,"items":[]}"#, 422, "name expected a string"),
            (
                br#"{"name":"a","items":[{"count":1},{"count":"marker"}]}"#,
                422,
                "items[1].count expected u8",
            ),
            (
                br#"{"name":"a","items":[{"count":300}]}"#,
                422,
                "items[0].count expected u8",
            ),
            (
                br#"{"name":"a","items":[{}]}"#,
                422,
                "items[0].count is missing",
            ),
            (
                br#"{"name":"a","name":"b","items":[]}"#,
                422,
                "name stands twice",
            ),
            (
                br#"{"name":"a","items":[],"marker":1}"#,
                422,
                "marker is not a field of this call",
            ),
            (
                br#"{"name":"a","items":[{"count":1,"colour":"marker"}]}"#,
                422,
                "items[0].colour expected `red` or `green`",
            ),
            (
                br#"{"name":"marker"#,
                400,
                "body.malformed It is not JSON at line 1, column 15.",
            ),
            (
                br#"{"name":"a","items":[]} marker"#,
                400,
                "body.malformed Something follows the JSON.",
            ),
            (b"  ", 400, "body.malformed The body is empty."),
            (b"\xff\xfe{", 400, "body.malformed The body is not UTF-8."),
        ] {
            assert_eq!(answer(body).await, (status, expected.to_owned()));
        }
    }

    #[tokio::test]
    async fn what_is_answered_is_json_of_any_length() {
        for length in [0, 1, 1_023, 1_024, 100_000] {
            let answer = Json(vec!["é"; length]).into_response();
            let kind = answer.headers().get(header::CONTENT_TYPE).unwrap();
            assert_eq!(kind, "application/json");
            let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20)
                .await
                .unwrap();
            let read: Vec<String> = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(read, vec!["é"; length]);
        }
    }

    #[tokio::test]
    async fn deep_nesting_is_refused() {
        let deep = format!(r#"{{"name":"a","items":{}"#, "[".repeat(100_000));
        let (status, what) = answer(deep.as_bytes()).await;
        assert!(status == 422 || status == 400, "{status} {what}");
    }

    #[test]
    fn an_array_is_no_object() {
        for body in [
            &b"[]"[..],
            b" [1]",
            b"\"x\"",
            b"7",
            b"null",
            b"\xef\xbb\xbf[]",
        ] {
            let problem = parse_object::<Order>(body).unwrap_err();
            assert_eq!(problem.code(), "body.invalid");
        }
    }

    #[test]
    fn a_byte_order_mark_is_not_content() {
        assert!(parse::<Order>(b"\xef\xbb\xbf{\"name\":\"a\",\"items\":[]}").is_ok());
    }
}

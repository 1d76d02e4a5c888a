//! Files: how a Binary is answered, and how it is not.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::answers::{bare, json_answer, refuse};
use super::quirks::Quirks;
use super::resources::Held;

/// What a Binary is answered by.
pub(crate) struct Asked<'a> {
    pub(crate) id: &'a str,
    pub(crate) accept: &'a str,
    /// Granted to whom asks; none where no token is needed.
    pub(crate) scope: Option<&'a str>,
    /// Which file of the day this is, counted from one.
    pub(crate) today: u32,
    /// Which read of all, for documents that are made anew.
    pub(crate) number: u64,
}

fn may(scope: &str, kind: &str) -> bool {
    scope.split_whitespace().any(|scope| {
        let about = scope.rsplit('/').next().unwrap_or_default();
        let (about, letters) = about.split_once('.').unwrap_or((about, ""));
        (about == "*" || about == kind) && (letters.contains('r') || letters.contains('*'))
    })
}

/// Answers `GET Binary/{id}`.
pub(crate) fn answer(quirks: &Quirks, held: Option<&Held>, asked: &Asked<'_>) -> Response {
    let allowed = |scope: &str| may(scope, "Binary") && may(scope, "DocumentReference");
    if quirks.binary_scopes && asked.scope.is_some_and(|scope| !allowed(scope)) {
        return refuse(StatusCode::FORBIDDEN, "forbidden", None);
    }
    if quirks
        .documents_a_day
        .is_some_and(|most| asked.today > most)
    {
        return refuse(StatusCode::FORBIDDEN, "throttled", Some("4135"));
    }
    if let Some(elsewhere) = &quirks.binary_elsewhere {
        let place = format!("{elsewhere}/{}", asked.id);
        return (StatusCode::FOUND, [(header::LOCATION, place)]).into_response();
    }
    let missing = quirks.lacks_reports && asked.id.starts_with("XR-");
    let Some(held) = held.filter(|_| !missing) else {
        return refuse(StatusCode::NOT_FOUND, "not-found", None);
    };
    let word = |name| held.value.get(name).and_then(Value::as_str);
    let kind = word("contentType").unwrap_or("application/octet-stream");
    let as_resource = asked.accept.contains("fhir");
    if quirks.strict_binary_accept && !as_resource && asked.accept != kind {
        return bare(StatusCode::NOT_ACCEPTABLE);
    }
    if quirks.binary_as_resource || as_resource {
        return json_answer(StatusCode::OK, "application/fhir+json", &held.value);
    }
    let mut bytes = STANDARD
        .decode(word("data").unwrap_or_default())
        .unwrap_or_default();
    if quirks.makes_documents && kind.contains("xml") {
        bytes = made_now(&bytes, asked.number);
    }
    let kind = quirks.lies_about_type.as_deref().unwrap_or(kind);
    let mut response = Response::new(Body::from(bytes));
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// The document with another time of its making and another id.
fn made_now(bytes: &[u8], number: u64) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    text.replace("{made}", &format!("2026110112{:04}", number % 10_000))
        .replace("{id}", &format!("1.2.3.{number}"))
        .into_bytes()
}

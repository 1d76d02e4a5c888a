//! How a server answers: resources, outcomes, and what it will not say.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::resources::{Held, set};

/// A JSON answer of this media type.
pub(crate) fn json_answer(status: StatusCode, kind: &str, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// An outcome with a code of FHIR's, and one of the server's own.
pub(crate) fn outcome(severity: &str, code: &str, own: Option<&str>) -> Value {
    let mut issue = json!({"severity": severity, "code": code});
    if let Some(own) = own {
        set(
            &mut issue,
            "details",
            json!({"coding": [
            {"system": "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369", "code": own}]}),
        );
    }
    json!({"resourceType": "OperationOutcome", "issue": [issue]})
}

/// A refusal with an outcome.
pub(crate) fn refuse(status: StatusCode, code: &str, own: Option<&str>) -> Response {
    json_answer(
        status,
        "application/fhir+json",
        &outcome("error", code, own),
    )
}

/// A resource, with its version in the headers.
pub(crate) fn resource(status: StatusCode, kind: &str, held: &Held, base: &str) -> Response {
    let mut response = json_answer(status, kind, &held.value);
    let word = |name| held.value.get(name).and_then(Value::as_str);
    let place = format!(
        "{base}/{}/{}/_history/{}",
        word("resourceType").unwrap_or_default(),
        word("id").unwrap_or_default(),
        held.version
    );
    let tag = format!("W/\"{}\"", held.version);
    for (name, value) in [(header::ETAG, tag), (header::LOCATION, place)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A status and nothing else.
pub(crate) fn bare(status: StatusCode) -> Response {
    status.into_response()
}

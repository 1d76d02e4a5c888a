//! Writes, as a plain FHIR server takes them: create, conditional create, update
//! with a version, delete (FHIR R4, http.html).

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answers::{bare, refuse, resource};
use super::quirks::Quirks;
use super::resources::{Resources, set};
use super::search::has_identifier;

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The body as a resource of `kind`; raw bytes are a Binary.
fn read(kind: &str, headers: &HeaderMap, body: &Bytes) -> Option<Value> {
    let content_type = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if kind == "Binary" && !content_type.contains("json") {
        return Some(
            json!({"resourceType": "Binary", "contentType": content_type,
            "data": STANDARD.encode(body)}),
        );
    }
    let value: Value = serde_json::from_slice(body).ok()?;
    (value.get("resourceType")?.as_str()? == kind).then_some(value)
}

/// `POST /Type`, with `If-None-Exist` where it stands.
pub(crate) fn create(
    resources: &mut Resources,
    quirks: &Quirks,
    base: &str,
    kind: &str,
    headers: &HeaderMap,
    body: &Bytes,
    now: Timestamp,
) -> Response {
    let Some(value) = read(kind, headers, body) else {
        return refuse(StatusCode::BAD_REQUEST, "structure", None);
    };
    if let Some(condition) = text(headers, "if-none-exist") {
        let identifier = url::form_urlencoded::parse(condition.as_bytes())
            .find(|(name, _)| name == "identifier")
            .map(|(_, value)| value.into_owned());
        let Some(identifier) = identifier else {
            return refuse(StatusCode::BAD_REQUEST, "not-supported", None);
        };
        let found: Vec<_> = resources
            .all(kind)
            .filter(|(_, held)| has_identifier(&held.value, &identifier))
            .map(|(_, held)| held.clone())
            .collect();
        match found.as_slice() {
            [] => {}
            [one] => return resource(StatusCode::OK, &quirks.json_type, one, base),
            _ => return refuse(StatusCode::PRECONDITION_FAILED, "multiple-matches", None),
        }
    }
    let held = resources.create(value, now);
    resource(StatusCode::CREATED, &quirks.json_type, &held, base)
}

/// `PUT /Type/id`, with `If-Match` where it stands.
pub(crate) fn update(
    resources: &mut Resources,
    quirks: &Quirks,
    base: &str,
    (kind, id): (&str, &str),
    headers: &HeaderMap,
    body: &Bytes,
    now: Timestamp,
) -> Response {
    let Some(mut value) = read(kind, headers, body) else {
        return refuse(StatusCode::BAD_REQUEST, "structure", None);
    };
    if kind == "Binary" {
        set(&mut value, "id", json!(id));
    }
    if value.get("id").and_then(Value::as_str) != Some(id) {
        return refuse(StatusCode::BAD_REQUEST, "invalid", None);
    }
    let there = resources.get(kind, id).map(|held| held.version);
    if let Some(expected) = text(headers, "if-match") {
        let known = there.map(|version| format!("W/\"{version}\""));
        if known.as_deref() != Some(expected) {
            return refuse(StatusCode::PRECONDITION_FAILED, "conflict", None);
        }
    }
    let held = resources.put(value, now);
    let status = if there.is_some() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    resource(status, &quirks.json_type, &held, base)
}

/// `DELETE /Type/id`: the same answer again when it is gone already.
pub(crate) fn delete(resources: &mut Resources, (kind, id): (&str, &str)) -> Response {
    resources.remove(kind, id);
    bare(StatusCode::NO_CONTENT)
}

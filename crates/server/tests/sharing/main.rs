//! Sharing over HTTP, in process: every call, what it answers when all is
//! well, and what it answers to nonsense.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

#[path = "../api/conversation.rs"]
#[expect(dead_code, reason = "shared with the other conversations")]
mod conversation;

mod document_requests;
mod grants;
mod links;
mod passing_on;
mod practice;
mod shl;

use axum::body::Body;
use axum::http::Request;
use conversation::{Answer, Conversation};
use serde_json::{Value, json};

/// A call with headers of its own.
async fn call(
    c: &Conversation,
    call: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let (method, path) = call.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    let bytes = body.map(|b| b.to_string()).unwrap_or_default();
    c.raw(request.body(Body::from(bytes)).unwrap()).await
}

/// A call by somebody signed in.
async fn by(c: &Conversation, token: &str, what: &str, body: Option<Value>) -> Answer {
    let bearer = format!("Bearer {token}");
    call(c, what, &[("authorization", &bearer)], body).await
}

/// A patient with a laboratory result and an allergy; token and patient.
async fn patient(c: &mut Conversation, email: &str) -> (String, String) {
    let token = c.patient(email).await;
    for resource in [
        json!({"resourceType": "Observation", "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
            "code": {"text": "Glucose"}, "effectiveDateTime": "2026-03-01",
            "valueQuantity": {"value": 5.4, "unit": "mmol/L"}}),
        json!({"resourceType": "AllergyIntolerance", "code": {"text": "Penicillin"}}),
    ] {
        let answer = by(
            c,
            &token,
            "POST /api/records",
            Some(json!({"resource": resource})),
        )
        .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let listed = by(c, &token, "GET /api/records", None).await;
    let patient = listed.json["items"][0]["patient_id"]
        .as_str()
        .unwrap()
        .to_owned();
    (token, patient)
}

fn share() -> Value {
    json!({"recipientEmail": "ng@clinic.example", "recipientName": "Dr. Ng",
        "recordTypes": ["lab_results"], "message": "Please have a look.",
        "allowDownload": true, "expiresInDays": 7})
}

/// The address and the key of a link.
fn held(made: &Value) -> (String, String) {
    let url = made["url"].as_str().unwrap();
    let (address, key) = url.split_once('#').unwrap();
    let path = address.strip_prefix("https://chart.example").unwrap();
    (format!("/api{path}"), key.to_owned())
}

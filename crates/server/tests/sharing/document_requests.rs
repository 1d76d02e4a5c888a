//! Documents that a practitioner asks a provider for: by a link that takes them
//! without an account, seals them on arrival, and shows nothing.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::conversation::{Answer, Conversation};
use crate::practice::{dietician, open_chart};
use crate::{by, call};

const PDF: &[u8] = b"%PDF-1.7\nHbA1c 7.9 %, as of March";
const LAB: &str = r#"{"resourceType":"Observation","id":"o1","status":"final",
    "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],
    "code":{"text":"Ferritin"},"effectiveDateTime":"2026-03-01","valueQuantity":{"value":12,"unit":"ug/L"}}"#;

/// Sends a file by the link.
async fn send(c: &Conversation, token: &str, name: &str, kind: &str, bytes: &[u8]) -> Answer {
    let mut form = Vec::new();
    let head = format!(
        "--x\r\nContent-Disposition: form-data; name=\"sender\"\r\n\r\nCity Hospital\r\n\
         --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(bytes);
    form.extend_from_slice(b"\r\n--x--\r\n");
    let request = Request::builder()
        .method("POST")
        .uri(format!(
            "/api/v1/document-requests/by-token/{token}/documents"
        ))
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Body::from(form))
        .unwrap();
    c.raw(request).await
}

async fn ask(c: &Conversation, token: &str, chart: &str, body: Value) -> Answer {
    let path = format!("POST /api/v1/patients/{chart}/request-documents");
    by(c, token, &path, Some(body)).await
}

/// The token in a link.
fn token_of(made: &Answer) -> String {
    let url = made.json["upload_url"].as_str().unwrap();
    url.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_asked_for_by_mail_sent_by_link_sealed_and_tracked_to_the_end() {
    let mut c = Conversation::new().await;
    let (dee, account) = dietician(&mut c).await;
    let chart = open_chart(&c, &dee).await;
    let id = chart["id"].as_str().unwrap().to_owned();
    let wanted = json!({"types": ["lab-results"], "since": "2026-01", "to": "records@hospital.example",
        "message": "Please send the ferritin values of this year."});
    let made = ask(&c, &dee, &id, wanted).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(
        (
            &made.json["status"],
            &made.json["way"],
            &made.json["user_id"]
        ),
        (&json!("open"), &json!("email"), &json!(account))
    );
    let token = token_of(&made);
    c.world.run_jobs().await;
    let mail = c.world.mail.list();
    let mail = mail.iter().find(|m| m.text.contains("/requests/")).unwrap();
    assert!(mail.text.contains(&token));
    for secret in ["Ann", "ferritin", "Lab results", "lab-results"] {
        assert!(!mail.text.contains(secret), "the mail tells {secret}");
    }

    let link = format!("GET /api/v1/document-requests/by-token/{token}");
    let asked = call(&c, &link, &[], None).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert_eq!(asked.json["patient_name"], "Ann Patient");
    assert_eq!(asked.json["since"], "2026-01");
    assert!(asked.json["message"].as_str().unwrap().contains("ferritin"));

    let sent = send(&c, &token, "report.pdf", "application/pdf", PDF).await;
    assert_eq!(sent.status, 201, "{}", sent.text);
    assert_eq!(sent.json, json!({"created": 1, "documents": 1}));
    let again = send(&c, &token, "other name.pdf", "application/pdf", PDF).await;
    assert_eq!(
        again.json,
        json!({"created": 0, "documents": 1}),
        "{}",
        again.text
    );
    let lab = send(&c, &token, "lab.json", "application/json", LAB.as_bytes()).await;
    assert_eq!(
        lab.json,
        json!({"created": 1, "documents": 2}),
        "{}",
        lab.text
    );
    let page = b"<html><script>alert(1)</script></html>";
    let refused = send(&c, &token, "report.pdf", "application/pdf", page).await;
    assert_eq!(
        refused.json["code"], "document_request.file",
        "{}",
        refused.text
    );

    let documents = by(
        &c,
        &dee,
        &format!("GET /api/v1/patients/{id}/documents"),
        None,
    )
    .await;
    let items = documents.json["items"].as_array().unwrap();
    let came: Vec<&Value> = items
        .iter()
        .filter(|d| d["source"] == "City Hospital")
        .collect();
    assert_eq!(came.len(), 2, "{}", documents.text);
    assert!(
        came.iter()
            .all(|d| d["record_type"] == "lab-results" && d["author"].is_null())
    );
    let file = came
        .iter()
        .find(|d| d["content_type"] == "application/pdf")
        .unwrap();
    let read = by(
        &c,
        &dee,
        &format!("GET {}", file["content_url"].as_str().unwrap()),
        None,
    )
    .await;
    assert_eq!(read.text.as_bytes(), PDF);

    let request = made.json["id"].as_str().unwrap();
    let path = format!("/api/v1/document-requests/{request}");
    let found = by(&c, &dee, &format!("GET {path}"), None).await;
    assert_eq!(
        (
            &found.json["status"],
            &found.json["documents"],
            &found.json["upload_url"]
        ),
        (&json!("answered"), &json!(2), &Value::Null),
        "{}",
        found.text
    );
    assert!(found.json["message"].as_str().unwrap().contains("ferritin"));
    let closed = by(
        &c,
        &dee,
        &format!("PUT {path}"),
        Some(json!({"decision": "close"})),
    )
    .await;
    assert_eq!(closed.json["status"], "closed", "{}", closed.text);
    let late = send(&c, &token, "late.pdf", "application/pdf", b"%PDF-1.7 late").await;
    assert_eq!(
        (late.status.as_u16(), &late.json["code"]),
        (410, &json!("document_request.closed"))
    );
    assert_eq!(call(&c, &link, &[], None).await.status, 410);
    let twice = by(
        &c,
        &dee,
        &format!("PUT {path}"),
        Some(json!({"decision": "cancel"})),
    )
    .await;
    assert_eq!(twice.status, 410);

    let log = by(&c, &dee, &format!("GET /api/v1/patients/{id}/logs"), None).await;
    let mut lines: Vec<&str> = log.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["action"] == "request")
        .map(|line| line["details"].as_str().unwrap())
        .collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "1 document came by the link of a request.",
            "1 document came by the link of a request.",
            "A request for documents was closed.",
            "Documents were asked for by e-mail."
        ]
    );
    let mail = c.world.mail.list();
    c.world.run_jobs().await;
    let told = c.world.mail.list().len() - mail.len();
    assert_eq!(told, 1, "whoever asked is told once that something came");
    for action in [
        "document.request",
        "document.open",
        "document.receive",
        "document.close",
    ] {
        let trail = by(
            &c,
            &dee,
            &format!("GET /api/audit?action={action}&patient_id={id}"),
            None,
        )
        .await;
        let entries = trail.json["items"].as_array();
        assert!(
            entries.is_some_and(|e| !e.is_empty()),
            "{action}: {}",
            trail.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_rests_on_what_whoever_asked_may_add_and_ends_after_thirty_days() {
    let mut c = Conversation::new().await;
    let (dee, _) = dietician(&mut c).await;
    let chart = open_chart(&c, &dee).await;
    let id = chart["id"].as_str().unwrap().to_owned();
    let body = || json!({"message": "Whatever you have, please."});
    let bad = ask(&c, &dee, &id, json!({"message": " ", "to": "nowhere"})).await;
    assert_eq!(bad.status, 422, "{}", bad.text);
    let stranger = c.patient("eve@example.org").await;
    assert_eq!(ask(&c, &stranger, &id, body()).await.status, 403);
    let made = ask(&c, &dee, &id, body()).await;
    assert_eq!(made.json["way"], "link", "{}", made.text);
    let token = token_of(&made);
    let other = "A".repeat(43);
    let unknown = format!("GET /api/v1/document-requests/by-token/{other}");
    assert_eq!(call(&c, &unknown, &[], None).await.status, 404);
    let path = format!(
        "GET /api/v1/document-requests/{}",
        made.json["id"].as_str().unwrap()
    );
    assert_eq!(by(&c, &stranger, &path, None).await.status, 404);
    c.world
        .clock
        .advance(jiff::SignedDuration::from_hours(24 * 30));
    let late = send(&c, &token, "late.pdf", "application/pdf", PDF).await;
    assert_eq!(
        late.json["code"], "document_request.closed",
        "{}",
        late.text
    );
    let dee = c.sign_in("dee@practice.example").await;
    assert_eq!(by(&c, &dee, &path, None).await.json["status"], "expired");
    let mine = by(&c, &dee, "GET /api/v1/document-requests", None).await;
    assert_eq!(
        mine.json["items"].as_array().unwrap().len(),
        1,
        "{}",
        mine.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_link_is_our_own_and_runs_nothing_else() {
    let c = Conversation::new().await;
    let page = call(&c, &format!("GET /requests/{}", "A".repeat(43)), &[], None).await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'") && policy.contains("default-src 'none'"));
    for asset in ["request.js", "request.css"] {
        let path = format!("GET /requests-page/{asset}");
        assert_eq!(call(&c, &path, &[], None).await.status, 200);
    }
}

use serde_json::{Value, json};

use crate::conversation::Conversation;
use crate::{by, call, patient, share};
use chartkey_vault::link::{self, Shlink};

/// The path of a link's manifest, and its payload.
fn shlink(made: &Value) -> (String, Shlink) {
    let parsed = Shlink::parse(made["shlink"].as_str().unwrap()).unwrap();
    let path = parsed.url.strip_prefix("https://chart.example").unwrap();
    (path.to_owned(), parsed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_from_another_origin_reads_the_manifest_and_its_files() {
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let made = by(&c, &token, "POST /api/records/share", Some(share())).await;
    let (path, parsed) = shlink(&made.json);
    let origin = [("origin", "https://viewer.example")];
    let preflight = [
        ("origin", "https://viewer.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let preflight = call(&c, &format!("OPTIONS {path}"), &preflight, None).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.headers["access-control-allow-origin"], "*");
    assert!(
        preflight.headers["access-control-allow-headers"]
            .to_str()
            .unwrap()
            .contains("content-type")
    );

    let post = format!("POST {path}");
    let manifest = call(&c, &post, &origin, Some(json!({"recipient": "Clinic"}))).await;
    assert_eq!(manifest.status, 200, "{}", manifest.text);
    assert_eq!(manifest.headers["access-control-allow-origin"], "*");
    assert_eq!(manifest.headers["cache-control"], "no-store");
    let file = &manifest.json["files"][0];
    assert_eq!(file["contentType"], "application/fhir+json");
    assert_eq!(file["status"], "can-change");
    assert!(file["lastUpdated"].is_string());
    let open = link::open_file(&parsed.key, file["embedded"].as_str().unwrap(), 1 << 20).unwrap();
    assert_eq!(open.content_type, "application/fhir+json");

    let apart = json!({"recipient": "Clinic", "embeddedLengthMax": 0});
    let manifest = call(&c, &post, &origin, Some(apart)).await;
    let file = &manifest.json["files"][0];
    assert_eq!(file["embedded"], Value::Null);
    let location = file["location"]
        .as_str()
        .unwrap()
        .strip_prefix("https://chart.example")
        .unwrap();
    let jwe = call(&c, &format!("GET {location}"), &origin, None).await;
    assert_eq!(jwe.headers["content-type"], "application/jose");
    assert_eq!(jwe.headers["access-control-allow-origin"], "*");
    link::open_file(&parsed.key, &jwe.text, 1 << 20).unwrap();
    assert_eq!(
        call(&c, &format!("GET {location}"), &origin, None)
            .await
            .status,
        404
    );

    for body in [
        json!({}),
        json!({"recipient": " "}),
        json!({"recipient": 7}),
        json!([]),
    ] {
        let answer = call(&c, &post, &[], Some(body)).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    let id = made.json["share"]["id"].as_str().unwrap();
    by(&c, &token, &format!("DELETE /api/records/share/{id}"), None).await;
    let gone = call(&c, &post, &origin, Some(json!({"recipient": "Clinic"}))).await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.headers["access-control-allow-origin"], "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_passcode_tells_how_many_are_left_and_nothing_else() {
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let mut body = share();
    body["passcode"] = json!("4711");
    let made = by(&c, &token, "POST /api/records/share", Some(body)).await;
    let (path, parsed) = shlink(&made.json);
    assert_eq!(parsed.flags.letters(), "LP");
    let post = format!("POST {path}");
    let missing = call(&c, &post, &[], Some(json!({"recipient": "Clinic"}))).await;
    assert_eq!(
        (missing.status.as_u16(), missing.json),
        (401, json!({"remainingAttempts": 10}))
    );
    let wrong = json!({"recipient": "Clinic", "passcode": "0000"});
    let wrong = call(&c, &post, &[], Some(wrong)).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.json),
        (401, json!({"remainingAttempts": 9}))
    );
    let right = json!({"recipient": "Clinic", "passcode": "4711"});
    assert_eq!(call(&c, &post, &[], Some(right)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_u_link_answers_its_file_by_get() {
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let mut body = share();
    body["form"] = json!("U");
    let made = by(&c, &token, "POST /api/records/share", Some(body)).await;
    let (path, parsed) = shlink(&made.json);
    let file = call(&c, &format!("GET {path}?recipient=Clinic"), &[], None).await;
    assert_eq!(
        file.headers["content-type"], "application/jose",
        "{}",
        file.text
    );
    link::open_file(&parsed.key, &file.text, 1 << 20).unwrap();
    assert_eq!(
        call(&c, &format!("GET {path}"), &[], None).await.status,
        400
    );
    let manifest = call(
        &c,
        &format!("POST {path}"),
        &[],
        Some(json!({"recipient": "x"})),
    )
    .await;
    assert_eq!(manifest.status, 404);
}

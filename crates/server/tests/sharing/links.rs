use serde_json::{Value, json};

use crate::conversation::Conversation;
use crate::{by, call, held, patient, share};

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_revoked_where_grants_are() {
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let made = by(&c, &token, "POST /api/records/share", Some(share())).await;
    let (path, key) = held(&made.json);
    let id = made.json["share"]["id"].as_str().unwrap();
    let revoke = format!("PUT /api/sharing/{id}/revoke");
    let ended = by(&c, &token, &revoke, None).await;
    assert_eq!(
        (
            ended.status.as_u16(),
            &ended.json["status"],
            &ended.json["provider_id"]
        ),
        (200, &json!("revoked"), &Value::Null),
        "{}",
        ended.text
    );
    let with_key = [("x-share-key", key.as_str())];
    let gone = call(&c, &format!("GET {path}"), &with_key, None).await;
    assert_eq!(
        (gone.status.as_u16(), &gone.json["status"]),
        (410, &json!("REVOKED"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_made_read_downloaded_listed_and_revoked() {
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let made = by(&c, &token, "POST /api/records/share", Some(share())).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let view = &made.json["share"];
    assert_eq!(view["status"], "ACTIVE");
    assert_eq!(view["recordTypes"], json!(["lab-results"]));
    assert_eq!(view["recipientEmail"], "ng@clinic.example");
    assert_eq!(view["message"], "Please have a look.");
    assert_eq!(
        (&view["accessCount"], &view["lastAccessed"]),
        (&json!(0), &Value::Null)
    );
    assert!(made.json["qr"].as_str().unwrap().contains("<svg"));
    assert!(
        made.json["shlink"]
            .as_str()
            .unwrap()
            .starts_with("shlink:/")
    );
    let (path, key) = held(&made.json);
    let token_of_link = view["accessToken"].as_str().unwrap();
    assert!(path.ends_with(token_of_link));

    let get = format!("GET {path}");
    let bare = call(&c, &get, &[], None).await;
    assert_eq!(bare.status, 200);
    let known: Vec<&String> = bare.json.as_object().unwrap().keys().collect();
    assert_eq!(known, ["expiryDate", "needsPasscode", "status"]);

    let with_key = [
        ("x-share-key", key.as_str()),
        ("x-share-recipient", "Dr.%20Ng%20%C3%A9"),
    ];
    let open = call(&c, &get, &with_key, None).await;
    assert_eq!(open.status, 200, "{}", open.text);
    assert_eq!(open.json["patient"]["name"], "ada");
    assert_eq!(open.json["recipientName"], "Dr. Ng");
    assert_eq!(open.json["accessCount"], 1);
    let records = open.json["records"].as_object().unwrap();
    assert_eq!(records.keys().collect::<Vec<_>>(), ["lab-results"]);
    assert_eq!(
        records["lab-results"][0]["resource"]["valueQuantity"]["value"],
        json!(5.4)
    );

    let post = format!("POST {path}");
    let pdf = call(&c, &post, &[("x-share-key", key.as_str())], None).await;
    assert_eq!(pdf.status, 200, "{}", pdf.text);
    assert_eq!(pdf.headers["content-type"], "application/pdf");
    assert!(pdf.text.starts_with("%PDF-"));
    let fhir = [
        ("x-share-key", key.as_str()),
        ("accept", "application/fhir+json"),
    ];
    let fhir = call(&c, &post, &fhir, None).await;
    assert_eq!(fhir.headers["content-type"], "application/fhir+json");
    assert_eq!(fhir.json["resourceType"], "Bundle");

    let listed = by(&c, &token, "GET /api/records/share", None).await;
    let one = &listed.json["items"][0];
    assert_eq!(
        (&one["accessCount"], &one["downloadCount"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(one["message"], "Please have a look.");
    assert!(one["lastAccessed"].is_string() && one["lastDownloaded"].is_string());
    let id = one["id"].as_str().unwrap();
    let visits = by(&c, &token, &format!("GET /api/records/share/{id}"), None).await;
    assert_eq!(visits.json["visits"][0]["recipient"], "Dr. Ng é");

    let renamed = json!({"expiresInDays": 30, "recipientName": "Dr. Wu"});
    let changed = by(
        &c,
        &token,
        &format!("PATCH /api/records/share/{id}"),
        Some(renamed),
    )
    .await;
    assert_eq!(changed.json["recipientName"], "Dr. Wu", "{}", changed.text);
    let again = by(
        &c,
        &token,
        &format!("GET /api/records/share/{id}/link"),
        None,
    )
    .await;
    assert_eq!(again.json["url"], made.json["url"], "{}", again.text);

    let ended = by(
        &c,
        &token,
        &format!("DELETE /api/records/share?id={id}"),
        None,
    )
    .await;
    assert_eq!(
        (ended.status.as_u16(), &ended.json["status"]),
        (200, &json!("REVOKED"))
    );
    assert!(ended.json["revokedAt"].is_string());
    for (what, headers) in [(&get, &with_key[..]), (&get, &[]), (&post, &with_key[..1])] {
        let gone = call(&c, what, headers, None).await;
        assert_eq!(
            (gone.status.as_u16(), &gone.json["status"]),
            (410, &json!("REVOKED"))
        );
    }
    assert_eq!(
        call(&c, &format!("{post}/ask"), &[], None).await.status,
        202
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shared_is_refused_field_by_field() {
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let table = [
        ("recipientEmail", json!("ng")),
        ("recipientEmail", Value::Null),
        ("recordTypes", json!([])),
        ("recordTypes", json!(["blood"])),
        ("expiresInDays", json!(0)),
        ("expiresInDays", json!(366)),
        ("expiresInDays", Value::Null),
        ("expiresInDays", json!(-1)),
        ("expiryDate", json!("2020-01-01")),
        ("validFrom", json!("2027-11-01")),
        ("validFrom", json!("soon")),
        ("message", json!("x".repeat(2_001))),
        ("recipientName", json!("a\u{202e}b")),
        ("passcode", json!("12")),
        ("maxAccesses", json!(0)),
        ("includeSensitive", json!(["secrets"])),
        ("recordIds", json!(["nonsense"])),
        ("sendEmail", json!("pigeon")),
        ("form", json!("X")),
        ("recipients", json!([])),
        ("surprise", json!(1)),
    ];
    for (field, value) in table {
        let mut body = share();
        let wrong = if value.is_null() {
            body.as_object_mut().unwrap().remove(field);
            by(&c, &token, "POST /api/records/share", Some(body)).await
        } else {
            body[field] = value.clone();
            if field == "expiryDate" {
                body.as_object_mut().unwrap().remove("expiresInDays");
            }
            by(&c, &token, "POST /api/records/share", Some(body)).await
        };
        assert_eq!(wrong.status, 422, "{field} {value}: {}", wrong.text);
        assert!(
            wrong.json["errors"][0]["field"].is_string(),
            "{field}: {}",
            wrong.text
        );
    }
    let both = json!({"form": "U", "passcode": "4711", "allowDownload": true, "recordTypes": ["vitals"],
        "expiresInDays": 1, "sendEmail": "none"});
    assert_eq!(
        by(&c, &token, "POST /api/records/share", Some(both))
            .await
            .status,
        422
    );
    assert_eq!(
        call(&c, "POST /api/records/share", &[], Some(share()))
            .await
            .status,
        401
    );
    assert_eq!(
        call(&c, "GET /api/records/share", &[], None).await.status,
        401
    );
    for wrong in ["nonsense", "0195e6d4-1c2b-7f3a-9c4d-0123456789ab"] {
        for call in ["GET", "DELETE"] {
            let answer = by(
                &c,
                &token,
                &format!("{call} /api/records/share/{wrong}"),
                None,
            )
            .await;
            assert_eq!(answer.status, 404, "{call} {wrong}: {}", answer.text);
        }
    }
    assert_eq!(
        by(&c, &token, "DELETE /api/records/share", None)
            .await
            .status,
        422
    );
    let listed = by(&c, &token, "GET /api/records/share", None).await;
    assert_eq!(listed.json["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_makes_one_link_and_says_its_url_again() {
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("idempotency-key", "once"),
    ];
    let first = call(&c, "POST /api/records/share", &headers, Some(share())).await;
    let second = call(&c, "POST /api/records/share", &headers, Some(share())).await;
    assert_eq!(
        (first.status, second.status),
        (
            axum::http::StatusCode::CREATED,
            axum::http::StatusCode::CREATED
        )
    );
    assert_eq!(first.json["url"], second.json["url"]);
    let mut other = share();
    other["expiresInDays"] = json!(8);
    let reused = call(&c, "POST /api/records/share", &headers, Some(other)).await;
    assert_eq!(reused.json["code"], "idempotency.reused", "{}", reused.text);
    let listed = by(&c, &token, "GET /api/records/share", None).await;
    assert_eq!(listed.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_recipients_get_a_link_each() {
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let mut body = share();
    let map = body.as_object_mut().unwrap();
    map.remove("recipientEmail");
    map.remove("recipientName");
    body["recipients"] =
        json!([{"email": "a@x.example", "name": "A"}, {"email": "b@x.example", "name": "B"}]);
    let made = by(&c, &token, "POST /api/records/share", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let items = made.json["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_ne!(items[0]["url"], items[1]["url"]);
    for made in items {
        let (path, key) = held(made);
        assert_eq!(
            call(&c, &format!("GET {path}"), &[("x-share-key", &key)], None)
                .await
                .status,
            200
        );
    }
    c.world.run_jobs().await;
    let mails = c.world.mail.list();
    for (to, made) in [("a@x.example", &items[0]), ("b@x.example", &items[1])] {
        let mail = mails.iter().find(|m| m.to == to).unwrap();
        assert!(
            mail.text.contains(made["url"].as_str().unwrap()),
            "{}",
            mail.text
        );
        assert!(mail.text.contains("Please have a look."));
    }
    let page = by(&c, &token, "GET /api/records/share?limit=1", None).await;
    let next = page.json["next"].as_str().unwrap();
    let rest = by(
        &c,
        &token,
        &format!("GET /api/records/share?limit=1&cursor={next}"),
        None,
    )
    .await;
    assert_ne!(page.json["items"][0]["id"], rest.json["items"][0]["id"]);
    assert_eq!(rest.json["next"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn passcodes_and_keys_are_checked_and_counted() {
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let mut body = share();
    body["passcode"] = json!("Zo\u{eb} 1%");
    body["allowDownload"] = json!(false);
    let made = by(&c, &token, "POST /api/records/share", Some(body)).await;
    assert_eq!(made.json["shlink"], Value::Null);
    let (path, key) = held(&made.json);
    let get = format!("GET {path}");
    assert_eq!(call(&c, &get, &[], None).await.json["needsPasscode"], true);
    let missing = call(&c, &get, &[("x-share-key", &key)], None).await;
    assert_eq!(
        (missing.status.as_u16(), &missing.json["remainingAttempts"]),
        (401, &json!(10))
    );
    let wrong = call(
        &c,
        &get,
        &[("x-share-key", &key), ("x-share-passcode", "0000")],
        None,
    )
    .await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.json["remainingAttempts"]),
        (401, &json!(9))
    );
    let right = [
        ("x-share-key", key.as_str()),
        ("x-share-passcode", "utf-8''Zo%C3%AB%201%25"),
    ];
    assert_eq!(call(&c, &get, &right, None).await.status, 200);
    let refused = call(&c, &format!("POST {path}"), &right, None).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json["code"]),
        (403, &json!("grant.no_download"))
    );
    let other = "A".repeat(43);
    for key in [other.as_str(), "short", "%"] {
        let wrong = call(&c, &get, &[("x-share-key", key)], None).await;
        assert_eq!(
            (wrong.status.as_u16(), &wrong.json["code"]),
            (401, &json!("share.key")),
            "{key}"
        );
    }
    for unknown in ["x", other.as_str()] {
        let unknown = call(&c, &format!("GET /api/records/shared/{unknown}"), &[], None).await;
        assert_eq!(
            (unknown.status.as_u16(), &unknown.json["code"]),
            (404, &json!("share.unknown"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_viewer_gets_what_opens_and_a_visit_that_ends_with_the_link() {
    use chartkey_vault::{
        link,
        protocol::{LinkOpened, SealedPage},
    };
    let mut c = Conversation::new().await;
    let (token, _) = patient(&mut c, "ada@example.org").await;
    let made = by(&c, &token, "POST /api/records/share", Some(share())).await;
    let (path, key) = held(&made.json);
    let key = link::parse_key(&key).unwrap();
    let auth = serde_json::to_value(key.auth()).unwrap();
    let get = format!("GET {path}");
    let answer = call(&c, &get, &[("x-share-auth", auth.as_str().unwrap())], None).await;
    assert_eq!(
        answer.headers["content-type"],
        "application/vnd.chartkey.sealed+json"
    );
    let opened: LinkOpened = serde_json::from_str(&answer.text).unwrap();
    let open = link::open(&opened, &key).unwrap();
    assert_eq!(open.cover.recipient, "Dr. Ng");
    assert!(opened.page.items[0].body.is_none());
    let view = [("x-share-view", opened.view.as_str())];
    let answer = call(&c, &format!("{get}?fields=all"), &view, None).await;
    let page: SealedPage = serde_json::from_str(&answer.text).unwrap();
    let batches = chartkey_vault::read::BatchKeys::of_page(&page, &open.keys, None);
    let record =
        chartkey_vault::read::OpenRecord::open(&page.items[0], &open.keys, &batches).unwrap();
    assert_eq!(record.header.fields.header.title, "Glucose");
    record.open_body(&page.items[0], None).unwrap();
    let counted = call(&c, &format!("POST {path}"), &view, None).await;
    assert_eq!(counted.json, json!({"downloadCount": 1}));
    let id = made.json["share"]["id"].as_str().unwrap();
    let seen = by(&c, &token, &format!("GET /api/records/share/{id}"), None).await;
    assert_eq!(seen.json["accessCount"], 1);
    by(&c, &token, &format!("DELETE /api/records/share/{id}"), None).await;
    assert_eq!(call(&c, &get, &view, None).await.status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_know_of_no_link() {
    let mut c = Conversation::new().await;
    let (ada, of_ada) = patient(&mut c, "ada@example.org").await;
    let (eve, _) = patient(&mut c, "eve@example.org").await;
    let made = by(&c, &ada, "POST /api/records/share", Some(share())).await;
    let id = made.json["share"]["id"].as_str().unwrap();
    for what in [
        format!("GET /api/records/share/{id}"),
        format!("GET /api/records/share/{id}/link"),
        format!("DELETE /api/records/share/{id}"),
        format!("GET /api/records/share?patientId={of_ada}"),
    ] {
        let answer = by(&c, &eve, &what, None).await;
        assert_eq!(answer.status, 404, "{what}: {}", answer.text);
    }
    let mut body = share();
    body["patientId"] = json!(of_ada);
    assert_eq!(
        by(&c, &eve, "POST /api/records/share", Some(body))
            .await
            .status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_opens_links_where_the_app_is_not_built_in() {
    let c = Conversation::new().await;
    let page = call(
        &c,
        &format!("GET /records/shared/{}", "a".repeat(43)),
        &[],
        None,
    )
    .await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"));
    assert!(!page.text.contains("<script>") && !page.text.contains("style="));
}

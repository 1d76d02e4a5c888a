use serde_json::{Value, json};

use crate::conversation::Conversation;
use crate::{by, call, patient};

/// A patient, and a verified provider with their account.
async fn cast(c: &mut Conversation) -> (String, String, String, String) {
    let (ada, of_ada) = patient(c, "ada@example.org").await;
    let admin = c.world.admin("admin@example.org").await;
    let ng = c.world.verified_provider("ng@clinic.example", &admin).await;
    let token = c.sign_in("ng@clinic.example").await;
    (ada, of_ada, token, ng.account.to_string())
}

fn grant(provider: &str) -> Value {
    json!({"provider_id": provider, "record_types": ["lab-results"], "expiry_date": "2026-12-31",
        "purpose": "routine_checkup"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_made_used_listed_and_revoked() {
    let mut c = Conversation::new().await;
    let (ada, of_ada, ng, account) = cast(&mut c).await;
    let read = format!("GET /api/records?patient_id={of_ada}");
    assert_eq!(by(&c, &ng, &read, None).await.status, 404);
    let made = by(&c, &ada, "POST /api/sharing/grant", Some(grant(&account))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["purpose"], "TREAT");
    assert_eq!(made.json["expiry_date"], "2026-12-31T23:59:59Z");
    assert_eq!(made.json["status"], "active");
    assert_eq!(made.json["provider_name"], "ng");
    let records = by(&c, &ng, &read, None).await;
    assert_eq!(
        records.json["items"].as_array().unwrap().len(),
        1,
        "{}",
        records.text
    );
    let held = by(&c, &ng, "GET /api/sharing/permissions", None).await;
    assert_eq!(held.json["items"][0]["patient_name"], "ada");
    let id = made.json["id"].as_str().unwrap();
    let revoke = format!("PUT /api/sharing/{id}/revoke");
    assert_eq!(by(&c, &ng, &revoke, None).await.status, 403);
    let ended = by(&c, &ada, &revoke, None).await;
    assert_eq!(
        (ended.status.as_u16(), &ended.json["status"]),
        (200, &json!("revoked"))
    );
    let refused = by(&c, &ng, &read, None).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json["code"]),
        (403, &json!("grant.ended"))
    );
    let active = by(&c, &ada, "GET /api/sharing/permissions", None).await;
    assert_eq!(active.json["items"], json!([]));
    let all = by(&c, &ada, "GET /api/sharing/permissions?status=all", None).await;
    assert_eq!(all.json["items"][0]["access_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_granted_is_refused() {
    let mut c = Conversation::new().await;
    let (ada, _, ng, account) = cast(&mut c).await;
    let table = [
        ("provider_id", json!("nonsense"), 404),
        (
            "provider_id",
            json!("0195e6d4-1c2b-7f3a-9c4d-0123456789ab"),
            404,
        ),
        ("record_types", json!(["blood"]), 422),
        ("record_types", json!([]), 422),
        ("record_types", json!("vitals"), 422),
        ("expiry_date", json!("2020-01-01"), 422),
        ("expiry_date", json!("2030-01-01"), 422),
        ("expiry_date", json!("never"), 422),
        ("valid_from", json!("2027-01-01"), 422),
        ("purpose", json!("x".repeat(201)), 422),
        ("include_sensitive", json!(["x"]), 422),
        (
            "record_ids",
            json!(["0195e6d4-1c2b-7f3a-9c4d-0123456789ab"]),
            422,
        ),
        (
            "patient_id",
            json!("0195e6d4-1c2b-7f3a-9c4d-0123456789ab"),
            404,
        ),
        ("surprise", json!(true), 422),
    ];
    for (field, value, status) in table {
        let mut body = grant(&account);
        body[field] = value.clone();
        let answer = by(&c, &ada, "POST /api/sharing/grant", Some(body)).await;
        assert_eq!(answer.status, status, "{field} {value}: {}", answer.text);
    }
    assert_eq!(
        call(&c, "POST /api/sharing/grant", &[], Some(grant(&account)))
            .await
            .status,
        401
    );
    // Whoever manages nobody grants nothing.
    assert_eq!(
        by(&c, &ng, "POST /api/sharing/grant", Some(grant(&account)))
            .await
            .status,
        404
    );
    for wrong in ["nonsense", "0195e6d4-1c2b-7f3a-9c4d-0123456789ab"] {
        assert_eq!(
            by(&c, &ada, &format!("PUT /api/sharing/{wrong}/revoke"), None)
                .await
                .status,
            404
        );
    }
    assert_eq!(
        by(&c, &ada, "GET /api/sharing/permissions?status=odd", None)
            .await
            .status,
        422
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn write_only_grants_let_add_and_read_nothing_else() {
    let mut c = Conversation::new().await;
    let (ada, of_ada, ng, account) = cast(&mut c).await;
    let body = json!({"provider_id": account, "record_types": [], "write_types": ["diet"],
        "expiry_date": "2026-12-31", "purpose": "nutrition"});
    let made = by(&c, &ada, "POST /api/sharing/grant", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let add = format!("POST /api/records?patient_id={of_ada}");
    let diet = json!({"record_type": "diet", "title": "Plan", "content": "More beans."});
    let added = by(&c, &ng, &add, Some(diet)).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let other = json!({"record_type": "documents", "title": "x", "content": "x"});
    assert_eq!(by(&c, &ng, &add, Some(other)).await.status, 403);
    let read = by(
        &c,
        &ng,
        &format!("GET /api/records?patient_id={of_ada}"),
        None,
    )
    .await;
    assert_eq!(
        read.json["items"].as_array().unwrap().len(),
        1,
        "what one wrote"
    );
    let own = by(&c, &ada, "GET /api/records?type=diet", None).await;
    assert_eq!(
        own.json["items"][0]["content"], "More beans.",
        "{}",
        own.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_are_found_ask_and_are_answered() {
    let mut c = Conversation::new().await;
    let (ada, of_ada, ng, account) = cast(&mut c).await;
    let found = by(&c, &ada, "GET /api/providers?q=diet", None).await;
    let provider = &found.json["items"][0];
    assert_eq!(
        (provider["id"].as_str(), &provider["type"]),
        (Some(account.as_str()), &json!("Dietician"))
    );
    assert_eq!(provider["key_fingerprint"].as_str().unwrap().len(), 64);
    assert_eq!(call(&c, "GET /api/providers", &[], None).await.status, 401);

    let ask = json!({"patient_id": of_ada, "record_types": ["lab-results", "allergies"],
        "purpose": "treatment", "message": "Before your visit, please."});
    let asked = by(&c, &ng, "POST /api/sharing/requests", Some(ask.clone())).await;
    assert_eq!(asked.status, 201, "{}", asked.text);
    assert_eq!(asked.json["status"], "pending");
    let listed = by(&c, &ada, "GET /api/sharing/requests?status=pending", None).await;
    assert_eq!(
        listed.json["items"][0]["message"],
        "Before your visit, please."
    );
    assert_eq!(listed.json["items"][0]["provider_name"], "ng");
    let id = asked.json["id"].as_str().unwrap();
    let answer = format!("PUT /api/sharing/requests/{id}");
    let wider = json!({"decision": "approve", "record_types": ["vitals"]});
    let refused = by(&c, &ada, &answer, Some(wider)).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json["code"]),
        (422, &json!("request.wider"))
    );
    assert_eq!(
        by(&c, &ng, &answer, Some(json!({"decision": "approve"})))
            .await
            .status,
        403
    );
    let less = json!({"decision": "approve", "record_types": ["lab-results"], "expiry_date": "2026-12-01"});
    let approved = by(&c, &ada, &answer, Some(less)).await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    assert_eq!(approved.json["record_types"], json!(["lab-results"]));
    let read = by(
        &c,
        &ng,
        &format!("GET /api/records?patient_id={of_ada}"),
        None,
    )
    .await;
    assert_eq!(read.json["items"].as_array().unwrap().len(), 1);
    let again = by(&c, &ada, &answer, Some(json!({"decision": "deny"}))).await;
    assert_eq!(again.json["code"], "request.closed", "{}", again.text);

    let asked = by(&c, &ng, "POST /api/sharing/requests", Some(ask)).await;
    let id = asked.json["id"].as_str().unwrap();
    let denied = by(
        &c,
        &ada,
        &format!("PUT /api/sharing/requests/{id}"),
        Some(json!({"decision": "deny"})),
    )
    .await;
    assert_eq!(denied.json["status"], "denied");
    for (body, status) in [
        (json!({"patient_id": "x", "record_types": ["vitals"]}), 404),
        (json!({"patient_id": of_ada}), 422),
        (
            json!({"patient_id": of_ada, "record_types": ["vitals"], "message": "x".repeat(1_001)}),
            422,
        ),
        (
            json!({"patient_id": of_ada, "record_types": ["vitals"], "expiry_date": "2020-01-01"}),
            422,
        ),
    ] {
        let wrong = by(&c, &ng, "POST /api/sharing/requests", Some(body.clone())).await;
        assert_eq!(wrong.status, status, "{body}: {}", wrong.text);
    }
}

//! The practice API: a dietician opens a chart and writes into it, the patient
//! takes it over, and the dietician keeps what their grant gives.

use serde_json::{Value, json};

use crate::conversation::Conversation;
use crate::{by, call};

/// A verified dietician; their token and account.
pub async fn dietician(c: &mut Conversation) -> (String, String) {
    let admin = c.world.admin("admin@example.org").await;
    let made = c
        .world
        .verified_provider("dee@practice.example", &admin)
        .await;
    let token = c.sign_in("dee@practice.example").await;
    (token, made.account.to_string())
}

pub async fn open_chart(c: &Conversation, token: &str) -> Value {
    let body = json!({"name": "Ann Patient", "email": "ann@example.org",
        "date_of_birth": "1980-02-03", "contact_details": "+1 555 0100",
        "medical_history": "Type 2 diabetes since 2011",
        "dietary_preferences": "No pork", "carepatron_patient_id": 77});
    let made = by(c, token, "POST /api/v1/patients", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json
}

/// The token of the newest invitation.
async fn invitation(c: &Conversation) -> String {
    c.world.run_jobs().await;
    let sent = c.world.mail.list();
    let mail = sent.iter().rev().find_map(|mail| {
        let (_, rest) = mail.text.split_once("/claim#invitation=")?;
        Some(rest.chars().take(43).collect::<String>())
    });
    for mail in &sent {
        assert!(!mail.text.contains("Ann Patient"), "names the patient");
        assert!(
            !mail.text.contains("diabetes"),
            "tells what is in the chart"
        );
    }
    mail.expect("an invitation was sent")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_opened_written_claimed_by_invitation_and_kept_by_its_patient() {
    let mut c = Conversation::new().await;
    let (dee, account) = dietician(&mut c).await;
    let chart = open_chart(&c, &dee).await;
    let id = chart["id"].as_str().unwrap().to_owned();
    assert_eq!(chart["claimed"], false);
    assert_eq!(chart["user_id"], json!(account));
    assert_eq!(chart["carepatron_patient_id"], "77");
    assert_eq!(chart["medical_history"], "Type 2 diabetes since 2011");
    let plan = json!({"type": "Meal plan", "date": "2026-11-01", "title": "Plan A",
        "source": "Dee", "content": "Oats for breakfast"});
    let documents = format!("/api/v1/patients/{id}/documents");
    let made = by(&c, &dee, &format!("POST {documents}"), Some(plan)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(
        (
            &made.json["type"],
            &made.json["record_type"],
            &made.json["source"]
        ),
        (&json!("Meal plan"), &json!("diet"), &json!("Dee"))
    );
    let token = invitation(&c).await;

    let ann = c.patient("ann@example.org").await;
    let claim = |birth: &str| json!({"invitation": token, "date_of_birth": birth});
    let wrong = by(&c, &ann, "POST /api/v1/claims", Some(claim("1980-02-04"))).await;
    assert_eq!(wrong.json["code"], "chart.birth_date");
    let asked = by(&c, &ann, "POST /api/v1/claims", Some(claim("1980-02-03"))).await;
    assert_eq!(
        (asked.status.as_u16(), &asked.json["state"]),
        (201, &json!("asked"))
    );
    let claim = asked.json["id"].as_str().unwrap().to_owned();
    // Nothing is the claimant's before the practitioner has confirmed.
    let keys = by(&c, &ann, &format!("GET /api/patients/{id}/keys"), None).await;
    assert_eq!(keys.status, 404);
    let answer = format!("PUT /api/v1/claims/{claim}");
    let own = by(&c, &ann, &answer, Some(json!({"decision": "confirm"}))).await;
    assert_eq!(
        own.status, 404,
        "nobody confirms their own claim: {}",
        own.text
    );
    let confirmed = by(&c, &dee, &answer, Some(json!({"decision": "confirm"}))).await;
    assert_eq!(confirmed.json["state"], "confirmed", "{}", confirmed.text);
    let complete = format!("POST /api/v1/claims/{claim}/complete");
    assert_eq!(by(&c, &dee, &complete, Some(json!({}))).await.status, 404);
    let done = by(&c, &ann, &complete, Some(json!({}))).await;
    assert_eq!(done.json["state"], "done", "{}", done.text);

    // Hers now: she reads it, and her own record stays the one meant by default.
    let hers = by(&c, &ann, &format!("GET /api/records?patient_id={id}"), None).await;
    assert_eq!(
        hers.json["items"].as_array().unwrap().len(),
        3,
        "{}",
        hers.text
    );
    let profile = by(&c, &ann, "GET /api/patients/profile", None).await;
    assert_ne!(profile.json["patient_id"], json!(id));
    // The dietician reads and writes under a grant that she sees.
    let held = by(&c, &ann, "GET /api/sharing/permissions", None).await;
    assert_eq!(held.json["items"][0]["provider_id"], json!(account));
    let read = by(&c, &dee, &format!("GET {documents}"), None).await;
    assert_eq!(read.json["items"].as_array().unwrap().len(), 3);
    let lab = json!({"type": "Lab report", "content": "HbA1c 6.1 %"});
    let wrote = by(&c, &dee, &format!("POST {documents}"), Some(lab)).await;
    assert_eq!(
        (wrote.status.as_u16(), &wrote.json["record_type"]),
        (201, &json!("lab-results"))
    );
    // What was the practice's to decide is hers.
    let renamed = by(
        &c,
        &dee,
        &format!("PUT /api/v1/patients/{id}"),
        Some(json!({"name": "X"})),
    )
    .await;
    assert_eq!(renamed.json["code"], "chart.claimed");
    let gone = by(&c, &dee, &format!("DELETE /api/v1/patients/{id}"), None).await;
    assert_eq!(gone.status, 403);
    // Revoked, the next request is refused, and the caseload is without her.
    let grant = held.json["items"][0]["id"].as_str().unwrap();
    let revoked = by(&c, &ann, &format!("PUT /api/sharing/{grant}/revoke"), None).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    let refused = by(&c, &dee, &format!("GET {documents}"), None).await;
    assert_eq!(refused.json["code"], "grant.ended");
    let caseload = by(&c, &dee, "GET /api/v1/patients", None).await;
    assert_eq!(caseload.json["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_needs_nobodys_confirmation_and_counts_once() {
    let mut c = Conversation::new().await;
    let (dee, _) = dietician(&mut c).await;
    let chart = open_chart(&c, &dee).await;
    let id = chart["id"].as_str().unwrap().to_owned();
    let sheet = format!("POST /api/v1/patients/{id}/claim-sheet");
    let first = by(&c, &dee, &sheet, Some(json!({}))).await;
    let second = by(&c, &dee, &sheet, Some(json!({}))).await;
    assert_eq!(second.status, 201, "{}", second.text);
    assert!(second.json["qr"].as_str().unwrap().contains("<svg"));
    let ann = c.patient("ann@example.org").await;
    let claim = |sheet: &Value| json!({"patient_id": id, "claim_key": sheet["claim_key"]});
    let old = by(&c, &ann, "POST /api/v1/claims", Some(claim(&first.json))).await;
    assert_eq!(old.json["code"], "chart.invitation_unknown");
    let done = by(&c, &ann, "POST /api/v1/claims", Some(claim(&second.json))).await;
    assert_eq!(
        (done.status.as_u16(), &done.json["state"]),
        (201, &json!("done")),
        "{}",
        done.text
    );
    let again = by(&c, &ann, "POST /api/v1/claims", Some(claim(&second.json))).await;
    assert_eq!(again.status, 410);
    let hers = by(&c, &ann, &format!("GET /api/v1/patients/{id}"), None).await;
    assert_eq!(hers.json["claimed"], true, "{}", hers.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclaimed_chart_is_its_practitioners_and_nobody_elses() {
    let mut c = Conversation::new().await;
    let (dee, _) = dietician(&mut c).await;
    let admin = c.world.admin("root@example.org").await;
    c.world
        .verified_provider("other@practice.example", &admin)
        .await;
    let other = c.sign_in("other@practice.example").await;
    let stranger = c.patient("eve@example.org").await;
    let chart = open_chart(&c, &dee).await;
    let path = format!("/api/v1/patients/{}", chart["id"].as_str().unwrap());
    for token in [&other, &stranger] {
        for what in ["GET", "DELETE"] {
            let answer = by(&c, token, &format!("{what} {path}"), None).await;
            assert_eq!(answer.status, 404, "{what}: {}", answer.text);
        }
    }
    assert_eq!(
        call(&c, &format!("GET {path}"), &[], None).await.status,
        401
    );
    let patients_open_none = by(
        &c,
        &stranger,
        "POST /api/v1/patients",
        Some(json!({"name": "A", "email": "a@example.org"})),
    )
    .await;
    assert_eq!(patients_open_none.status, 403);
    let changed = json!({"name": "Ann P.", "dietary_preferences": "Vegetarian"});
    let changed = by(&c, &dee, &format!("PUT {path}"), Some(changed)).await;
    assert_eq!(changed.json["name"], "Ann P.", "{}", changed.text);
    assert_eq!(changed.json["dietary_preferences"], "Vegetarian");
    let bad = json!({"email": "nowhere", "date_of_birth": "1980-13-01"});
    let bad = by(&c, &dee, &format!("PUT {path}"), Some(bad)).await;
    assert_eq!(bad.json["errors"][0]["field"], "email", "{}", bad.text);
    assert_eq!(
        by(&c, &dee, &format!("DELETE {path}"), None).await.status,
        204
    );
    assert_eq!(by(&c, &dee, &format!("GET {path}"), None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_invited_has_no_keys_until_they_come_and_keeps_their_id() {
    let mut c = Conversation::new().await;
    let (dee, _) = dietician(&mut c).await;
    let body = json!({"email": "new@example.org", "name": "New Person", "type": "Patient",
        "carepatron_id": "cp-9"});
    let made = by(&c, &dee, "POST /api/v1/users", Some(body.clone())).await;
    assert_eq!(
        (made.status.as_u16(), &made.json["invited"]),
        (201, &json!(true)),
        "{}",
        made.text
    );
    let twice = by(&c, &dee, "POST /api/v1/users", Some(body)).await;
    assert_eq!(twice.status, 409);
    let doctor = json!({"email": "doc@example.org", "name": "Doc", "type": "Physician"});
    let doctor = by(&c, &dee, "POST /api/v1/users", Some(doctor)).await;
    assert_eq!(doctor.status, 403, "practitioners invite patients only");
    let id = made.json["id"].as_str().unwrap().to_owned();
    let person = c.patient("new@example.org").await;
    let found = by(&c, &person, &format!("GET /api/v1/users/{id}"), None).await;
    assert_eq!(found.status, 200, "{}", found.text);
    assert_eq!(
        (&found.json["invited"], &found.json["carepatron_id"]),
        (&json!(false), &json!("cp-9"))
    );
    assert_eq!(
        by(&c, &dee, &format!("GET /api/v1/users/{id}"), None)
            .await
            .status,
        404
    );
}

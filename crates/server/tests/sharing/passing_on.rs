//! Documents shared with colleagues and taken back, and caseloads out of tables.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::by;
use crate::conversation::{Answer, Conversation};
use crate::practice::{dietician, open_chart};

/// A dietician, a colleague, and a chart.
struct Practice {
    c: Conversation,
    dee: String,
    dee_id: String,
    cory: String,
    cory_id: String,
    chart: String,
}

impl Practice {
    async fn new() -> Self {
        let mut c = Conversation::new().await;
        let (dee, dee_id) = dietician(&mut c).await;
        let admin = c.world.admin("root@example.org").await;
        let made = c
            .world
            .verified_provider("cory@practice.example", &admin)
            .await;
        let cory = c.sign_in("cory@practice.example").await;
        let chart = open_chart(&c, &dee).await;
        Self {
            c,
            dee,
            dee_id,
            cory,
            cory_id: made.account.to_string(),
            chart: chart["id"].as_str().unwrap().to_owned(),
        }
    }

    async fn by(&self, token: &str, what: &str, body: Option<Value>) -> Answer {
        by(&self.c, token, what, body).await
    }

    /// A document of the dietician's; its id.
    async fn write(&self, kind: &str, text: &str) -> String {
        let path = format!("POST /api/v1/patients/{}/documents", self.chart);
        let body = json!({"type": kind, "title": kind, "content": text});
        let made = self.by(&self.dee, &path, Some(body)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json["id"].as_str().unwrap().to_owned()
    }

    async fn share(&self, document: &str) -> Answer {
        let body = json!({"email": "Cory@practice.example", "message": "Your opinion?"});
        let path = format!("POST /api/v1/documents/{document}/share");
        self.by(&self.dee, &path, Some(body)).await
    }

    async fn read(&self, token: &str, document: &str) -> Answer {
        self.by(token, &format!("GET /api/v1/documents/{document}"), None)
            .await
    }

    /// The patient takes the chart over; their token.
    async fn claim(&mut self) -> String {
        let ann = self.c.patient("ann@example.org").await;
        let path = format!("POST /api/v1/patients/{}/claim-sheet", self.chart);
        let sheet = self.by(&self.dee, &path, Some(json!({}))).await;
        let body = json!({"patient_id": self.chart, "claim_key": sheet.json["claim_key"]});
        let done = self.by(&ann, "POST /api/v1/claims", Some(body)).await;
        assert_eq!(done.json["state"], "done", "{}", done.text);
        ann
    }

    /// What the patient's permissions say of one.
    async fn permission(&self, token: &str, grant: &str) -> Value {
        let path = "GET /api/sharing/permissions?status=all";
        let list = self.by(token, path, None).await;
        let items = list.json["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .find(|one| one["id"] == grant)
            .unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_shared_by_its_source_and_both_sides_see_it() {
    let mut p = Practice::new().await;
    let plan = p.write("Meal plan", "Oats for breakfast").await;
    assert_eq!(p.read(&p.cory, &plan).await.status, 404);
    let shared = p.share(&plan).await;
    assert_eq!(
        (
            shared.status.as_u16(),
            &shared.json["status"],
            &shared.json["practitioner_id"]
        ),
        (201, &json!("shared"), &json!(p.cory_id)),
        "{}",
        shared.text
    );
    assert_eq!(
        p.read(&p.cory, &plan).await.json["content"],
        "Oats for breakfast"
    );
    let path = format!("GET /api/v1/patients/{}/shared-documents", p.chart);
    for (token, direction) in [(&p.cory, "received"), (&p.dee, "given")] {
        let list = p.by(token, &path, None).await;
        let one = &list.json["items"][0];
        assert_eq!(
            (
                &one["document_id"],
                &one["direction"],
                &one["status"],
                &one["document"]["title"]
            ),
            (
                &json!(plan),
                &json!(direction),
                &json!("active"),
                &json!("Meal plan")
            ),
            "{}",
            list.text
        );
    }
    let nobody = json!({"email": "nobody@practice.example"});
    let share = format!("POST /api/v1/documents/{plan}/share");
    let unknown = p.by(&p.dee, &share, Some(nobody)).await;
    assert_eq!(
        unknown.json["code"], "grant.holder_unknown",
        "{}",
        unknown.text
    );
    let onwards = p
        .by(&p.cory, &share, Some(json!({"practitioner_id": p.cory_id})))
        .await;
    assert_eq!(
        onwards.status, 403,
        "who only reads it does not pass it on: {}",
        onwards.text
    );
    // What was shared outlives the claim, and is the patient's to end.
    let ann = p.claim().await;
    let grant = shared.json["grant_id"].as_str().unwrap().to_owned();
    assert_eq!(p.permission(&ann, &grant).await["status"], "active");
    assert_eq!(p.read(&p.cory, &plan).await.status, 200);
    let ended = p
        .by(&ann, &format!("PUT /api/sharing/{grant}/revoke"), None)
        .await;
    assert_eq!(ended.status, 200, "{}", ended.text);
    assert_eq!(p.read(&p.cory, &plan).await.json["code"], "grant.ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_that_lets_pass_on_the_patient_is_asked() {
    let mut p = Practice::new().await;
    let ann = p.claim().await;
    let plan = p.write("Meal plan", "Oats for breakfast").await;
    let asked = p.share(&plan).await;
    assert_eq!(
        (
            asked.status.as_u16(),
            &asked.json["status"],
            &asked.json["grant_id"]
        ),
        (202, &json!("asked"), &Value::Null),
        "{}",
        asked.text
    );
    assert_eq!(p.read(&p.cory, &plan).await.status, 404);
    let requests = p
        .by(&ann, "GET /api/sharing/requests?status=pending", None)
        .await;
    let request = &requests.json["items"][0];
    assert_eq!(
        (
            &request["practitioner_id"],
            &request["record_id"],
            &request["message"]
        ),
        (&json!(p.cory_id), &json!(plan), &json!("Your opinion?")),
        "{}",
        requests.text
    );
    let path = format!(
        "PUT /api/sharing/requests/{}",
        request["id"].as_str().unwrap()
    );
    let wider = json!({"decision": "approve", "record_types": ["lab-results"]});
    assert_eq!(p.by(&ann, &path, Some(wider)).await.status, 422);
    let yes = p
        .by(&ann, &path, Some(json!({"decision": "approve"})))
        .await;
    assert_eq!(
        (
            yes.status.as_u16(),
            &yes.json["provider_id"],
            &yes.json["record_ids"]
        ),
        (200, &json!(p.cory_id), &json!([plan])),
        "{}",
        yes.text
    );
    assert_eq!(
        p.read(&p.cory, &plan).await.json["content"],
        "Oats for breakfast"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_grant_that_lets_pass_on_it_is_signed_and_ends_with_that() {
    let mut p = Practice::new().await;
    let ann = p.claim().await;
    let plan = p.write("Meal plan", "Oats for breakfast").await;
    let dee_id = p.dee_id.clone();
    let until = p.c.world.service.now() + jiff::SignedDuration::from_hours(24 * 60);
    let body = json!({"patient_id": p.chart, "provider_id": dee_id, "record_types": ["diet"],
        "expiry_date": until.to_string(), "purpose": "treatment", "allow_reshare": true, "allow_download": true});
    let held = p.by(&ann, "POST /api/sharing/grant", Some(body)).await;
    assert_eq!(held.status, 201, "{}", held.text);
    let shared = p.share(&plan).await;
    assert_eq!(shared.status, 201, "{}", shared.text);
    let grant = shared.json["grant_id"].as_str().unwrap().to_owned();
    let seen = p.permission(&ann, &grant).await;
    assert_eq!(
        (
            &seen["shared_by"],
            &seen["provider_id"],
            &seen["allow_reshare"],
            &seen["expiry_date"]
        ),
        (
            &json!(dee_id),
            &json!(p.cory_id),
            &json!(false),
            &held.json["expiry_date"]
        ),
        "{seen}"
    );
    assert_eq!(
        p.read(&p.cory, &plan).await.json["content"],
        "Oats for breakfast"
    );
    // What comes later of this document is theirs too.
    let change = json!({"type": "Meal plan", "content": "Rice for breakfast"});
    let changed = put(&p, &plan, &change).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(
        p.read(&p.cory, &plan).await.json["content"],
        "Rice for breakfast"
    );
    // The patient writes on, which everybody in the chain must bear.
    let more = json!({"type": "Note", "content": "by the patient"});
    let path = format!("POST /api/v1/patients/{}/documents", p.chart);
    assert_eq!(p.by(&ann, &path, Some(more)).await.status, 201);
    let parent = held.json["id"].as_str().unwrap();
    let ended = p
        .by(&ann, &format!("PUT /api/sharing/{parent}/revoke"), None)
        .await;
    assert_eq!(ended.status, 200, "{}", ended.text);
    assert_eq!(p.read(&p.cory, &plan).await.json["code"], "grant.ended");
    assert_eq!(p.permission(&ann, &grant).await["status"], "revoked");
}

/// `PUT` of the first version.
async fn put(p: &Practice, document: &str, body: &Value) -> Answer {
    let request = Request::builder()
        .method("PUT")
        .uri(format!("/api/v1/documents/{document}"))
        .header("authorization", format!("Bearer {}", p.dee))
        .header("content-type", "application/json")
        .header("if-match", "\"1\"")
        .body(Body::from(body.to_string()))
        .unwrap();
    p.c.raw(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_source_takes_back_is_the_patients_alone() {
    let mut p = Practice::new().await;
    let plan = p.write("Meal plan", "Oats for breakfast").await;
    assert_eq!(p.share(&plan).await.status, 201);
    let ann = p.claim().await;
    let path = format!("DELETE /api/v1/documents/{plan}");
    assert_eq!(
        p.by(&p.cory, &path, None).await.status,
        403,
        "not its source"
    );
    let back = p.by(&p.dee, &path, None).await;
    assert_eq!(back.status, 204, "{}", back.text);
    for token in [&p.dee, &p.cory] {
        let read = p.read(token, &plan).await;
        assert_eq!(read.status, 404, "{}", read.text);
    }
    let list = format!("GET /api/v1/patients/{}/documents", p.chart);
    let left = p.by(&p.dee, &list, None).await;
    assert!(!left.text.contains(&plan), "{}", left.text);
    assert_eq!(
        p.read(&ann, &plan).await.json["content"],
        "Oats for breakfast"
    );
    assert_eq!(p.by(&p.dee, &path, None).await.status, 404, "only once");
    // The same words again are a new document.
    assert_ne!(p.write("Meal plan", "Oats for breakfast").await, plan);
    let gone = p.by(&ann, &path, None).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(p.read(&ann, &plan).await.status, 404);
}

async fn import(p: &Practice, token: &str, table: &str) -> Answer {
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/patients/import")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "text/csv")
        .body(Body::from(table.to_owned()))
        .unwrap();
    p.c.raw(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caseload_is_imported_row_by_row_and_never_twice() {
    let p = Practice::new().await;
    let table = "First Name,Last Name,Email,Phone Number,DOB,dietary_preferences,carepatron_patient_id\n\
        Bea,Bell,bea@example.org,+1 555 0101,1975-05-06,No nuts,b-1\n\
        Carl,Cole,not an address,,,,\n\
        Ann,Patient,ANN@example.org,,,,\n\
        Bea,Again,other@example.org,,,,b-1\n\
        Dan,Dee,dan@example.org,,03/02/1980,,\n\
        Eve,Ellis,eve@example.org,,31/12/1980,,\n";
    let done = import(&p, &p.dee, table).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let told: Vec<(u64, &str)> = done.json["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["row"].as_u64().unwrap(),
                row["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (2, "created"),
            (3, "invalid"),
            (4, "known"),
            (5, "known"),
            (6, "invalid"),
            (7, "created")
        ],
        "{}",
        done.text
    );
    assert_eq!(done.json["rows"][2]["id"], json!(p.chart));
    assert!(
        done.json["rows"][4]["problem"]
            .as_str()
            .unwrap()
            .contains("YYYY-MM-DD")
    );
    let bea = done.json["rows"][0]["id"].as_str().unwrap();
    let chart = p
        .by(&p.dee, &format!("GET /api/v1/patients/{bea}"), None)
        .await;
    assert_eq!(
        (
            &chart.json["name"],
            &chart.json["date_of_birth"],
            &chart.json["dietary_preferences"]
        ),
        (&json!("Bea Bell"), &json!("1975-05-06"), &json!("No nuts")),
        "{}",
        chart.text
    );
    let again = import(&p, &p.dee, table).await;
    assert_eq!(
        (
            &again.json["created"],
            &again.json["known"],
            &again.json["invalid"]
        ),
        (&json!(0), &json!(4), &json!(2)),
        "{}",
        again.text
    );
    let caseload = p.by(&p.dee, "GET /api/v1/patients", None).await;
    assert_eq!(caseload.json["items"].as_array().unwrap().len(), 3);
    assert_eq!(import(&p, &p.dee, "no,columns\n1,2").await.status, 422);
}

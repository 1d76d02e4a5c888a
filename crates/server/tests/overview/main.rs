//! The record as a whole over HTTP: taken along, listened to, counted,
//! accounted for, ended; and what an admin sees. The router in process.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use chartkey_server::api;
use chartkey_server::app::App;
use chartkey_server::config::{Config, Sources};
use chartkey_service::world::{PASSWORD, World};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
    json: Value,
}

struct Http {
    world: World,
    router: Router,
}

impl Http {
    async fn new() -> Self {
        let world = World::new().await;
        let environment = [("APP_URL".to_owned(), "https://chart.example".to_owned())];
        let sources = Sources {
            environment: BTreeMap::from(environment),
            ..Sources::default()
        };
        let app = App::new(Config::load(&sources).unwrap(), world.service.clone(), None);
        Self {
            world,
            router: api::router(app),
        }
    }

    async fn open(&self, mut request: Request<Body>) -> Response {
        let peer = SocketAddr::from(([192, 0, 2, 7], 40_000));
        request.extensions_mut().insert(ConnectInfo(peer));
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// `method path`, with a token, headers and a JSON body.
    async fn say(
        &self,
        call: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let (method, path) = call.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                if !headers.iter().any(|(name, _)| *name == "content-type") {
                    request = request.header("content-type", "application/json");
                }
                Body::from(body.to_string())
            }
        };
        let response = self.open(request.body(body).unwrap()).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes,
        }
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.say(&format!("GET {path}"), token, &[], None).await
    }

    async fn sign_in(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.say("POST /api/auth/login", "", &[], Some(body)).await;
        answer.json["access_token"].as_str().unwrap().to_owned()
    }

    /// A patient with one allergy, signed in.
    async fn patient(&self, email: &str) -> String {
        self.world.patient(email).await;
        self.world.run_jobs().await;
        let token = self.sign_in(email).await;
        let allergy = json!({"resourceType": "AllergyIntolerance", "code": {"text": "Penicillin"},
            "patient": {"reference": "Patient/1"}, "recordedDate": "2020-01-02"});
        let headers = [("content-type", "application/fhir+json")];
        let made = self
            .say("POST /api/records", &token, &headers, Some(allergy))
            .await;
        assert_eq!(made.status, 201, "{}", made.json);
        token
    }
}

fn code(answer: &Answer) -> (u16, &str) {
    (
        answer.status.as_u16(),
        answer.json["code"].as_str().unwrap_or_default(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_exported_in_what_is_offered() {
    let http = Http::new().await;
    let ada = http.patient("ada@example.org").await;
    let bundle = http.get("/api/records/export?format=fhir", &ada).await;
    assert_eq!(bundle.status, 200, "{}", bundle.json);
    assert_eq!(bundle.headers["content-type"], "application/fhir+json");
    assert_eq!(
        bundle.headers["content-disposition"],
        "attachment; filename=\"record.json\""
    );
    assert_eq!(
        bundle.json["entry"][0]["resource"]["code"]["text"],
        "Penicillin"
    );
    let pdf = http.get("/api/records/export?format=pdf", &ada).await;
    assert_eq!((pdf.status.as_u16(), &pdf.bytes[..5]), (200, &b"%PDF-"[..]));
    for format in ["ips", "archive", "docx"] {
        let refused = http
            .get(&format!("/api/records/export?format={format}"), &ada)
            .await;
        assert_eq!(code(&refused), (422, "export.not_offered"), "{format}");
    }
    let sealed = [("accept", "application/vnd.chartkey.sealed+json")];
    let refused = http
        .say("GET /api/records/export?format=fhir", &ada, &sealed, None)
        .await;
    assert_eq!(code(&refused), (406, "client.side"));
    let nobody = http.get("/api/records/export?format=fhir", "").await;
    assert_eq!(code(&nobody), (401, "session.missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_as_a_stream_of_ids() {
    let http = Http::new().await;
    let ada = http.patient("ada@example.org").await;
    let listen = |last: &str| {
        Request::get("/api/events")
            .header("authorization", format!("Bearer {ada}"))
            .header("last-event-id", last)
            .body(Body::empty())
            .unwrap()
    };
    let mut stream = http.open(listen("0")).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = stream
        .body_mut()
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    assert!(text.contains("event: records\n"), "{text}");
    assert!(text.contains(r#""kind":"record.create""#), "{text}");
    assert!(!text.contains("Penicillin"), "{text}");
    let refused = http.open(listen("x")).await;
    assert_eq!(refused.status(), 422);
    let ended = http.say("POST /api/auth/logout", &ada, &[], None).await;
    assert!(ended.status.is_success());
    assert!(stream.body_mut().frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_disclosures_are_ones_own() {
    let http = Http::new().await;
    let ada = http.patient("ada@example.org").await;
    let mine = http.get("/api/analytics?interval=month", &ada).await;
    assert_eq!(mine.status, 200, "{}", mine.json);
    assert_eq!(mine.json["totals"]["shares_created"], 0);
    assert_eq!(mine.json["buckets"][0]["start"], "2026-10-01");
    let endless = http
        .get("/api/analytics?from=1990-01-01T00:00:00Z", &ada)
        .await;
    assert_eq!(code(&endless), (422, "body.invalid"));
    let disclosed = http.get("/api/audit/disclosures", &ada).await;
    assert_eq!(disclosed.status, 200, "{}", disclosed.json);
    assert_eq!(disclosed.json["items"], json!([]));
    assert_eq!(disclosed.json["from"], "2020-11-22T09:00:00Z");
    let refused = http.get("/api/admin/analytics", &ada).await;
    assert_eq!(code(&refused), (403, "account.forbidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_ended_by_whoever_just_signed_in() {
    let http = Http::new().await;
    let ada = http.patient("ada@example.org").await;
    http.world.pass(301);
    let late = http
        .say("DELETE /api/patients/profile", &ada, &[], None)
        .await;
    assert_eq!(code(&late), (403, "session.stepup"));
    let again = http.sign_in("ada@example.org").await;
    let ended = http
        .say("DELETE /api/patients/profile", &again, &[], None)
        .await;
    assert_eq!(ended.status, 204);
    let gone = http.get("/api/records", &again).await;
    assert_eq!(gone.status, 401, "{}", gone.json);
    http.world.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_numbers_and_nothing_else() {
    let http = Http::new().await;
    http.patient("ada@example.org").await;
    http.world.admin("root@example.org").await;
    let root = http.sign_in("root@example.org").await;
    let health = http.get("/api/admin/health", &root).await;
    assert_eq!(health.status, 200, "{}", health.json);
    assert_eq!(health.json["jobs"]["dead"], 0);
    assert_eq!(health.json["version"], env!("CARGO_PKG_VERSION"));
    let totals = http.get("/api/admin/analytics", &root).await;
    assert_eq!(totals.json["records"], 1, "{}", totals.json);
    let listed = http.get("/api/admin/checkpoints?log=keys", &root).await;
    assert_eq!(listed.json, json!({"items": [], "next": null}));
    let retried = http
        .say(
            "POST /api/admin/jobs/retry",
            &root,
            &[],
            Some(json!({"kind": "mail.send"})),
        )
        .await;
    assert_eq!(retried.json, json!({"retried": 0}));
    for answer in [&health, &totals] {
        assert!(!String::from_utf8_lossy(&answer.bytes).contains("ada"));
    }
    let own = http.get("/api/records/export?format=fhir", &root).await;
    assert!(own.status == 403 || own.status == 404, "{}", own.json);
}

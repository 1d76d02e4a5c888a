//! Sources as people meet them: a provider found in the directory, connected by
//! signing in there, read, read again for next to nothing, and read when it hints.

use std::collections::BTreeMap;
use std::sync::Arc;

use chartkey_benches::{Answer, Call, Connection, Engine, Person, Server, until};
use chartkey_domain::clock::{Clock, FixedClock};
use chartkey_fakes::fhir::{FhirServer, Record, Shape};
use chartkey_server::chance::SystemClock;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

fn serve() -> Server {
    let settings = [("CONNECTION_ALLOWED_HOSTS", "127.0.0.1")];
    Server::start_with(crate::binary(), Engine::Sqlite, &settings)
}

/// A hospital as it was three days ago.
fn hospital(runtime: &Runtime, shape: Shape) -> (FhirServer, String) {
    let then = SystemClock.now() - SignedDuration::from_hours(72);
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(then));
    let server = runtime
        .block_on(FhirServer::start(shape, clock, 0))
        .unwrap();
    let patient = server.load(Record::Small);
    (server, patient)
}

fn connect(server: &Server, ann: &Person, hospital: &FhirServer) -> Value {
    let body = json!({"kind": "fhir", "direction": "source", "name": "Hill Clinic",
        "base_url": hospital.base_url(), "schedule": "manual", "patient_id": ann.patient,
        "settings": {"requests_per_minute": 60_000, "burst": 1_000},
        "credentials": {"type": "smart", "client_id": "app"}});
    let call = Call::post("/api/v1/connections").by(ann).json(&body);
    server.send(&call).expect(201).json()
}

/// Begins a sign-in: where the browser is sent, and the cookie that it keeps.
fn launch(server: &Server, ann: &Person, connection: &str) -> (String, String) {
    let path = format!("/api/v1/connections/{connection}/launch");
    let body = json!({"patient_id": ann.patient});
    let begun = server
        .send(&Call::post(path).by(ann).json(&body))
        .expect(200);
    let cookie = begun.header("set-cookie").unwrap();
    for part in [
        "HttpOnly",
        "SameSite=Lax",
        "Path=/api/v1/connections/callback",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let url = begun.json()["authorize_url"].as_str().unwrap().to_owned();
    assert!(url.contains("code_challenge_method=S256"), "{url}");
    (url, cookie)
}

/// What a path on another host answers.
fn visit(url: &str) -> Answer {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut there = Connection::open(host.parse().unwrap()).unwrap();
    there.send(&Call::get(format!("/{path}"))).unwrap()
}

/// Signs in there, agrees, and is sent back: the path that leads back.
fn agree(authorize_url: &str) -> String {
    let answer = visit(authorize_url).expect(302);
    let location = answer.header("location").unwrap();
    let (_, path) = location.split_once("/api/v1/connections/callback").unwrap();
    format!("/api/v1/connections/callback{path}")
}

/// Comes back, and ends at a page: how it says it went.
fn come_back(server: &Server, path: &str, cookie: Option<&str>) -> String {
    let mut call = Call::get(path);
    if let Some(cookie) = cookie {
        call = call.header("Cookie", cookie);
    }
    let answer = server.send(&call).expect(303);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let page = answer.header("location").unwrap().to_owned();
    let (_, query) = page.split_once("/connections/signed-in?outcome=").unwrap();
    assert!(!page.contains("code="), "{page}");
    query.split('&').next().unwrap().to_owned()
}

fn sync(server: &Server, ann: &Person) -> Value {
    let path = format!("/api/v1/patients/{}/sync", ann.patient);
    let asked = server.send(&Call::post(path).by(ann).json(&json!({})));
    let asked = asked.expect(202).json();
    settled(server, ann, asked["sync_id"].as_str().unwrap())
}

fn settled(server: &Server, ann: &Person, sync: &str) -> Value {
    until("a sync that ends", || {
        let path = format!("/api/v1/syncs/{sync}");
        let found = server.send(&Call::get(path).by(ann)).expect(200).json();
        let over = matches!(found["state"].as_str(), Some("done" | "partial" | "failed"));
        over.then_some(found)
    })
}

/// The newest line of a patient's log about a whole run.
fn last_run(server: &Server, ann: &Person) -> String {
    let path = format!("/api/v1/patients/{}/logs", ann.patient);
    let log = server.send(&Call::get(path).by(ann)).expect(200).json();
    log["items"][0]["sync_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn count(server: &Server, ann: &Person) -> usize {
    let call = Call::get("/api/records?fields=header&limit=500").by(ann);
    let page = server.send(&call).expect(200).json();
    page["items"].as_array().unwrap().len()
}

#[test]
fn a_patient_connects_their_provider_by_signing_in_there() {
    let (runtime, server) = (runtime(), serve());
    let (hospital, _) = hospital(&runtime, Shape::Epic);
    let (ann, eve) = (server.patient("Ann Smith"), server.patient("Eve Other"));
    let made = connect(&server, &ann, &hospital);
    let id = made["id"].as_str().unwrap();
    let by_eve = Call::post(format!("/api/v1/connections/{id}/launch"))
        .by(&eve)
        .json(&json!({"patient_id": ann.patient}));
    let _ = server.send(&by_eve).expect(404);

    // Nobody else's browser is believed, and no state counts twice.
    let (url, _) = launch(&server, &ann, id);
    assert_eq!(come_back(&server, &agree(&url), None), "expired");
    let (url, cookie) = launch(&server, &ann, id);
    let (_, other) = launch(&server, &ann, id);
    let back = agree(&url);
    assert_eq!(come_back(&server, &back, Some(&other)), "expired");
    assert_eq!(come_back(&server, &back, Some(&cookie)), "expired");
    // What the patient declines is declined.
    let (url, cookie) = launch(&server, &ann, id);
    let (_, state) = url.split_once("state=").unwrap();
    let state = state.split('&').next().unwrap();
    let declined = format!("/api/v1/connections/callback?error=access_denied&state={state}");
    assert_eq!(come_back(&server, &declined, Some(&cookie)), "declined");
    // A code that is none is told, and nothing is connected.
    let (url, cookie) = launch(&server, &ann, id);
    let (_, state) = url.split_once("state=").unwrap();
    let state = state.split('&').next().unwrap();
    let forged = format!("/api/v1/connections/callback?code=made-up&state={state}");
    assert_eq!(come_back(&server, &forged, Some(&cookie)), "failed");
    assert_eq!(count(&server, &ann), 0);

    let (url, cookie) = launch(&server, &ann, id);
    let back = agree(&url);
    assert_eq!(come_back(&server, &back, Some(&cookie)), "connected");
    assert_eq!(come_back(&server, &back, Some(&cookie)), "expired");
    // It is read without being asked for.
    until("records", || (count(&server, &ann) > 30).then_some(()));
    assert!(!server.log().contains(&cookie), "{}", server.log());
}

#[test]
fn a_sync_with_nothing_new_asks_once_for_each_required_combination() {
    let (runtime, server) = (runtime(), serve());
    let (hospital, _) = hospital(&runtime, Shape::Epic);
    let ann = server.patient("Ann Smith");
    let made = connect(&server, &ann, &hospital);
    let (url, cookie) = launch(&server, &ann, made["id"].as_str().unwrap());
    assert_eq!(come_back(&server, &agree(&url), Some(&cookie)), "connected");
    until("a first line", || {
        (!last_run(&server, &ann).is_empty()).then_some(())
    });
    settled(&server, &ann, &last_run(&server, &ann));
    let before = count(&server, &ann);

    hospital.stage().forget();
    let found = sync(&server, &ann);
    assert_eq!(found["counts"]["created"], 0, "{found}");
    assert_eq!(count(&server, &ann), before);
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for entry in hospital.stage().journal() {
        let params = url::form_urlencoded::parse(entry.query.as_bytes());
        let required = params
            .filter(|(name, _)| matches!(name.as_ref(), "category" | "intent"))
            .map(|(name, value)| format!("?{name}={value}"));
        let name = format!("{}{}", entry.operation, required.collect::<String>());
        *asked.entry(name).or_default() += 1;
    }
    assert!(asked.values().all(|count| *count == 1), "{asked:#?}");
    let expected = [
        "read:Patient",
        "search:Observation?category=laboratory",
        "search:Observation?category=vital-signs",
        "search:CarePlan?category=38717003",
        "search:MedicationRequest?intent=order,plan",
        "search:DocumentReference",
    ];
    for name in expected {
        assert!(asked.contains_key(name), "{name} in {asked:#?}");
    }
    let others = asked.keys().filter(|name| {
        !name.starts_with("search:") && !matches!(name.as_str(), "read:Patient" | "token")
    });
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn a_hint_makes_a_source_be_read_and_tells_nothing() {
    let (runtime, server) = (runtime(), serve());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let hospital = runtime.block_on(FhirServer::start(Shape::Plain, clock, 0));
    let hospital = hospital.unwrap();
    let patient = hospital.load(Record::Small);
    let ann = server.patient("Ann Smith");
    let body = json!({"kind": "fhir", "direction": "source", "base_url": hospital.base_url(),
        "schedule": "manual", "patient_id": ann.patient, "remote_patient_id": patient,
        "settings": {"types": ["DocumentReference"]}});
    let made = server.send(&Call::post("/api/v1/connections").by(&ann).json(&body));
    let made = made.expect(201).json();
    let url = made["webhook_url"].as_str().unwrap();
    let path = url.strip_prefix(&server.url()).unwrap();
    assert_eq!(count(&server, &ann), 0);
    let wrong = server.send(&Call::post(format!("{path}x")));
    assert_eq!(wrong.expect(404).code(), "connection.unknown");
    let hint = Call::post(path).json(&json!({"resource_id": "what is said here is not read"}));
    let answer = server.send(&hint).expect(202);
    assert_eq!(answer.text(), "");
    until("records", || (count(&server, &ann) > 0).then_some(()));
}

#[test]
fn providers_are_found_by_the_beginnings_of_their_names() {
    let server = serve();
    let (admin, ann) = (server.admin(), server.patient("Ann Smith"));
    let endpoint = |id: &str, name: &str| {
        json!({"resource": {"resourceType": "Endpoint", "id": id, "status": "active",
            "name": name, "connectionType": {"code": "hl7-fhir-rest"},
            "address": format!("https://{id}.example/R4")}})
    };
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        endpoint("hill", "Hill Clinic (Nord)"), endpoint("valley", "Valley Health & Clinic"),
        endpoint("lake", "Lakeside 100% Hospital")]});
    let load = |bundle: &Value, by: &Person| {
        let call = Call::put("/api/v1/directory").by(by);
        server.send(&call.fhir(bundle.to_string()))
    };
    assert_eq!(load(&bundle, &ann).status, 403);
    assert_eq!(load(&bundle, &admin).expect(200).json()["providers"], 3);
    let find = |query: &str| -> Vec<String> {
        let path = format!("/api/v1/directory/endpoints?{query}");
        let found = server.send(&Call::get(path).by(&ann)).expect(200).json();
        let items = found["items"].as_array().unwrap();
        items
            .iter()
            .map(|i| i["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(find("q=cli").len(), 2);
    assert_eq!(find("q=clin+val"), ["Valley Health & Clinic"]);
    assert_eq!(find("q=NORD"), ["Hill Clinic (Nord)"]);
    assert_eq!(find("q=100%25"), ["Lakeside 100% Hospital"]);
    assert_eq!(find("q=ill"), Vec::<String>::new());
    assert_eq!(find("q=&limit=2").len(), 2);
    // A list that is none leaves the one before as it was.
    let none = load(&json!({"resourceType": "Patient"}), &admin);
    assert_eq!(none.code(), "connection.broken");
    assert_eq!(find("q=hill").len(), 1);
    assert_eq!(
        load(&json!({"resourceType": "Bundle", "entry": []}), &admin).status,
        200
    );
    assert_eq!(find("q=").len(), 0);
}

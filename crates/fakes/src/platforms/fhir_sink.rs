//! A FHIR R4 server as a destination: patients found by identifier, documents as
//! `Binary` and `DocumentReference`, conditional creation, and what some servers
//! do not do, as switches.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chartkey_domain::clock::Clock;
use serde_json::{Value, json};

use super::{Client, Received, Running, last_segment};
use crate::stage::{Named, Stage};

/// The server.
#[derive(Debug)]
pub struct FhirSink {
    token: String,
    /// What arrived: patients, and one document for each `DocumentReference`.
    pub received: Received,
    resources: Mutex<Resources>,
    /// Whether a resource may be made under an id of the caller's.
    creates_by_put: AtomicBool,
    /// Whether `If-None-Exist` is looked at.
    is_conditional: AtomicBool,
    /// Whether `identifier` narrows a search.
    filters: AtomicBool,
}

#[derive(Debug, Default)]
struct Resources {
    patients: BTreeMap<String, Value>,
    binaries: BTreeMap<String, (String, Bytes)>,
    references: BTreeMap<String, Value>,
    made: u64,
}

/// Names its calls.
fn name_call(method: &Method, path: &str) -> Named {
    let mut segments = path.trim_matches('/').split('/');
    let kind = segments.next().unwrap_or_default();
    let has_id = segments.next().is_some();
    let verb = match (method.as_str(), has_id) {
        ("GET", true) => "read",
        ("GET", false) if kind == "metadata" => "capabilities",
        ("GET", false) => "search",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("DELETE", _) => "delete",
        _ => "other",
    };
    let id = if has_id { "/{id}" } else { "" };
    Named {
        operation: format!("{verb}:{kind}"),
        template: format!("/{kind}{id}"),
    }
}

impl FhirSink {
    fn new(token: &str) -> Arc<Self> {
        Arc::new(Self {
            token: token.to_owned(),
            received: Received::default(),
            resources: Mutex::default(),
            creates_by_put: AtomicBool::new(true),
            is_conditional: AtomicBool::new(true),
            filters: AtomicBool::new(true),
        })
    }

    /// Starts one on `port` of this machine; 0 for any.
    ///
    /// # Errors
    /// That of binding.
    pub async fn start(
        clock: Arc<dyn Clock>,
        port: u16,
        token: &str,
    ) -> std::io::Result<Running<Self>> {
        let stage = Stage::new(clock, name_call);
        Running::begin(stage, port, |_, _| {
            let made = Self::new(token);
            let router = made.router();
            (made, router)
        })
        .await
    }

    /// Whether a resource may be made under an id of the caller's.
    pub fn set_creates_by_put(&self, creates: bool) {
        self.creates_by_put.store(creates, Ordering::Relaxed);
    }

    /// Whether `If-None-Exist` is looked at.
    pub fn set_conditional(&self, conditional: bool) {
        self.is_conditional.store(conditional, Ordering::Relaxed);
    }

    /// Whether `identifier` narrows a search of documents.
    pub fn set_filters(&self, filters: bool) {
        self.filters.store(filters, Ordering::Relaxed);
    }

    /// A patient who was there before.
    pub fn add_patient(&self, patient: &Value) -> String {
        let mut held = self.hold();
        held.made += 1;
        let id = format!("p{}", held.made);
        let mut patient = patient.clone();
        if let Some(fields) = patient.as_object_mut() {
            fields.insert("id".to_owned(), Value::from(id.clone()));
        }
        held.patients.insert(id.clone(), patient);
        self.received.add_client(Client {
            id: id.clone(),
            ..Client::new("", "", "", "")
        });
        id
    }

    /// How many files are there, whether anything points to them or not.
    pub fn binaries(&self) -> usize {
        self.hold().binaries.len()
    }

    /// A document reference as it is there.
    pub fn reference(&self, id: &str) -> Option<Value> {
        self.hold().references.get(id).cloned()
    }

    fn hold(&self) -> MutexGuard<'_, Resources> {
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/Patient", get(find_patients).post(create_patient))
            .route("/Binary", axum::routing::post(create_binary))
            .route(
                "/Binary/{id}",
                get(read_binary).put(update_binary).delete(delete_binary),
            )
            .route(
                "/DocumentReference",
                get(find_references).post(create_reference),
            )
            .route(
                "/DocumentReference/{id}",
                get(read_reference)
                    .put(update_reference)
                    .delete(delete_reference),
            )
            .layer(from_fn_with_state(Arc::clone(self), let_in))
            .route("/metadata", get(metadata))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(self))
            .merge(self.received.routes())
    }
}

async fn let_in(State(sink): State<Arc<FhirSink>>, request: Request, next: Next) -> Response {
    let proof = request.headers().get(header::AUTHORIZATION);
    let proof = proof.and_then(|proof| proof.to_str().ok());
    if proof != Some(&format!("Bearer {}", sink.token)) {
        return outcome(StatusCode::UNAUTHORIZED, "login");
    }
    next.run(request).await
}

fn fhir(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/fhir+json")];
    (status, kind, body.to_string()).into_response()
}

fn outcome(status: StatusCode, code: &str) -> Response {
    let issue = json!([{"severity": "error", "code": code}]);
    let body = json!({"resourceType": "OperationOutcome", "issue": issue});
    fhir(status, &body)
}

async fn metadata() -> Response {
    let body = json!({
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "software": {"name": "Made-up sink"},
    });
    fhir(StatusCode::OK, &body)
}

type Pairs = Vec<(String, String)>;

fn parameter<'a>(query: &'a Pairs, name: &str) -> Option<&'a str> {
    let found = query.iter().find(|(own, _)| own == name);
    found.map(|(_, value)| value.as_str())
}

fn has_identifier(resource: &Value, token: &str) -> bool {
    let (system, value) = token.split_once('|').unwrap_or(("", token));
    let identifiers = resource.get("identifier").and_then(Value::as_array);
    identifiers.into_iter().flatten().any(|identifier| {
        identifier
            .get("system")
            .and_then(Value::as_str)
            .unwrap_or("")
            == system
            && identifier.get("value").and_then(Value::as_str) == Some(value)
    })
}

fn bundle<'a>(resources: impl Iterator<Item = &'a Value>) -> Response {
    let entries: Vec<Value> = resources
        .map(|resource| json!({"resource": resource, "search": {"mode": "match"}}))
        .collect();
    let body = json!({
        "resourceType": "Bundle", "type": "searchset",
        "total": entries.len(), "entry": entries,
    });
    fhir(StatusCode::OK, &body)
}

async fn find_patients(State(sink): State<Arc<FhirSink>>, Query(query): Query<Pairs>) -> Response {
    let held = sink.hold();
    let has_email = |patient: &Value, email: &str| {
        let telecom = patient.get("telecom").and_then(Value::as_array);
        telecom.into_iter().flatten().any(|contact| {
            let value = contact.get("value").and_then(Value::as_str);
            value.is_some_and(|value| value.eq_ignore_ascii_case(email))
        })
    };
    let found = held.patients.values().filter(|patient| {
        parameter(&query, "identifier").is_none_or(|token| has_identifier(patient, token))
            && parameter(&query, "email").is_none_or(|email| has_email(patient, email))
    });
    bundle(found)
}

/// What a conditional creation finds.
fn existing<'a>(
    sink: &FhirSink,
    headers: &HeaderMap,
    resources: &'a BTreeMap<String, Value>,
) -> Vec<&'a Value> {
    let condition = headers
        .get("if-none-exist")
        .and_then(|value| value.to_str().ok())
        .filter(|_| sink.is_conditional.load(Ordering::Relaxed));
    let Some(condition) = condition else {
        return Vec::new();
    };
    let pairs: Vec<(&str, String)> = condition
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.replace("%7C", "|").replace("%3A", ":")))
        .collect();
    let fits = |resource: &Value| {
        pairs.iter().all(|(name, value)| match *name {
            "identifier" => has_identifier(resource, value),
            "status" => resource.get("status").and_then(Value::as_str) == Some(value),
            _ => false,
        })
    };
    resources
        .values()
        .filter(|resource| fits(resource))
        .collect()
}

fn made(kind: &str, mut resource: Value, id: &str) -> (Value, Response) {
    if let Some(fields) = resource.as_object_mut() {
        fields.insert("id".to_owned(), Value::from(id));
        fields.insert("meta".to_owned(), json!({"versionId": "1"}));
    }
    let mut response = fhir(StatusCode::CREATED, &resource);
    let location = format!("{kind}/{id}/_history/1");
    if let Ok(location) = location.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    (resource, response)
}

async fn create_patient(
    State(sink): State<Arc<FhirSink>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(patient) = serde_json::from_slice::<Value>(&body) else {
        return outcome(StatusCode::BAD_REQUEST, "structure");
    };
    let mut held = sink.hold();
    match existing(&sink, &headers, &held.patients).as_slice() {
        [] => {}
        [one] => return fhir(StatusCode::OK, one),
        _ => return outcome(StatusCode::PRECONDITION_FAILED, "multiple-matches"),
    }
    held.made += 1;
    let id = format!("p{}", held.made);
    let (patient, response) = made("Patient", patient, &id);
    held.patients.insert(id.clone(), patient);
    sink.received.add_client(Client {
        id,
        by_api: true,
        ..Client::new("", "", "", "")
    });
    response
}

fn content_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    kind.unwrap_or("application/octet-stream").to_owned()
}

async fn create_binary(
    State(sink): State<Arc<FhirSink>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut held = sink.hold();
    held.made += 1;
    let id = format!("b{}", held.made);
    held.binaries
        .insert(id.clone(), (content_type(&headers), body));
    made("Binary", json!({"resourceType": "Binary"}), &id).1
}

async fn update_binary(
    State(sink): State<Arc<FhirSink>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut held = sink.hold();
    let is_new = !held.binaries.contains_key(&id);
    if is_new && !sink.creates_by_put.load(Ordering::Relaxed) {
        return outcome(StatusCode::METHOD_NOT_ALLOWED, "not-supported");
    }
    held.binaries
        .insert(id.clone(), (content_type(&headers), body));
    made("Binary", json!({"resourceType": "Binary"}), &id).1
}

async fn read_binary(State(sink): State<Arc<FhirSink>>, Path(id): Path<String>) -> Response {
    match sink.hold().binaries.get(&id) {
        Some((kind, bytes)) => {
            let kind = [(header::CONTENT_TYPE, kind.clone())];
            (kind, bytes.clone()).into_response()
        }
        None => outcome(StatusCode::NOT_FOUND, "not-found"),
    }
}

async fn delete_binary(State(sink): State<Arc<FhirSink>>, Path(id): Path<String>) -> Response {
    match sink.hold().binaries.remove(&id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => outcome(StatusCode::GONE, "deleted"),
    }
}

async fn find_references(
    State(sink): State<Arc<FhirSink>>,
    Query(query): Query<Pairs>,
) -> Response {
    let filters = sink.filters.load(Ordering::Relaxed);
    let held = sink.hold();
    let found = held.references.values().filter(|reference| {
        !filters
            || parameter(&query, "identifier").is_none_or(|token| has_identifier(reference, token))
    });
    bundle(found)
}

async fn create_reference(
    State(sink): State<Arc<FhirSink>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(reference) = serde_json::from_slice::<Value>(&body) else {
        return outcome(StatusCode::BAD_REQUEST, "structure");
    };
    let mut held = sink.hold();
    match existing(&sink, &headers, &held.references).as_slice() {
        [] => {}
        [one] => return fhir(StatusCode::OK, one),
        _ => return outcome(StatusCode::PRECONDITION_FAILED, "multiple-matches"),
    }
    let text = |pointer: &str| {
        let text = reference.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let client = last_segment(&text("/subject/reference")).to_owned();
    let attachment = text("/content/0/attachment/url");
    let inline = text("/content/0/attachment/data");
    let kind = text("/content/0/attachment/contentType");
    let bytes = if inline.is_empty() {
        let binary = held.binaries.get(last_segment(&attachment));
        binary.map(|(_, bytes)| bytes.to_vec())
    } else {
        STANDARD.decode(inline).ok()
    };
    let (Some(bytes), true) = (bytes, held.patients.contains_key(&client)) else {
        return outcome(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    };
    let marker = text("/identifier/0/value");
    let name = text("/content/0/attachment/title");
    let id = sink
        .received
        .add_document(&client, &name, &marker, &kind, &bytes);
    let (reference, response) = made("DocumentReference", reference, &id);
    held.references.insert(id, reference);
    response
}

async fn read_reference(State(sink): State<Arc<FhirSink>>, Path(id): Path<String>) -> Response {
    match sink.hold().references.get(&id) {
        Some(reference) => fhir(StatusCode::OK, reference),
        None => outcome(StatusCode::NOT_FOUND, "not-found"),
    }
}

async fn update_reference(
    State(sink): State<Arc<FhirSink>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(mut reference) = serde_json::from_slice::<Value>(&body) else {
        return outcome(StatusCode::BAD_REQUEST, "structure");
    };
    let mut held = sink.hold();
    let Some(old) = held.references.get(&id) else {
        return outcome(StatusCode::NOT_FOUND, "not-found");
    };
    let version = old.pointer("/meta/versionId").and_then(Value::as_str);
    let version: u64 = version.and_then(|text| text.parse().ok()).unwrap_or(1);
    if let Some(wanted) = headers.get(header::IF_MATCH)
        && wanted.as_bytes() != format!("W/\"{version}\"").as_bytes()
    {
        return outcome(StatusCode::PRECONDITION_FAILED, "conflict");
    }
    if reference.get("status").and_then(Value::as_str) == Some("entered-in-error") {
        sink.received.remove_document(&id);
    }
    if let Some(fields) = reference.as_object_mut() {
        let meta = json!({"versionId": (version + 1).to_string()});
        fields.insert("meta".to_owned(), meta);
    }
    let response = fhir(StatusCode::OK, &reference);
    held.references.insert(id, reference);
    response
}

async fn delete_reference(State(sink): State<Arc<FhirSink>>, Path(id): Path<String>) -> Response {
    sink.received.remove_document(&id);
    match sink.hold().references.remove(&id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => outcome(StatusCode::GONE, "deleted"),
    }
}

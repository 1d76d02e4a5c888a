//! Shaped like Cliniko: HTTP Basic with a key, a `User-Agent` with an address in
//! it, filters in `q[]`, an upload in three steps with a file that is taken in
//! after a while, and a limit per minute that says at which moment it is over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chartkey_domain::clock::Clock;
use serde_json::{Value, json};

use super::{Client, Document, Received, Running, last_segment};
use crate::stage::{Named, Stage};

const POLICY: &str = "signed-policy";

/// The platform.
#[derive(Debug)]
pub struct Cliniko {
    stage: Arc<Stage>,
    base: String,
    key: String,
    /// What arrived.
    pub received: Received,
    temporary: Mutex<BTreeMap<String, (String, Bytes)>>,
    /// How often a new attachment says that it is not taken in yet.
    polls: AtomicU32,
    unfinished: Mutex<BTreeMap<String, u32>>,
    /// Calls in a minute; none for no limit.
    limit: AtomicU32,
    window: Mutex<(i64, u32)>,
}

/// Names its calls.
fn name_call(method: &Method, path: &str) -> Named {
    let rest = path.strip_prefix("/v1/").unwrap_or(path);
    let (operation, template) = match (method.as_str(), rest) {
        ("GET", "user") => ("user", "/v1/user"),
        ("GET", "patients") => ("search:patients", "/v1/patients"),
        ("POST", "patients") => ("create:patient", "/v1/patients"),
        ("GET", "patient_attachments") => ("search:attachments", "/v1/patient_attachments"),
        ("POST", "patient_attachments") => ("create:attachment", "/v1/patient_attachments"),
        ("POST", _) if path.starts_with("/_store") => ("upload", "/_store"),
        ("GET", _) if rest.ends_with("/attachment_presigned_post") => {
            ("presign", "/v1/patients/{id}/attachment_presigned_post")
        }
        ("GET", _) if rest.starts_with("patient_attachments/") => {
            ("read:attachment", "/v1/patient_attachments/{id}")
        }
        ("DELETE", _) if rest.starts_with("patient_attachments/") => {
            ("delete:attachment", "/v1/patient_attachments/{id}")
        }
        _ => ("other", path),
    };
    Named {
        operation: operation.to_owned(),
        template: template.to_owned(),
    }
}

impl Cliniko {
    fn new(stage: &Arc<Stage>, base: &str, key: &str) -> Arc<Self> {
        Arc::new(Self {
            stage: Arc::clone(stage),
            base: base.to_owned(),
            key: key.to_owned(),
            received: Received::default(),
            temporary: Mutex::default(),
            polls: AtomicU32::new(1),
            unfinished: Mutex::default(),
            limit: AtomicU32::new(0),
            window: Mutex::default(),
        })
    }

    /// Starts one on `port` of this machine; 0 for any.
    ///
    /// # Errors
    /// That of binding.
    pub async fn start(
        clock: Arc<dyn Clock>,
        port: u16,
        key: &str,
    ) -> std::io::Result<Running<Self>> {
        let stage = Stage::new(clock, name_call);
        Running::begin(stage, port, |stage, base| {
            let made = Self::new(stage, base, key);
            let router = made.router();
            (made, router)
        })
        .await
    }

    /// How often a new attachment says that it is not taken in yet.
    pub fn set_polls(&self, polls: u32) {
        self.polls.store(polls, Ordering::Relaxed);
    }

    /// How many calls a minute are answered; zero for all.
    pub fn set_limit(&self, calls: u32) {
        self.limit.store(calls, Ordering::Relaxed);
    }

    /// Empties the temporary place, as it is emptied after some time.
    pub fn clear_temporary(&self) {
        hold(&self.temporary).clear();
    }

    fn router(self: &Arc<Self>) -> Router {
        let api = Router::new()
            .route("/v1/user", get(user))
            .route("/v1/patients", get(list_patients).post(create_patient))
            .route("/v1/patients/{id}/attachment_presigned_post", get(presign))
            .route(
                "/v1/patient_attachments",
                get(list_attachments).post(create_attachment),
            )
            .route(
                "/v1/patient_attachments/{id}",
                get(read_attachment).delete(delete_attachment),
            )
            .layer(from_fn_with_state(Arc::clone(self), let_in))
            .with_state(Arc::clone(self));
        let store = Router::new()
            .route("/_store/", post(store))
            .with_state(Arc::clone(self));
        api.merge(store)
            .layer(DefaultBodyLimit::disable())
            .merge(self.received.routes())
    }

    /// Whether one more call fits into this minute; else when the next begins.
    fn count(&self) -> Result<(), i64> {
        let limit = self.limit.load(Ordering::Relaxed);
        let now = self.stage.clock().now().as_second();
        let minute = now - now.rem_euclid(60);
        let mut window = hold(&self.window);
        if window.0 != minute {
            *window = (minute, 0);
        }
        window.1 += 1;
        if limit > 0 && window.1 > limit {
            return Err(minute + 60);
        }
        Ok(())
    }

    fn attachment(&self, document: &Document, finished: bool) -> Value {
        let link = |kind: &str, id: &str| json!({"links": {"self": format!("{}/v1/{kind}/{id}", self.base)}});
        json!({
            "id": document.id.parse::<u64>().unwrap_or_default(),
            "description": document.description,
            "processing_completed": finished,
            "filename": finished.then_some(&document.name),
            "size": finished.then_some(document.len),
            "patient": link("patients", &document.client),
        })
    }

    /// Whether an attachment is taken in; asking brings it nearer.
    fn is_finished(&self, id: &str) -> bool {
        let mut unfinished = hold(&self.unfinished);
        match unfinished.get_mut(id) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        }
    }
}

fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn let_in(State(cliniko): State<Arc<Cliniko>>, request: Request, next: Next) -> Response {
    match may_enter(&cliniko, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => *refusal,
    }
}

fn may_enter(cliniko: &Cliniko, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let header = |name: header::HeaderName| headers.get(name)?.to_str().ok();
    let user = header(header::AUTHORIZATION)
        .and_then(|value| STANDARD.decode(value.strip_prefix("Basic ")?).ok())
        .and_then(|pair| String::from_utf8(pair).ok());
    if user.as_deref() != Some(&format!("{}:", cliniko.key)) {
        let body = json!({"message": "unauthorized"});
        let refusal = (StatusCode::UNAUTHORIZED, Json(body));
        return Err(Box::new(refusal.into_response()));
    }
    let named = header(header::USER_AGENT)
        .is_some_and(|agent| agent.contains(" (") && agent.contains('@') && agent.ends_with(')'));
    if !named {
        return Err(Box::new(StatusCode::FORBIDDEN.into_response()));
    }
    cliniko.count().map_err(|over| {
        let reset = [("x-ratelimit-reset", over.to_string())];
        Box::new((StatusCode::TOO_MANY_REQUESTS, reset).into_response())
    })
}

async fn user() -> Json<Value> {
    Json(json!({"id": 1, "role": "administrator", "user_active": true}))
}

type Pairs = Vec<(String, String)>;

/// The `q[]` filters: field, operator, value.
fn filters(query: &Pairs) -> Vec<(String, char, String)> {
    query
        .iter()
        .filter(|(name, _)| name == "q[]" || name == "q")
        .filter_map(|(_, filter)| {
            let (field, rest) = filter.split_once(':')?;
            let operator = rest.chars().next()?;
            Some((field.to_owned(), operator, rest.get(1..)?.to_owned()))
        })
        .collect()
}

fn passes(filters: &[(String, char, String)], value: impl Fn(&str) -> Option<String>) -> bool {
    filters.iter().all(|(field, operator, wanted)| {
        let value = value(field).unwrap_or_default().to_lowercase();
        let wanted = wanted.to_lowercase();
        match operator {
            '=' => value == wanted,
            '~' => value.contains(&wanted),
            _ => false,
        }
    })
}

/// A page of a list.
fn page(cliniko: &Cliniko, kind: &str, query: &Pairs, all: Vec<Value>) -> Json<Value> {
    let number = |name: &str, or: usize| {
        let found = query.iter().find(|(own, _)| own == name);
        found.and_then(|(_, text)| text.parse().ok()).unwrap_or(or)
    };
    let (page, len) = (number("page", 1).max(1), number("per_page", 50).min(100));
    let total = all.len();
    let shown: Vec<Value> = all.into_iter().skip((page - 1) * len).take(len).collect();
    let mut links = json!({});
    if page * len < total {
        let next = format!(
            "{}/v1/{kind}?page={}&per_page={len}",
            cliniko.base,
            page + 1
        );
        links = json!({ "next": next });
    }
    let mut body = json!({"total_entries": total, "links": links});
    if let Some(fields) = body.as_object_mut() {
        fields.insert(kind.to_owned(), Value::Array(shown));
    }
    Json(body)
}

fn patient(client: &Client) -> Value {
    json!({
        "id": client.id.parse::<u64>().unwrap_or_default(),
        "first_name": client.first_name,
        "last_name": client.last_name,
        "email": client.email,
        "date_of_birth": client.birth_date,
        "archived_at": "",
        "deleted_at": "",
    })
}

async fn list_patients(
    State(cliniko): State<Arc<Cliniko>>,
    Query(query): Query<Pairs>,
) -> Json<Value> {
    let filters = filters(&query);
    let clients = cliniko.received.holdings().clients;
    let shown = clients.iter().filter(|client| {
        passes(&filters, |field| match field {
            "email" => client.email.clone(),
            "date_of_birth" => client.birth_date.clone(),
            "first_name" => Some(client.first_name.clone()),
            "last_name" => Some(client.last_name.clone()),
            _ => None,
        })
    });
    page(&cliniko, "patients", &query, shown.map(patient).collect())
}

fn complain(field: &str) -> Response {
    let body = json!({"errors": {field: ["is not right"]}});
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

async fn create_patient(State(cliniko): State<Arc<Cliniko>>, Json(body): Json<Value>) -> Response {
    let text = |field: &str| {
        let text = body.get(field).and_then(Value::as_str)?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let (Some(first_name), Some(last_name)) = (text("first_name"), text("last_name")) else {
        return complain("last_name");
    };
    let wants_mail = |field: &str| body.get(field) != Some(&Value::Bool(false));
    if wants_mail("receives_confirmation_emails")
        || text("reminder_type").as_deref() != Some("None")
    {
        cliniko.received.mail("confirmations and reminders are on");
    }
    let id = cliniko.received.add_client(Client {
        id: String::new(),
        first_name,
        last_name,
        email: text("email"),
        birth_date: text("date_of_birth"),
        by_api: true,
    });
    let made = cliniko.received.client(&id).as_ref().map(patient);
    (StatusCode::CREATED, Json(made)).into_response()
}

async fn presign(State(cliniko): State<Arc<Cliniko>>, Path(id): Path<String>) -> Response {
    if cliniko.received.client(&id).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(json!({
        "url": format!("{}/_store/", cliniko.base),
        "fields": {
            "AWSAccessKeyId": "made-up",
            "key": format!("1/patients/{id}/attachments/temp/t&1/${{filename}}"),
            "policy": POLICY,
            "signature": "made-up=",
            "success_action_status": "201",
            "acl": "private",
        },
    }))
    .into_response()
}

/// The object store: every field of the permission, then the file, and nobody's
/// key.
async fn store(
    State(cliniko): State<Arc<Cliniko>>,
    headers: HeaderMap,
    mut form: Multipart,
) -> Response {
    let refuse = |code: &str| {
        let xml = format!("<Error><Code>{code}</Code></Error>");
        (StatusCode::FORBIDDEN, xml).into_response()
    };
    if headers.contains_key(header::AUTHORIZATION) {
        return refuse("InvalidRequest");
    }
    let mut fields = BTreeMap::new();
    while let Ok(Some(field)) = form.next_field().await {
        let name = field.name().unwrap_or_default().to_owned();
        if name != "file" {
            fields.insert(name, field.text().await.unwrap_or_default());
            continue;
        }
        // What follows the file is not looked at.
        let permitted = fields.get("policy").map(String::as_str) == Some(POLICY)
            && [
                "AWSAccessKeyId",
                "signature",
                "success_action_status",
                "acl",
            ]
            .iter()
            .all(|name| fields.contains_key(*name));
        let (true, Some(key)) = (permitted, fields.get("key")) else {
            return refuse("AccessDenied");
        };
        let file_name = field.file_name().unwrap_or_default().to_owned();
        let key = key.replace("${filename}", &file_name);
        let Ok(bytes) = field.bytes().await else {
            return refuse("IncompleteBody");
        };
        hold(&cliniko.temporary)
            .insert(format!("{}/_store/{key}", cliniko.base), (file_name, bytes));
        let key = key.replace('&', "&amp;");
        let xml = format!("<?xml version=\"1.0\"?>\n<PostResponse><Key>{key}</Key></PostResponse>");
        return (StatusCode::CREATED, xml).into_response();
    }
    refuse("MissingFile")
}

async fn create_attachment(
    State(cliniko): State<Arc<Cliniko>>,
    Json(body): Json<Value>,
) -> Response {
    let text = |field: &str| match body.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let client = text("patient_id");
    if cliniko.received.client(&client).is_none() {
        return complain("patient_id");
    }
    let Some((name, bytes)) = hold(&cliniko.temporary).remove(&text("upload_url")) else {
        return complain("upload_url");
    };
    let description = text("description");
    let kind = "application/octet-stream";
    let id = cliniko
        .received
        .add_document(&client, &name, &description, kind, &bytes);
    let polls = cliniko.polls.load(Ordering::Relaxed);
    hold(&cliniko.unfinished).insert(id.clone(), polls);
    let document = find(&cliniko, &id);
    let made = document.map(|document| cliniko.attachment(&document, polls == 0));
    (StatusCode::CREATED, Json(made)).into_response()
}

fn find(cliniko: &Cliniko, id: &str) -> Option<Document> {
    let documents = cliniko.received.documents();
    documents.into_iter().find(|document| document.id == id)
}

async fn list_attachments(
    State(cliniko): State<Arc<Cliniko>>,
    Query(query): Query<Pairs>,
) -> Json<Value> {
    let filters = filters(&query);
    let documents = cliniko.received.documents();
    let shown = documents.iter().filter(|document| {
        passes(&filters, |field| match field {
            "patient_id" => Some(document.client.clone()),
            "description" => Some(document.description.clone()),
            _ => None,
        })
    });
    let shown = shown.map(|document| cliniko.attachment(document, true));
    page(&cliniko, "patient_attachments", &query, shown.collect())
}

async fn read_attachment(State(cliniko): State<Arc<Cliniko>>, request: Request) -> Response {
    let id = last_segment(request.uri().path());
    match find(&cliniko, id) {
        Some(document) => {
            let finished = cliniko.is_finished(id);
            Json(cliniko.attachment(&document, finished)).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn delete_attachment(
    State(cliniko): State<Arc<Cliniko>>,
    Path(id): Path<String>,
) -> StatusCode {
    if cliniko.received.remove_document(&id) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

//! A platform with a plain REST interface, as a hundred small ones have it: a
//! bearer token, clients with documents below them, files in a form or in JSON.
//! And a webhook that drops what it has had already.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_domain::clock::Clock;
use serde_json::{Value, json};

use super::{Client, Document, Received, Running};
use crate::stage::{Named, Stage};

/// The platform.
#[derive(Debug)]
pub struct Plain {
    token: String,
    /// What arrived.
    pub received: Received,
}

/// Names its calls.
fn name_call(method: &Method, path: &str) -> Named {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (operation, template) = match (method.as_str(), segments.as_slice()) {
        ("GET", ["account"]) => ("account", "/account"),
        ("GET", ["clients"]) => ("search:clients", "/clients"),
        ("POST", ["clients"]) => ("create:client", "/clients"),
        ("GET", ["clients", _, "documents"]) => ("search:documents", "/clients/{id}/documents"),
        ("POST", ["clients", _, "documents"]) => ("create:document", "/clients/{id}/documents"),
        ("DELETE", ["documents", _]) => ("delete:document", "/documents/{id}"),
        ("POST", ["hook"]) => ("hook", "/hook"),
        _ => ("other", path),
    };
    Named {
        operation: operation.to_owned(),
        template: template.to_owned(),
    }
}

impl Plain {
    fn new(token: &str) -> Arc<Self> {
        Arc::new(Self {
            token: token.to_owned(),
            received: Received::default(),
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

    fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/account", get(account))
            .route("/clients", get(list_clients).post(create_client))
            .route(
                "/clients/{id}/documents",
                get(list_documents).post(create_document),
            )
            .route("/documents/{id}", delete(delete_document))
            .route("/hook", post(hook))
            .layer(from_fn_with_state(Arc::clone(self), let_in))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(self))
            .merge(self.received.routes())
    }
}

async fn let_in(State(plain): State<Arc<Plain>>, request: Request, next: Next) -> Response {
    let proof = request.headers().get(header::AUTHORIZATION);
    let proof = proof.and_then(|proof| proof.to_str().ok());
    if proof != Some(&format!("Bearer {}", plain.token)) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

async fn account() -> Json<Value> {
    Json(json!({"name": "Practice on the Corner"}))
}

type Pairs = Vec<(String, String)>;

fn parameter<'a>(query: &'a Pairs, name: &str) -> &'a str {
    let found = query.iter().find(|(own, _)| own == name);
    found.map_or("", |(_, value)| value.as_str())
}

async fn list_clients(State(plain): State<Arc<Plain>>, Query(query): Query<Pairs>) -> Json<Value> {
    let email = parameter(&query, "email");
    let clients = plain.received.holdings().clients;
    let found = clients.iter().filter(|client| client.has_email(email));
    let found = found.map(|client| {
        json!({"id": client.id, "contact": {"email": client.email}, "dob": client.birth_date})
    });
    Json(json!({"data": found.collect::<Vec<_>>()}))
}

async fn create_client(State(plain): State<Arc<Plain>>, Json(body): Json<Value>) -> Response {
    let text = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
    if body.get("notify") != Some(&Value::Bool(false)) {
        plain.received.mail("welcome");
    }
    let id = plain.received.add_client(Client {
        id: String::new(),
        first_name: text("first").unwrap_or_default(),
        last_name: text("last").unwrap_or_default(),
        email: text("email"),
        birth_date: text("dob"),
        by_api: true,
    });
    (StatusCode::CREATED, Json(json!({"data": {"id": id}}))).into_response()
}

fn view(document: &Document) -> Value {
    json!({
        "id": document.id,
        "client_id": document.client,
        "file_name": document.name,
        "description": document.description,
    })
}

async fn list_documents(
    State(plain): State<Arc<Plain>>,
    Path(client): Path<String>,
    Query(query): Query<Pairs>,
) -> Json<Value> {
    let text = parameter(&query, "q");
    let documents = plain.received.documents();
    let found = documents
        .iter()
        .filter(|document| document.client == client && document.description.contains(text));
    Json(json!({"data": found.map(view).collect::<Vec<_>>()}))
}

/// What a form or JSON brought: name, description, kind, bytes.
struct Brought {
    name: String,
    description: String,
    kind: String,
    bytes: Vec<u8>,
}

async fn from_form(request: Request) -> Option<Brought> {
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    let mut description = String::new();
    let mut file = None;
    while let Some(field) = form.next_field().await.ok()? {
        match field.name() {
            Some("file") => {
                let name = field.file_name().unwrap_or_default().to_owned();
                let kind = field.content_type().unwrap_or_default().to_owned();
                file = Some((name, kind, field.bytes().await.ok()?.to_vec()));
            }
            Some("description") => description = field.text().await.ok()?,
            _ => {}
        }
    }
    let (name, kind, bytes) = file?;
    Some(Brought {
        name,
        description,
        kind,
        bytes,
    })
}

fn from_json(body: &Value) -> Option<Brought> {
    let text = |field: &str| body.get(field)?.as_str().map(str::to_owned);
    Some(Brought {
        name: text("file_name")?,
        description: text("description").or_else(|| text("marker"))?,
        kind: text("content_type")?,
        bytes: STANDARD.decode(text("content_base64")?).ok()?,
    })
}

async fn create_document(
    State(plain): State<Arc<Plain>>,
    Path(client): Path<String>,
    request: Request,
) -> Response {
    if plain.received.client(&client).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind.as_bytes() == b"application/json");
    let brought = if is_json {
        let body = Json::<Value>::from_request(request, &()).await;
        body.ok().and_then(|Json(body)| from_json(&body))
    } else {
        from_form(request).await
    };
    let Some(brought) = brought else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    let id = plain.received.add_document(
        &client,
        &brought.name,
        &brought.description,
        &brought.kind,
        &brought.bytes,
    );
    (StatusCode::CREATED, Json(json!({"data": {"id": id}}))).into_response()
}

async fn delete_document(State(plain): State<Arc<Plain>>, Path(id): Path<String>) -> StatusCode {
    if plain.received.remove_document(&id) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn hook(
    State(plain): State<Arc<Plain>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> StatusCode {
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
    let client = text("client");
    match text("event") {
        "document.put" => {
            let key = headers.get("idempotency-key");
            let same_key = key.is_some_and(|key| key.as_bytes() == text("key").as_bytes());
            let marker = text("marker");
            let documents = plain.received.documents();
            if documents
                .iter()
                .any(|document| document.description == marker)
            {
                return StatusCode::CONFLICT;
            }
            match from_json(&body) {
                Some(brought) if same_key => {
                    let (name, kind) = (&brought.name, &brought.kind);
                    plain
                        .received
                        .add_document(client, name, marker, kind, &brought.bytes);
                    StatusCode::ACCEPTED
                }
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            }
        }
        "document.removed" => {
            let marker = format!("src:{}", text("key"));
            let documents = plain.received.documents();
            let found = documents
                .iter()
                .find(|document| document.description == marker);
            match found {
                Some(document) if plain.received.remove_document(&document.id) => {
                    StatusCode::NO_CONTENT
                }
                _ => StatusCode::NOT_FOUND,
            }
        }
        _ => StatusCode::BAD_REQUEST,
    }
}

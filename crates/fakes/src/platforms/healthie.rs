//! Shaped like Healthie: one GraphQL path, the key as it is behind `Basic`, a
//! refused write that answers 200 with `messages`, a welcome mail for every
//! client unless it is declined, and a notice for every document that is shared.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_domain::clock::Clock;
use serde_json::{Value, json};

use super::{Client, Received, Running};
use crate::stage::{Named, Stage};

/// The platform.
#[derive(Debug)]
pub struct Healthie {
    key: String,
    /// What arrived.
    pub received: Received,
}

/// Names its calls by the field that they ask for.
fn name_call(_method: &Method, path: &str, body: &[u8]) -> Named {
    let field = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| root_field(body.get("query")?.as_str()?));
    Named {
        operation: field.unwrap_or_else(|| "other".to_owned()),
        template: path.to_owned(),
    }
}

/// The first field that a GraphQL document selects.
fn root_field(query: &str) -> Option<String> {
    let (_, selection) = query.split_once('{')?;
    let name = selection
        .trim_start()
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

impl Healthie {
    fn new(key: &str) -> Arc<Self> {
        Arc::new(Self {
            key: key.to_owned(),
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
        key: &str,
    ) -> std::io::Result<Running<Self>> {
        let stage = Stage::by_body(clock, name_call);
        Running::begin(stage, port, |_, _| {
            let made = Self::new(key);
            let router = made.router();
            (made, router)
        })
        .await
    }

    fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/graphql", post(graphql))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(self))
            .merge(self.received.routes())
    }

    fn users(&self, variables: &Value) -> Value {
        let keywords = text(variables, "keywords").to_lowercase();
        let clients = self.received.holdings().clients;
        let found = clients.iter().filter(|client| {
            let email = client.email.clone().unwrap_or_default();
            let all = format!("{} {} {email}", client.first_name, client.last_name);
            all.to_lowercase().contains(&keywords)
        });
        let found = found.map(
            |client| json!({"id": client.id, "email": client.email, "dob": client.birth_date}),
        );
        paged(variables, found.collect())
    }

    fn documents(&self, variables: &Value) -> Value {
        let keywords = text(variables, "keywords").to_lowercase();
        let documents = self.received.documents();
        let found = documents.iter().filter(|document| {
            let all = format!("{} {}", document.name, document.description);
            all.to_lowercase().contains(&keywords)
        });
        let found = found.map(|document| {
            json!({
                "id": document.id,
                "description": document.description,
                "rel_user_id": document.client,
            })
        });
        paged(variables, found.collect())
    }

    fn create_client(&self, input: &Value) -> Value {
        let email = Some(text(input, "email")).filter(|email| !email.is_empty());
        let taken = email.as_ref().is_some_and(|email| {
            let clients = self.received.holdings().clients;
            clients.iter().any(|client| client.has_email(email))
        });
        if taken {
            return complaint("user", "email", "Email has already been taken");
        }
        if email.is_none() && input.get("skipped_email") != Some(&Value::Bool(true)) {
            return complaint("user", "email", "Email can't be blank");
        }
        if input.get("dont_send_welcome") != Some(&Value::Bool(true)) {
            self.received.mail("welcome");
        }
        let id = self.received.add_client(Client {
            id: String::new(),
            first_name: text(input, "first_name"),
            last_name: text(input, "last_name"),
            email,
            birth_date: Some(text(input, "dob")).filter(|date| !date.is_empty()),
            by_api: true,
        });
        json!({"user": {"id": id}, "messages": null})
    }

    fn create_document(&self, input: &Value) -> Value {
        let client = text(input, "rel_user_id");
        if self.received.client(&client).is_none() {
            return complaint("document", "rel_user_id", "Client does not exist");
        }
        let file = text(input, "file_string");
        let parts = file
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(";base64,"))
            .and_then(|(kind, data)| Some((kind.to_owned(), STANDARD.decode(data).ok()?)));
        let Some((kind, bytes)) = parts else {
            return complaint("document", "file", "File is not valid");
        };
        if input.get("share_with_rel") == Some(&Value::Bool(true)) {
            self.received.mail("a document was shared");
        }
        let (name, description) = (text(input, "display_name"), text(input, "description"));
        let id = self
            .received
            .add_document(&client, &name, &description, &kind, &bytes);
        json!({"document": {"id": id}, "messages": []})
    }

    fn answer(&self, field: &str, variables: &Value) -> Response {
        let input = variables.get("input").unwrap_or(&Value::Null);
        let data = match field {
            "currentUser" => json!({"id": "1"}),
            "users" => self.users(variables),
            "documents" => self.documents(variables),
            "createClient" => self.create_client(input),
            "createDocument" => self.create_document(input),
            "deleteDocument" if self.received.remove_document(&text(input, "id")) => {
                json!({"messages": null})
            }
            "deleteDocument" => {
                let body = json!({"errors": [{"message": "Document not found"}]});
                return (StatusCode::NOT_FOUND, Json(body)).into_response();
            }
            _ => return wrong("that field does not exist"),
        };
        Json(json!({"data": {field: data}})).into_response()
    }
}

fn text(value: &Value, field: &str) -> String {
    let text = value.get(field).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn paged(variables: &Value, all: Vec<Value>) -> Value {
    let number = |name: &str, or: u64| {
        let number = variables.get(name).and_then(Value::as_u64).unwrap_or(or);
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    let (offset, len) = (number("offset", 0), number("pageSize", 10));
    Value::Array(all.into_iter().skip(offset).take(len).collect())
}

/// A refused write: nothing made, and the reason beside it.
fn complaint(made: &str, field: &str, message: &str) -> Value {
    json!({made: null, "messages": [{"field": field, "message": message}]})
}

fn wrong(message: &str) -> Response {
    Json(json!({"errors": [{"message": message}]})).into_response()
}

async fn graphql(
    State(healthie): State<Arc<Healthie>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let field = root_field(&text(&body, "query")).unwrap_or_default();
    let known = header("authorization") == Some(&format!("Basic {}", healthie.key))
        && header("authorizationsource") == Some("API");
    match (known, field.as_str()) {
        (true, _) => {
            let variables = body.get("variables").unwrap_or(&Value::Null);
            healthie.answer(&field, variables)
        }
        (false, "currentUser") => Json(json!({"data": {"currentUser": null}})).into_response(),
        (false, _) => wrong("API Key is not valid"),
    }
}

//! A conversation with the router: requests and answers as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use chartkey_server::api;
use chartkey_server::app::App;
use chartkey_server::config::{Config, Sources};
use chartkey_server::press::Press;
use chartkey_service::world::World;
use chartkey_store::{Place, Store, StoreConfig};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// A password that is long enough for anybody.
pub const PASSWORD: &str = chartkey_service::world::PASSWORD;

/// Fields whose values differ from run to run.
const CHANCE: &[&str] = &[
    "access_token",
    "refresh_token",
    "recovery_code",
    "wrapped_seed",
    "ticket",
    "salt",
    "signature",
    "checkpoint",
    "body",
    "x",
];

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
    pub text: String,
}

/// A world with a router over it, and what was said so far.
pub struct Conversation {
    pub world: World,
    router: Router,
    said: String,
    names: BTreeMap<String, String>,
}

impl Conversation {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With settings of the environment.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let store = Store::open(&StoreConfig::new(Place::Memory)).unwrap();
        let press = Arc::new(Press::new("https://chart.example"));
        let world = World::with_press(store, press).await;
        let mut environment: BTreeMap<String, String> =
            [("APP_URL".to_owned(), "https://chart.example".to_owned())].into();
        for (name, value) in settings {
            environment.insert((*name).to_owned(), (*value).to_owned());
        }
        let config = Config::load(&Sources {
            environment,
            ..Sources::default()
        })
        .unwrap();
        let app = App::new(config, world.service.clone(), None);
        Self {
            world,
            router: api::router(app),
            said: String::new(),
            names: BTreeMap::new(),
        }
    }

    /// Sends a request as it is; writes nothing down.
    pub async fn raw(&self, mut request: Request<Body>) -> Answer {
        let peer = SocketAddr::from(([192, 0, 2, 7], 40_000));
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// Says `method path`, with a token and a JSON body where given, and
    /// writes question and answer down.
    pub async fn say(&mut self, call: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        self.say_as(call, token, "application/json", body).await
    }

    pub async fn say_as(
        &mut self,
        call: &str,
        token: Option<&str>,
        media_type: &str,
        body: Option<Value>,
    ) -> Answer {
        let (method, path) = call.split_once(' ').unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("user-agent", "conversation/1");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", media_type);
        }
        let bytes = body.as_ref().map(Value::to_string).unwrap_or_default();
        let answer = self.raw(request.body(Body::from(bytes)).unwrap()).await;
        let path = self.redact_text(path);
        let _ = write!(self.said, "> {method} {path}");
        if let Some(body) = body {
            let kind = if media_type == "application/json" {
                ""
            } else {
                " sealed"
            };
            let shown = self.redact(&body, "");
            let _ = write!(self.said, "{kind} {shown}");
        }
        let _ = write!(self.said, "\n< {}", answer.status.as_u16());
        if !answer.text.is_empty() {
            let shown = if answer.json.is_null() {
                self.redact_text(&answer.text)
            } else {
                serde_json::to_string_pretty(&self.redact(&answer.json.clone(), "")).unwrap()
            };
            let _ = write!(self.said, " {shown}");
        }
        self.said.push_str("\n\n");
        answer
    }

    /// Everything that was said.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Registers, verifies and signs in; the access token.
    pub async fn patient(&mut self, email: &str) -> String {
        self.world.patient(email).await;
        self.world.run_jobs().await;
        self.sign_in(email).await
    }

    /// Signs in over HTTP; the access token.
    pub async fn sign_in(&mut self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let request = Request::post("/api/auth/login")
            .header("content-type", "application/json")
            .header("user-agent", "world/1")
            .body(Body::from(body.to_string()))
            .unwrap();
        let answer = self.raw(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["access_token"].as_str().unwrap().to_owned()
    }

    fn name_of(&mut self, id: &str) -> String {
        let count = self.names.len() + 1;
        self.names
            .entry(id.to_owned())
            .or_insert_with(|| format!("[id {count}]"))
            .clone()
    }

    fn redact(&mut self, value: &Value, field: &str) -> Value {
        match value {
            Value::String(text) if CHANCE.contains(&field) => {
                json!(format!("[{field}, {} characters]", text.chars().count()))
            }
            Value::String(text) => json!(self.redact_text(text)),
            Value::Array(items) if field == "hashes" => json!(format!("[{} hashes]", items.len())),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.redact(item, field)).collect())
            }
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.redact(value, name)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    /// Ids anywhere in a text.
    fn redact_text(&mut self, text: &str) -> String {
        let is_id = |part: &str| {
            part.len() == 36
                && part.bytes().enumerate().all(|(index, byte)| match index {
                    8 | 13 | 18 | 23 => byte == b'-',
                    _ => byte.is_ascii_hexdigit(),
                })
        };
        let mut rest = text;
        let mut out = String::new();
        while let Some(first) = rest.chars().next() {
            match rest.get(..36) {
                Some(part) if is_id(part) => {
                    out.push_str(&self.name_of(part));
                    rest = &rest[36..];
                }
                _ => {
                    out.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        out
    }
}

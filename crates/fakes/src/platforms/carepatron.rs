//! Shaped like what is known of Carepatron: a key in `cp-api-key`, two pings, and
//! an export of contacts as a job. It takes no document. The paths of the export
//! are made up, as nobody has published them; so are its words.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chartkey_domain::clock::Clock;
use serde_json::{Value, json};

use super::{Received, Running};
use crate::stage::{Named, Stage};

/// The platform.
#[derive(Debug)]
pub struct Carepatron {
    key: String,
    provider: String,
    /// What arrived: clients, and never a document.
    pub received: Received,
    /// Jobs, by how often each still says that it is not finished.
    jobs: Mutex<BTreeMap<String, u32>>,
    begun: AtomicU32,
    reads: AtomicU32,
}

/// Names its calls.
fn name_call(method: &Method, path: &str) -> Named {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (operation, template) = match (method.as_str(), segments.as_slice()) {
        ("GET", ["ping"]) => ("ping", "/ping"),
        ("GET", ["providers", _, "secure-ping"]) => ("secure-ping", "/providers/{id}/secure-ping"),
        ("POST", ["providers", _, "contacts", "export-jobs"]) => {
            ("create:export", "/providers/{id}/contacts/export-jobs")
        }
        ("GET", ["providers", _, "contacts", "export-jobs", _]) => {
            ("read:export", "/providers/{id}/contacts/export-jobs/{job}")
        }
        ("DELETE", ["providers", _, "contacts", "export-jobs", _]) => (
            "delete:export",
            "/providers/{id}/contacts/export-jobs/{job}",
        ),
        _ => ("other", path),
    };
    Named {
        operation: operation.to_owned(),
        template: template.to_owned(),
    }
}

impl Carepatron {
    fn new(key: &str, provider: &str) -> Arc<Self> {
        Arc::new(Self {
            key: key.to_owned(),
            provider: provider.to_owned(),
            received: Received::default(),
            jobs: Mutex::default(),
            begun: AtomicU32::new(0),
            reads: AtomicU32::new(1),
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
        provider: &str,
    ) -> std::io::Result<Running<Self>> {
        let stage = Stage::new(clock, name_call);
        Running::begin(stage, port, |_, _| {
            let made = Self::new(key, provider);
            let router = made.router();
            (made, router)
        })
        .await
    }

    /// How often a new job says that it is not finished.
    pub fn set_reads(&self, reads: u32) {
        self.reads.store(reads, Ordering::Relaxed);
    }

    /// How many exports lie about.
    pub fn exports(&self) -> usize {
        self.hold().len()
    }

    fn hold(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/providers/{id}/secure-ping", get(ping))
            .route("/providers/{id}/contacts/export-jobs", post(begin))
            .route(
                "/providers/{id}/contacts/export-jobs/{job}",
                get(read).delete(delete),
            )
            .layer(from_fn_with_state(Arc::clone(self), let_in))
            .with_state(Arc::clone(self))
            .route("/ping", get(ping))
            .merge(self.received.routes())
    }
}

async fn let_in(
    State(carepatron): State<Arc<Carepatron>>,
    request: Request,
    next: Next,
) -> Response {
    let key = request.headers().get("cp-api-key");
    if key.and_then(|key| key.to_str().ok()) != Some(&carepatron.key) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let provider = request.uri().path().split('/').nth(2);
    if provider != Some(&carepatron.provider) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

async fn ping() -> Json<Value> {
    Json(json!({"message": "pong"}))
}

async fn begin(State(carepatron): State<Arc<Carepatron>>) -> Response {
    let number = carepatron.begun.fetch_add(1, Ordering::Relaxed) + 1;
    let id = format!("job-{number}");
    let reads = carepatron.reads.load(Ordering::Relaxed);
    carepatron.hold().insert(id.clone(), reads);
    let body = json!({"id": id, "status": "pending"});
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

async fn read(
    State(carepatron): State<Arc<Carepatron>>,
    Path((_, job)): Path<(String, String)>,
) -> Response {
    {
        let mut jobs = carepatron.hold();
        let Some(left) = jobs.get_mut(&job) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if *left > 0 {
            *left -= 1;
            return Json(json!({"id": job, "status": "running"})).into_response();
        }
    }
    let clients = carepatron.received.holdings().clients;
    let contacts: Vec<Value> = clients
        .iter()
        .map(|client| {
            json!({
                "id": client.id,
                "type": "Client",
                "firstName": client.first_name,
                "lastName": client.last_name,
                "email": client.email,
                "birthDate": client.birth_date,
            })
        })
        .collect();
    Json(json!({"id": job, "status": "completed", "contacts": contacts})).into_response()
}

async fn delete(
    State(carepatron): State<Arc<Carepatron>>,
    Path((_, job)): Path<(String, String)>,
) -> StatusCode {
    match carepatron.hold().remove(&job) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

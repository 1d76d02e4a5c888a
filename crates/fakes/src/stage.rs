//! Where a made-up system stands: it sees every call before the system does,
//! writes it down, and lets go wrong what was planned.
//!
//! Beside the system's own paths it answers
//! - `GET /_journal`: what was received, as an array of [`Entry`]; `DELETE`
//!   forgets it;
//! - `PUT /_control` with `{"faults": [Rule…], "latency_millis": n}`: sets what
//!   shall go wrong and how long every answer takes; `POST` adds rules; `GET`
//!   shows; `DELETE` sets everything right again.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use chartkey_domain::clock::Clock;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::faults::{Fault, FaultPlan, Rule};
use crate::journal::{Entry, HEADERS_OF_INTEREST, Journal};

/// Largest body of a call or an answer.
const MAX_BODY_LEN: usize = 128 << 20;

/// How a call is named in rules and in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What it asks for: `search:Observation`.
    pub operation: String,
    /// Its path with ids taken out.
    pub template: String,
}

/// Names calls.
pub type NameCall = fn(&Method, &str) -> Named;

/// Names calls that differ in their bodies only.
pub type NameByBody = fn(&Method, &str, &[u8]) -> Named;

/// How calls are named.
#[derive(Clone, Copy)]
enum Naming {
    Path(NameCall),
    Body(NameByBody),
}

/// A made-up system's faults, its journal and its clock.
pub struct Stage {
    clock: Arc<dyn Clock>,
    naming: Naming,
    plan: Mutex<FaultPlan>,
    journal: Mutex<Journal>,
    latency_millis: AtomicU64,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stage")
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage {
    /// A stage where nothing goes wrong yet.
    pub fn new(clock: Arc<dyn Clock>, name: NameCall) -> Arc<Self> {
        Self::naming(clock, Naming::Path(name))
    }

    /// The same for a system whose calls differ in their bodies only.
    pub fn by_body(clock: Arc<dyn Clock>, name: NameByBody) -> Arc<Self> {
        Self::naming(clock, Naming::Body(name))
    }

    fn naming(clock: Arc<dyn Clock>, naming: Naming) -> Arc<Self> {
        Arc::new(Self {
            clock,
            naming,
            plan: Mutex::default(),
            journal: Mutex::default(),
            latency_millis: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        })
    }

    /// The clock of the made-up system.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Sets what shall go wrong, instead of what was set before, and counts calls
    /// from one again.
    pub fn set_faults(&self, rules: Vec<Rule>) {
        hold(&self.plan).set(rules);
    }

    /// Something else shall go wrong too; its calls are counted from now.
    pub fn add_fault(&self, rule: Rule) {
        hold(&self.plan).add(rule);
    }

    /// How long every answer takes at least.
    pub fn set_latency(&self, latency: Duration) {
        let millis = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.latency_millis.store(millis, Ordering::Relaxed);
    }

    /// What was received, in order.
    pub fn journal(&self) -> Vec<Entry> {
        hold(&self.journal).entries()
    }

    /// What was received of one operation; `*` at its end stands for anything.
    pub fn received(&self, operation: &str) -> Vec<Entry> {
        let fits = |name: &str| match operation.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == operation,
        };
        let mut entries = self.journal();
        entries.retain(|entry| fits(&entry.operation));
        entries
    }

    /// Forgets what was received.
    pub fn forget(&self) {
        hold(&self.journal).clear();
        self.most_in_flight.store(0, Ordering::Relaxed);
    }

    /// How many calls were in work at once, at most, since the last
    /// [`Self::forget`].
    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::Relaxed)
    }
}

/// A made-up system that is being served; dropping it ends it.
#[derive(Debug)]
pub struct Served {
    /// `http://127.0.0.1:port`.
    pub base_url: String,
    task: JoinHandle<()>,
}

impl Served {
    /// Serves until the process ends, whatever becomes of `self`.
    pub async fn forever(mut self) {
        if (&mut self.task).await.is_err() {
            // The task was ended, or panicked: nothing more to wait for.
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves what `build` makes of its own base URL, on a free port of this machine,
/// under the eyes of `stage`.
///
/// # Errors
/// That of binding.
pub async fn serve(
    stage: &Arc<Stage>,
    build: impl FnOnce(&str) -> Router,
) -> std::io::Result<Served> {
    serve_at(stage, 0, build).await
}

/// [`serve`] on this port.
///
/// # Errors
/// That of binding.
pub async fn serve_at(
    stage: &Arc<Stage>,
    port: u16,
    build: impl FnOnce(&str) -> Router,
) -> std::io::Result<Served> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let router = staged(stage, build(&base_url));
    let task = tokio::spawn(async move {
        if axum::serve(listener, router).await.is_err() {
            // It accepts until it is ended.
        }
    });
    Ok(Served { base_url, task })
}

/// The router under the eyes of the stage, with the stage's own paths.
pub fn staged(stage: &Arc<Stage>, router: Router) -> Router {
    router
        .layer(from_fn_with_state(Arc::clone(stage), watch))
        .merge(control(Arc::clone(stage)))
}

/// A call in work, counted until it is answered or hung up on.
struct InFlight<'a>(&'a Stage);

impl<'a> InFlight<'a> {
    fn begin(stage: &'a Stage) -> Self {
        let now = stage.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        stage.most_in_flight.fetch_max(now, Ordering::Relaxed);
        Self(stage)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn watch(State(stage): State<Arc<Stage>>, request: Request, next: Next) -> Response {
    let _in_flight = InFlight::begin(&stage);
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_LEN).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = head.uri.path();
    let named = match stage.naming {
        Naming::Path(name) => name(&head.method, path),
        Naming::Body(name) => name(&head.method, path, &body),
    };
    let (fault, nth) = hold(&stage.plan).call(&named.operation);
    let headers = HEADERS_OF_INTEREST.iter().filter_map(|name| {
        let value = head.headers.get(*name)?;
        Some((
            (*name).to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        ))
    });
    let number = hold(&stage.journal).push(Entry {
        number: 0,
        at: stage.clock.now(),
        operation: named.operation,
        nth,
        method: head.method.to_string(),
        template: named.template,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body_sha256: (!body.is_empty()).then(|| hex(&Sha256::digest(&body))),
        body_len: body.len(),
        fault: fault.as_ref().map(|fault| fault.word().to_owned()),
        acted: fault.as_ref().is_none_or(Fault::acts),
        status: None,
    });
    let latency = stage.latency_millis.load(Ordering::Relaxed);
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    let request = Request::from_parts(head, Body::from(body));
    let response = match fault {
        None => next.run(request).await,
        Some(fault) => go_wrong(fault, request, next).await,
    };
    hold(&stage.journal).answered(number, response.status().as_u16());
    response
}

async fn go_wrong(fault: Fault, request: Request, next: Next) -> Response {
    match fault {
        Fault::TimeoutBefore => std::future::pending().await,
        Fault::TimeoutAfter => {
            next.run(request).await;
            std::future::pending().await
        }
        Fault::Status {
            status,
            retry_after,
            body,
        } => refusal(status, retry_after.as_deref(), body),
        Fault::StatusAfter { status } => {
            next.run(request).await;
            refusal(status, None, None)
        }
        Fault::BrokenBody => {
            let (head, body) = whole(next.run(request).await).await;
            let half = body.slice(..body.len() / 2);
            Response::from_parts(head, Body::from(half))
        }
        Fault::Disconnect => {
            let (head, body) = whole(next.run(request).await).await;
            let half = body.slice(..body.len() / 2);
            let pieces = [
                Ok(half),
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            ];
            Response::from_parts(head, Body::from_stream(stream::iter(pieces)))
        }
        Fault::Trickle { bytes, wait_millis } => {
            let (head, body) = whole(next.run(request).await).await;
            Response::from_parts(head, trickle(body, bytes.max(1), wait_millis))
        }
    }
}

fn refusal(status: u16, retry_after: Option<&str>, body: Option<String>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = body.unwrap_or_else(|| "this was meant to go wrong".to_owned());
    let mut response = (status, body).into_response();
    if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// An answer's head, without its length, and its whole body.
async fn whole(response: Response) -> (axum::http::response::Parts, Bytes) {
    let (mut head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_LEN)
        .await
        .unwrap_or_default();
    head.headers.remove(header::CONTENT_LENGTH);
    (head, body)
}

fn trickle(body: Bytes, bytes: usize, wait_millis: u64) -> Body {
    let wait = Duration::from_millis(wait_millis);
    Body::from_stream(stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(wait).await;
        let piece = rest.split_to(bytes.min(rest.len()));
        Some((Ok::<_, Infallible>(piece), rest))
    }))
}

/// Bytes in hexadecimal, small letters.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).expect("four bits are a digit"));
        }
        text
    })
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Control {
    faults: Vec<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_millis: Option<u64>,
}

fn control(stage: Arc<Stage>) -> Router {
    Router::new()
        .route("/_journal", get(list_journal).delete(delete_journal))
        .route(
            "/_control",
            get(find_control)
                .put(set_control)
                .post(add_control)
                .delete(delete_control),
        )
        .with_state(stage)
}

async fn list_journal(State(stage): State<Arc<Stage>>) -> Json<Vec<Entry>> {
    Json(stage.journal())
}

async fn delete_journal(State(stage): State<Arc<Stage>>) -> StatusCode {
    stage.forget();
    StatusCode::NO_CONTENT
}

async fn find_control(State(stage): State<Arc<Stage>>) -> Json<Control> {
    Json(Control {
        faults: hold(&stage.plan).rules(),
        latency_millis: Some(stage.latency_millis.load(Ordering::Relaxed)),
    })
}

async fn set_control(
    State(stage): State<Arc<Stage>>,
    Json(control): Json<Control>,
) -> Json<Control> {
    stage.set_faults(control.faults);
    if let Some(millis) = control.latency_millis {
        stage.set_latency(Duration::from_millis(millis));
    }
    find_control(State(stage)).await
}

async fn add_control(
    State(stage): State<Arc<Stage>>,
    Json(control): Json<Control>,
) -> Json<Control> {
    for rule in control.faults {
        stage.add_fault(rule);
    }
    find_control(State(stage)).await
}

async fn delete_control(State(stage): State<Arc<Stage>>) -> Json<Control> {
    stage.set_faults(Vec::new());
    stage.set_latency(Duration::ZERO);
    find_control(State(stage)).await
}

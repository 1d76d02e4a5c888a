//! Synchronisation: asking for it, how it stands, its log, and what a person has
//! to do about single deliveries.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chartkey_domain::connections::Direction;
use chartkey_domain::ids::{ConnectionId, DeliveryId, PatientId, SyncId};
use chartkey_domain::sync::{Counts, DeliveryState};
use chartkey_service::assisted::Assisted;
use chartkey_service::delivery::{self, DeliveryView as Delivery};
use chartkey_service::sync::{self as service, Asked, LogView as Line, SyncView as Found};
use chartkey_vault::delivery::{Owed, SealedOwed};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::caller::Caller;
use super::super::json::Json;
use super::super::patients::sealed;
use super::super::problem::{Problem, ProblemView};
use super::super::wire::{Page, PageQuery, Query, cursor, cursor_part, path_id};
use crate::app::App;

/// Longest that a request waits for its synchronisation.
const PATIENCE: Duration = Duration::from_secs(25);

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start_sync))
        .routes(routes!(find_sync))
        .routes(routes!(list_logs))
        .routes(routes!(find_log))
        .routes(routes!(list_deliveries))
        .routes(routes!(update_delivery))
        .routes(routes!(list_owed, seal_owed))
}

/// What is to be synchronised.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncRequest {
    /// `pull`, `push`, or `both` (where absent).
    #[serde(default)]
    direction: Option<String>,
    /// Only this connection.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    connection_id: Option<String>,
    /// List everything anew, also what did not change.
    #[serde(default)]
    whole: bool,
    /// Wait for it, 25 seconds at most, and answer its log.
    #[serde(default)]
    wait: bool,
}

/// A synchronisation that was asked for.
#[derive(Serialize, ToSchema)]
pub struct StartedView {
    /// To look at it by; null where the patient is connected to nothing.
    #[schema(value_type = Option<uuid::Uuid>)]
    sync_id: Option<String>,
    /// How many connections it runs over.
    runs: usize,
    /// Not before then: one was asked for a moment ago.
    #[schema(value_type = Option<String>, format = DateTime)]
    not_before: Option<Timestamp>,
}

/// A line of the synchronization log.
#[derive(Serialize, ToSchema)]
pub struct LogView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    #[schema(value_type = Option<uuid::Uuid>)]
    document_id: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    connection_id: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    sync_id: Option<String>,
    /// `manual sync`, `automatic update`, `push` or `request`.
    action: &'static str,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// `success`, `error` or `pending`.
    status: &'static str,
    /// The step, as a word.
    step: String,
    /// What happened, in a sentence.
    details: String,
}

impl From<Line> for LogView {
    fn from(line: Line) -> Self {
        Self {
            id: line.id.to_string(),
            patient_id: line.patient.to_string(),
            document_id: line.record.map(|id| id.to_string()),
            connection_id: line.connection.map(|id| id.to_string()),
            sync_id: line.sync.map(|id| id.to_string()),
            action: line.action.word(),
            timestamp: line.at,
            status: line.status.word(),
            step: line.step,
            details: line.details,
        }
    }
}

/// Synchronises a patient now: dieticians their caseload, patients themselves.
#[utoipa::path(post, path = "/api/v1/patients/{id}/sync", tag = "practice",
    params(("id" = uuid::Uuid, Path)), request_body = SyncRequest,
    responses((status = 202, body = StartedView),
        (status = 200, description = "With `wait`: what happened", body = Page<LogView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn start_sync(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<SyncRequest>,
) -> Result<Response, Problem> {
    let patient: PatientId = path_id(&id, "patient.unknown")?;
    let direction = match body.direction.as_deref() {
        None | Some("both") => None,
        Some("pull") => Some(Direction::Source),
        Some("push") => Some(Direction::Destination),
        Some(_) => return Err(Problem::field("direction", "pull, push or both")),
    };
    let connection = body
        .connection_id
        .as_deref()
        .map(|text| path_id::<ConnectionId>(text, "connection.unknown"))
        .transpose()?;
    let asked = Asked {
        direction,
        connection,
        whole: body.whole,
    };
    let started = service::start_sync(app.service(), &caller, patient, asked).await?;
    if caller.account().is_ok_and(|account| account.assisted) {
        // What is owed to destinations is sealed with the keys of this request.
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        assisted.settle_owed(patient).await;
    }
    if body.wait && started.runs > 0 {
        service::drive(app.service(), started.sync, PATIENCE)
            .await
            .map_err(|_| Problem::new("server.unavailable"))?;
        let lines = service::list_sync_logs(app.service(), &caller, started.sync).await?;
        let items = lines.into_iter().map(LogView::from).collect();
        return Ok(Json(Page { items, next: None }).into_response());
    }
    let view = StartedView {
        sync_id: (started.runs > 0).then(|| started.sync.to_string()),
        runs: started.runs,
        not_before: started.not_before,
    };
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

/// What a run brought, in numbers.
#[derive(Serialize, ToSchema)]
pub struct CountsView {
    created: u64,
    updated: u64,
    unchanged: u64,
    skipped: u64,
    failed: u64,
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        Self {
            created: counts.created,
            updated: counts.updated,
            unchanged: counts.unchanged,
            skipped: counts.skipped,
            failed: counts.failed,
        }
    }
}

/// One connection in a synchronisation.
#[derive(Serialize, ToSchema)]
pub struct RunView {
    #[schema(value_type = uuid::Uuid)]
    connection_id: String,
    name: String,
    direction: &'static str,
    /// `queued`, `running`, `done`, `partial`, `failed`.
    state: &'static str,
    counts: CountsView,
    problem: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    run_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

/// How a synchronisation stands.
#[derive(Serialize, ToSchema)]
pub struct SyncView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    state: &'static str,
    counts: CountsView,
    runs: Vec<RunView>,
}

impl From<Found> for SyncView {
    fn from(found: Found) -> Self {
        Self {
            id: found.id.to_string(),
            patient_id: found.patient.to_string(),
            state: found.state.word(),
            counts: found.counts.into(),
            runs: found
                .runs
                .into_iter()
                .map(|run| RunView {
                    connection_id: run.connection.to_string(),
                    name: run.name,
                    direction: run.direction.word(),
                    state: run.state.word(),
                    counts: run.counts.into(),
                    problem: run.problem,
                    run_at: run.run_at,
                    finished_at: run.finished_at,
                })
                .collect(),
        }
    }
}

/// How a synchronisation stands, for live progress.
#[utoipa::path(get, path = "/api/v1/syncs/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = SyncView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn find_sync(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<SyncView>, Problem> {
    let id: SyncId = path_id(&id, "sync.unknown")?;
    let found = service::find_sync(app.service(), &caller, id).await?;
    Ok(Json(found.into()))
}

/// A patient's synchronization log, newest first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/logs", tag = "practice",
    params(("id" = uuid::Uuid, Path), PageQuery),
    responses((status = 200, body = Page<LogView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_logs(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<LogView>>, Problem> {
    let patient: PatientId = path_id(&id, "patient.unknown")?;
    let after = paging.own_cursor();
    let limit = paging.limit()?;
    let page = service::list_logs(app.service(), &caller, patient, after.as_deref(), limit).await?;
    Ok(Json(Page {
        items: page.items.into_iter().map(LogView::from).collect(),
        next: page.next,
    }))
}

/// One line of a synchronization log.
#[utoipa::path(get, path = "/api/v1/logs/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = LogView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn find_log(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<LogView>, Problem> {
    let id: SyncId = path_id(&id, "log.unknown")?;
    let line = service::find_log(app.service(), &caller, id).await?;
    Ok(Json(line.into()))
}

/// A delivery, to the owner of its connection.
#[derive(Serialize, ToSchema)]
pub struct DeliveryView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    connection_id: String,
    connection_name: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    #[schema(value_type = uuid::Uuid)]
    document_id: String,
    version: u32,
    /// `put` or `remove`.
    operation: &'static str,
    record_type: Option<&'static str>,
    /// `owed`, `ready`, `sending`, `done`, `needs_review`, `handed_off`, `dead`,
    /// `cancelled`, `superseded`.
    state: &'static str,
    attempts: u32,
    problem: Option<String>,
    /// Where it stands, in a sentence.
    sentence: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Delivery> for DeliveryView {
    fn from(found: Delivery) -> Self {
        Self {
            id: found.id.to_string(),
            connection_id: found.connection.to_string(),
            connection_name: found.connection_name,
            patient_id: found.patient.to_string(),
            document_id: found.record.to_string(),
            version: found.version,
            operation: found.operation.word(),
            record_type: found.record_type.map(|t| t.as_str()),
            state: found.state.word(),
            attempts: found.attempts,
            problem: found.problem,
            sentence: found.sentence,
            created_at: found.created_at,
            updated_at: found.updated_at,
        }
    }
}

/// Which deliveries are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// `handed_off` (where absent), `dead`, `needs_review`, `owed`, `ready`, `done`.
    state: Option<String>,
    /// Only this patient's.
    #[param(value_type = Option<uuid::Uuid>)]
    patient_id: Option<String>,
}

/// Deliveries of one's own connections in one state, newest first: hand-offs to
/// do, given up, to be looked at.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "practice",
    params(DeliveriesQuery, PageQuery),
    responses((status = 200, body = Page<DeliveryView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_deliveries(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<DeliveriesQuery>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let word = query.state.as_deref().unwrap_or("handed_off");
    let state = DeliveryState::parse(word)
        .ok_or_else(|| Problem::field("state", "not a state of a delivery"))?;
    let patient = query
        .patient_id
        .as_deref()
        .map(|text| path_id::<PatientId>(text, "patient.unknown"))
        .transpose()?;
    let before = match paging.cursor::<1>()? {
        Some([id]) => Some(cursor_part::<DeliveryId>(&id)?),
        None => None,
    };
    let limit = paging.limit()?;
    let found =
        delivery::list_deliveries(app.service(), &caller, state, patient, before, limit).await?;
    let full = found.len() == limit as usize;
    let last = found.last().filter(|_| full).map(|d| d.id);
    Ok(Json(Page {
        items: found.into_iter().map(DeliveryView::from).collect(),
        next: last.map(|id| cursor(&[&id])),
    }))
}

/// What a person decides about a delivery.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryDecision {
    /// `filed` closes a hand-off; `retry` tries again what was given up; `dismiss`
    /// lets it be.
    decision: String,
}

/// Closes a hand-off, tries a delivery again, or lets it be.
#[utoipa::path(put, path = "/api/v1/deliveries/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)), request_body = DeliveryDecision,
    responses((status = 204, description = "Decided"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn update_delivery(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<DeliveryDecision>,
) -> Result<StatusCode, Problem> {
    let id: DeliveryId = path_id(&id, "delivery.unknown")?;
    match body.decision.as_str() {
        "filed" => delivery::confirm_hand_off(app.service(), &caller, id).await?,
        "retry" => delivery::retry_delivery(app.service(), &caller, id).await?,
        "dismiss" => delivery::dismiss_delivery(app.service(), &caller, id).await?,
        _ => return Err(Problem::field("decision", "filed, retry or dismiss")),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What the caller can seal of what is owed to a patient's destinations. Sealed
/// clients; assisted ones seal it with any request.
#[utoipa::path(get, path = "/api/v1/patients/{id}/owed", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Owed, content_type = "application/vnd.chartkey.sealed+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_owed(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let patient: PatientId = path_id(&id, "patient.unknown")?;
    let owed = delivery::owed(app.service(), &caller, patient).await?;
    Ok(sealed(StatusCode::OK, &owed))
}

/// How many were taken.
#[derive(Serialize, ToSchema)]
pub struct SealedCount {
    sealed: u64,
}

/// Version keys, sealed to the destinations that they are owed to.
#[utoipa::path(post, path = "/api/v1/patients/{id}/owed", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = SealedOwed, content_type = "application/vnd.chartkey.sealed+json"),
    responses((status = 200, body = SealedCount),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn seal_owed(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: axum::extract::Request,
) -> Result<Json<SealedCount>, Problem> {
    let patient: PatientId = path_id(&id, "patient.unknown")?;
    let bytes = super::super::json::read_body(request, &app).await?;
    let body: SealedOwed = super::super::json::parse(&bytes)?;
    if body.patient != patient.0 {
        return Err(Problem::field("patient", "is not the one asked about"));
    }
    let count = delivery::seal_owed(app.service(), &caller, body).await?;
    Ok(Json(SealedCount { sealed: count }))
}

//! How the installation is, on the wire.

use std::collections::BTreeMap;

use chartkey_service::admin::{self as service, SystemHealth};
use chartkey_service::audit::Log;
use chartkey_store::jobs::{JobRow, JobState};
use serde::Serialize;

use super::*;

/// Work in trouble.
#[derive(Serialize, ToSchema)]
pub struct JobView {
    id: String,
    /// Which work, as a dotted word.
    kind: String,
    /// `dead` or `needs_sender`.
    state: &'static str,
    attempts: u32,
    /// The code of its last failure.
    last_error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<JobRow> for JobView {
    fn from(job: JobRow) -> Self {
        Self {
            id: chartkey_vault::Id::from_bytes(job.id).to_string(),
            kind: job.kind,
            state: job.state.word(),
            attempts: job.attempts,
            last_error: job.last_error,
            updated_at: Timestamp::from_millisecond(job.updated_at)
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

/// A checkpoint's size and time.
#[derive(Serialize, ToSchema)]
pub struct SignedView {
    tree_size: u64,
    #[schema(value_type = String, format = DateTime)]
    signed_at: Timestamp,
}

/// How the installation is.
#[derive(Serialize, ToSchema)]
pub struct HealthView {
    version: &'static str,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    uptime_secs: u64,
    /// How many jobs are `ready`, `running`, `done`, `dead`, `needs_sender`.
    jobs: BTreeMap<&'static str, u64>,
    /// The same of mail alone.
    mail: BTreeMap<&'static str, u64>,
    /// Work that was given up, or waits for its sender; 50 of each at most.
    troubled: Vec<JobView>,
    database_bytes: u64,
    /// Entries of the trail.
    trail_size: u64,
    /// Entries of the public log of keys.
    keys_size: u64,
    /// The newest checkpoint that was signed.
    checkpoint: Option<SignedView>,
}

fn by_state(counts: Vec<(JobState, u64)>) -> BTreeMap<&'static str, u64> {
    let mut all: BTreeMap<_, _> = [
        JobState::Ready,
        JobState::Running,
        JobState::Done,
        JobState::Dead,
        JobState::NeedsSender,
    ]
    .into_iter()
    .map(|state| (state.word(), 0))
    .collect();
    all.extend(
        counts
            .into_iter()
            .map(|(state, count)| (state.word(), count)),
    );
    all
}

impl From<SystemHealth> for HealthView {
    fn from(health: SystemHealth) -> Self {
        let uptime = health.now.duration_since(health.started_at).as_secs();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: health.started_at,
            uptime_secs: u64::try_from(uptime).unwrap_or(0),
            jobs: by_state(health.jobs),
            mail: by_state(health.mail),
            troubled: health.troubled.into_iter().map(JobView::from).collect(),
            database_bytes: health.database_bytes,
            trail_size: health.trail_size,
            keys_size: health.keys_size,
            checkpoint: health.checkpoint.map(|(tree_size, signed_at)| SignedView {
                tree_size,
                signed_at,
            }),
        }
    }
}

/// How the installation is: work, mail, sizes, the log. Nobody's data.
#[utoipa::path(get, path = "/api/admin/health", tag = "admin",
    responses((status = 200, body = HealthView), (status = 403, body = ProblemView, content_type = "application/problem+json")))]
pub async fn find_system_health(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<Json<HealthView>, Problem> {
    let health = service::find_system_health(app.service(), &caller).await?;
    Ok(Json(health.into()))
}

/// Which log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// `trail` (where nothing is said), or `keys`.
    log: Option<String>,
}

/// A signed checkpoint.
#[derive(Serialize, ToSchema)]
pub struct CheckpointJson {
    tree_size: u64,
    #[schema(value_type = String, format = DateTime)]
    signed_at: Timestamp,
    /// The signed note (C2SP tlog-checkpoint).
    checkpoint: String,
}

/// The checkpoints that were signed, newest first.
#[utoipa::path(get, path = "/api/admin/checkpoints", tag = "admin", params(LogQuery, PageQuery),
    responses((status = 200, body = Page<CheckpointJson>), (status = 403, body = ProblemView, content_type = "application/problem+json")))]
pub async fn list_checkpoints(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<LogQuery>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<CheckpointJson>>, Problem> {
    let log = match query.log.as_deref() {
        None | Some("trail") => Log::Trail,
        Some("keys") => Log::Keys,
        Some(_) => return Err(Problem::field("log", "must be trail or keys")),
    };
    let below = match paging.cursor::<1>()? {
        Some([size]) => Some(cursor_part(&size)?),
        None => None,
    };
    let limit = paging.limit()?;
    let found = service::list_checkpoints(app.service(), &caller, log, below, limit).await?;
    Ok(Json(Page {
        next: found.next.map(|size| cursor(&[&size])),
        items: found
            .items
            .into_iter()
            .map(|one| CheckpointJson {
                tree_size: one.size,
                signed_at: one.signed_at,
                checkpoint: one.note,
            })
            .collect(),
    }))
}

/// Which work.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRequest {
    /// `mail.send`.
    #[schema(example = "mail.send")]
    kind: String,
}

/// How much work is due again.
#[derive(Serialize, ToSchema)]
pub struct RetriedView {
    retried: u64,
}

/// Has work of one kind that was given up tried again, now.
#[utoipa::path(post, path = "/api/admin/jobs/retry", tag = "admin",
    request_body = RetryRequest,
    responses((status = 200, body = RetriedView), (status = 422, body = ProblemView, content_type = "application/problem+json")))]
pub async fn retry_jobs(
    State(app): State<App>,
    Caller(caller): Caller,
    Json(body): Json<RetryRequest>,
) -> Result<Json<RetriedView>, Problem> {
    let retried = service::retry_jobs(app.service(), &caller, &body.kind).await?;
    Ok(Json(RetriedView { retried }))
}

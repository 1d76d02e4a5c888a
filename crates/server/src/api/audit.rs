//! The trail on the wire: what was done, and proofs that the log is whole.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_domain::ids::PatientId;
use chartkey_service::audit::{self as service, AuditEntry, AuditQuery, Log};
use chartkey_vault::Id;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::json::Json;
use super::problem::{Problem, ProblemView};
use super::wire::{Page, PageQuery, Query, cursor, cursor_part, path_id};
use crate::app::App;

mod disclosures;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_audit))
        .routes(routes!(find_audit_proof))
        .routes(routes!(disclosures::list_disclosures))
        .routes(routes!(find_checkpoint))
        .routes(routes!(find_checkpoint_key))
        .routes(routes!(find_consistency))
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditParams {
    /// About this patient; one's own where none is named.
    #[param(value_type = Option<String>)]
    patient_id: Option<Id>,
    /// Not earlier than this (RFC 3339).
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Earlier than this (RFC 3339).
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Done by this account or link.
    #[param(value_type = Option<String>)]
    actor: Option<Id>,
    /// Only these actions, with commas between.
    action: Option<String>,
}

/// An entry of the trail: what was logged, and its id.
#[derive(Serialize, ToSchema)]
pub struct AuditView {
    /// Its place in the log: the id to ask a proof for.
    id: u64,
    /// Who did it.
    actor: ActorView,
    /// What was logged, field by field: `action`, `at`, `patient`, `record`, `grant`,
    /// `types`, `count`, `from`, `session`, `purpose`, `assisted`, `detail`, …
    #[serde(flatten)]
    #[schema(value_type = Object)]
    entry: serde_json::Map<String, serde_json::Value>,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
pub struct ActorView {
    /// `account`, `link`, `system` or `nobody`.
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The account's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

fn view(item: AuditEntry) -> AuditView {
    let mut entry: serde_json::Map<_, _> = serde_json::from_str(&item.entry).unwrap_or_default();
    let actor = entry.remove("actor").unwrap_or_default();
    let text = |name: &str| {
        actor
            .get(name)
            .and_then(|value| value.as_str())
            .map(str::to_owned)
    };
    AuditView {
        id: item.leaf_index,
        actor: ActorView {
            kind: text("kind").unwrap_or_else(|| "nobody".to_owned()),
            id: text("id"),
            name: item.actor_name,
        },
        entry,
    }
}

/// The trail: of one's record, or of one's own doings. Newest first.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(AuditParams, PageQuery),
    responses((status = 200, body = Page<AuditView>), (status = 403, body = ProblemView, content_type = "application/problem+json")))]
async fn list_audit(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(params): Query<AuditParams>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<AuditView>>, Problem> {
    let before = match paging.cursor::<1>()? {
        Some([leaf]) => Some(cursor_part(&leaf)?),
        None => None,
    };
    let actions: Vec<String> = params
        .action
        .iter()
        .flat_map(|text| text.split(','))
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .take(64)
        .collect();
    let query = AuditQuery {
        patient: params.patient_id.map(PatientId::from),
        actor: params.actor,
        actions,
        from: params.from,
        to: params.to,
        before,
        limit: paging.limit()?,
    };
    let page = service::list(app.service(), &caller, query).await?;
    Ok(Json(Page {
        items: page.items.into_iter().map(view).collect(),
        next: page.next.map(|leaf| cursor(&[&leaf])),
    }))
}

/// That an entry is in the log.
#[derive(Serialize, ToSchema)]
pub struct ProofView {
    /// The exact bytes that were logged, as text.
    entry: String,
    /// 32 bytes, standard base64. The leaf's content is SHA-256(salt ‖ entry).
    salt: String,
    leaf_index: u64,
    tree_size: u64,
    /// The audit path (RFC 9162 §2.1.3), standard base64.
    hashes: Vec<String>,
    /// The signed note (C2SP tlog-checkpoint) over that size.
    checkpoint: String,
}

/// Proves an entry to whom it is about and to whom it names.
#[utoipa::path(get, path = "/api/audit/{id}/proof", tag = "audit",
    params(("id" = u64, Path, description = "The entry's id")),
    responses((status = 200, body = ProofView), (status = 404, body = ProblemView, content_type = "application/problem+json")))]
async fn find_audit_proof(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<ProofView>, Problem> {
    let leaf: u64 = path_id(&id, "audit.unknown")?;
    let proof = service::prove(app.service(), &caller, leaf).await?;
    Ok(Json(ProofView {
        entry: proof.entry,
        salt: STANDARD.encode(proof.salt),
        leaf_index: proof.leaf_index,
        tree_size: proof.tree_size,
        hashes: proof
            .hashes
            .iter()
            .map(|hash| STANDARD.encode(hash))
            .collect(),
        checkpoint: proof.checkpoint,
    }))
}

/// Which log: the trail where nothing is said.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LogParams {
    /// `trail`, or `keys` for the public log of public keys.
    log: Option<String>,
}

impl LogParams {
    fn log(&self) -> Result<Log, Problem> {
        match self.log.as_deref() {
            None | Some("trail") => Ok(Log::Trail),
            Some("keys") => Ok(Log::Keys),
            Some(_) => Err(Problem::field("log", "must be trail or keys")),
        }
    }
}

/// The newest signed checkpoint of the log.
#[utoipa::path(get, path = "/api/audit/checkpoint", tag = "audit", security(()), params(LogParams),
    responses((status = 200, description = "A signed note (C2SP tlog-checkpoint)", body = String, content_type = "text/plain")))]
async fn find_checkpoint(
    State(app): State<App>,
    Query(params): Query<LogParams>,
) -> Result<Response, Problem> {
    let note = service::find_checkpoint(app.service(), params.log()?).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}

/// What verifies the log's checkpoints: to be kept where they are checked.
#[utoipa::path(get, path = "/api/audit/checkpoint/key", tag = "audit", security(()), params(LogParams),
    responses((status = 200, description = "A verifier key (C2SP signed-note): name, key id and Ed25519 key", body = String, content_type = "text/plain")))]
async fn find_checkpoint_key(
    State(app): State<App>,
    Query(params): Query<LogParams>,
) -> Result<Response, Problem> {
    let verifier = service::verifier(app.service(), params.log()?)
        .ok_or_else(|| Problem::new("server.internal"))?;
    let key = format!("{}\n", verifier.vkey());
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], key).into_response())
}

/// Two sizes of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConsistencyParams {
    from: u64,
    to: u64,
}

/// That the log of `to` entries continues the log of `from` entries.
#[derive(Serialize, ToSchema)]
pub struct ConsistencyView {
    from: u64,
    to: u64,
    /// The proof (RFC 9162 §2.1.4), standard base64.
    hashes: Vec<String>,
}

/// Proves that nothing was rewritten between two sizes of the log.
#[utoipa::path(get, path = "/api/audit/consistency", tag = "audit", security(()), params(ConsistencyParams, LogParams),
    responses((status = 200, body = ConsistencyView), (status = 422, body = ProblemView, content_type = "application/problem+json")))]
async fn find_consistency(
    State(app): State<App>,
    Query(sizes): Query<ConsistencyParams>,
    Query(params): Query<LogParams>,
) -> Result<Json<ConsistencyView>, Problem> {
    let ConsistencyParams { from, to } = sizes;
    let hashes = service::prove_consistency(app.service(), params.log()?, from, to).await?;
    Ok(Json(ConsistencyView {
        from,
        to,
        hashes: hashes.iter().map(|hash| STANDARD.encode(hash)).collect(),
    }))
}

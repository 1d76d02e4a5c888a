//! `/api/v1/webhooks`: other systems say that something changed.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use chartkey_domain::ids::ConnectionId;
use chartkey_service::connections::hints as service;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::problem::{Problem, ProblemView};
use super::super::wire::path_id;
use crate::app::App;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(note_webhook))
}

/// A hint that something changed at a connection's other end. Whoever has the
/// address may give it (a connection's owner is told it as `webhook_url`); the body
/// is never read, and what changed is asked for as ever.
#[utoipa::path(post, path = "/api/v1/webhooks/{connection}/{secret}", tag = "practice",
    params(("connection" = uuid::Uuid, Path), ("secret" = String, Path)),
    responses((status = 202, description = "It is looked at soon"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn note_webhook(
    State(app): State<App>,
    Path((connection, secret)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id: ConnectionId = path_id(&connection, "connection.unknown")?;
    service::note_webhook(app.service(), id, &secret).await?;
    Ok(StatusCode::ACCEPTED)
}

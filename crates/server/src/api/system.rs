//! What operators and tools ask for: liveness, readiness, metrics, the API's
//! own description, the public keys of access tokens.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::Json;
use super::problem::Problem;
use crate::app::App;
use crate::tokens::KeySet;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(find_openapi))
        .routes(routes!(find_jwks))
}

/// That the process answers, or that it can do its work.
#[derive(Serialize, ToSchema)]
pub struct HealthView {
    /// Always `ok`; a node that cannot work answers 503 instead.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Liveness: the process answers.
#[utoipa::path(get, path = "/healthz", tag = "system", security(()),
    responses((status = 200, body = HealthView)))]
async fn healthz() -> Json<HealthView> {
    Json(HealthView { status: "ok" })
}

/// Readiness: the database answers too.
#[utoipa::path(get, path = "/readyz", tag = "system", security(()),
    responses((status = 200, body = HealthView), (status = 503, description = "Not ready")))]
async fn readyz(State(app): State<App>) -> Result<Json<HealthView>, Problem> {
    app.service()
        .is_ready()
        .await
        .then_some(Json(HealthView { status: "ok" }))
        .ok_or_else(|| Problem::new("server.unavailable"))
}

/// Metrics for Prometheus, without personal data.
#[utoipa::path(get, path = "/metrics", tag = "system", security(()),
    responses((status = 200, description = "OpenMetrics text", content_type = "text/plain")))]
async fn metrics(State(app): State<App>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics().text()).into_response()
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "system", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
async fn find_openapi(State(app): State<App>) -> Response {
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "public, max-age=300"),
        ],
        app.openapi(),
    )
        .into_response()
}

/// The public keys that access tokens are signed with.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "system", security(()),
    responses((status = 200, body = KeySet)))]
async fn find_jwks(State(app): State<App>) -> Response {
    (
        [(header::CACHE_CONTROL, "public, max-age=300")],
        Json(app.tokens().key_set()),
    )
        .into_response()
}

/// Whatever has no route.
pub async fn unknown_route() -> Problem {
    Problem::new("route.unknown")
}

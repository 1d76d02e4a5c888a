//! `/api/v1/directory`: which provider's FHIR server is where.

use axum::extract::{Request, State};
use chartkey_service::connections::directory as service;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::caller::Caller;
use super::super::json::{Json, read_body};
use super::super::problem::{Problem, ProblemView};
use super::super::wire::{Page, Query};
use crate::app::App;

/// Providers that one answer holds, where nothing else is asked for, and at most.
const LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_directory_endpoints))
}

/// The route whose body is a whole directory.
pub fn large_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(replace_directory))
}

/// Which providers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct DirectoryQuery {
    /// Beginnings of words of the provider's name.
    q: String,
    /// How many, 20 where absent, 100 at most.
    limit: Option<u32>,
}

/// A provider.
#[derive(Serialize, ToSchema)]
pub struct EndpointView {
    /// As people know it.
    name: String,
    /// What a connection to it is given as `base_url`.
    base_url: String,
}

/// Providers by name, from the directory that was loaded.
#[utoipa::path(get, path = "/api/v1/directory/endpoints", tag = "practice",
    params(DirectoryQuery),
    responses((status = 200, body = Page<EndpointView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_directory_endpoints(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<DirectoryQuery>,
) -> Result<Json<Page<EndpointView>>, Problem> {
    let limit = query.limit.unwrap_or(LIMIT).clamp(1, MAX_LIMIT);
    let found = service::list_endpoints(app.service(), &caller, &query.q, limit).await?;
    let items = found.into_iter().map(|one| EndpointView {
        name: one.name,
        base_url: one.base_url,
    });
    Ok(Json(Page {
        items: items.collect(),
        next: None,
    }))
}

/// How many providers a directory has.
#[derive(Serialize, ToSchema)]
pub struct DirectoryView {
    providers: usize,
}

/// Loads a directory of providers instead of the one before: a FHIR Bundle of
/// `Endpoint` and `Organization`, as SMART's User-access Brands and Endpoints and
/// vendors' own lists are.
#[utoipa::path(put, path = "/api/v1/directory", tag = "admin",
    request_body(content = serde_json::Value, content_type = "application/fhir+json"),
    responses((status = 200, body = DirectoryView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn replace_directory(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Json<DirectoryView>, Problem> {
    service::may_replace(app.service(), &caller)?;
    let bundle = read_body(request, &app).await?;
    let providers = service::replace_directory(app.service(), &caller, &bundle).await?;
    Ok(Json(DirectoryView { providers }))
}

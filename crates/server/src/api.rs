//! HTTP: routes, extractors, renderings. One file per noun.
//!
//! A handler parses, calls one use case of `service`, and renders. It decides
//! nothing, and it names the store and the outside nowhere. The OpenAPI
//! document is made from the same declarations that the router is made from,
//! so neither can drift.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::config::{Group, Groups};

pub mod accounts;
pub mod admin;
pub mod analytics;
pub mod audit;
pub mod caller;
pub mod dev;
pub mod edge;
pub mod events;
pub mod json;
pub mod pages;
pub mod patients;
pub mod problem;
pub mod providers;
pub mod records;
pub mod requests;
pub mod sessions;
pub mod shares;
pub mod sharing;
pub mod system;
pub mod v1;
pub mod wire;

/// Longest pause within a body.
const BODY_PAUSE: Duration = Duration::from_secs(30);
/// Longest body of calls that carry no records, in bytes.
pub const SMALL_BODY: usize = 256 << 10;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chartkey",
        description = "Patients own their medical record. Medical content is sealed; the server alone cannot open it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(problem::ProblemView)),
    security(("bearer" = [])),
)]
struct Document;

/// The routes of these groups, with what documents them.
fn routes(groups: &Groups) -> OpenApiRouter<App> {
    let mut document = Document::openapi();
    let scheme = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    let mut router = OpenApiRouter::with_openapi(document).merge(system::routes());
    let mut small = OpenApiRouter::new();
    if groups.has(Group::Auth) {
        small = small
            .merge(accounts::routes())
            .merge(sessions::routes())
            .merge(admin::routes())
            .merge(events::routes());
    }
    if groups.has(Group::Audit) {
        small = small.merge(audit::routes()).merge(analytics::routes());
    }
    if groups.has(Group::Sync) {
        small = small.merge(v1::routes());
    }
    router = router.merge(small.layer(DefaultBodyLimit::max(SMALL_BODY)));
    if groups.has(Group::Auth) {
        router = router.merge(sessions::large_routes());
    }
    if groups.has(Group::Records) {
        router = router.merge(records::routes()).merge(patients::routes());
    }
    if groups.has(Group::Sync) {
        router = router.merge(v1::document_routes());
    }
    if groups.has(Group::Sharing) {
        router = router
            .merge(sharing::routes())
            .merge(requests::routes())
            .merge(providers::routes())
            .merge(shares::routes())
            .merge(crate::shl::routes());
    }
    router
}

/// The whole surface as OpenAPI 3.1, pretty-printed, with a final newline.
pub fn document() -> String {
    let (_router, document) = routes(&Groups::all()).split_for_parts();
    let mut text = document
        .to_pretty_json()
        .expect("a document of our own making is JSON");
    text.push('\n');
    text
}

/// The web app, on nodes that serve it.
fn web_routes(app: &App) -> Router<App> {
    if app.config().groups.has(Group::Web) {
        crate::web::routes()
    } else {
        Router::new()
    }
}

/// Everything that this node answers.
pub fn router(app: App) -> Router {
    let edge = app.edge();
    let max_json = app.config().max_json_mb << 20;
    let (router, _document) = routes(&app.config().groups).split_for_parts();
    let mut router = router.merge(pages::routes(&app)).merge(web_routes(&app));
    if app.config().is_development() {
        router = router.merge(pages::dev_routes());
    }
    router
        .fallback(system::unknown_route)
        .layer(DefaultBodyLimit::max(max_json))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(middleware::from_fn_with_state(edge, edge::guard))
        .with_state(app)
}

//! `/api/v1`: the practice API, for practitioners and the platforms around them.
//!
//! A *document* here and a *record* elsewhere are the same thing with the same id;
//! a *patient* here is a chart with whom it is about. Another rendering of the
//! same use cases, not a second path.

pub mod claims;
pub mod connections;
pub mod directory;
pub mod document_requests;
pub mod documents;
pub mod import;
pub mod launch;
pub mod patients;
pub mod sync;
pub mod users;
pub mod webhooks;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes of everything but documents: small bodies.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(users::routes())
        .merge(patients::routes())
        .merge(claims::routes())
        .merge(connections::routes())
        .merge(directory::routes())
        .merge(document_requests::routes())
        .merge(launch::routes())
        .merge(webhooks::routes())
        .merge(sync::routes())
}

/// The routes whose bodies are larger: documents, directories, whole caseloads.
pub fn document_routes() -> OpenApiRouter<App> {
    documents::routes()
        .merge(directory::large_routes())
        .merge(document_requests::upload_routes())
        .merge(import::routes())
}

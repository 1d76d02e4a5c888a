//! `GET /api/providers`: the directory.

use axum::extract::State;
use chartkey_service::providers;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::json::Json;
use super::problem::{Problem, ProblemView};
use super::wire::{Page, PageQuery, Query, cursor, cursor_part};
use crate::app::App;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_providers))
}

/// What is looked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProvidersQuery {
    /// Words that name, type or place of work must hold.
    q: Option<String>,
}

/// A verified provider.
#[derive(Serialize, ToSchema)]
pub struct ProviderView {
    /// The account, for `provider_id`.
    #[schema(value_type = uuid::Uuid)]
    id: String,
    name: String,
    /// In their own words.
    #[serde(rename = "type")]
    provider_type: String,
    organization: Option<String>,
    /// Fingerprint of the public keys that grants are sealed to, hexadecimal.
    key_fingerprint: String,
}

/// Verified providers, by name.
#[utoipa::path(get, path = "/api/providers", tag = "sharing",
    params(ProvidersQuery, PageQuery),
    responses(
        (status = 200, body = Page<ProviderView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn list_providers(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<ProvidersQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ProviderView>>, Problem> {
    let limit = page.limit()? as usize;
    let skip: usize = match page.cursor::<1>()? {
        Some([skip]) => cursor_part(&skip)?,
        None => 0,
    };
    let q = query.q.as_deref();
    let found = providers::list_providers(app.service(), &caller, q, skip, limit).await?;
    Ok(Json(Page {
        items: found
            .items
            .into_iter()
            .map(|provider| ProviderView {
                id: provider.id.to_string(),
                name: provider.name,
                provider_type: provider.provider_type,
                organization: provider.organization,
                key_fingerprint: hex(&provider.key_fingerprint),
            })
            .collect(),
        next: found.next.map(|skip| cursor(&[&skip])),
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

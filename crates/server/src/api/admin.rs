//! Administration on the wire: providers, accounts, how the installation is.

use axum::extract::{Path, State};
use chartkey_domain::accounts::{Verification, VerificationDecision};
use chartkey_domain::ids::AccountId;
use chartkey_service::admin::{self as service, AccountPage, Place};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::AccountJson;
use super::caller::Caller;
use super::json::Json;
use super::problem::{Problem, ProblemView};
use super::wire::{Page, PageQuery, Query, cursor, cursor_part, path_id};
use crate::app::App;

mod health;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_admin_providers))
        .routes(routes!(verify_provider))
        .routes(routes!(list_admin_accounts))
        .routes(routes!(disable_account))
        .routes(routes!(health::find_system_health))
        .routes(routes!(health::list_checkpoints))
        .routes(routes!(health::retry_jobs))
}

/// Which providers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ProviderParams {
    /// `pending` (where nothing is said), `verified`, `rejected` or `suspended`.
    verification: Option<String>,
}

fn place(paging: &PageQuery) -> Result<Option<Place>, Problem> {
    let Some([at, id]) = paging.cursor::<2>()? else {
        return Ok(None);
    };
    let at = Timestamp::from_millisecond(cursor_part(&at)?)
        .map_err(|_| Problem::new("cursor.malformed"))?;
    Ok(Some((at, cursor_part(&id)?)))
}

fn page(found: AccountPage) -> Json<Page<AccountJson>> {
    Json(Page {
        items: found.items.into_iter().map(AccountJson::from).collect(),
        next: found
            .next
            .map(|(at, id)| cursor(&[&at.as_millisecond(), &id])),
    })
}

/// Providers by what was found of them, the longest waiting first.
#[utoipa::path(get, path = "/api/admin/providers", tag = "admin", params(ProviderParams, PageQuery),
    responses((status = 200, body = Page<AccountJson>), (status = 403, body = ProblemView, content_type = "application/problem+json")))]
async fn list_admin_providers(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(params): Query<ProviderParams>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<AccountJson>>, Problem> {
    let word = params.verification.as_deref().unwrap_or("pending");
    let verification = Verification::parse(word).ok_or_else(|| {
        Problem::field(
            "verification",
            "must be pending, verified, rejected or suspended",
        )
    })?;
    let (after, limit) = (place(&paging)?, paging.limit()?);
    let found = service::list_providers(app.service(), &caller, verification, after, limit).await?;
    Ok(page(found))
}

/// What to do about a provider.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationRequest {
    /// `approve`, `reject` or `suspend`.
    #[schema(example = "approve")]
    decision: String,
    /// For the other administrators, at most 500 characters.
    #[serde(default)]
    reason: Option<String>,
}

/// Decides about a provider, and tells them by mail.
#[utoipa::path(post, path = "/api/admin/providers/{id}/verification", tag = "admin",
    params(("id" = String, Path, description = "The provider's account id")),
    request_body = VerificationRequest,
    responses((status = 200, body = AccountJson), (status = 404, body = ProblemView, content_type = "application/problem+json")))]
async fn verify_provider(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<VerificationRequest>,
) -> Result<Json<AccountJson>, Problem> {
    let provider: AccountId = path_id(&id, "account.unknown")?;
    let decision = VerificationDecision::parse(&body.decision)
        .ok_or_else(|| Problem::field("decision", "must be approve, reject or suspend"))?;
    let shown =
        service::verify_provider(app.service(), &caller, provider, decision, body.reason).await?;
    Ok(Json(shown.into()))
}

/// Every account, newest first.
#[utoipa::path(get, path = "/api/admin/accounts", tag = "admin", params(PageQuery),
    responses((status = 200, body = Page<AccountJson>), (status = 403, body = ProblemView, content_type = "application/problem+json")))]
async fn list_admin_accounts(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<AccountJson>>, Problem> {
    let (before, limit) = (place(&paging)?, paging.limit()?);
    Ok(page(
        service::list_accounts(app.service(), &caller, before, limit).await?,
    ))
}

/// Off or on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableRequest {
    /// `true` ends sign-in and every session; `false` allows it again.
    disabled: bool,
}

/// Switches an account off or on. Nobody switches themselves off.
#[utoipa::path(post, path = "/api/admin/accounts/{id}/disable", tag = "admin",
    params(("id" = String, Path, description = "The account's id")),
    request_body = DisableRequest,
    responses((status = 200, body = AccountJson), (status = 404, body = ProblemView, content_type = "application/problem+json")))]
async fn disable_account(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<DisableRequest>,
) -> Result<Json<AccountJson>, Problem> {
    let account: AccountId = path_id(&id, "account.unknown")?;
    let shown = service::disable_account(app.service(), &caller, account, body.disabled).await?;
    Ok(Json(shown.into()))
}

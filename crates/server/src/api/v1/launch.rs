//! `/api/v1/connections/{id}/launch` and what comes back from it: patients sign in
//! at their provider (SMART App Launch 2.2, standalone).

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chartkey_domain::ids::{ConnectionId, PatientId};
use chartkey_service::connections::launch::{self as service, Comeback, Landed};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::caller::Caller;
use super::super::json::Json;
use super::super::problem::{Problem, ProblemView};
use super::super::wire::{Query, path_id};
use crate::app::App;

/// What the browser keeps until it comes back; only the callback sees it.
const COOKIE_NAME: &str = "chartkey_launch";
const CALLBACK: &str = "/api/v1/connections/callback";
/// The page of the app where it ends.
const PAGE: &str = "/connections/signed-in";

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(launch_connection))
        .routes(routes!(finish_launch))
}

/// For whom a provider is to be connected.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LaunchRequest {
    /// A patient on the connection.
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
}

/// Where to send the patient.
#[derive(Serialize, ToSchema)]
pub struct LaunchView {
    /// The provider's sign-in, to be opened by the browser that asked.
    authorize_url: String,
    /// How long it counts, in seconds.
    expires_in_secs: i64,
    /// What is registered with the provider as the address to come back to.
    redirect_uri: String,
}

/// Begins a patient's sign-in at their provider: whoever manages the record may,
/// and the connection's owner where they may add to it. The answer sets a cookie
/// without which the browser is not believed when it comes back.
#[utoipa::path(post, path = "/api/v1/connections/{id}/launch", tag = "practice",
    params(("id" = uuid::Uuid, Path)), request_body = LaunchRequest,
    responses((status = 200, body = LaunchView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn launch_connection(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<LaunchRequest>,
) -> Result<Response, Problem> {
    let id: ConnectionId = path_id(&id, "connection.unknown")?;
    let patient: PatientId = path_id(&body.patient_id, "patient.unknown")?;
    let begun = service::launch_connection(app.service(), &caller, id, patient).await?;
    let cookie = cookie(&app, &begun.browser, begun.ttl_secs);
    let view = LaunchView {
        authorize_url: begun.authorize_url,
        expires_in_secs: begun.ttl_secs,
        redirect_uri: service::redirect_uri(app.service()),
    };
    Ok(([(SET_COOKIE, cookie)], Json(view)).into_response())
}

/// A provider's site leads back to us, so the cookie has to come along from there
/// (`Lax`), and only to the callback.
fn cookie(app: &App, value: &str, max_age_secs: i64) -> String {
    let secure = match app.config().app_url.starts_with("https://") {
        true => "; Secure",
        false => "",
    };
    format!(
        "{COOKIE_NAME}={value}; Path={CALLBACK}; Max-Age={max_age_secs}; HttpOnly; SameSite=Lax{secure}"
    )
}

/// What a provider's sign-in adds to the address to come back to (RFC 6749 section
/// 4.1.2).
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct CallbackQuery {
    /// As it was sent there.
    state: String,
    /// The code, where the patient agreed.
    code: Option<String>,
    /// Why not, where they did not.
    error: Option<String>,
}

/// Where a browser comes back to from a provider's sign-in. It ends at a page of
/// the app, whose address says how it went: `outcome` is `connected`, `declined`,
/// `expired` or `failed`.
#[utoipa::path(get, path = "/api/v1/connections/callback", tag = "practice",
    params(CallbackQuery),
    responses((status = 303, description = "To the page of the app that tells how it went")))]
async fn finish_launch(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Result<Response, Problem> {
    let browser = kept(&headers);
    let came = Comeback {
        state: &query.state,
        code: query.code.as_deref().filter(|_| query.error.is_none()),
        browser: browser.as_deref(),
    };
    let landed = service::finish_launch(app.service(), came).await?;
    let page = format!("{}{PAGE}?{}", app.config().app_url, told(landed));
    let headers = [
        (LOCATION, page),
        (SET_COOKIE, cookie(&app, "", 0)),
        (CACHE_CONTROL, "no-store".to_owned()),
        // The code stands in this address.
        (REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

fn told(landed: Landed) -> String {
    let outcome = landed.outcome.word();
    match landed.about {
        Some((connection, patient)) => {
            format!("outcome={outcome}&connection={connection}&patient={patient}")
        }
        None => format!("outcome={outcome}"),
    }
}

/// The cookie that the browser kept.
fn kept(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(COOKIE).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value.to_owned())
}

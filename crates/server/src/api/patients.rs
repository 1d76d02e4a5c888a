//! `/api/patients/{id}/…`: keys, epochs, adoption, generations. Sealed clients
//! only: these messages mean nothing to whoever holds no keys.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chartkey_domain::ids::PatientId;
use chartkey_service::patients;
use chartkey_vault::Id;
use chartkey_vault::protocol::{
    PatientKeys, SealedAdoption, SealedEpochs, SealedGeneration, Unadopted, WriteOutcome,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::json::{SEALED, parse, read_body};
use super::problem::{Problem, ProblemView};
use super::wire::path_id;
use crate::app::App;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(find_patient_keys))
        .routes(routes!(begin_epochs))
        .routes(routes!(list_unadopted_batches, adopt_batches))
        .routes(routes!(begin_generation))
}

/// A sealed answer.
pub(super) fn sealed<T: Serialize>(status: StatusCode, message: &T) -> Response {
    match serde_json::to_vec(message) {
        Ok(text) => {
            let kind = HeaderValue::from_static(SEALED);
            (status, [(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => Problem::new("server.internal").into_response(),
    }
}

/// Reads a sealed message about the patient that the address names.
async fn about<T: DeserializeOwned>(
    app: &App,
    id: &str,
    request: Request,
    named: impl FnOnce(&T) -> Id,
) -> Result<T, Problem> {
    let patient: PatientId = path_id(id, "patient.unknown")?;
    let bytes = read_body(request, app).await?;
    let message: T = parse(&bytes)?;
    if named(&message) == patient.0 {
        Ok(message)
    } else {
        Err(Problem::field(
            "patient",
            "another patient than the address names",
        ))
    }
}

/// What the caller needs to open what is theirs, and to write.
#[utoipa::path(get, path = "/api/patients/{id}/keys", tag = "keys",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = PatientKeys, content_type = "application/vnd.chartkey.sealed+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn find_patient_keys(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let patient = path_id(&id, "patient.unknown")?;
    let keys = patients::find_patient_keys(app.service(), &caller, patient).await?;
    Ok(sealed(StatusCode::OK, &keys))
}

/// Begins epochs, with the keyrings of those who remain made anew.
#[utoipa::path(post, path = "/api/patients/{id}/epochs", tag = "keys",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = SealedEpochs, content_type = "application/vnd.chartkey.sealed+json"),
    responses((status = 201, body = WriteOutcome, content_type = "application/vnd.chartkey.sealed+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn begin_epochs(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let message = about(&app, &id, request, |m: &SealedEpochs| m.patient).await?;
    let outcome = patients::begin_epochs(app.service(), &caller, message).await?;
    Ok(sealed(StatusCode::CREATED, &outcome))
}

/// Directly sealed batches that wait for a manager.
#[utoipa::path(get, path = "/api/patients/{id}/adopt", tag = "keys",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Unadopted, content_type = "application/vnd.chartkey.sealed+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_unadopted_batches(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let patient = path_id(&id, "patient.unknown")?;
    let waiting = patients::list_unadopted_batches(app.service(), &caller, patient).await?;
    Ok(sealed(StatusCode::OK, &waiting))
}

/// Takes directly sealed batches over. Doing it again changes nothing.
#[utoipa::path(post, path = "/api/patients/{id}/adopt", tag = "keys",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = SealedAdoption, content_type = "application/vnd.chartkey.sealed+json"),
    responses((status = 200, body = WriteOutcome, content_type = "application/vnd.chartkey.sealed+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn adopt_batches(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let message = about(&app, &id, request, |m: &SealedAdoption| m.patient).await?;
    let outcome = patients::adopt_batches(app.service(), &caller, message).await?;
    Ok(sealed(StatusCode::OK, &outcome))
}

/// A new generation of the patient's seed. Needs a fresh sign-in.
#[utoipa::path(post, path = "/api/patients/{id}/generations", tag = "keys",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = SealedGeneration, content_type = "application/vnd.chartkey.sealed+json"),
    responses((status = 201, body = WriteOutcome, content_type = "application/vnd.chartkey.sealed+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn begin_generation(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let message = about(&app, &id, request, |m: &SealedGeneration| m.patient).await?;
    let outcome = patients::begin_generation(app.service(), &caller, message).await?;
    Ok(sealed(StatusCode::CREATED, &outcome))
}

//! `/api/v1/claims`: those whom charts are about take them over.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chartkey_domain::charts::ChartError;
use chartkey_domain::ids::{ClaimId, PatientId};
use chartkey_service::assisted::Assisted;
use chartkey_service::claims::{self as service, Claim, Proof};
use chartkey_vault::protocol::{SealedGeneration, WriteOutcome};
use chartkey_vault::{Bytes, Bytes32};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::caller::Caller;
use super::super::json::{Form, Json};
use super::super::patients::sealed;
use super::super::problem::{Problem, ProblemView};
use super::super::wire::{Page, SecretText, path_id};
use crate::app::App;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_claims, create_claim))
        .routes(routes!(answer_claim))
        .routes(routes!(complete_claim))
}

/// A claim as both sides see it.
#[derive(Serialize, ToSchema)]
pub struct ClaimView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    #[schema(value_type = uuid::Uuid)]
    claimant_id: String,
    claimant_name: String,
    claimant_email: String,
    practitioner_name: String,
    /// `asked`, `confirmed`, `refused`, `done`.
    state: &'static str,
    /// Whether the claimant's address is the one that was invited.
    email_matches: bool,
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Timestamp>,
    /// For whoever showed a sheet: the seed wrapped under its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Byte)]
    wrapped_seed: Option<Bytes>,
    /// The generation of the patient's seed.
    generation: u32,
}

impl From<Claim> for ClaimView {
    fn from(claim: Claim) -> Self {
        Self {
            id: claim.id.to_string(),
            patient_id: claim.patient.to_string(),
            claimant_id: claim.claimant.to_string(),
            claimant_name: claim.claimant_name,
            claimant_email: claim.claimant_email,
            practitioner_name: claim.practitioner_name,
            state: claim.state.as_str(),
            email_matches: claim.email_matches,
            asked_at: claim.asked_at,
            answered_at: claim.answered_at,
            wrapped_seed: claim.wrapped_seed,
            generation: claim.generation,
        }
    }
}

/// Claims on charts that one opened, and one's own, newest first.
#[utoipa::path(get, path = "/api/v1/claims", tag = "practice",
    responses((status = 200, body = Page<ClaimView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_claims(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<Json<Page<ClaimView>>, Problem> {
    let found = service::list_claims(app.service(), &caller).await?;
    Ok(Json(Page {
        items: found.into_iter().map(ClaimView::from).collect(),
        next: None,
    }))
}

/// What shows that a chart is one's own: the mail's token with the day of birth,
/// or what a sheet carries.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The token of the invitation.
    #[serde(default)]
    invitation: Option<SecretText>,
    /// The day of birth that the practice knows.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    date_of_birth: Option<String>,
    /// The chart that a sheet names.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    patient_id: Option<String>,
    /// The sheet's key. Assisted callers only: sealed clients send `claim_auth`.
    #[serde(default)]
    claim_key: Option<SecretText>,
    /// Derived from the sheet's key.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Byte)]
    claim_auth: Option<Bytes32>,
}

/// Claims a chart. By invitation it waits for the practitioner; with a sheet it
/// needs nobody, and an assisted caller owns the chart with this call.
#[utoipa::path(post, path = "/api/v1/claims", tag = "practice", request_body = ClaimRequest,
    responses((status = 201, body = ClaimView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn create_claim(
    State(app): State<App>,
    Caller(caller): Caller,
    Json(body): Json<ClaimRequest>,
) -> Result<(StatusCode, Json<ClaimView>), Problem> {
    let patient = body
        .patient_id
        .as_deref()
        .map(|text| path_id::<PatientId>(text, "patient.unknown"))
        .transpose()?;
    let given = (body.invitation, patient, body.claim_key, body.claim_auth);
    let claim = match given {
        (Some(token), None, None, None) => {
            let proof = Proof::Invitation {
                token: token.0.to_string(),
                birth_date: body.date_of_birth,
            };
            service::create_claim(app.service(), &caller, proof).await?
        }
        (None, Some(patient), None, Some(auth)) => {
            let auth = *auth.as_bytes();
            let proof = Proof::Sheet { patient, auth };
            service::create_claim(app.service(), &caller, proof).await?
        }
        (None, Some(patient), Some(key), None) => {
            let mut assisted = Assisted::open(app.service(), &caller).await?;
            assisted.claim_by_sheet(patient, &key.0).await?
        }
        _ => {
            let said = "either an invitation, or `patient_id` with what its sheet carries";
            return Err(Problem::field("invitation", said));
        }
    };
    Ok((StatusCode::CREATED, Json(claim.into())))
}

/// What the practitioner says to a claim.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimAnswer {
    /// `confirm` or `refuse`.
    decision: String,
    /// The seed sealed to the claimant. Sealed clients only.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Byte)]
    sealed_seed: Option<Bytes>,
}

/// Confirms or refuses a claim.
#[utoipa::path(put, path = "/api/v1/claims/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)), request_body = ClaimAnswer,
    responses((status = 200, body = ClaimView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn answer_claim(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<ClaimAnswer>,
) -> Result<Json<ClaimView>, Problem> {
    let id: ClaimId = path_id(&id, ChartError::ClaimUnknown.code())?;
    let claim = match (body.decision.as_str(), body.sealed_seed) {
        ("refuse", None) => service::answer_claim(app.service(), &caller, id, None).await?,
        ("confirm", Some(seed)) => {
            service::answer_claim(app.service(), &caller, id, Some(seed)).await?
        }
        ("confirm", None) => {
            let mut assisted = Assisted::open(app.service(), &caller).await?;
            assisted.confirm_claim(id).await?
        }
        _ => return Err(Problem::field("decision", "`confirm` or `refuse`")),
    };
    Ok(Json(claim.into()))
}

/// Takes a confirmed chart over: the claimant's first generation.
#[utoipa::path(post, path = "/api/v1/claims/{id}/complete", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = SealedGeneration, content_type = "application/vnd.chartkey.sealed+json"),
    responses(
        (status = 200, content(
            (ClaimView = "application/json"), (WriteOutcome = "application/vnd.chartkey.sealed+json"))),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn complete_claim(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    form: Form<serde_json::Map<String, serde_json::Value>, Box<SealedGeneration>>,
) -> Result<Response, Problem> {
    let id: ClaimId = path_id(&id, ChartError::ClaimUnknown.code())?;
    match form {
        Form::Sealed(generation) => {
            let done = service::complete_claim(app.service(), &caller, id, *generation).await?;
            Ok(sealed(StatusCode::OK, &done))
        }
        Form::Assisted(_) => {
            let mut assisted = Assisted::open(app.service(), &caller).await?;
            let claim = assisted.complete_claim(id).await?;
            Ok(Json(ClaimView::from(claim)).into_response())
        }
    }
}

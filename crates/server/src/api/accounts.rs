//! Accounts on the wire: registration, addresses, the profile, public keys.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chartkey_domain::accounts::{self as domain, AccountError, AccountKind, Email, Particulars};
use chartkey_domain::ids::AccountId;
use chartkey_service::accounts::{
    self as service, AccountView, Credentials, PatientView, Profile, ProfileChange, Registered,
};
use chartkey_vault::Id;
use chartkey_vault::protocol::{AccountKeys, NewAccount};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{Caller, Creating};
use super::edge::From;
use super::json::{Form, Json};
use super::problem::{FieldError, Problem, ProblemView};
use super::wire::{SecretText, path_id};
use crate::app::App;

mod delete;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_patient))
        .routes(routes!(create_provider))
        .routes(routes!(verify_email))
        .routes(routes!(resend_verification))
        .routes(routes!(find_profile, update_profile))
        .merge(delete::routes())
        .routes(routes!(find_account_keys))
}

/// A patient who registers with a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientRequest {
    #[schema(example = "ada@example.org")]
    email: String,
    /// At least 15 characters, and not one that everybody tries.
    password: SecretText,
    name: String,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    #[schema(example = "1950-12-10")]
    date_of_birth: Option<String>,
    #[serde(default)]
    phone: Option<String>,
}

/// A patient whose client made the keys.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedPatientRequest {
    email: String,
    name: String,
    #[serde(default)]
    date_of_birth: Option<String>,
    #[serde(default)]
    phone: Option<String>,
    /// What the client made, with its patient.
    account: NewAccount,
}

/// A provider who registers with a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderRequest {
    email: String,
    /// At least 15 characters, and not one that everybody tries.
    password: SecretText,
    name: String,
    /// Free text.
    #[serde(rename = "type")]
    #[schema(example = "Dietician")]
    provider_type: String,
    license_number: String,
    #[schema(example = "DE")]
    license_country: String,
    #[serde(default)]
    organization: Option<String>,
}

/// A provider whose client made the keys.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedProviderRequest {
    email: String,
    name: String,
    /// Free text.
    #[serde(rename = "type")]
    provider_type: String,
    license_number: String,
    license_country: String,
    #[serde(default)]
    organization: Option<String>,
    /// What the client made, without a patient.
    account: NewAccount,
}

/// What became of a registration. It is the same whether or not the address
/// belongs to an account already.
#[derive(Serialize, ToSchema)]
pub struct RegisteredView {
    account_id: Id,
    /// Of patients.
    #[serde(skip_serializing_if = "Option::is_none")]
    patient_id: Option<Id>,
    /// A patient's e-mail, and a provider's licence, are looked at first.
    #[schema(example = "pending")]
    verification: &'static str,
    /// Shown once. Absent for clients that made it themselves, and when a
    /// request is repeated under its Idempotency-Key.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_code: Option<SecretText>,
}

impl std::convert::From<Registered> for RegisteredView {
    fn from(registered: Registered) -> Self {
        Self {
            account_id: registered.account.0,
            patient_id: registered.patient.map(|patient| patient.0),
            verification: "pending",
            recovery_code: registered.recovery_code.map(SecretText),
        }
    }
}

fn created(registered: Registered) -> Response {
    (StatusCode::CREATED, Json(RegisteredView::from(registered))).into_response()
}

/// Reads texts and gathers every rule that one of them breaks.
fn gather(
    email: &str,
    name: &str,
    particulars: Result<Particulars, AccountError>,
) -> Result<domain::NewAccount, Problem> {
    let (email, name) = (Email::parse(email), domain::parse_name(name));
    let mut errors = Vec::new();
    let mut note = |error: AccountError| {
        errors.push(FieldError::of_rule(error.field().unwrap_or("body"), &error));
    };
    match (email, name, particulars) {
        (Ok(email), Ok(name), Ok(particulars)) => {
            return Ok(domain::NewAccount {
                email,
                name,
                particulars,
            });
        }
        (email, name, particulars) => {
            email.err().map(&mut note);
            name.err().map(&mut note);
            particulars.err().map(&mut note);
        }
    }
    Err(Problem::invalid(errors))
}

/// Registers a patient.
///
/// The account waits for its address to be verified; until then it can keep
/// records and share none. The recovery code is shown once.
#[utoipa::path(post, path = "/api/patients/register", tag = "accounts", security(()),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request count once")),
    request_body(content((PatientRequest = "application/json"), (SealedPatientRequest = "application/vnd.chartkey.sealed+json"))),
    responses((status = 201, body = RegisteredView), (status = 422, body = ProblemView, content_type = "application/problem+json"),
        (status = 429, body = ProblemView, content_type = "application/problem+json")))]
async fn create_patient(
    State(app): State<App>,
    From(origin): From,
    request: Creating<Form<PatientRequest, SealedPatientRequest>>,
) -> Result<Response, Problem> {
    let (form, once) = request.once(app.service(), "create_patient", None);
    let now = app.service().now();
    let (new, credentials) = match form {
        Form::Assisted(body) => {
            let particulars =
                Particulars::patient(body.date_of_birth.as_deref(), body.phone.as_deref(), now);
            let new = gather(&body.email, &body.name, particulars)?;
            (new, Credentials::Password(body.password.0))
        }
        Form::Sealed(body) => {
            let particulars =
                Particulars::patient(body.date_of_birth.as_deref(), body.phone.as_deref(), now);
            let new = gather(&body.email, &body.name, particulars)?;
            (new, Credentials::Sealed(Box::new(body.account)))
        }
    };
    let registered = service::register(app.service(), &origin, new, credentials, once).await?;
    Ok(created(registered))
}

/// Registers a provider, who waits for an administrator.
#[utoipa::path(post, path = "/api/providers/register", tag = "accounts", security(()),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request count once")),
    request_body(content((ProviderRequest = "application/json"), (SealedProviderRequest = "application/vnd.chartkey.sealed+json"))),
    responses((status = 201, body = RegisteredView), (status = 422, body = ProblemView, content_type = "application/problem+json"),
        (status = 429, body = ProblemView, content_type = "application/problem+json")))]
async fn create_provider(
    State(app): State<App>,
    From(origin): From,
    request: Creating<Form<ProviderRequest, SealedProviderRequest>>,
) -> Result<Response, Problem> {
    let (form, once) = request.once(app.service(), "create_provider", None);
    let (new, credentials) = match form {
        Form::Assisted(body) => {
            let particulars = Particulars::provider(
                &body.provider_type,
                &body.license_number,
                &body.license_country,
                body.organization.as_deref(),
            );
            let new = gather(&body.email, &body.name, particulars)?;
            (new, Credentials::Password(body.password.0))
        }
        Form::Sealed(body) => {
            let particulars = Particulars::provider(
                &body.provider_type,
                &body.license_number,
                &body.license_country,
                body.organization.as_deref(),
            );
            let new = gather(&body.email, &body.name, particulars)?;
            (new, Credentials::Sealed(Box::new(body.account)))
        }
    };
    let registered = service::register(app.service(), &origin, new, credentials, once).await?;
    Ok(created(registered))
}

/// The token of a verification mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyEmailRequest {
    token: SecretText,
}

/// Shows that an address is its account's.
#[utoipa::path(post, path = "/api/auth/verify-email", tag = "accounts", security(()),
    request_body = VerifyEmailRequest,
    responses((status = 204), (status = 410, body = ProblemView, content_type = "application/problem+json")))]
async fn verify_email(
    State(app): State<App>,
    From(origin): From,
    Json(body): Json<VerifyEmailRequest>,
) -> Result<StatusCode, Problem> {
    service::verify_email(app.service(), &origin, &body.token.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends another verification mail to one's own address.
#[utoipa::path(post, path = "/api/auth/verify-email/resend", tag = "accounts",
    responses((status = 204), (status = 401, body = ProblemView, content_type = "application/problem+json")))]
async fn resend_verification(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<StatusCode, Problem> {
    service::resend_verification(app.service(), &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An account.
#[derive(Serialize, ToSchema)]
pub struct AccountJson {
    id: Id,
    /// `patient`, `provider` or `admin`.
    #[schema(example = "patient")]
    kind: &'static str,
    email: String,
    email_verified: bool,
    name: String,
    /// Whether an administrator switched it off.
    disabled: bool,
    /// Of providers: free text.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    provider_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    /// Of providers: `pending`, `verified`, `rejected` or `suspended`.
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<&'static str>,
    created_at: Timestamp,
}

impl std::convert::From<AccountView> for AccountJson {
    fn from(view: AccountView) -> Self {
        let provider = view.provider;
        let part =
            |of: fn(&service::ProviderView) -> Option<String>| provider.as_ref().and_then(of);
        Self {
            id: view.id.0,
            kind: view.kind.as_str(),
            email: view.email,
            email_verified: view.email_verified,
            name: view.name,
            disabled: view.disabled,
            provider_type: part(|one| Some(one.provider_type.clone())),
            license_number: part(|one| Some(one.license_number.clone())),
            license_country: part(|one| Some(one.license_country.clone())),
            organization: part(|one| one.organization.clone()),
            verification: (view.kind == AccountKind::Provider)
                .then(|| provider.as_ref().map(|one| one.verification.as_str()))
                .flatten(),
            created_at: view.created_at,
        }
    }
}

/// One's own profile.
#[derive(Serialize, ToSchema)]
pub struct ProfileView {
    account_id: Id,
    /// The oldest patient that the account owns.
    patient_id: Option<Id>,
    email: String,
    email_verified: bool,
    name: String,
    date_of_birth: Option<String>,
    phone: Option<String>,
    /// Whether the server may open the record for a request that brings a key.
    assisted_access: bool,
    /// Whatever the app keeps for its user.
    preferences: serde_json::Value,
    /// Every patient that the account owns, oldest first.
    patients: Vec<PatientJson>,
}

/// A patient in one's profile.
#[derive(Serialize, ToSchema)]
pub struct PatientJson {
    id: Id,
    name: String,
    date_of_birth: Option<String>,
    phone: Option<String>,
    assisted_access: bool,
}

impl std::convert::From<&PatientView> for PatientJson {
    fn from(view: &PatientView) -> Self {
        Self {
            id: view.id.0,
            name: view.name.clone(),
            date_of_birth: view.date_of_birth.clone(),
            phone: view.phone.clone(),
            assisted_access: view.assisted_access,
        }
    }
}

impl std::convert::From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        let first = profile.patients.first();
        Self {
            account_id: profile.account.id.0,
            patient_id: first.map(|patient| patient.id.0),
            email: profile.account.email,
            email_verified: profile.account.email_verified,
            name: profile.account.name,
            date_of_birth: first.and_then(|patient| patient.date_of_birth.clone()),
            phone: first.and_then(|patient| patient.phone.clone()),
            assisted_access: first.is_some_and(|patient| patient.assisted_access),
            preferences: profile
                .preferences
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_else(|| serde_json::json!({})),
            patients: profile.patients.iter().map(PatientJson::from).collect(),
        }
    }
}

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileRequest {
    /// Which patient; the oldest where none is named.
    #[serde(default)]
    patient_id: Option<Id>,
    #[serde(default)]
    name: Option<String>,
    /// `YYYY-MM-DD`; an empty text takes it away.
    #[serde(default)]
    date_of_birth: Option<String>,
    /// An empty text takes it away.
    #[serde(default)]
    phone: Option<String>,
    /// `false` refuses every opening of the record on the server from now on.
    #[serde(default)]
    assisted_access: Option<bool>,
    /// An object of at most 16 KiB, kept for the app.
    #[serde(default)]
    preferences: Option<serde_json::Map<String, serde_json::Value>>,
}

/// One's own profile.
#[utoipa::path(get, path = "/api/patients/profile", tag = "accounts",
    responses((status = 200, body = ProfileView), (status = 403, body = ProblemView, content_type = "application/problem+json")))]
async fn find_profile(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<Json<ProfileView>, Problem> {
    Ok(Json(
        service::find_profile(app.service(), &caller).await?.into(),
    ))
}

/// Changes one's own profile.
#[utoipa::path(put, path = "/api/patients/profile", tag = "accounts",
    request_body = ProfileRequest,
    responses((status = 200, body = ProfileView), (status = 422, body = ProblemView, content_type = "application/problem+json")))]
async fn update_profile(
    State(app): State<App>,
    Caller(caller): Caller,
    Json(body): Json<ProfileRequest>,
) -> Result<Json<ProfileView>, Problem> {
    let change = ProfileChange {
        patient: body.patient_id.map(Into::into),
        name: body.name,
        date_of_birth: body.date_of_birth,
        phone: body.phone,
        assisted_access: body.assisted_access,
        preferences: body
            .preferences
            .map(|map| serde_json::Value::Object(map).to_string()),
    };
    Ok(Json(
        service::update_profile(app.service(), &caller, change)
            .await?
            .into(),
    ))
}

/// An account's public keys, with the statements that vouch for them.
#[utoipa::path(get, path = "/api/keys/{principal}", tag = "keys",
    params(("principal" = String, Path, description = "An account's id")),
    responses((status = 200, body = AccountKeys), (status = 404, body = ProblemView, content_type = "application/problem+json")))]
async fn find_account_keys(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(principal): Path<String>,
) -> Result<Json<AccountKeys>, Problem> {
    let account: AccountId = path_id(&principal, "account.unknown")?;
    Ok(Json(
        service::find_keys(app.service(), &caller, account).await?,
    ))
}

//! Sign-ins on the wire: how passwords are stretched, tokens, sessions, the
//! password, recovery.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_crypto::Secret;
use chartkey_domain::accounts::Email;
use chartkey_domain::ids::SessionId;
use chartkey_service::accounts::AccountView;
use chartkey_service::assisted;
use chartkey_service::sessions::{
    self as service, NewPassword, PasswordChange, Proof, Recovered, Recovery, SessionView,
    SignedIn, TokenPair,
};
use chartkey_vault::protocol::{KdfParams, SealedRekey, WayIn};
use chartkey_vault::{Bytes, Bytes32, Id};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::AccountJson;
use super::caller::Caller;
use super::edge::From;
use super::json::{Form, Json};
use super::problem::{FieldError, Problem, ProblemView};
use super::wire::{Page, SecretText, path_id};
use crate::app::App;
use crate::tokens::{ACCESS_TTL_SECS, Access};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(find_kdf))
        .routes(routes!(create_session))
        .routes(routes!(refresh_session))
        .routes(routes!(end_session))
        .routes(routes!(find_session))
        .routes(routes!(list_sessions))
        .routes(routes!(delete_session))
        .routes(routes!(update_password))
        .routes(routes!(recover_account))
}

/// The routes of this file whose bodies may be large: keyrings come with them.
pub fn large_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(rekey_account))
}

/// Reads an address that stands in the field `email`.
fn email(text: &str) -> Result<Email, Problem> {
    Email::parse(text)
        .map_err(|error| Problem::invalid(vec![FieldError::new("email", error.to_string())]))
}

/// An address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KdfRequest {
    email: String,
}

/// How an address's passwords are stretched (Argon2id, RFC 9106).
#[derive(Serialize, ToSchema)]
pub struct KdfView {
    /// Always `argon2id`, version 1.3.
    #[schema(example = "argon2id")]
    algorithm: &'static str,
    kdf: KdfParams,
    /// 16 bytes, standard base64.
    salt: String,
}

/// How an address's passwords are stretched: the same whether or not anybody
/// has an account there.
#[utoipa::path(post, path = "/api/auth/prelogin", tag = "sessions", security(()),
    request_body = KdfRequest, responses((status = 200, body = KdfView)))]
async fn find_kdf(
    State(app): State<App>,
    From(origin): From,
    Json(body): Json<KdfRequest>,
) -> Result<Json<KdfView>, Problem> {
    let (kdf, salt) = service::prelogin(app.service(), &origin, &email(&body.email)?).await?;
    Ok(Json(KdfView {
        algorithm: "argon2id",
        kdf,
        salt: STANDARD.encode(salt),
    }))
}

/// An address with a password, or with what a client made of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    email: String,
    /// Assisted clients: the password.
    #[serde(default)]
    password: Option<SecretText>,
    /// Sealed clients: half of what the password was stretched to, 32 bytes.
    #[serde(default)]
    auth_key: Option<Bytes32>,
}

/// Tokens, and whose.
#[derive(Serialize, ToSchema)]
pub struct SignedInView {
    access_token: SecretText,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 900)]
    expires_in: i64,
    refresh_token: SecretText,
    account: AccountJson,
    /// The oldest patient that the account owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    patient_id: Option<Id>,
    /// Sealed clients: the account seed as the password wraps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapped_seed: Option<Bytes>,
    /// Sealed clients: the seeds before it, each wrapped under its successor,
    /// newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    previous_seeds: Vec<Bytes>,
    /// A new recovery code, shown once, after the old one was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_code: Option<SecretText>,
}

/// Both tokens as text.
fn tokens(app: &App, pair: TokenPair) -> Result<(SecretText, SecretText), Problem> {
    let access = Access {
        account: pair.access.account,
        session: pair.access.session,
        auth_time: pair.access.auth_time,
        expires_at: pair.access.expires_at,
        secret: pair.access.secret,
    };
    let token = app
        .tokens()
        .make(&access, app.service().now())
        .map_err(|_| Problem::new("server.internal"))?;
    Ok((SecretText(token), SecretText(pair.refresh)))
}

fn signed_in(app: &App, signed_in: SignedIn) -> Result<SignedInView, Problem> {
    let (access_token, refresh_token) = tokens(app, signed_in.tokens)?;
    let account: AccountView = signed_in.account;
    Ok(SignedInView {
        access_token,
        token_type: "Bearer",
        expires_in: ACCESS_TTL_SECS,
        refresh_token,
        account: account.into(),
        patient_id: signed_in.patients.first().map(|patient| patient.0),
        previous_seeds: match signed_in.wrapped_seed {
            Some(_) => signed_in.previous_seeds,
            None => Vec::new(),
        },
        wrapped_seed: signed_in.wrapped_seed,
        recovery_code: None,
    })
}

/// Signs in.
#[utoipa::path(post, path = "/api/auth/login", tag = "sessions", security(()),
    request_body = LoginRequest,
    responses((status = 200, body = SignedInView), (status = 401, body = ProblemView, content_type = "application/problem+json"),
        (status = 429, body = ProblemView, content_type = "application/problem+json")))]
async fn create_session(
    State(app): State<App>,
    From(origin): From,
    Json(body): Json<LoginRequest>,
) -> Result<Json<SignedInView>, Problem> {
    let email = email(&body.email)?;
    let proof = match (body.password, body.auth_key) {
        (Some(password), None) => Proof::Password(password.0),
        (None, Some(key)) => Proof::AuthKey(Secret::from_bytes(*key.as_bytes())),
        _ => {
            return Err(Problem::field(
                "password",
                "send either password or auth_key",
            ));
        }
    };
    let done = service::sign_in(app.service(), &origin, email, proof).await?;
    Ok(Json(signed_in(&app, done)?))
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    refresh_token: SecretText,
}

/// A new pair of tokens.
#[derive(Serialize, ToSchema)]
pub struct TokensView {
    access_token: SecretText,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// Counts once; the one before never again.
    refresh_token: SecretText,
}

/// Changes a refresh token for a new pair of tokens. A refresh token that
/// comes a second time ends the session.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "sessions", security(()),
    request_body = RefreshRequest,
    responses((status = 200, body = TokensView), (status = 401, body = ProblemView, content_type = "application/problem+json")))]
async fn refresh_session(
    State(app): State<App>,
    From(origin): From,
    Json(body): Json<RefreshRequest>,
) -> Result<Json<TokensView>, Problem> {
    let pair = service::refresh(app.service(), &origin, &body.refresh_token.0).await?;
    let expires_at = pair.access.expires_at;
    let expires_in = expires_at.duration_since(app.service().now()).as_secs();
    let (access_token, refresh_token) = tokens(&app, pair)?;
    Ok(Json(TokensView {
        access_token,
        token_type: "Bearer",
        expires_in,
        refresh_token,
    }))
}

/// Ends the session that asks.
#[utoipa::path(post, path = "/api/auth/logout", tag = "sessions",
    responses((status = 204), (status = 401, body = ProblemView, content_type = "application/problem+json")))]
async fn end_session(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<StatusCode, Problem> {
    let id = caller
        .session_id()
        .ok_or_else(|| Problem::new("session.missing"))?;
    service::end(app.service(), &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A session of one's own account.
#[derive(Serialize, ToSchema)]
pub struct SessionJson {
    id: Id,
    created_at: Timestamp,
    /// To the minute.
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    /// What the client calls itself.
    device: Option<String>,
    /// Where it signed in from.
    address: Option<String>,
    /// Whether it opens content on the server.
    assisted: bool,
    /// Whether it is the one that asks.
    current: bool,
}

impl std::convert::From<SessionView> for SessionJson {
    fn from(view: SessionView) -> Self {
        Self {
            id: view.id.0,
            created_at: view.created_at,
            last_seen_at: view.last_seen_at,
            expires_at: view.expires_at,
            device: view.device,
            address: view.address,
            assisted: view.assisted,
            current: view.current,
        }
    }
}

/// The session that asks.
#[utoipa::path(get, path = "/api/auth/session", tag = "sessions",
    responses((status = 200, body = SessionJson), (status = 401, body = ProblemView, content_type = "application/problem+json")))]
async fn find_session(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<Json<SessionJson>, Problem> {
    Ok(Json(service::find(app.service(), &caller).await?.into()))
}

/// Every living session of one's own account, newest first.
#[utoipa::path(get, path = "/api/auth/sessions", tag = "sessions",
    responses((status = 200, body = Page<SessionJson>), (status = 401, body = ProblemView, content_type = "application/problem+json")))]
async fn list_sessions(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<Json<Page<SessionJson>>, Problem> {
    let items = service::list(app.service(), &caller).await?;
    Ok(Json(Page {
        items: items.into_iter().map(SessionJson::from).collect(),
        next: None,
    }))
}

/// Ends one session of one's own account, at once.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session's id")),
    responses((status = 204), (status = 404, body = ProblemView, content_type = "application/problem+json")))]
async fn delete_session(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: SessionId = path_id(&id, "session.unknown")?;
    service::end(app.service(), &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The old password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    current_password: SecretText,
    new_password: SecretText,
}

/// What a client made of the old password and of the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedPasswordRequest {
    /// Half of what the old password was stretched to.
    auth_key: Bytes32,
    /// How the new one was stretched: what prelogin answers.
    kdf: KdfParams,
    /// The new way in.
    password: WayIn,
}

/// Changes the password, and ends the other sessions. Nothing stored changes.
#[utoipa::path(post, path = "/api/auth/password", tag = "sessions",
    request_body(content((PasswordRequest = "application/json"), (SealedPasswordRequest = "application/vnd.chartkey.sealed+json"))),
    responses((status = 204), (status = 422, body = ProblemView, content_type = "application/problem+json")))]
async fn update_password(
    State(app): State<App>,
    Caller(caller): Caller,
    form: Form<PasswordRequest, SealedPasswordRequest>,
) -> Result<StatusCode, Problem> {
    let change = match form {
        Form::Assisted(body) => PasswordChange {
            current: Proof::Password(body.current_password.0),
            new: NewPassword::Password(body.new_password.0),
        },
        Form::Sealed(body) => PasswordChange {
            current: Proof::AuthKey(Secret::from_bytes(*body.auth_key.as_bytes())),
            new: NewPassword::Sealed {
                kdf: body.kdf,
                way_in: body.password,
            },
        },
    };
    service::change_password(app.service(), &caller, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A recovery code and a new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverRequest {
    email: String,
    recovery_code: SecretText,
    new_password: SecretText,
}

/// The first half (address and proof) or the second (ticket and new ways in).
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SealedRecoverRequest {
    /// Asks for the wrapped seed.
    Begin(RecoverBegin),
    /// Brings the new ways in.
    Finish(Box<RecoverFinish>),
}

/// Asks for the wrapped seed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverBegin {
    email: String,
    /// Derived from the recovery code, 32 bytes.
    recovery_auth: Bytes32,
}

/// Brings the new ways in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverFinish {
    /// From the first half; counts once, for ten minutes.
    ticket: SecretText,
    kdf: KdfParams,
    password: WayIn,
    /// Of the new recovery code.
    recovery: WayIn,
}

/// What the first half of a sealed recovery answers.
#[derive(Serialize, ToSchema)]
pub struct RecoverTicketView {
    account_id: Id,
    /// The account seed as the recovery code wraps it.
    wrapped_seed: Bytes,
    /// The seeds before it, each wrapped under its successor, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    previous_seeds: Vec<Bytes>,
    ticket: SecretText,
}

/// Either answer of a recovery.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum RecoverView {
    /// Of the first half, sealed.
    Ticket(RecoverTicketView),
    /// Of everything else.
    SignedIn(Box<SignedInView>),
}

fn recovered(app: &App, recovered: Recovered) -> Result<Json<RecoverView>, Problem> {
    let mut view = signed_in(app, recovered.signed_in)?;
    view.recovery_code = recovered.recovery_code.map(SecretText);
    Ok(Json(RecoverView::SignedIn(Box::new(view))))
}

/// Comes back with a recovery code: a new password, a session, a new code.
/// Nothing stored is lost; every other session ends.
#[utoipa::path(post, path = "/api/auth/recover", tag = "sessions", security(()),
    request_body(content((RecoverRequest = "application/json"), (SealedRecoverRequest = "application/vnd.chartkey.sealed+json"))),
    responses((status = 200, body = RecoverView), (status = 401, body = ProblemView, content_type = "application/problem+json")))]
async fn recover_account(
    State(app): State<App>,
    From(origin): From,
    form: Form<RecoverRequest, SealedRecoverRequest>,
) -> Result<Json<RecoverView>, Problem> {
    match form {
        Form::Assisted(body) => {
            let recovery = Recovery {
                email: email(&body.email)?,
                code: body.recovery_code.0,
                new_password: body.new_password.0,
            };
            recovered(
                &app,
                service::recover(app.service(), &origin, recovery).await?,
            )
        }
        Form::Sealed(SealedRecoverRequest::Begin(body)) => {
            let proof = Secret::from_bytes(*body.recovery_auth.as_bytes());
            let email = email(&body.email)?;
            let made = service::begin_recovery(app.service(), &origin, email, proof).await?;
            Ok(Json(RecoverView::Ticket(RecoverTicketView {
                account_id: made.account.0,
                wrapped_seed: made.wrapped_seed,
                previous_seeds: made.previous_seeds,
                ticket: SecretText(made.ticket),
            })))
        }
        Form::Sealed(SealedRecoverRequest::Finish(body)) => {
            let done = service::finish_recovery(
                app.service(),
                &origin,
                &body.ticket.0,
                body.kdf,
                body.password,
                body.recovery,
            )
            .await?;
            recovered(&app, done)
        }
    }
}

/// The present password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RekeyRequest {
    password: SecretText,
}

/// "Change my keys": a new account seed, new generations of the patients that
/// the account manages, its keyrings sealed anew, only the present ways in.
///
/// Every other session ends. Links end with the generation that they belong
/// to. Assisted clients get a new session and a new recovery code; sealed
/// clients, who made both themselves, get 204 and keep their session.
#[utoipa::path(post, path = "/api/auth/rekey", tag = "sessions",
    request_body(content((RekeyRequest = "application/json"), (SealedRekey = "application/vnd.chartkey.sealed+json"))),
    responses((status = 200, body = SignedInView), (status = 204, description = "Sealed"),
        (status = 403, body = ProblemView, content_type = "application/problem+json"),
        (status = 409, body = ProblemView, content_type = "application/problem+json")))]
async fn rekey_account(
    State(app): State<App>,
    Caller(caller): Caller,
    form: Form<RekeyRequest, Box<SealedRekey>>,
) -> Result<Response, Problem> {
    match form {
        Form::Sealed(sealed) => {
            service::rekey(app.service(), &caller, *sealed).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Form::Assisted(body) => {
            let done = assisted::rekey(app.service(), &caller, body.password.0).await?;
            let mut view = signed_in(&app, done.signed_in)?;
            view.recovery_code = done.recovery_code.map(SecretText);
            Ok(Json(view).into_response())
        }
    }
}

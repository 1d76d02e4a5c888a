//! `/api/v1/connections`: sources and destinations, and the patients on them.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chartkey_domain::connections::{ConnectionKind, Credentials, Direction};
use chartkey_domain::ids::{ConnectionId, PatientId};
use chartkey_domain::sync::Authorization;
use chartkey_service::assisted::Assisted;
use chartkey_service::connections::{
    self as service, AttachmentView as Attached, ConnectionChange, ConnectionView as Found,
    NewAttachment, NewConnection, PatientConnection,
};
use chartkey_vault::delivery::SignedDestination;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::super::caller::Caller;
use super::super::json::Json;
use super::super::problem::{Problem, ProblemView};
use super::super::sharing::{Sensitive, parse_types};
use super::super::wire::{Page, PageQuery, Query, SecretText, cursor, path_id};
use crate::app::App;

const UNKNOWN: &str = "connection.unknown";

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_connections, create_connection))
        .routes(routes!(
            find_connection,
            update_connection,
            delete_connection
        ))
        .routes(routes!(verify_connection))
        .routes(routes!(list_attachments, attach_patient))
        .routes(routes!(detach_patient))
        .routes(routes!(list_patient_connections))
}

/// What a connection proves itself with: written, and never read again.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CredentialsRequest {
    /// Nothing.
    None,
    /// `Authorization: Bearer`.
    Bearer {
        /// The token.
        token: SecretText,
    },
    /// `Authorization: Basic`.
    Basic {
        /// The user, or an API key.
        username: SecretText,
        /// May be left out for API keys.
        #[serde(default)]
        password: Option<SecretText>,
    },
    /// A header of its own.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: SecretText,
    },
    /// SMART Backend Services (`private_key_jwt`).
    BackendServices {
        /// Registered with the server.
        client_id: String,
        /// Discovered where absent.
        #[serde(default)]
        token_url: Option<String>,
        /// PKCS#8 PEM.
        private_key: SecretText,
        /// `kid` of the key.
        key_id: String,
        /// `ES384` (where absent) or `RS384`.
        #[serde(default)]
        algorithm: Option<String>,
        /// `system/*.rs` where absent.
        #[serde(default)]
        scope: Option<String>,
    },
    /// SMART standalone launch, by the patient in a browser.
    Smart {
        /// Registered with the server.
        client_id: String,
        /// For confidential clients.
        #[serde(default)]
        client_secret: Option<SecretText>,
        /// Where tokens come from; discovered when a patient signs in, where absent.
        #[serde(default)]
        token_url: String,
    },
}

impl From<CredentialsRequest> for Credentials {
    fn from(said: CredentialsRequest) -> Self {
        use CredentialsRequest as C;
        match said {
            C::None => Self::None,
            C::Bearer { token } => Self::Bearer { token: token.0 },
            C::Basic { username, password } => Self::Basic {
                username: username.0,
                password: password.map_or_else(|| Zeroizing::new(String::new()), |p| p.0),
            },
            C::Header { name, value } => Self::Header {
                name,
                value: value.0,
            },
            C::BackendServices {
                client_id,
                token_url,
                private_key,
                key_id,
                algorithm,
                scope,
            } => Self::BackendServices {
                client_id,
                token_url,
                private_key: private_key.0,
                key_id,
                algorithm: algorithm.unwrap_or_else(|| "ES384".to_owned()),
                scope: scope.unwrap_or_else(|| "system/*.rs".to_owned()),
            },
            C::Smart {
                client_id,
                client_secret,
                token_url,
            } => Self::Smart {
                client_id,
                client_secret: client_secret.map(|s| s.0),
                token_url,
            },
        }
    }
}

/// A connection, to its owner.
#[derive(Serialize, ToSchema)]
pub struct ConnectionView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    name: String,
    /// `fhir`, `carepatron`, `cliniko`, `healthie`, `rest`.
    kind: &'static str,
    /// `source` or `destination`.
    direction: &'static str,
    base_url: String,
    /// The kind of credentials; these are never told.
    credentials: String,
    #[schema(value_type = Object)]
    settings: serde_json::Value,
    schedule: String,
    /// `ok`, `needs_attention`, `paused`.
    state: &'static str,
    /// Why it needs attention, as a word.
    problem: Option<String>,
    /// It takes no documents: a person files them.
    hands_off: bool,
    /// Where the other end may say that something changed; whoever has it may.
    webhook_url: String,
    /// A destination's public key, for the statement that attaches a patient.
    #[schema(value_type = Option<String>, format = Byte)]
    public_key: Option<chartkey_vault::Bytes>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Found> for ConnectionView {
    fn from(found: Found) -> Self {
        Self {
            id: found.id.to_string(),
            name: found.name,
            kind: found.kind.word(),
            direction: found.direction.word(),
            base_url: found.base_url,
            credentials: found.auth,
            settings: found.settings,
            schedule: found.schedule,
            state: found.state.word(),
            problem: found.problem,
            hands_off: found.hands_off,
            webhook_url: found.webhook_url,
            public_key: found.public_key.map(chartkey_vault::Bytes),
            created_at: found.created_at,
            updated_at: found.updated_at,
        }
    }
}

/// How somebody authorised that an unclaimed chart is connected.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationRequest {
    /// The day, `YYYY-MM-DD`.
    obtained_on: String,
    /// How: `paper`, `verbal`, …
    method: String,
    #[serde(default)]
    note: Option<String>,
}

/// A patient for a connection.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachRequest {
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    /// Who they are there. Destinations look for them where it is absent.
    #[serde(default)]
    remote_patient_id: Option<SecretText>,
    /// Types that pass; all where absent.
    #[serde(default)]
    record_types: Vec<String>,
    /// Kinds of sensitivity that pass to a destination.
    #[serde(default)]
    include_sensitive: Option<Sensitive>,
    /// Needed while nobody has claimed the chart.
    #[serde(default)]
    authorization: Option<AuthorizationRequest>,
    /// A destination's, signed by the caller. Sealed clients only.
    #[serde(default)]
    statement: Option<SignedDestination>,
}

impl AttachRequest {
    fn attachment(self) -> Result<NewAttachment, Problem> {
        Ok(NewAttachment {
            patient: path_id(&self.patient_id, "patient.unknown")?,
            remote_patient_id: self.remote_patient_id.map(|text| text.0),
            record_types: parse_types(&self.record_types, "record_types")?
                .iter()
                .collect(),
            kinds: Sensitive::kinds(self.include_sensitive.as_ref(), "include_sensitive")?,
            authorization: self.authorization.map(|said| Authorization {
                obtained_on: said.obtained_on,
                method: said.method,
                note: said.note,
            }),
            statement: self.statement,
        })
    }
}

/// A connection to be made, perhaps with its first patient.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionRequest {
    #[serde(default)]
    name: Option<String>,
    kind: String,
    direction: String,
    /// The configured default (`HEALTHCARE_API_URL`) for sources where absent.
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    credentials: Option<CredentialsRequest>,
    /// What only the kind understands.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    settings: Option<serde_json::Value>,
    /// `hourly`, `daily`, `manual` or a cron line; `daily` where absent.
    #[serde(default)]
    schedule: Option<String>,
    /// The first patient on it.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    patient_id: Option<String>,
    #[serde(default)]
    remote_patient_id: Option<SecretText>,
    #[serde(default)]
    record_types: Vec<String>,
    #[serde(default)]
    include_sensitive: Option<Sensitive>,
    #[serde(default)]
    authorization: Option<AuthorizationRequest>,
}

/// One's own connections.
#[utoipa::path(get, path = "/api/v1/connections", tag = "practice",
    responses((status = 200, body = Page<ConnectionView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_connections(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<Json<Page<ConnectionView>>, Problem> {
    let found = service::list_connections(app.service(), &caller).await?;
    Ok(Json(Page {
        items: found.into_iter().map(ConnectionView::from).collect(),
        next: None,
    }))
}

/// Makes a connection; with `patient_id`, attaches the first patient to it.
#[utoipa::path(post, path = "/api/v1/connections", tag = "practice",
    request_body = ConnectionRequest,
    responses((status = 201, body = ConnectionView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn create_connection(
    State(app): State<App>,
    Caller(caller): Caller,
    Json(body): Json<ConnectionRequest>,
) -> Result<(StatusCode, Json<ConnectionView>), Problem> {
    let kind = ConnectionKind::parse(&body.kind)
        .ok_or_else(|| Problem::field("kind", "fhir, carepatron, cliniko, healthie or rest"))?;
    let direction = Direction::parse(&body.direction)
        .ok_or_else(|| Problem::field("direction", "`source` or `destination`"))?;
    let default = app.config().healthcare_api_url.as_ref();
    let base_url = match (body.base_url, default) {
        (Some(url), _) => url,
        (None, Some(url)) if direction == Direction::Source => url.to_string(),
        (None, _) => return Err(Problem::field("base_url", "is missing")),
    };
    let attach = body
        .patient_id
        .map(|patient_id| {
            AttachRequest {
                patient_id,
                remote_patient_id: body.remote_patient_id,
                record_types: body.record_types,
                include_sensitive: body.include_sensitive,
                authorization: body.authorization,
                statement: None,
            }
            .attachment()
        })
        .transpose()?;
    let new = NewConnection {
        direction,
        kind,
        name: body.name,
        base_url,
        credentials: body
            .credentials
            .map_or(Credentials::None, Credentials::from),
        settings: body.settings.unwrap_or_else(|| serde_json::json!({})),
        schedule: body.schedule.unwrap_or_else(|| "daily".to_owned()),
    };
    let made = service::create_connection(app.service(), &caller, new).await?;
    if let Some(attach) = attach {
        put_on(&app, &caller, made.id, attach).await?;
    }
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Attaches, signing for a destination where the caller lets the server.
async fn put_on(
    app: &App,
    caller: &chartkey_service::Caller,
    connection: ConnectionId,
    new: NewAttachment,
) -> Result<Attached, Problem> {
    let sealed = new.statement.is_some() || !caller.account().is_ok_and(|a| a.assisted);
    if sealed {
        return Ok(service::attach_patient(app.service(), caller, connection, new).await?);
    }
    let mut assisted = Assisted::open(app.service(), caller).await?;
    Ok(assisted.attach_patient(connection, new).await?)
}

/// One connection, to its owner.
#[utoipa::path(get, path = "/api/v1/connections/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ConnectionView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn find_connection(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<ConnectionView>, Problem> {
    let id: ConnectionId = path_id(&id, UNKNOWN)?;
    let found = service::find_connection(app.service(), &caller, id).await?;
    Ok(Json(found.into()))
}

/// What changes; what is left out stays. Another address, or another kind of
/// credentials, erases the credentials.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionChangeRequest {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    credentials: Option<CredentialsRequest>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    settings: Option<serde_json::Value>,
    #[serde(default)]
    schedule: Option<String>,
    /// Stops it for now, or lets it go on.
    #[serde(default)]
    paused: Option<bool>,
}

/// Changes a connection.
#[utoipa::path(put, path = "/api/v1/connections/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)), request_body = ConnectionChangeRequest,
    responses((status = 200, body = ConnectionView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn update_connection(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<ConnectionChangeRequest>,
) -> Result<Json<ConnectionView>, Problem> {
    let id: ConnectionId = path_id(&id, UNKNOWN)?;
    let change = ConnectionChange {
        name: body.name,
        base_url: body.base_url,
        credentials: body.credentials.map(Credentials::from),
        settings: body.settings,
        schedule: body.schedule,
        paused: body.paused,
    };
    let changed = service::update_connection(app.service(), &caller, id, change).await?;
    Ok(Json(changed.into()))
}

/// Deletes a connection with everything that waits on it. What was pulled stays
/// in the record, what was pushed at the platform.
#[utoipa::path(delete, path = "/api/v1/connections/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Deleted"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn delete_connection(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: ConnectionId = path_id(&id, UNKNOWN)?;
    service::delete_connection(app.service(), &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a connection works.
#[derive(Serialize, ToSchema)]
pub struct VerificationView {
    works: bool,
    /// Why not, as a word.
    problem: Option<String>,
    /// The same in a sentence.
    sentence: String,
    /// What the other end calls the account.
    account: Option<String>,
    /// What it can do.
    notes: Vec<String>,
}

/// Tries a connection: one cheap call to the other end.
#[utoipa::path(post, path = "/api/v1/connections/{id}/verify", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = VerificationView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn verify_connection(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<VerificationView>, Problem> {
    let id: ConnectionId = path_id(&id, UNKNOWN)?;
    let found = service::verify_connection(app.service(), &caller, id).await?;
    Ok(Json(VerificationView {
        works: found.works,
        problem: found.problem,
        sentence: found.sentence,
        account: found.account,
        notes: found.notes,
    }))
}

/// A patient on a connection, to its owner.
#[derive(Serialize, ToSchema)]
pub struct AttachmentView {
    #[schema(value_type = uuid::Uuid)]
    connection_id: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    remote_patient_id: Option<String>,
    /// Types that pass; all where empty.
    record_types: Vec<&'static str>,
    authorization: Option<AuthorizationRequest>,
    state: &'static str,
    problem: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_run_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Attached> for AttachmentView {
    fn from(attached: Attached) -> Self {
        Self {
            connection_id: attached.connection.to_string(),
            patient_id: attached.patient.to_string(),
            remote_patient_id: attached.remote_patient_id,
            record_types: attached.record_types.iter().map(|t| t.as_str()).collect(),
            authorization: attached.authorization.map(|said| AuthorizationRequest {
                obtained_on: said.obtained_on,
                method: said.method,
                note: said.note,
            }),
            state: attached.state.word(),
            problem: attached.problem,
            next_due: attached.next_due,
            last_run_at: attached.last_run_at,
            created_at: attached.created_at,
        }
    }
}

/// Who is on one's connection, in the order of their ids.
#[utoipa::path(get, path = "/api/v1/connections/{id}/patients", tag = "practice",
    params(("id" = uuid::Uuid, Path), PageQuery),
    responses((status = 200, body = Page<AttachmentView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_attachments(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<AttachmentView>>, Problem> {
    let id: ConnectionId = path_id(&id, UNKNOWN)?;
    let after = match paging.cursor::<1>()? {
        Some([patient]) => Some(super::super::wire::cursor_part::<PatientId>(&patient)?),
        None => None,
    };
    let limit = paging.limit()?;
    let found = service::list_connection_patients(app.service(), &caller, id, after, limit).await?;
    let full = found.len() == limit as usize;
    let last = found.last().filter(|_| full).map(|a| a.patient);
    Ok(Json(Page {
        items: found.into_iter().map(AttachmentView::from).collect(),
        next: last.map(|patient| cursor(&[&patient])),
    }))
}

/// Puts a patient on one's connection, or replaces the terms on which they are
/// there.
#[utoipa::path(post, path = "/api/v1/connections/{id}/patients", tag = "practice",
    params(("id" = uuid::Uuid, Path)), request_body = AttachRequest,
    responses((status = 201, body = AttachmentView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn attach_patient(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<AttachRequest>,
) -> Result<Response, Problem> {
    let id: ConnectionId = path_id(&id, UNKNOWN)?;
    let attached = put_on(&app, &caller, id, body.attachment()?).await?;
    let view = Json(AttachmentView::from(attached));
    Ok((StatusCode::CREATED, view).into_response())
}

/// Takes a patient off a connection: its owner may, and whoever manages the
/// record. What waits is cancelled.
#[utoipa::path(delete, path = "/api/v1/connections/{id}/patients/{patient}", tag = "practice",
    params(("id" = uuid::Uuid, Path), ("patient" = uuid::Uuid, Path)),
    responses((status = 204, description = "Detached"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn detach_patient(
    State(app): State<App>,
    Caller(caller): Caller,
    Path((id, patient)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id: ConnectionId = path_id(&id, UNKNOWN)?;
    let patient: PatientId = path_id(&patient, "patient.unknown")?;
    service::detach_patient(app.service(), &caller, id, patient).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a patient is connected to: names and states.
#[derive(Serialize, ToSchema)]
pub struct PatientConnectionView {
    #[schema(value_type = uuid::Uuid)]
    connection_id: String,
    name: String,
    kind: &'static str,
    direction: &'static str,
    /// Types that pass; all where empty.
    record_types: Vec<&'static str>,
    /// Whose connection it is.
    #[schema(value_type = uuid::Uuid)]
    owner_id: String,
    /// Under which grant; null for whoever managed the record then.
    #[schema(value_type = Option<uuid::Uuid>)]
    grant_id: Option<String>,
    state: &'static str,
    problem: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_run_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<PatientConnection> for PatientConnectionView {
    fn from(found: PatientConnection) -> Self {
        Self {
            connection_id: found.connection.to_string(),
            name: found.name,
            kind: found.kind,
            direction: found.direction.word(),
            record_types: found.record_types.iter().map(|t| t.as_str()).collect(),
            owner_id: found.owner.to_string(),
            grant_id: found.grant.map(|grant| grant.to_string()),
            state: found.state.word(),
            problem: found.problem,
            next_due: found.next_due,
            last_run_at: found.last_run_at,
            created_at: found.created_at,
        }
    }
}

/// What a patient is connected to, for whoever may see their synchronisation.
#[utoipa::path(get, path = "/api/v1/patients/{id}/connections", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Page<PatientConnectionView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_patient_connections(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<Page<PatientConnectionView>>, Problem> {
    let id: PatientId = path_id(&id, "patient.unknown")?;
    let found = service::list_patient_connections(app.service(), &caller, id).await?;
    Ok(Json(Page {
        items: found.into_iter().map(PatientConnectionView::from).collect(),
        next: None,
    }))
}

//! `/api/sharing/…`: grants to accounts. Assisted clients send what is to be
//! granted; sealed clients send what they signed. Terms as people write them
//! are read here, for links as well.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chartkey_domain::grants::{self as domain, GrantError};
use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId};
use chartkey_domain::records::RecordTypes;
use chartkey_fhir::{Kind, Kinds, RecordType};
use chartkey_service::assisted::{AskedTerms, Assisted, own_patient};
use chartkey_service::grants::{self, GrantFailure, Permission};
use chartkey_service::idempotency::Replay;
use chartkey_service::{Service, columns};
use chartkey_vault::protocol::{GrantChange, SealedGrant, WriteOutcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{Caller, Creating};
use super::json::{Form, Json, SEALED, media_type, parse, read_body};
use super::patients::sealed;
use super::problem::{Problem, ProblemView};
use super::wire::{Page, PageQuery, Query, cursor, cursor_part, path_id};
use crate::app::App;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_grant))
        .routes(routes!(revoke_grant))
        .routes(routes!(list_permissions))
}

// --- terms as people write them ---------------------------------------------------

/// Kinds of sensitivity: every one, none, or some.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Sensitive {
    /// `true` for every kind.
    All(bool),
    /// Their words.
    Some(Vec<String>),
}

impl Sensitive {
    /// The kinds; none where nothing was said.
    pub fn kinds(said: Option<&Self>, field: &str) -> Result<Kinds, Problem> {
        match said {
            None | Some(Self::All(false)) => Ok(Kinds::EMPTY),
            Some(Self::All(true)) => Ok(Kinds::ALL),
            Some(Self::Some(words)) => words.iter().try_fold(Kinds::EMPTY, |kinds, word| {
                let kind = word.replace('_', "-").parse::<Kind>();
                let kind = kind.map_err(|_| Problem::field(field, "not a kind of sensitivity"))?;
                Ok(kinds.union(Kinds::of(kind)))
            }),
        }
    }
}

/// Record types from their words.
pub fn parse_types(words: &[String], field: &str) -> Result<RecordTypes, Problem> {
    words
        .iter()
        .map(|word| word.parse::<RecordType>())
        .collect::<Result<_, _>>()
        .map_err(|_| Problem::field(field, "not a record type"))
}

/// Ids of single records; none where there are none.
pub fn parse_records(
    ids: Option<&[String]>,
    field: &str,
) -> Result<Option<Vec<RecordId>>, Problem> {
    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
        return Ok(None);
    };
    let ids = ids.iter().map(|id| id.parse()).collect::<Result<_, _>>();
    ids.map(Some)
        .map_err(|_| Problem::field(field, "not an id"))
}

/// A time from which something counts: a date begins with its day.
pub fn parse_start(text: Option<&str>, field: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || Problem::field(field, "neither a date nor a time");
    if let Some(day) = chartkey_domain::text::parse_date(text) {
        let zoned = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
        return Ok(Some(zoned.timestamp()));
    }
    if text.len() > 40 {
        return Err(wrong());
    }
    text.parse().map(Some).map_err(|_| wrong())
}

/// What for, bounded.
pub fn parse_purpose(text: Option<&str>) -> Result<Option<String>, Problem> {
    chartkey_domain::text::optional_line(text, domain::MAX_PURPOSE_CHARS)
        .map_err(|error| Problem::field("purpose", error.to_string()))
}

/// A grant's error as a problem.
fn refused(error: GrantError) -> Problem {
    GrantFailure::from(error).into()
}

// --- grants ------------------------------------------------------------------------

/// What is granted to an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// A patient; the caller's own where absent.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    patient_id: Option<String>,
    /// The account of whoever is granted.
    #[schema(value_type = uuid::Uuid)]
    provider_id: String,
    /// Types to read; may be empty where some may be written.
    #[serde(default)]
    record_types: Vec<String>,
    /// A time, or a date, which means the end of that day; one second to 365
    /// days ahead.
    expiry_date: String,
    /// From when; now where absent.
    #[serde(default)]
    valid_from: Option<String>,
    /// What for, in whatever words.
    #[serde(default)]
    purpose: Option<String>,
    /// Whether what is read may be taken along.
    #[serde(default)]
    allow_download: bool,
    /// `true`: the types to read may be written too.
    #[serde(default)]
    allow_write: bool,
    /// Types to write, where they are others.
    #[serde(default)]
    write_types: Vec<String>,
    /// Whether single records may be shared on.
    #[serde(default)]
    allow_reshare: bool,
    /// Kinds of sensitivity to read, or `true` for all.
    #[serde(default)]
    include_sensitive: Option<Sensitive>,
    /// Single records instead of everything of those types.
    #[serde(default)]
    #[schema(value_type = Option<Vec<uuid::Uuid>>)]
    record_ids: Option<Vec<String>>,
    /// What is said to whoever is granted.
    #[serde(default)]
    message: Option<String>,
}

impl GrantRequest {
    fn terms(&self, patient: PatientId, now: Timestamp) -> Result<AskedTerms, Problem> {
        let types = parse_types(&self.record_types, "record_types")?;
        let mut write_types = parse_types(&self.write_types, "write_types")?;
        if self.allow_write && write_types.is_empty() {
            write_types = types;
        }
        Ok(AskedTerms {
            patient,
            types,
            kinds: Sensitive::kinds(self.include_sensitive.as_ref(), "include_sensitive")?,
            records: parse_records(self.record_ids.as_deref(), "record_ids")?,
            include_future: true,
            write_types,
            valid_from: parse_start(self.valid_from.as_deref(), "valid_from")?,
            expires_at: domain::parse_expiry(&self.expiry_date, now).map_err(refused)?,
            purpose: parse_purpose(self.purpose.as_deref())?,
            may_download: self.allow_download,
            may_reshare: self.allow_reshare,
        })
    }
}

/// A grant to an account.
#[derive(Serialize, ToSchema)]
pub struct PermissionView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    /// The name of the patient.
    patient_name: Option<String>,
    /// The account of whoever holds it.
    #[schema(value_type = Option<uuid::Uuid>)]
    provider_id: Option<String>,
    /// Their name.
    provider_name: Option<String>,
    /// Who passed it on, where no manager gave it: it ends with their own.
    #[schema(value_type = Option<uuid::Uuid>)]
    shared_by: Option<String>,
    /// Their name.
    shared_by_name: Option<String>,
    /// Types to read.
    record_types: Vec<&'static str>,
    /// Kinds of sensitivity to read.
    include_sensitive: Vec<&'static str>,
    /// Single records, where it names some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<uuid::Uuid>)]
    record_ids: Vec<String>,
    /// Types to write.
    write_types: Vec<&'static str>,
    allow_download: bool,
    allow_write: bool,
    allow_reshare: bool,
    /// Coded purpose of use (HL7 v3 PurposeOfUse).
    purpose: String,
    /// `active`, `scheduled`, `suspended`, `expired`, `revoked`.
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    valid_from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expiry_date: Timestamp,
    access_count: u64,
    download_count: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_accessed: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A permission for people: names are protected until here.
pub fn permission_view(service: &Service, permission: Permission) -> PermissionView {
    let grant = permission.grant;
    let protect = service.protect();
    let name = |column, id, protected: Option<Vec<u8>>| {
        let text = protect.open_text(column, id, &protected?).ok()?;
        Some(text.to_string())
    };
    let words = |types: &[RecordType]| types.iter().map(|t| t.as_str()).collect::<Vec<_>>();
    PermissionView {
        id: grant.id.to_string(),
        patient_id: grant.patient.to_string(),
        patient_name: name(
            columns::PATIENT_NAME,
            grant.patient.0,
            permission.patient_name,
        ),
        provider_id: grant.holder.map(|holder| holder.to_string()),
        provider_name: grant
            .holder
            .and_then(|holder| name(columns::ACCOUNT_NAME, holder.0, permission.holder_name)),
        shared_by: grant.parent.map(|_| grant.created_by.to_string()),
        shared_by_name: name(
            columns::ACCOUNT_NAME,
            grant.created_by.0,
            permission.sharer_name,
        ),
        record_types: words(&grant.types),
        include_sensitive: grant.kinds.iter().map(Kind::as_str).collect(),
        record_ids: permission.records.iter().map(RecordId::to_string).collect(),
        allow_write: !grant.write_types.is_empty(),
        write_types: words(&grant.write_types),
        allow_download: grant.may_download,
        allow_reshare: grant.may_reshare,
        purpose: grant.purpose,
        status: permission.status.as_str(),
        valid_from: grant.valid_from,
        expiry_date: grant.expires_at,
        access_count: grant.access_count,
        download_count: grant.download_count,
        last_accessed: grant.last_accessed,
        ended_at: grant.ended_at,
        created_at: grant.created_at,
        updated_at: grant.updated_at,
    }
}

/// One permission, as it is answered.
pub async fn answer_permission(
    app: &App,
    caller: &chartkey_service::Caller,
    status: StatusCode,
    id: GrantId,
) -> Result<Response, Problem> {
    let found = grants::find_permission(app.service(), caller, id).await?;
    Ok((status, Json(permission_view(app.service(), found))).into_response())
}

/// Grants an account access to a record.
#[utoipa::path(post, path = "/api/sharing/grant", tag = "sharing",
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeat creates nothing twice")),
    request_body(content(
        (GrantRequest = "application/json"),
        (SealedGrant = "application/vnd.chartkey.sealed+json"),
    )),
    responses(
        (status = 201, content(
            (PermissionView = "application/json"), (WriteOutcome = "application/vnd.chartkey.sealed+json"))),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn create_grant(
    State(app): State<App>,
    Caller(caller): Caller,
    creating: Creating<Form<GrantRequest, SealedGrant>>,
) -> Result<Response, Problem> {
    let account = caller.account().map_err(GrantFailure::from)?.id;
    let (body, once) = creating.once(app.service(), "create_grant", Some(account));
    if let Some(replay) = Replay::find::<GrantError>(app.service(), once.as_ref()).await?
        && let [id] = replay.ids.as_slice()
    {
        return answer_permission(&app, &caller, StatusCode::CREATED, GrantId(*id)).await;
    }
    let request = match body {
        Form::Sealed(message) => {
            let made = grants::create_grant_for(app.service(), &caller, message, None, once);
            return Ok(sealed(StatusCode::CREATED, &made.await?.1));
        }
        Form::Assisted(request) => request,
    };
    let now = app.service().now();
    let patient = match request.patient_id.as_deref() {
        Some(text) => path_id(text, "patient.unknown")?,
        None => own_patient(app.service(), &caller).await?,
    };
    let holder: AccountId = path_id(&request.provider_id, "grant.holder_unknown")?;
    let message = request.message.as_deref().map(str::trim);
    let message = match message.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(
            chartkey_domain::text::lines(text, chartkey_domain::shares::MAX_MESSAGE_CHARS)
                .map_err(|error| Problem::field("message", error.to_string()))?,
        ),
    };
    let terms = request.terms(patient, now)?;
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    let id = assisted
        .grant(holder, &terms, message.as_deref(), None, once)
        .await?;
    answer_permission(&app, &caller, StatusCode::CREATED, id).await
}

/// Ends a grant, or a link: from the next request on, anywhere. A sealed client
/// sends its signed end along.
#[utoipa::path(put, path = "/api/sharing/{id}/revoke", tag = "sharing",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = Option<GrantChange>, content_type = "application/vnd.chartkey.sealed+json"),
    responses(
        (status = 200, content(
            (PermissionView = "application/json"), (WriteOutcome = "application/vnd.chartkey.sealed+json"))),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn revoke_grant(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let account = *caller.account().map_err(GrantFailure::from)?;
    let id: GrantId = path_id(&id, "grant.unknown")?;
    if media_type(request.headers()).as_deref() == Some(SEALED) {
        let bytes = read_body(request, &app).await?;
        let change: GrantChange = parse(&bytes)?;
        let ended = grants::end_grant(app.service(), &caller, id, Some(change)).await?;
        return Ok(sealed(StatusCode::OK, &ended.1));
    }
    if account.assisted {
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        assisted.revoke_grant(id).await?;
    } else {
        grants::end_grant(app.service(), &caller, id, None).await?;
    }
    answer_permission(&app, &caller, StatusCode::OK, id).await
}

/// Which permissions are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PermissionsQuery {
    /// `all` for ended ones too; `active` where absent.
    status: Option<String>,
}

/// The grants of a patient to accounts, or those that one holds.
#[utoipa::path(get, path = "/api/sharing/permissions", tag = "sharing",
    params(PermissionsQuery, PageQuery),
    responses(
        (status = 200, body = Page<PermissionView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn list_permissions(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<PermissionsQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<PermissionView>>, Problem> {
    let all = match query.status.as_deref() {
        None | Some("" | "active") => false,
        Some("all") => true,
        Some(_) => return Err(Problem::field("status", "`active` or `all`")),
    };
    let limit = page.limit()? as usize;
    let skip: usize = match page.cursor::<1>()? {
        Some([skip]) => cursor_part(&skip)?,
        None => 0,
    };
    let found = grants::list_permissions(app.service(), &caller, all).await?;
    let more = found.len() > skip.saturating_add(limit);
    let items = found.into_iter().skip(skip).take(limit);
    Ok(Json(Page {
        items: items
            .map(|permission| permission_view(app.service(), permission))
            .collect(),
        next: more.then(|| cursor(&[&skip.saturating_add(limit)])),
    }))
}

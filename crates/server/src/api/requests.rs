//! `/api/sharing/requests`: a provider asks, the patient answers.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chartkey_domain::grants as domain;
use chartkey_domain::ids::{PatientId, RequestId};
use chartkey_domain::requests::Decision;
use chartkey_fhir::{Kind, RecordType};
use chartkey_service::assisted::{AskedTerms, Assisted};
use chartkey_service::grants::{self, GrantFailure};
use chartkey_service::idempotency::Replay;
use chartkey_service::requests::{self, NewRequest, Request, RequestError, RequestFailure};
use chartkey_vault::protocol::{SealedGrant, WriteOutcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{Caller, Creating};
use super::json::{Form, Json};
use super::patients::sealed;
use super::problem::{Problem, ProblemView};
use super::sharing::{
    Sensitive, answer_permission, parse_purpose, parse_records, parse_start, parse_types,
};
use super::wire::{Page, PageQuery, Query, SecretText, cursor, cursor_part, path_id};
use crate::app::App;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_request, list_requests))
        .routes(routes!(answer_request))
}

/// What a provider asks for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestRequest {
    /// Whom.
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    /// Types to read.
    #[serde(default)]
    record_types: Vec<String>,
    /// Types to write.
    #[serde(default)]
    write_types: Vec<String>,
    /// Kinds of sensitivity to read, or `true` for all.
    #[serde(default)]
    include_sensitive: Option<Sensitive>,
    /// What for, in whatever words.
    #[serde(default)]
    purpose: Option<String>,
    /// What is said to the patient; kept sealed to them.
    #[serde(default)]
    message: Option<SecretText>,
    /// Until when access is wanted.
    #[serde(default)]
    expiry_date: Option<String>,
}

/// A request as both sides see it.
#[derive(Serialize, ToSchema)]
pub struct RequestView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    #[schema(value_type = uuid::Uuid)]
    provider_id: String,
    provider_name: String,
    provider_type: Option<String>,
    provider_organization: Option<String>,
    record_types: Vec<&'static str>,
    write_types: Vec<&'static str>,
    include_sensitive: Vec<&'static str>,
    /// Coded purpose of use.
    purpose: String,
    /// What was said, for managers whose keys are at hand.
    message: Option<String>,
    /// The same, sealed to the patient's inbox.
    #[schema(value_type = Option<String>, format = Byte)]
    message_sealed: Option<chartkey_vault::Bytes>,
    /// `pending`, `approved`, `denied`, `expired`.
    status: &'static str,
    /// For whom, where it is not who asks: somebody to whom they would pass one
    /// document on. A grant that approves is made to them.
    #[schema(value_type = Option<uuid::Uuid>)]
    practitioner_id: Option<String>,
    practitioner_name: Option<String>,
    /// The one record that it is about, where it is about one.
    #[schema(value_type = Option<uuid::Uuid>)]
    record_id: Option<String>,
    /// The grant that answered it.
    #[schema(value_type = Option<uuid::Uuid>)]
    grant_id: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expiry_date: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Timestamp>,
}

pub(super) fn view(request: Request, message: Option<String>) -> RequestView {
    let words = |types: &[RecordType]| types.iter().map(|t| t.as_str()).collect::<Vec<_>>();
    let row = request.row;
    RequestView {
        id: row.id.to_string(),
        patient_id: row.patient.to_string(),
        provider_id: row.asker.to_string(),
        provider_name: request.asker_name,
        provider_type: request.asker_type,
        provider_organization: request.asker_organization,
        record_types: words(&row.types),
        write_types: words(&row.write_types),
        include_sensitive: row.kinds.iter().map(Kind::as_str).collect(),
        purpose: row.purpose,
        message,
        message_sealed: row.message_sealed.map(chartkey_vault::Bytes),
        status: request.status.as_str(),
        practitioner_id: row.beneficiary.map(|id| id.to_string()),
        practitioner_name: request.beneficiary_name,
        record_id: row.record.map(|id| id.to_string()),
        grant_id: row.grant.map(|grant| grant.to_string()),
        expiry_date: row.wanted_until,
        created_at: row.created_at,
        answered_at: row.answered_at,
    }
}

/// Asks a patient for access. Verified providers only.
#[utoipa::path(post, path = "/api/sharing/requests", tag = "sharing",
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeat creates nothing twice")),
    request_body = RequestRequest,
    responses(
        (status = 201, body = RequestView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn create_request(
    State(app): State<App>,
    Caller(caller): Caller,
    creating: Creating<Json<RequestRequest>>,
) -> Result<Response, Problem> {
    let account = caller.account().map_err(RequestFailure::from)?.id;
    let (Json(body), once) = creating.once(app.service(), "create_request", Some(account));
    if let Some(replay) = Replay::find::<RequestError>(app.service(), once.as_ref()).await?
        && let [id] = replay.ids.as_slice()
    {
        let found = requests::find_request(app.service(), &caller, RequestId(*id)).await?;
        return Ok((StatusCode::CREATED, Json(view(found, None))).into_response());
    }
    let now = app.service().now();
    let patient: PatientId = path_id(&body.patient_id, "patient.unknown")?;
    let until = match body.expiry_date.as_deref() {
        None => None,
        Some(text) => Some(
            domain::parse_expiry(text, now).map_err(|e| Problem::from(GrantFailure::from(e)))?,
        ),
    };
    let new = NewRequest {
        patient,
        types: parse_types(&body.record_types, "record_types")?,
        kinds: Sensitive::kinds(body.include_sensitive.as_ref(), "include_sensitive")?,
        write_types: parse_types(&body.write_types, "write_types")?,
        purpose: parse_purpose(body.purpose.as_deref())?.unwrap_or_default(),
        message: body.message.map(|message| message.0),
        until,
        pass_on: None,
    };
    let made = requests::create_request(app.service(), &caller, new, once).await?;
    Ok((StatusCode::CREATED, Json(view(made, None))).into_response())
}

/// Which requests are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RequestsQuery {
    /// `pending` for those that wait; all where absent.
    status: Option<String>,
}

/// Requests to whom one manages, and those one made, newest first.
#[utoipa::path(get, path = "/api/sharing/requests", tag = "sharing",
    params(RequestsQuery, PageQuery),
    responses(
        (status = 200, body = Page<RequestView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn list_requests(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<RequestsQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<RequestView>>, Problem> {
    let account = *caller.account().map_err(RequestFailure::from)?;
    let pending = match query.status.as_deref() {
        None | Some("" | "all") => false,
        Some("pending") => true,
        Some(_) => return Err(Problem::field("status", "`pending` or `all`")),
    };
    let limit = page.limit()? as usize;
    let skip: usize = match page.cursor::<1>()? {
        Some([skip]) => cursor_part(&skip)?,
        None => 0,
    };
    let found = requests::list_requests(app.service(), &caller, pending).await?;
    let more = found.len() > skip.saturating_add(limit);
    let found: Vec<Request> = found.into_iter().skip(skip).take(limit).collect();
    let mut words = std::collections::BTreeMap::new();
    let sealed_words = found.iter().any(|r| r.row.message_sealed.is_some());
    if account.assisted && sealed_words {
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        words = assisted.request_words(&found).await?;
    }
    let items = found.into_iter().map(|request| {
        let message = words.get(&request.row.id).map(|text| text.to_string());
        view(request, message)
    });
    Ok(Json(Page {
        items: items.collect(),
        next: more.then(|| cursor(&[&skip.saturating_add(limit)])),
    }))
}

/// Whether a request is granted.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionView {
    /// Yes, to what was asked or to less.
    Approve,
    /// No.
    Deny,
}

impl From<DecisionView> for Decision {
    fn from(said: DecisionView) -> Self {
        match said {
            DecisionView::Approve => Self::Approve,
            DecisionView::Deny => Self::Deny,
        }
    }
}

/// An answer, perhaps with less than was asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerRequest {
    decision: DecisionView,
    /// Types to read; those asked for where absent.
    #[serde(default)]
    record_types: Option<Vec<String>>,
    /// Types to write; those asked for where absent.
    #[serde(default)]
    write_types: Option<Vec<String>>,
    /// Kinds of sensitivity to read; those asked for where absent.
    #[serde(default)]
    include_sensitive: Option<Sensitive>,
    /// Single records instead of everything of those types.
    #[serde(default)]
    #[schema(value_type = Option<Vec<uuid::Uuid>>)]
    record_ids: Option<Vec<String>>,
    /// From when; now where absent.
    #[serde(default)]
    valid_from: Option<String>,
    /// Until when; as asked, else 90 days.
    #[serde(default)]
    expiry_date: Option<String>,
    /// Whether what is read may be taken along.
    #[serde(default)]
    allow_download: bool,
    /// Whether single records may be shared on.
    #[serde(default)]
    allow_reshare: bool,
}

/// A signed answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedAnswer {
    decision: DecisionView,
    /// The grant that approves.
    #[serde(default)]
    grant: Option<SealedGrant>,
}

/// Days that an answer gives where neither side named an end.
const DEFAULT_DAYS: u32 = 90;

impl AnswerRequest {
    fn narrow(
        &self,
        request: &Request,
        asked: AskedTerms,
        now: Timestamp,
    ) -> Result<AskedTerms, Problem> {
        let mut terms = asked;
        if let Some(words) = &self.record_types {
            terms.types = parse_types(words, "record_types")?;
        }
        if let Some(words) = &self.write_types {
            terms.write_types = parse_types(words, "write_types")?;
        }
        if self.include_sensitive.is_some() {
            terms.kinds = Sensitive::kinds(self.include_sensitive.as_ref(), "include_sensitive")?;
        }
        if self.record_ids.is_some() {
            terms.records = parse_records(self.record_ids.as_deref(), "record_ids")?;
        }
        terms.valid_from = parse_start(self.valid_from.as_deref(), "valid_from")?;
        terms.may_download = self.allow_download;
        terms.may_reshare = self.allow_reshare;
        let refused = |error| Problem::from(GrantFailure::from(error));
        if let Some(text) = self.expiry_date.as_deref() {
            terms.expires_at = domain::parse_expiry(text, now).map_err(refused)?;
        } else if request.row.wanted_until.is_none() {
            terms.expires_at = domain::expiry_in_days(DEFAULT_DAYS, now).map_err(refused)?;
        }
        Ok(terms)
    }
}

/// Answers a request. Approving makes the grant.
#[utoipa::path(put, path = "/api/sharing/requests/{id}", tag = "sharing",
    params(("id" = uuid::Uuid, Path)),
    request_body(content(
        (AnswerRequest = "application/json"),
        (SealedAnswer = "application/vnd.chartkey.sealed+json"),
    )),
    responses(
        (status = 200, description = "The request, or the permission that it became", content(
            (RequestView = "application/json"), (WriteOutcome = "application/vnd.chartkey.sealed+json"))),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn answer_request(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    body: Form<AnswerRequest, SealedAnswer>,
) -> Result<Response, Problem> {
    caller.account().map_err(RequestFailure::from)?;
    let id: RequestId = path_id(&id, "request.unknown")?;
    let decision: Decision = match &body {
        Form::Assisted(answer) => answer.decision.into(),
        Form::Sealed(answer) => answer.decision.into(),
    };
    if decision == Decision::Deny {
        let denied = requests::deny_request(app.service(), &caller, id).await?;
        return Ok(Json(view(denied, None)).into_response());
    }
    match body {
        Form::Sealed(answer) => {
            let grant = answer
                .grant
                .ok_or_else(|| Problem::field("grant", "is missing"))?;
            let made =
                grants::create_grant_for(app.service(), &caller, grant, Some(id), None).await?;
            Ok(sealed(StatusCode::OK, &made.1))
        }
        Form::Assisted(answer) => {
            let request = requests::find_request(app.service(), &caller, id).await?;
            let now = app.service().now();
            let mut assisted = Assisted::open(app.service(), &caller).await?;
            let terms = answer.narrow(&request, Assisted::terms_of(&request, now), now)?;
            let grant = assisted.approve_request(id, &terms, None).await?;
            answer_permission(&app, &caller, StatusCode::OK, grant).await
        }
    }
}

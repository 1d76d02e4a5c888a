//! `/api/v1/…/documents`: records as practices speak of them.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chartkey_domain::charts::record_type_of;
use chartkey_domain::grants;
use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId, RequestId};
use chartkey_domain::policy::Refusal;
use chartkey_domain::records::RecordError;
use chartkey_service::Failure;
use chartkey_service::assisted::{self, Assisted, Content, RecordQuery, TextDocument};
use chartkey_service::grants::{GrantError, GrantFailure};
use chartkey_service::idempotency::Replay;
use chartkey_service::records;
use chartkey_service::shared_documents::{self as shared, NewPassing, Passed, PassedOn, Way};
use chartkey_vault::protocol::{SealedGrant, WriteOutcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::super::caller::{Caller, Creating};
use super::super::json::{Form, Json, media_type, parse, read_body};
use super::super::patients::sealed;
use super::super::problem::{Problem, ProblemView};
use super::super::records::{FileForm, create_file, fhir_date, if_match, read_form, with_etag};
use super::super::wire::{Page, PageQuery, Query, SecretText, cursor, cursor_part, path_id};
use crate::app::App;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_documents, create_document))
        .routes(routes!(find_document, update_document, delete_document))
        .routes(routes!(share_document))
        .routes(routes!(list_shared_documents))
}

/// A document: a record by another name.
#[derive(Clone, Serialize, ToSchema)]
pub struct DocumentView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    /// As it was written, else the record type.
    #[serde(rename = "type")]
    document_type: String,
    /// The record type that it was mapped to.
    record_type: &'static str,
    /// What day it is about, of any FHIR precision.
    date: Option<String>,
    /// The text; absent for FHIR resources and files, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// The FHIR JSON of a resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    resource: Option<Box<RawValue>>,
    /// Where the bytes of a file are fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_url: Option<String>,
    content_type: String,
    /// Who the practice has it from, else how it came.
    source: String,
    title: String,
    version: u32,
    /// The account that wrote this version; null where the server sealed it.
    #[schema(value_type = Option<uuid::Uuid>)]
    author: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<assisted::RecordView> for DocumentView {
    fn from(record: assisted::RecordView) -> Self {
        let is_file = matches!(record.fields.body, chartkey_vault::record::BodyKind::File);
        let header = record.fields.header;
        let (resource, content) = match record.content {
            Content::None => (None, None),
            Content::Resource(bytes) => {
                let text = String::from_utf8(bytes.to_vec()).ok();
                (text.and_then(|t| RawValue::from_string(t).ok()), None)
            }
            Content::Text(bytes) => (None, String::from_utf8(bytes.to_vec()).ok()),
        };
        let named = header
            .code_text
            .or_else(|| header.codes.into_iter().find_map(|code| code.display));
        Self {
            content_url: is_file.then(|| format!("/api/records/{}/content", record.id)),
            id: record.id.to_string(),
            patient_id: record.patient.to_string(),
            document_type: named.unwrap_or_else(|| record.record_type.as_str().to_owned()),
            record_type: record.record_type.as_str(),
            date: header.date,
            content,
            resource,
            content_type: record.fields.content_type,
            source: record.fields.author_name.unwrap_or(record.source),
            title: header.title,
            version: record.version,
            author: record.author.map(|a| a.to_string()),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

/// Which documents are wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DocumentsQuery {
    /// A record type, or a practice's word for one.
    #[serde(rename = "type")]
    pub document_type: Option<String>,
    /// Words that title, type or codes must contain.
    pub q: Option<String>,
}

/// A patient's documents as far as the caller's grant reaches, without content.
#[utoipa::path(get, path = "/api/v1/patients/{id}/documents", tag = "practice",
    params(("id" = uuid::Uuid, Path), DocumentsQuery, PageQuery),
    responses((status = 200, body = Page<DocumentView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_documents(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(query): Query<DocumentsQuery>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<DocumentView>>, Problem> {
    let patient: PatientId = path_id(&id, "patient.unknown")?;
    let query = RecordQuery {
        record_type: query.document_type.as_deref().map(record_type_of),
        text: query.q,
        headers_only: true,
        limit: Some(paging.limit()?),
        cursor: paging.own_cursor(),
        ..RecordQuery::default()
    };
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    let page = assisted.list(patient, &query).await?;
    Ok(Json(Page {
        items: page.items.into_iter().map(DocumentView::from).collect(),
        next: page.next,
    }))
}

/// One document with its content.
#[utoipa::path(get, path = "/api/v1/documents/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = DocumentView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn find_document(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: RecordId = path_id(&id, "record.unknown")?;
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    Ok(answer(StatusCode::OK, assisted.find(id, None).await?))
}

fn answer(status: StatusCode, record: assisted::RecordView) -> Response {
    let version = record.version;
    with_etag(
        (status, Json(DocumentView::from(record))).into_response(),
        version,
    )
}

/// A text document.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentRequest {
    /// In the practice's words: kept as they are, and mapped to a record type.
    #[serde(rename = "type")]
    document_type: String,
    /// A FHIR date of any precision.
    #[serde(default)]
    date: Option<String>,
    content: String,
    #[serde(default)]
    title: Option<String>,
    /// Who the practice has it from.
    #[serde(default)]
    source: Option<String>,
}

/// Longest type, title and source, in characters.
const MAX_WORDS: usize = 200;

impl DocumentRequest {
    fn document(self) -> Result<TextDocument, Problem> {
        let line = |field: &'static str, text: &str| {
            chartkey_domain::text::line(text, MAX_WORDS)
                .map_err(|error| Problem::field(field, error.to_string()))
        };
        if self.content.trim().is_empty() {
            return Err(Problem::field("content", "empty"));
        }
        let given = |field: &'static str, text: Option<&str>| {
            text.map(|text| line(field, text)).transpose()
        };
        Ok(TextDocument {
            document_type: line("type", &self.document_type)?,
            title: given("title", self.title.as_deref())?,
            source: given("source", self.source.as_deref())?,
            date: fhir_date(self.date)?,
            content: self.content,
        })
    }
}

/// Adds a document: text as JSON, or a file as a form.
#[utoipa::path(post, path = "/api/v1/patients/{id}/documents", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    request_body(content(
        (DocumentRequest = "application/json"), (FileForm = "multipart/form-data"))),
    responses((status = 201, body = DocumentView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn create_document(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.account().map_err(refused)?;
    let patient: PatientId = path_id(&id, "patient.unknown")?;
    if media_type(request.headers()).as_deref() == Some("multipart/form-data") {
        let made = create_file(&app, &caller, patient, read_form(&app, request).await?).await?;
        return Ok(answer(StatusCode::CREATED, made));
    }
    let bytes = read_body(request, &app).await?;
    let document = parse::<DocumentRequest>(&bytes)?.document()?;
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    let (made, created) = assisted.create_text_document(patient, document).await?;
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(answer(status, made))
}

/// A new version of a document. `If-Match` names the version that it replaces.
#[utoipa::path(put, path = "/api/v1/documents/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The current version's ETag")),
    request_body = DocumentRequest,
    responses((status = 200, body = DocumentView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn update_document(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    caller.account().map_err(refused)?;
    let id: RecordId = path_id(&id, "record.unknown")?;
    let bytes = read_body(request, &app).await?;
    let document = parse::<DocumentRequest>(&bytes)?.document()?;
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    let wanted = if_match(&headers)?;
    let changed = assisted.update_text_document(id, wanted, document).await?;
    Ok(answer(StatusCode::OK, changed))
}

/// Whoever manages the record deletes a document for good. Its source, on a chart
/// that was claimed, takes it back: it is shared and pushed no longer, and stays in
/// the patient's history.
#[utoipa::path(delete, path = "/api/v1/documents/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Deleted, or taken back"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn delete_document(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: RecordId = path_id(&id, "record.unknown")?;
    let deleted = records::delete_record(app.service(), &caller, id, None).await;
    match deleted {
        Err(Failure::Refused(Refusal::ManagersOnly)) => {
            records::withdraw_record(app.service(), &caller, id).await?;
        }
        other => drop(other?),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// With whom a document is shared.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareDocumentRequest {
    /// A verified provider: their account. Either this or `email`.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    practitioner_id: Option<String>,
    /// The address of a verified provider.
    #[serde(default)]
    email: Option<String>,
    /// Until when; 90 days where absent, and never longer than the caller's own
    /// access.
    #[serde(default)]
    expiry_date: Option<String>,
    /// What is said to whom it is shared with, or to the patient who is asked.
    #[serde(default)]
    message: Option<SecretText>,
}

/// What became of sharing a document.
#[derive(Serialize, ToSchema)]
pub struct ShareOutcomeView {
    /// `shared`, or `asked` where the patient has to answer first.
    status: &'static str,
    #[schema(value_type = uuid::Uuid)]
    document_id: String,
    #[schema(value_type = uuid::Uuid)]
    practitioner_id: String,
    /// The permission, where it is shared.
    #[schema(value_type = Option<uuid::Uuid>)]
    grant_id: Option<String>,
    /// The request to the patient, where they are asked.
    #[schema(value_type = Option<uuid::Uuid>)]
    request_id: Option<String>,
}

/// Days that a document is shared for where nobody said.
const SHARED_DAYS: u32 = 90;
/// Longest message, in characters.
const MAX_MESSAGE: usize = chartkey_domain::requests::MAX_MESSAGE_CHARS;

/// Shares one document with another practitioner: its source, and whoever manages
/// the record. On a chart that was claimed it needs a grant with `allow_reshare`;
/// without one the patient is asked (202). The patient sees and ends it among their
/// permissions. Sealed clients send the grant that they signed; to ask the patient
/// they send JSON, which needs no key.
#[utoipa::path(post, path = "/api/v1/documents/{id}/share", tag = "practice",
    params(("id" = uuid::Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat creates nothing twice")),
    request_body(content(
        (ShareDocumentRequest = "application/json"),
        (SealedGrant = "application/vnd.chartkey.sealed+json"))),
    responses(
        (status = 201, description = "Shared", content(
            (ShareOutcomeView = "application/json"), (WriteOutcome = "application/vnd.chartkey.sealed+json"))),
        (status = 202, description = "The patient is asked", body = ShareOutcomeView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn share_document(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    creating: Creating<Form<ShareDocumentRequest, SealedGrant>>,
) -> Result<Response, Problem> {
    let account = caller.account().map_err(refused)?.id;
    let record: RecordId = path_id(&id, "record.unknown")?;
    let (body, once) = creating.once(app.service(), "share_document", Some(account));
    let replay = Replay::find::<GrantError>(app.service(), once.as_ref()).await?;
    let body = match body {
        Form::Sealed(message) => {
            let made = shared::share_document(app.service(), &caller, record, message, once);
            return Ok(sealed(StatusCode::CREATED, &made.await?.1));
        }
        Form::Assisted(body) => body,
    };
    let practitioner = body
        .practitioner_id
        .as_deref()
        .map(|text| path_id::<AccountId>(text, "grant.holder_unknown"))
        .transpose()?;
    let found = shared::find_way(app.service(), &caller, record).await?;
    let email = body.email.as_deref();
    let to = shared::find_practitioner(app.service(), &caller, practitioner, email).await?;
    if let Some(replay) = replay
        && let [made] = replay.ids.as_slice()
    {
        let passed = match found.way {
            Way::Ask => PassedOn::Asked(RequestId(*made)),
            Way::Grant | Way::Reshare => PassedOn::Shared(GrantId(*made)),
        };
        return Ok(shared_answer(record, to, passed));
    }
    let new = body.passing(record, to, app.service().now())?;
    let passed = if found.way == Way::Ask {
        shared::ask_to_share(app.service(), &caller, &found, new, once).await?
    } else {
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        assisted.pass_on(new, once).await?
    };
    Ok(shared_answer(record, to, passed))
}

impl ShareDocumentRequest {
    fn passing(
        self,
        record: RecordId,
        to: AccountId,
        now: Timestamp,
    ) -> Result<NewPassing, Problem> {
        let wrong = |error| Problem::from(GrantFailure::from(error));
        let expires_at = match self.expiry_date.as_deref() {
            Some(text) => grants::parse_expiry(text, now).map_err(wrong)?,
            None => grants::expiry_in_days(SHARED_DAYS, now).map_err(wrong)?,
        };
        let message = match self.message.as_ref().map(|text| text.0.trim()) {
            None | Some("") => None,
            Some(words) => Some(Zeroizing::new(
                chartkey_domain::text::lines(words, MAX_MESSAGE)
                    .map_err(|error| Problem::field("message", error.to_string()))?,
            )),
        };
        Ok(NewPassing {
            record,
            to,
            expires_at,
            message,
        })
    }
}

fn shared_answer(record: RecordId, to: AccountId, passed: PassedOn) -> Response {
    let (status, said, grant, request) = match passed {
        PassedOn::Shared(grant) => (StatusCode::CREATED, "shared", Some(grant), None),
        PassedOn::Asked(request) => (StatusCode::ACCEPTED, "asked", None, Some(request)),
    };
    let view = ShareOutcomeView {
        status: said,
        document_id: record.to_string(),
        practitioner_id: to.to_string(),
        grant_id: grant.map(|id| id.to_string()),
        request_id: request.map(|id| id.to_string()),
    };
    (status, Json(view)).into_response()
}

/// A document that was shared by itself.
#[derive(Serialize, ToSchema)]
pub struct SharedDocumentView {
    #[schema(value_type = uuid::Uuid)]
    document_id: String,
    record_types: Vec<&'static str>,
    /// What it is, for assisted callers who may read it.
    document: Option<DocumentView>,
    /// `received` or `given`.
    direction: &'static str,
    /// The other side: who gave it, or who has it.
    #[schema(value_type = uuid::Uuid)]
    practitioner_id: String,
    practitioner_name: String,
    /// `active`, `scheduled`, `suspended`, `expired`, `revoked`; `asked` and `denied`
    /// where the patient was asked.
    status: &'static str,
    #[schema(value_type = Option<uuid::Uuid>)]
    grant_id: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    request_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    shared_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expiry_date: Option<Timestamp>,
}

/// Documents that were shared by themselves: with the caller, and by the caller with
/// others, newest first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/shared-documents", tag = "practice",
    params(("id" = uuid::Uuid, Path), PageQuery),
    responses((status = 200, body = Page<SharedDocumentView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_shared_documents(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<SharedDocumentView>>, Problem> {
    let patient: PatientId = path_id(&id, "patient.unknown")?;
    let limit = paging.limit()? as usize;
    let skip: usize = match paging.cursor::<1>()? {
        Some([skip]) => cursor_part(&skip)?,
        None => 0,
    };
    let found = shared::list_shared_documents(app.service(), &caller, patient).await?;
    let more = found.len() > skip.saturating_add(limit);
    let found: Vec<_> = found.into_iter().skip(skip).take(limit).collect();
    let mut open: BTreeMap<RecordId, DocumentView> = BTreeMap::new();
    if !found.is_empty() && caller.account().is_ok_and(|account| account.assisted) {
        let ids: BTreeSet<RecordId> = found.iter().map(|one| one.record).collect();
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        let found = assisted.named(patient, ids.into_iter().collect()).await?;
        open.extend(found.into_iter().map(|r| (r.id, DocumentView::from(r))));
    }
    let items = found.into_iter().map(|one| SharedDocumentView {
        document: open.get(&one.record).cloned(),
        document_id: one.record.to_string(),
        record_types: one.types.iter().map(|t| t.as_str()).collect(),
        direction: match one.passed {
            Passed::Received => "received",
            Passed::Given => "given",
        },
        practitioner_id: one.other.to_string(),
        practitioner_name: one.other_name,
        status: one.status,
        grant_id: one.grant.map(|id| id.to_string()),
        request_id: one.request.map(|id| id.to_string()),
        shared_at: one.shared_at,
        expiry_date: one.expires_at,
    });
    Ok(Json(Page {
        items: items.collect(),
        next: more.then(|| cursor(&[&skip.saturating_add(limit)])),
    }))
}

/// A refusal that comes before anything is loaded.
fn refused(refusal: Refusal) -> Problem {
    chartkey_service::Failure::<RecordError>::from(refusal).into()
}

//! `/api/v1/…/document-requests`: documents asked for elsewhere, and the link by
//! which whoever is asked sends them without an account.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chartkey_domain::document_requests::{
    DocumentRequestError as Refused, MAX_BYTES, MAX_DOCUMENT_BYTES, MAX_DOCUMENTS,
};
use chartkey_domain::ids::{DocumentRequestId, PatientId};
use chartkey_service::assisted::Assisted;
use chartkey_service::document_requests::{
    self as service, Asked, DocumentRequest, DocumentRequestFailure, Ending, NewDocumentRequest,
    Sent,
};
use chartkey_service::idempotency::Replay;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::super::caller::{Caller, Creating};
use super::super::json::{Json, media_type};
use super::super::problem::{Problem, ProblemView};
use super::super::records::fhir_date;
use super::super::sharing::parse_types;
use super::super::wire::{Page, PageQuery, Query, SecretText, cursor, cursor_part, path_id};
use crate::app::App;

/// What a form adds to the file that it carries, in bytes.
const FORM: usize = 64 << 10;
/// Longest value of a field that is not the file, in bytes.
const MAX_FIELD: usize = 1_024;

/// The routes of practitioners and patients.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_document_request))
        .routes(routes!(list_document_requests))
        .routes(routes!(list_own_document_requests))
        .routes(routes!(find_document_request, update_document_request))
        .routes(routes!(open_document_request))
}

/// The route by which documents come, whose bodies are as large as these.
pub fn upload_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(answer_document_request))
        .layer(DefaultBodyLimit::max(MAX_DOCUMENT_BYTES + FORM))
}

/// What is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequest {
    /// Record types; whatever there is where absent.
    #[serde(default)]
    types: Vec<String>,
    /// Only what is about this day or later: a FHIR date of any precision.
    #[serde(default)]
    since: Option<String>,
    /// What is said to whoever is asked. Shown by the link, never in a mail.
    message: SecretText,
    /// Where a mail with the link goes; without it the caller hands on the link.
    #[serde(default)]
    to: Option<String>,
}

/// A request for documents.
#[derive(Serialize, ToSchema)]
pub struct DocumentRequestView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    /// Who asked.
    #[schema(value_type = uuid::Uuid)]
    user_id: String,
    user_name: String,
    /// Empty: whatever there is.
    types: Vec<&'static str>,
    /// Where the mail went.
    to: Option<String>,
    /// How it went out: `email`, or `link`, handed on by whoever asked.
    way: &'static str,
    /// `open`, `answered` (something came, more may), `closed`, `cancelled`, `expired`.
    status: &'static str,
    /// What was said, for assisted managers of the record.
    message: Option<SecretText>,
    /// The same, sealed to the patient's inbox as a request for access is.
    #[schema(value_type = String, format = Byte)]
    message_sealed: chartkey_vault::Bytes,
    /// The wider synchronisation that came first; null without sources.
    #[schema(value_type = Option<uuid::Uuid>)]
    sync_id: Option<String>,
    /// How many documents came by the link.
    documents: u64,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When the newest document came.
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Timestamp>,
    /// Where documents are sent without an account. Answered once, when the request
    /// is made: only its hash is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_url: Option<SecretText>,
}

fn view(found: DocumentRequest, message: Option<Zeroizing<String>>) -> DocumentRequestView {
    let row = found.row;
    DocumentRequestView {
        id: row.id.to_string(),
        patient_id: row.patient.to_string(),
        user_id: row.asked_by.to_string(),
        user_name: found.asker_name,
        types: row.types.iter().map(|t| t.as_str()).collect(),
        to: found.to,
        way: row.way.as_str(),
        status: found.state.as_str(),
        message: message.map(SecretText),
        message_sealed: chartkey_vault::Bytes(row.message_sealed),
        sync_id: row.sync.map(|id| id.to_string()),
        documents: row.documents,
        expires_at: row.expires_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        answered_at: row.answered_at,
        upload_url: found.url.map(SecretText),
    }
}

/// Asks for a patient's documents: first everything is read again that the
/// patient's sources have; beside that a request goes out with a link by which
/// documents are sent without an account, and sealed on arrival.
#[utoipa::path(post, path = "/api/v1/patients/{id}/request-documents", tag = "practice",
    params(("id" = uuid::Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat creates nothing twice, and is answered without `upload_url`")),
    request_body = NewRequest,
    responses((status = 201, body = DocumentRequestView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn create_document_request(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    creating: Creating<Json<NewRequest>>,
) -> Result<Response, Problem> {
    let account = caller.account().map_err(DocumentRequestFailure::from)?.id;
    let patient: PatientId = path_id(&id, "patient.unknown")?;
    let operation = "create_document_request";
    let (Json(body), once) = creating.once(app.service(), operation, Some(account));
    if let Some(replay) = Replay::find::<Refused>(app.service(), once.as_ref()).await?
        && let [id] = replay.ids.as_slice()
    {
        let id = DocumentRequestId(*id);
        let found = service::find_document_request(app.service(), &caller, id).await?;
        return Ok((StatusCode::CREATED, Json(view(found, None))).into_response());
    }
    let new = NewDocumentRequest {
        patient,
        types: parse_types(&body.types, "types")?,
        since: since(body.since)?,
        message: body.message.0,
        to: body.to,
    };
    let made = service::create_document_request(app.service(), &caller, new, once).await?;
    Ok((StatusCode::CREATED, Json(view(made, None))).into_response())
}

fn since(typed: Option<String>) -> Result<Option<String>, Problem> {
    fhir_date(typed).map_err(|_| Problem::field("since", "not a FHIR date"))
}

/// A page of requests, with their messages where the caller's keys are at hand.
async fn page(
    app: &App,
    caller: &chartkey_service::Caller,
    found: Vec<DocumentRequest>,
    paging: &PageQuery,
) -> Result<Json<Page<DocumentRequestView>>, Problem> {
    let limit = paging.limit()? as usize;
    let skip: usize = match paging.cursor::<1>()? {
        Some([skip]) => cursor_part(&skip)?,
        None => 0,
    };
    let more = found.len() > skip.saturating_add(limit);
    let found: Vec<DocumentRequest> = found.into_iter().skip(skip).take(limit).collect();
    let mut words = std::collections::BTreeMap::new();
    if !found.is_empty() && caller.account().is_ok_and(|account| account.assisted) {
        let mut assisted = Assisted::open(app.service(), caller).await?;
        words = assisted.document_request_words(&found).await?;
    }
    let items = found.into_iter().map(|request| {
        let message = words.remove(&request.row.id);
        view(request, message)
    });
    Ok(Json(Page {
        items: items.collect(),
        next: more.then(|| cursor(&[&skip.saturating_add(limit)])),
    }))
}

/// Requests for a patient's documents, newest first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/document-requests", tag = "practice",
    params(("id" = uuid::Uuid, Path), PageQuery),
    responses((status = 200, body = Page<DocumentRequestView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_document_requests(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<DocumentRequestView>>, Problem> {
    let patient: PatientId = path_id(&id, "patient.unknown")?;
    let found = service::list_document_requests(app.service(), &caller, patient).await?;
    page(&app, &caller, found, &paging).await
}

/// Requests for documents that the caller made, over the whole caseload, newest
/// first.
#[utoipa::path(get, path = "/api/v1/document-requests", tag = "practice", params(PageQuery),
    responses((status = 200, body = Page<DocumentRequestView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_own_document_requests(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<DocumentRequestView>>, Problem> {
    let found = service::list_own_document_requests(app.service(), &caller).await?;
    page(&app, &caller, found, &paging).await
}

/// One request for documents.
#[utoipa::path(get, path = "/api/v1/document-requests/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = DocumentRequestView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn find_document_request(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<DocumentRequestView>, Problem> {
    let id: DocumentRequestId = path_id(&id, Refused::Unknown.code())?;
    let found = service::find_document_request(app.service(), &caller, id).await?;
    let mut words = std::collections::BTreeMap::new();
    if caller.account().is_ok_and(|account| account.assisted) {
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        let asked = std::slice::from_ref(&found);
        words = assisted.document_request_words(asked).await?;
    }
    let message = words.remove(&id);
    Ok(Json(view(found, message)))
}

/// How a request ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentRequestDecision {
    /// `close` when what was needed is there, `cancel` when it is needed no more.
    decision: String,
}

/// Closes a request, or calls it off: its link takes nothing from then on.
#[utoipa::path(put, path = "/api/v1/document-requests/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)), request_body = DocumentRequestDecision,
    responses((status = 200, body = DocumentRequestView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn update_document_request(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<DocumentRequestDecision>,
) -> Result<Json<DocumentRequestView>, Problem> {
    let id: DocumentRequestId = path_id(&id, Refused::Unknown.code())?;
    let ending = match body.decision.as_str() {
        "close" => Ending::Close,
        "cancel" => Ending::Cancel,
        _ => return Err(Problem::field("decision", "`close` or `cancel`")),
    };
    let ended = service::end_document_request(app.service(), &caller, id, ending).await?;
    Ok(Json(view(ended, None)))
}

/// What the link of a request shows.
#[derive(Serialize, ToSchema)]
pub struct AskedView {
    /// Who asks.
    asker_name: String,
    asker_organization: Option<String>,
    patient_name: String,
    #[schema(value_type = Option<String>, format = Date)]
    patient_date_of_birth: Option<String>,
    /// Record types; empty: whatever there is.
    types: Vec<&'static str>,
    /// Only what is about this day or later.
    since: Option<String>,
    message: SecretText,
    /// Documents that came so far, and the most that the link takes.
    documents: u64,
    max_documents: u64,
    /// Largest document, in bytes.
    max_document_bytes: u64,
    /// Most bytes of all documents.
    max_bytes: u64,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<Asked> for AskedView {
    fn from(asked: Asked) -> Self {
        Self {
            asker_name: asked.asker_name,
            asker_organization: asked.asker_organization,
            patient_name: asked.patient_name,
            patient_date_of_birth: asked.birth_date,
            types: asked.types.iter().map(|t| t.as_str()).collect(),
            since: asked.since,
            message: SecretText(asked.message),
            documents: asked.documents,
            max_documents: MAX_DOCUMENTS,
            max_document_bytes: MAX_DOCUMENT_BYTES as u64,
            max_bytes: MAX_BYTES,
            expires_at: asked.expires_at,
        }
    }
}

/// What a link asks for. Public: whoever has the link. It shows nothing of the
/// record; 410 once the request is closed or its time is over.
#[utoipa::path(get, path = "/api/v1/document-requests/by-token/{token}", tag = "practice",
    params(("token" = String, Path)), security(()),
    responses((status = 200, body = AskedView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn open_document_request(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(token): Path<String>,
) -> Result<Json<AskedView>, Problem> {
    let asked = service::open_document_request(app.service(), &caller, &token).await?;
    Ok(Json(asked.into()))
}

/// A document, sent by a link.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "it describes a form, which is read field by field"
)]
pub struct SentForm {
    /// PDF, an image, text, a FHIR resource or Bundle, or a C-CDA; 25 MB at most.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    title: Option<String>,
    /// Who sends it.
    sender: Option<String>,
}

/// What became of a document that was sent.
#[derive(Serialize, ToSchema)]
pub struct SentView {
    /// New records; 0 where the same was sent before.
    created: u64,
    /// Documents that came by this link.
    documents: u64,
}

/// Sends one document by a link. Public: whoever has the link. It is sealed on
/// arrival, and cannot be read again by whoever sent it.
#[utoipa::path(post, path = "/api/v1/document-requests/by-token/{token}/documents", tag = "practice",
    params(("token" = String, Path)), security(()),
    request_body(content = SentForm, content_type = "multipart/form-data"),
    responses((status = 201, body = SentView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn answer_document_request(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(token): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<SentView>), Problem> {
    if media_type(request.headers()).as_deref() != Some("multipart/form-data") {
        return Err(Problem::new("body.media_type"));
    }
    let form = Multipart::from_request(request, &app)
        .await
        .map_err(|_| Problem::new("body.malformed"))?;
    let sent = read_form(form).await?;
    let done = service::answer_document_request(app.service(), &caller, &token, sent).await?;
    Ok((
        StatusCode::CREATED,
        Json(SentView {
            created: done.created,
            documents: done.documents,
        }),
    ))
}

async fn read_form(mut form: Multipart) -> Result<Sent, Problem> {
    let mut sent: Option<Sent> = None;
    let (mut title, mut sender) = (None, None);
    while let Some(mut part) = form.next_field().await.map_err(|e| unreadable(&e))? {
        let name = part.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" if sent.is_none() => {
                let (file_name, media_type) = (
                    part.file_name().map(str::to_owned),
                    part.content_type().map(str::to_owned),
                );
                let bytes = read_field(&mut part, MAX_DOCUMENT_BYTES).await?;
                sent = Some(Sent {
                    bytes,
                    media_type,
                    file_name,
                    title: None,
                    sender: None,
                });
            }
            "title" => title = Some(short(&mut part, "title").await?),
            "sender" => sender = Some(short(&mut part, "sender").await?),
            _ => return Err(Problem::field(name, "is not a field of this form")),
        }
    }
    let sent = sent.ok_or_else(|| Problem::field("file", "is missing"))?;
    Ok(Sent {
        title,
        sender,
        ..sent
    })
}

async fn read_field(part: &mut Field<'_>, most: usize) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut bytes = Zeroizing::new(Vec::new());
    while let Some(chunk) = part.chunk().await.map_err(|e| unreadable(&e))? {
        if bytes.len() + chunk.len() > most {
            return Err(Problem::new("body.too_large"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn short(part: &mut Field<'_>, name: &'static str) -> Result<String, Problem> {
    let bytes = read_field(part, MAX_FIELD)
        .await
        .map_err(|_| Problem::field(name, "too long"))?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Problem::field(name, "is not UTF-8"))
}

fn unreadable(error: &MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new("body.too_large")
    } else {
        Problem::new("body.malformed").with_detail("The form ended too early or is not one.")
    }
}

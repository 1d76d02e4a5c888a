//! `/api/v1/…/documents`: records as practices speak of them.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chartkey_domain::charts::record_type_of;
use chartkey_domain::ids::{PatientId, RecordId};
use chartkey_domain::records::RecordError;
use chartkey_service::assisted::{self, Assisted, Content, RecordQuery, TextDocument};
use chartkey_service::records;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::caller::Caller;
use super::super::json::{Json, media_type, parse, read_body};
use super::super::problem::{Problem, ProblemView};
use super::super::records::{FileForm, create_file, fhir_date, if_match, read_form, with_etag};
use super::super::wire::{Page, PageQuery, Query, path_id};
use crate::app::App;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_documents, create_document))
        .routes(routes!(find_document, update_document, delete_document))
}

/// A document: a record by another name.
#[derive(Serialize, ToSchema)]
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

/// Deletes a document for good: whoever manages the chart.
#[utoipa::path(delete, path = "/api/v1/documents/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Deleted"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn delete_document(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: RecordId = path_id(&id, "record.unknown")?;
    records::delete_record(app.service(), &caller, id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A refusal that comes before anything is loaded.
fn refused(refusal: chartkey_domain::policy::Refusal) -> Problem {
    chartkey_service::Failure::<RecordError>::from(refusal).into()
}

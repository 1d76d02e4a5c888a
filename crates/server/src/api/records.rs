//! `/api/records`: the patient's own records, and those of others as far as
//! grants reach. Two renderings of the same use cases: sealed messages, and
//! plain JSON for assisted clients.

mod body;
mod export;
mod files;
mod view;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chartkey_domain::ids::{PatientId, RecordId};
use chartkey_domain::records::{MAX_HEADERS, MAX_PAGE, RecordError};
use chartkey_fhir::{Limits, RecordType};
use chartkey_service::assisted::{Assisted, RecordQuery, own_patient};
use chartkey_service::idempotency::{Once, Replay};
use chartkey_service::records;
use chartkey_vault::protocol::{
    KnownTags, KnownTagsRequest, SealedMove, SealedPage, SealedWrite, WriteOutcome,
};
use chartkey_vault::transport::SealedQuery;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{Caller, idempotency_key};
use super::json::{Json, SEALED, media_type, parse, read_body, wants_sealed};
use super::patients::sealed;
use super::problem::{Problem, ProblemView};
use super::wire::Query;
use crate::app::App;
pub(super) use body::{FileForm, fhir_date, read_form};
use body::{Incoming, read_incoming};
pub(super) use files::create_file;
pub use view::{HistoryView, ImportView, PageView, RecordView, SummaryView};

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_record, list_records))
        .routes(routes!(find_record_summary))
        .routes(routes!(find_known_tags))
        .routes(routes!(find_record, update_record, delete_record))
        .routes(routes!(list_record_history))
        .routes(routes!(find_record_content))
        .routes(routes!(move_record))
        .merge(export::routes())
        .merge(files::routes())
}

/// Whose record a call is about.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// A patient; the caller's own where absent.
    #[param(value_type = Option<uuid::Uuid>)]
    pub patient_id: Option<String>,
}

/// Which records are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// A patient; the caller's own where absent.
    #[param(value_type = Option<uuid::Uuid>)]
    pub patient_id: Option<String>,
    /// A record type; underscores are accepted.
    #[serde(rename = "type")]
    pub record_type: Option<String>,
    /// Not over before this FHIR date. Assisted clients only.
    pub from: Option<String>,
    /// Not begun after this FHIR date. Assisted clients only.
    pub to: Option<String>,
    /// `upload`, `provider`, or a connection.
    pub source: Option<String>,
    /// Words that the header must contain. Assisted clients only.
    pub q: Option<String>,
    /// `header` for headers without bodies.
    pub fields: Option<String>,
    /// `true` for supporting resources too. Sealed clients only.
    pub supporting: Option<bool>,
    /// Most items, 1 to 500, or to 1,000 with `fields=header`; 50 where absent.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

pub(super) fn patient_id(text: &str) -> Result<PatientId, Problem> {
    text.parse().map_err(|_| Problem::new("patient.unknown"))
}

pub(super) fn record_id(text: &str) -> Result<RecordId, Problem> {
    text.parse().map_err(|_| Problem::new("record.unknown"))
}

async fn patient_of(
    app: &App,
    caller: &chartkey_service::Caller,
    named: Option<&str>,
) -> Result<PatientId, Problem> {
    match named {
        Some(text) => patient_id(text),
        None => Ok(own_patient(app.service(), caller).await?),
    }
}

fn record_type(text: Option<&str>) -> Result<Option<RecordType>, Problem> {
    text.map(|t| {
        t.parse()
            .map_err(|_| Problem::field("type", "not a record type"))
    })
    .transpose()
}

/// A refusal that comes before anything is loaded.
fn refused(refusal: chartkey_domain::policy::Refusal) -> Problem {
    chartkey_service::Failure::<RecordError>::from(refusal).into()
}

/// How much of an upload is read.
fn limits(app: &App) -> Limits {
    Limits {
        max_bytes: app.config().max_json_mb << 20,
        ..Limits::default()
    }
}

/// The version in `If-Match`.
pub(super) fn if_match(headers: &HeaderMap) -> Result<u32, Problem> {
    let value = headers
        .get(header::IF_MATCH)
        .ok_or_else(|| Problem::new(RecordError::VersionMissing.code()))?;
    value
        .to_str()
        .ok()
        .map(|text| text.trim().trim_start_matches("W/").trim_matches('"'))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Problem::new(RecordError::VersionMismatch.code()))
}

fn etag(version: u32) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{version}\"")).ok()
}

pub(super) fn with_etag(mut response: Response, version: u32) -> Response {
    if let Some(tag) = etag(version) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Upload: JSON, FHIR, NDJSON, text, a file, or sealed records.
#[utoipa::path(
    post, path = "/api/records", tag = "records",
    params(Whose, ("Idempotency-Key" = Option<String>, Header, description = "A repeat creates nothing twice")),
    request_body(content(
        (body::JsonUpload = "application/json"),
        (serde_json::Value = "application/fhir+json"),
        (String = "application/fhir+ndjson"),
        (String = "text/plain"),
        (body::FileForm = "multipart/form-data"),
        (SealedWrite = "application/vnd.chartkey.sealed+json"),
    )),
    responses(
        (status = 201, description = "One record was created", content(
            (RecordView = "application/json"), (WriteOutcome = "application/vnd.chartkey.sealed+json"))),
        (status = 200, description = "A Bundle was imported", body = ImportView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn create_record(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(whose): Query<Whose>,
    request: Request,
) -> Result<Response, Problem> {
    if media_type(request.headers()).as_deref() == Some(SEALED) {
        let bytes = read_body(request, &app).await?;
        let write: SealedWrite = parse(&bytes)?;
        let outcome = records::create_records(app.service(), &caller, write).await?;
        return Ok(sealed(StatusCode::CREATED, &outcome));
    }
    caller.account().map_err(refused)?;
    let patient = patient_of(&app, &caller, whose.patient_id.as_deref()).await?;
    let headers = request.headers().clone();
    match read_incoming(&app, request).await? {
        Incoming::File(form) => {
            let made = files::create_file(&app, &caller, patient, form).await?;
            Ok(created(made))
        }
        Incoming::Upload {
            upload,
            record_type,
            bytes,
        } => {
            let once = once(&app, &caller, &headers, &bytes)?;
            if let Some(replay) = Replay::find::<RecordError>(app.service(), once.as_ref()).await?
                && let [id] = replay.ids.as_slice()
            {
                let mut assisted = Assisted::open(app.service(), &caller).await?;
                let view = assisted.find(RecordId(*id), None).await?;
                return Ok(created(view));
            }
            let mut assisted = Assisted::open(app.service(), &caller).await?;
            let report = assisted
                .upload(patient, upload, record_type, &limits(&app))
                .await?;
            if let Some(once) = once {
                let ids = if report.single {
                    report.written.iter().map(|id| id.0).collect()
                } else {
                    Vec::new()
                };
                once.remember::<RecordError>(
                    app.service(),
                    if report.single { 201 } else { 200 },
                    ids,
                )
                .await?;
            }
            if !report.single {
                return Ok(Json(ImportView::from(report)).into_response());
            }
            if let Some(rejected) = report.rejected.first() {
                return Err(Problem::field("body", rejected.reason.clone()));
            }
            let id = report.written.first().or(report.known.first()).copied();
            let id =
                id.ok_or_else(|| Problem::field("body", "nothing in it is a record by itself"))?;
            let view = assisted.find(id, None).await?;
            Ok(if report.written.is_empty() {
                found(view)
            } else {
                created(view)
            })
        }
    }
}

fn once(
    app: &App,
    caller: &chartkey_service::Caller,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<Option<Once>, Problem> {
    let key = idempotency_key(headers)?;
    Ok(key.map(|key| {
        Once::new(
            app.service(),
            &key,
            "create_record",
            caller.account_id(),
            bytes,
        )
    }))
}

fn created(view: chartkey_service::assisted::RecordView) -> Response {
    let version = view.version;
    with_etag(
        (StatusCode::CREATED, Json(RecordView::from(view))).into_response(),
        version,
    )
}

fn found(view: chartkey_service::assisted::RecordView) -> Response {
    let version = view.version;
    with_etag(Json(RecordView::from(view)).into_response(), version)
}

/// A page of records.
#[utoipa::path(
    get, path = "/api/records", tag = "records",
    params(ListQuery),
    responses(
        (status = 200, content(
            (PageView = "application/json"), (SealedPage = "application/vnd.chartkey.sealed+json"))),
        (status = 406, description = "`client.side`: a sealed client filters by itself",
            body = ProblemView, content_type = "application/problem+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn list_records(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    caller.account().map_err(refused)?;
    let patient = patient_of(&app, &caller, query.patient_id.as_deref()).await?;
    let wanted = record_type(query.record_type.as_deref())?;
    let headers_only = match query.fields.as_deref() {
        None => false,
        Some("header") => true,
        Some(_) => return Err(Problem::field("fields", "only `header`")),
    };
    let (most, said) = if headers_only {
        (MAX_HEADERS, "from 1 to 1000")
    } else {
        (MAX_PAGE, "from 1 to 500")
    };
    if query.limit.is_some_and(|l| !(1..=most).contains(&l)) {
        return Err(Problem::field("limit", said));
    }
    if wants_sealed(&headers) {
        if query.q.is_some() || query.from.is_some() || query.to.is_some() {
            return Err(Problem::new(RecordError::ClientSide.code()));
        }
        let query = SealedQuery {
            record_type: wanted,
            source: query.source,
            headers_only,
            supporting: query.supporting.unwrap_or(false),
            limit: query.limit,
            cursor: query.cursor,
        };
        let page = records::list_records(app.service(), &caller, patient, query).await?;
        return Ok(sealed(StatusCode::OK, &page));
    }
    let query = RecordQuery {
        record_type: wanted,
        source: query.source,
        text: query.q,
        from: query.from,
        to: query.to,
        headers_only,
        limit: query.limit,
        cursor: query.cursor,
    };
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    let page = assisted.list(patient, &query).await?;
    Ok(Json(PageView::from(page)).into_response())
}

/// Counts by record type, and the latest of each.
#[utoipa::path(
    get, path = "/api/records/summary", tag = "records",
    params(Whose),
    responses(
        (status = 200, body = SummaryView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn find_record_summary(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(whose): Query<Whose>,
) -> Result<Json<SummaryView>, Problem> {
    caller.account().map_err(refused)?;
    let patient = patient_of(&app, &caller, whose.patient_id.as_deref()).await?;
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    let summary = assisted.summary(patient).await?;
    Ok(Json(SummaryView::new(patient, summary)))
}

/// Which records these identity tags name. Sealed clients only.
#[utoipa::path(
    post, path = "/api/records/known", tag = "records",
    request_body(content = KnownTagsRequest, content_type = "application/vnd.chartkey.sealed+json"),
    responses(
        (status = 200, body = KnownTags, content_type = "application/vnd.chartkey.sealed+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn find_known_tags(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let bytes = read_body(request, &app).await?;
    let known = records::find_known_tags(app.service(), &caller, parse(&bytes)?).await?;
    Ok(sealed(StatusCode::OK, &known))
}

/// One record: the current version with its content.
#[utoipa::path(
    get, path = "/api/records/{id}", tag = "records",
    params(("id" = uuid::Uuid, Path), VersionQuery),
    responses(
        (status = 200, headers(("ETag" = String, description = "The version")), content(
            (RecordView = "application/json"), (SealedPage = "application/vnd.chartkey.sealed+json"))),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn find_record(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Result<Response, Problem> {
    caller.account().map_err(refused)?;
    let id = record_id(&id)?;
    if wants_sealed(&headers) {
        let page = records::find_record(app.service(), &caller, id, query.version).await?;
        let version = page.items.first().map_or(0, |r| r.version);
        return Ok(with_etag(sealed(StatusCode::OK, &page), version));
    }
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    Ok(found(assisted.find(id, query.version).await?))
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VersionQuery {
    /// The current one where absent.
    pub version: Option<u32>,
}

/// A new version. `If-Match` names the version that it replaces.
#[utoipa::path(
    put, path = "/api/records/{id}", tag = "records",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The current version's ETag; needed unless sealed")),
    request_body(content(
        (body::JsonUpload = "application/json"),
        (serde_json::Value = "application/fhir+json"),
        (String = "text/plain"),
        (SealedWrite = "application/vnd.chartkey.sealed+json"),
    )),
    responses(
        (status = 200, content(
            (RecordView = "application/json"), (WriteOutcome = "application/vnd.chartkey.sealed+json"))),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn update_record(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.account().map_err(refused)?;
    let id = record_id(&id)?;
    if media_type(request.headers()).as_deref() == Some(SEALED) {
        let bytes = read_body(request, &app).await?;
        let write: SealedWrite = parse(&bytes)?;
        if write.records.iter().any(|r| r.id != id.0 || r.version < 2) {
            return Err(Problem::field(
                "records",
                "new versions of this record alone",
            ));
        }
        let outcome = records::create_records(app.service(), &caller, write).await?;
        return Ok(sealed(StatusCode::OK, &outcome));
    }
    let version = if_match(request.headers())?;
    match read_incoming(&app, request).await? {
        Incoming::File(_) => {
            Err(Problem::new("body.media_type").with_detail("A file is uploaded anew."))
        }
        Incoming::Upload { upload, .. } => {
            let mut assisted = Assisted::open(app.service(), &caller).await?;
            Ok(found(
                assisted.update(id, version, upload, &limits(&app)).await?,
            ))
        }
    }
}

/// Deletes a record with all its versions. `If-Match` guards it where given.
#[utoipa::path(
    delete, path = "/api/records/{id}", tag = "records",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The current version's ETag")),
    responses(
        (status = 204, description = "Deleted"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn delete_record(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.account().map_err(refused)?;
    let version = match headers.contains_key(header::IF_MATCH) {
        true => Some(if_match(&headers)?),
        false => None,
    };
    records::delete_record(app.service(), &caller, record_id(&id)?, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The versions of a record, newest first.
#[utoipa::path(
    get, path = "/api/records/{id}/history", tag = "records",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = HistoryView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn list_record_history(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<HistoryView>, Problem> {
    caller.account().map_err(refused)?;
    let items = records::list_record_history(app.service(), &caller, record_id(&id)?).await?;
    Ok(Json(HistoryView::from(items)))
}

/// The raw content: the file, the text, or the resource as it came.
#[utoipa::path(
    get, path = "/api/records/{id}/content", tag = "records",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "The content, as an attachment", content_type = "application/octet-stream"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn find_record_content(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.account().map_err(refused)?;
    files::send_content(&app, &caller, record_id(&id)?).await
}

/// Moves a record to another compartment. Sealed clients only.
#[utoipa::path(
    post, path = "/api/records/{id}/move", tag = "records",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = SealedMove, content_type = "application/vnd.chartkey.sealed+json"),
    responses(
        (status = 200, body = WriteOutcome, content_type = "application/vnd.chartkey.sealed+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn move_record(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.account().map_err(refused)?;
    let id = record_id(&id)?;
    let bytes = read_body(request, &app).await?;
    let message: SealedMove = parse(&bytes)?;
    if message.record != id.0 {
        return Err(Problem::field(
            "record",
            "another record than the address names",
        ));
    }
    let outcome = records::move_record(app.service(), &caller, message).await?;
    Ok(sealed(StatusCode::OK, &outcome))
}

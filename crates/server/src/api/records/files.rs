//! Files and blobs: forms that stream in, contents that stream out, sealed
//! bodies chunk by chunk.

use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{Multipart, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chartkey_domain::ids::{BlobId, PatientId, RecordId};
use chartkey_domain::policy::Action;
use chartkey_service::assisted::{Assisted, FileContent, NewFile};
use chartkey_service::{Caller as Asking, blobs};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::caller::Caller;
use super::super::json::{Json, read_body};
use super::super::problem::{Problem, ProblemView};
use super::super::wire::Query;
use super::body::{fhir_date, wanted_type};
use super::patient_id;
use crate::app::App;

/// Longest value of a form field that is not the file, in bytes.
const MAX_FIELD: usize = 1_024;

/// The routes of sealed bodies.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(append_blob, find_blob))
}

/// Takes a form's file in, sealing as it streams.
pub async fn create_file(
    app: &App,
    caller: &Asking,
    patient: PatientId,
    mut form: Multipart,
) -> Result<chartkey_service::assisted::RecordView, Problem> {
    let mut assisted = Assisted::open(app.service(), caller).await?;
    let max = (app.config().max_file_mb as u64) << 20;
    let mut about = NewFile::default();
    while let Some(mut part) = form
        .next_field()
        .await
        .map_err(|error| unreadable(&error))?
    {
        let name = part.name().unwrap_or_default().to_owned();
        if name != "file" {
            let text = short_text(&mut part, &name).await?;
            match name.as_str() {
                "record_type" | "type" => about.record_type = wanted_type(Some(&text))?,
                "title" => about.title = Some(text),
                "date" => about.date = fhir_date(Some(text))?,
                _ => return Err(Problem::field(name, "is not a field of this form")),
            }
            continue;
        }
        about.file_name = part.file_name().map(str::to_owned);
        about.content_type = part.content_type().map(str::to_owned);
        let mut upload = assisted.begin_file(patient, about.clone(), max);
        while let Some(bytes) = part.chunk().await.map_err(|error| unreadable(&error))? {
            assisted.push_file(&mut upload, &bytes).await?;
        }
        drop(part);
        read_rest(&mut form, &mut upload).await?;
        return Ok(assisted.finish_file(upload).await?);
    }
    Err(Problem::field("file", "is missing"))
}

/// The value of a field that is not the file. Read piece by piece, because the
/// body as a whole may be as long as a file.
async fn short_text(part: &mut Field<'_>, name: &str) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(|error| unreadable(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_FIELD {
            return Err(Problem::field(name, "too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::field(name, "is not UTF-8"))
}

fn unreadable(error: &MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new("body.too_large")
    } else {
        Problem::new("body.malformed").with_detail("The form ended too early or is not one.")
    }
}

/// Fields that stand behind the file.
async fn read_rest(
    form: &mut Multipart,
    upload: &mut chartkey_service::assisted::FileUpload,
) -> Result<(), Problem> {
    while let Some(mut part) = form
        .next_field()
        .await
        .map_err(|error| unreadable(&error))?
    {
        let name = part.name().unwrap_or_default().to_owned();
        let text = short_text(&mut part, &name).await?;
        let about = upload.about();
        match name.as_str() {
            "record_type" | "type" => about.record_type = wanted_type(Some(&text))?,
            "title" => about.title = Some(text),
            "date" => about.date = fhir_date(Some(text))?,
            _ => {
                return Err(Problem::field(
                    name,
                    "is not a field of this form, or stands twice",
                ));
            }
        }
    }
    Ok(())
}

/// Sends a record's content, opening as it streams.
pub async fn send_content(
    app: &App,
    caller: &Asking,
    record: RecordId,
) -> Result<Response, Problem> {
    let mut assisted = Assisted::open(app.service(), caller).await?;
    let mut content = assisted.content(record).await?;
    // The first chunk is opened before the status is said.
    let first = assisted.next_bytes(&mut content).await?;
    let mut headers = content_headers(&content);
    headers.insert(
        header::CONTENT_LENGTH,
        HeaderValue::from(content.fields.size),
    );
    let state = (assisted, content, first);
    let stream = futures_util::stream::unfold(Some(state), |state| async move {
        let (assisted, mut content, pending) = state?;
        let bytes = pending?;
        let chunk = bytes::Bytes::copy_from_slice(&bytes);
        match assisted.next_bytes(&mut content).await {
            Ok(next) => Some((Ok(chunk), Some((assisted, content, next)))),
            // The connection breaks off, so that nobody takes a part for the whole.
            Err(_) => Some((
                Err(std::io::Error::other("the body could not be opened")),
                None,
            )),
        }
    });
    Ok((StatusCode::OK, headers, Body::from_stream(stream)).into_response())
}

fn content_headers(content: &FileContent) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let media = HeaderValue::from_str(&content.fields.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, media);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Whatever a file says it is, no page of ours runs it.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    let name = content.fields.file_name.as_deref().unwrap_or("record");
    let escaped = chartkey_vault::http::escape(name);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{escaped}")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers
}

/// Where a chunk of a sealed body belongs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChunkQuery {
    /// Whose.
    #[param(value_type = uuid::Uuid)]
    patient_id: String,
    /// Where the chunk begins; 0 announces the blob.
    offset: u64,
    /// The whole length, with the last chunk.
    finish: Option<u64>,
}

/// How much of a sealed body is there.
#[derive(Serialize, ToSchema)]
pub struct ChunkView {
    /// Bytes that are safely stored.
    uploaded: u64,
    /// Whether it can be named by a record.
    finished: bool,
}

/// Uploads a chunk of a sealed body. Sending a chunk again changes nothing.
#[utoipa::path(
    put, path = "/api/blobs/{id}", tag = "records",
    params(("id" = uuid::Uuid, Path), ChunkQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = ChunkView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn append_blob(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(query): Query<ChunkQuery>,
    request: Request,
) -> Result<Json<ChunkView>, Problem> {
    let blob: BlobId = id.parse().map_err(|_| Problem::new("blob.not_found"))?;
    let patient = patient_id(&query.patient_id)?;
    let chunk = read_body(request, &app).await?;
    // Sealing adds less than a hundredth.
    let most = ((app.config().max_file_mb as u64) << 20).saturating_mul(101) / 100;
    if query.offset.saturating_add(chunk.len() as u64) > most {
        return Err(Problem::new("body.too_large"));
    }
    if query.offset == 0 {
        blobs::create_blob(app.service(), &caller, patient, blob).await?;
    }
    let uploaded = if chunk.is_empty() {
        query.offset
    } else {
        blobs::append_blob(app.service(), &caller, patient, blob, query.offset, chunk).await?
    };
    if let Some(len) = query.finish {
        blobs::finish_blob(app.service(), &caller, patient, blob, len).await?;
    }
    Ok(Json(ChunkView {
        uploaded,
        finished: query.finish.is_some(),
    }))
}

/// A sealed body, whole.
#[utoipa::path(
    get, path = "/api/blobs/{id}", tag = "records",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, content_type = "application/octet-stream"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn find_blob(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let blob: BlobId = id.parse().map_err(|_| Problem::new("blob.not_found"))?;
    let found = blobs::find_blob(app.service(), &caller, blob, Action::FindBlob).await?;
    let service = app.service().clone();
    let stream = futures_util::stream::unfold(0_u64, move |at| {
        let service = service.clone();
        async move {
            if at >= found.len {
                return None;
            }
            match blobs::read_blob(&service, &found, at..found.len).await {
                Ok(bytes) => {
                    let next = at.saturating_add(bytes.len() as u64);
                    Some((Ok(bytes), next))
                }
                Err(_) => Some((
                    Err(std::io::Error::other("the blob store failed")),
                    found.len,
                )),
            }
        }
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (header::CONTENT_LENGTH, HeaderValue::from(found.len)),
    ];
    Ok((StatusCode::OK, headers, Body::from_stream(stream)).into_response())
}

//! What an upload may look like, by media type.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use chartkey_crypto::SecretBytes;
use chartkey_fhir::RecordType;
use chartkey_service::assisted::Upload;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::json::{media_type, parse, read_body};
use crate::api::problem::Problem;
use crate::app::App;

/// What a form may hold besides its file, in bytes.
const FORM_ROOM: usize = 64 << 10;

/// A record as JSON: text as `content`, or a FHIR R4 `resource`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonUpload {
    /// The type; derived from a resource where absent, `documents` for text.
    #[schema(value_type = Option<String>)]
    record_type: Option<String>,
    /// Title of a text.
    title: Option<String>,
    /// Date of a text, of any FHIR precision.
    date: Option<String>,
    /// A text.
    content: Option<String>,
    /// A FHIR R4 resource.
    #[schema(value_type = Option<Object>)]
    resource: Option<Box<RawValue>>,
}

/// A file with what is known of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the form; it is read as it streams in")]
pub struct FileForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The type; `documents` where absent.
    record_type: Option<String>,
    /// Title.
    title: Option<String>,
    /// Date of any FHIR precision.
    date: Option<String>,
}

/// An upload that has been read, or a file that is still coming.
pub enum Incoming {
    /// FHIR or text.
    Upload {
        /// What is to be written.
        upload: Upload,
        /// The type that was asked for.
        record_type: Option<RecordType>,
        /// The body as it came, for its fingerprint.
        bytes: Bytes,
    },
    /// A form whose file streams in.
    File(Multipart),
}

/// A form whose file streams through, so it may be longer than what is read whole.
pub async fn read_form(app: &App, mut request: Request) -> Result<Multipart, Problem> {
    let longest = (app.config().max_file_mb << 20).saturating_add(FORM_ROOM);
    DefaultBodyLimit::max(longest).apply(&mut request);
    Multipart::from_request(request, app)
        .await
        .map_err(|_| Problem::new("body.malformed"))
}

/// Reads the body of an upload.
pub async fn read_incoming(app: &App, request: Request) -> Result<Incoming, Problem> {
    let media = media_type(request.headers()).unwrap_or_default();
    match media.as_str() {
        "multipart/form-data" => {
            read_form(app, request).await.map(Incoming::File)
        }
        "application/json" => json(read_body(request, app).await?),
        "application/fhir+json" | "application/fhir+ndjson" | "application/x-ndjson" | "application/ndjson" => {
            let bytes = read_body(request, app).await?;
            let upload = Upload::Fhir {
                bytes: SecretBytes::new(bytes.to_vec()),
                content_type: Some(media),
            };
            Ok(Incoming::Upload { upload, record_type: None, bytes })
        }
        "text/plain" => {
            let bytes = read_body(request, app).await?;
            let text = String::from_utf8(bytes.to_vec()).map_err(|_| Problem::new("body.encoding"))?;
            let upload = Upload::Text { text, title: None, date: None };
            Ok(Incoming::Upload { upload, record_type: None, bytes })
        }
        _ => Err(Problem::new("body.media_type")
            .with_detail("Send application/json, application/fhir+json, NDJSON, text/plain or multipart/form-data.")),
    }
}

fn json(bytes: Bytes) -> Result<Incoming, Problem> {
    let body: JsonUpload = parse(&bytes)?;
    let record_type = wanted_type(body.record_type.as_deref())?;
    let upload = match (body.content, body.resource) {
        (Some(text), None) if text.trim().is_empty() => {
            return Err(Problem::field("content", "empty"));
        }
        (Some(text), None) => Upload::Text {
            text,
            title: body.title,
            date: fhir_date(body.date)?,
        },
        (None, Some(resource)) => Upload::Fhir {
            bytes: SecretBytes::new(resource.get().as_bytes().to_vec()),
            content_type: Some("application/fhir+json".into()),
        },
        _ => return Err(Problem::field("content", "either `content` or `resource`")),
    };
    Ok(Incoming::Upload {
        upload,
        record_type,
        bytes,
    })
}

/// The record type of that word.
pub fn wanted_type(text: Option<&str>) -> Result<Option<RecordType>, Problem> {
    text.map(|t| {
        t.parse()
            .map_err(|_| Problem::field("record_type", "not a record type"))
    })
    .transpose()
}

/// A date as FHIR writes them, or nothing.
pub fn fhir_date(date: Option<String>) -> Result<Option<String>, Problem> {
    match date {
        Some(date) if !chartkey_fhir::is_date(&date) => Err(Problem::field(
            "date",
            "not a FHIR date such as 2026-03 or 2026-03-14",
        )),
        other => Ok(other),
    }
}

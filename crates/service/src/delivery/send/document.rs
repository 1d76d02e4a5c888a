//! From a sealed version and the envelope that waits for a destination to the
//! document that is sent. Open content: in types that wipe themselves, for one
//! attempt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_domain::connections::OutgoingDocument;
use chartkey_store::records::{RecordRow, VersionRow};
use chartkey_vault::delivery::open_version_key;
use chartkey_vault::record::{BodyKind, Fields, Place, open_body, open_header};
use chartkey_vault::{Bytes, Bytes32};
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::decide::file_name;
use crate::connections::{Opened, SyncFailure};
use crate::{Failure, Service};

/// Largest document that is opened to be pushed, in bytes: several may be at once.
const MAX_DOCUMENT: u64 = 64 << 20;
/// Bytes of a blob that are read at a time.
const PART: u64 = 8 << 20;
/// Longest title that is sent, in characters.
const MAX_TITLE: usize = 200;

/// Why there is no document to send.
pub(super) enum Unsendable {
    /// And never will be.
    Never(&'static str),
    /// Something failed here.
    Failed(SyncFailure),
}

const UNREADABLE: Unsendable = Unsendable::Never("document.unreadable");

/// Opens a version with the destination's key, and makes of it what is sent.
pub(super) async fn make(
    service: &Service,
    opened: &Opened,
    record: &RecordRow,
    version: &VersionRow,
    envelope: &[u8],
    max_bytes: u64,
) -> Result<OutgoingDocument, Unsendable> {
    let place = Place {
        patient: record.patient.0,
        record: record.id.0,
        version: version.version,
    };
    let envelope = Bytes(envelope.to_vec());
    let private = opened.private_key();
    let key =
        open_version_key(&private, place, opened.row.id.0, &envelope).map_err(|_| UNREADABLE)?;
    let commitment = Bytes32(version.commitment);
    let header = open_header(&key, place, &commitment, &Bytes(version.header.clone()))
        .map_err(|_| UNREADABLE)?;
    let limit = max_bytes.min(MAX_DOCUMENT);
    let is_file = header.fields.body != BodyKind::Resource;
    if header.fields.size > MAX_DOCUMENT || (is_file && header.fields.size > limit) {
        return Err(Unsendable::Never("connection.too_large"));
    }
    let sealed = match (&version.body, version.blob) {
        (Some(body), _) => body.clone(),
        (None, Some(blob)) => read_blob(service, blob).await?,
        (None, None) => return Err(UNREADABLE),
    };
    let body =
        open_body(&key, place, &commitment, &header.body_hash, &sealed).map_err(|_| UNREADABLE)?;
    let body = Zeroizing::new(body.to_vec());
    let (content_type, bytes) = content(service, &header.fields, body).await?;
    if bytes.len() as u64 > limit {
        return Err(Unsendable::Never("connection.too_large"));
    }
    let fields = header.fields;
    let title: String = fields.header.title.chars().take(MAX_TITLE).collect();
    let record_type = record.compartment.record_type;
    let name = file_name(
        &fields.header,
        record_type,
        &record.source,
        record.id,
        &content_type,
    );
    Ok(OutgoingDocument {
        title: Zeroizing::new(title),
        file_name: Zeroizing::new(name),
        content_type,
        record_type: record_type.as_str().to_owned(),
        date: fields
            .header
            .date
            .as_deref()
            .and_then(|d| d.get(..10))
            .map(str::to_owned),
        bytes,
    })
}

/// A file as it is; of a resource its inline attachment, else its PDF.
async fn content(
    service: &Service,
    fields: &Fields,
    body: Zeroizing<Vec<u8>>,
) -> Result<(String, Zeroizing<Vec<u8>>), Unsendable> {
    if fields.body != BodyKind::Resource {
        return Ok((fields.content_type.clone(), body));
    }
    if let Some(attached) = attachment(&body) {
        return Ok(attached);
    }
    let press = service.document_press().clone();
    let title = fields.header.title.clone();
    let printed = tokio::task::spawn_blocking(move || press.print(&body, &title))
        .await
        .map_err(|_| Unsendable::Failed(Failure::Internal("printing broke off")))?;
    let pdf = printed.ok_or(Unsendable::Never("document.unprintable"))?;
    Ok(("application/pdf".to_owned(), pdf))
}

/// The first attachment of a document or report that has its bytes in place.
fn attachment(resource: &[u8]) -> Option<(String, Zeroizing<Vec<u8>>)> {
    let mut resource: Value = serde_json::from_slice(resource).ok()?;
    let found = match resource.get("resourceType")?.as_str()? {
        "DocumentReference" => resource
            .get("content")?
            .as_array()?
            .iter()
            .filter_map(|c| c.get("attachment"))
            .find_map(decoded),
        "DiagnosticReport" => resource
            .get("presentedForm")?
            .as_array()?
            .iter()
            .find_map(decoded),
        _ => None,
    };
    wipe(&mut resource);
    found
}

fn decoded(attachment: &Value) -> Option<(String, Zeroizing<Vec<u8>>)> {
    let data = attachment.get("data")?.as_str()?;
    let bytes = STANDARD.decode(data).ok().map(Zeroizing::new)?;
    let content_type = attachment
        .get("contentType")
        .and_then(Value::as_str)
        .unwrap_or("application/octet-stream");
    Some((content_type.to_owned(), bytes))
}

/// Overwrites every text of what was parsed.
fn wipe(value: &mut Value) {
    use zeroize::Zeroize as _;
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

async fn read_blob(
    service: &Service,
    blob: chartkey_domain::ids::BlobId,
) -> Result<Vec<u8>, Unsendable> {
    let failed = |_| Unsendable::Failed(Failure::Internal("a record's blob cannot be read"));
    let blobs = service.blobs();
    let len = blobs.len(blob.into()).await.map_err(failed)?;
    // Sealed it is at most an eighth larger than what was allowed.
    if len > MAX_DOCUMENT + MAX_DOCUMENT / 8 {
        return Err(Unsendable::Never("connection.too_large"));
    }
    let mut sealed = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    let mut at = 0;
    while at < len {
        let end = (at + PART).min(len);
        let part = blobs
            .get_range(blob.into(), at..end)
            .await
            .map_err(failed)?;
        sealed.extend_from_slice(&part);
        at = end;
    }
    Ok(sealed)
}

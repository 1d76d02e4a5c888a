//! Links opened with the key that a visitor's request carries: the records in
//! the clear for that request, or a document made of them.

use chartkey_crypto::SecretBytes;
use chartkey_fhir::RecordType;
use chartkey_fhir::clinical::{ClinicalDocument, ClinicalRecord, FileInfo};
use chartkey_vault::bundle::{self, Part};
use chartkey_vault::error::VaultError;
use chartkey_vault::grant::Cover;
use chartkey_vault::keys::LinkKey;
use chartkey_vault::link;
use chartkey_vault::read::BatchKeys;
use chartkey_vault::transport::SealedQuery;
use jiff::Timestamp;
use serde_json::Value;

use super::records::{Content, RecordView, open_one};
use crate::Service;
use crate::shares::visit::{self, Download, Opened, Proof, VisitFailure, Visitor};

/// Most records that one visit opens.
const MOST_RECORDS: u32 = 20_000;

/// What a link shows, in the clear.
pub struct SharedRecords {
    /// Names and words, as its maker sealed them.
    pub cover: Cover,
    /// The types it covers.
    pub types: Vec<RecordType>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether what is read may be taken along.
    pub may_download: bool,
    /// How often it was opened, this time included.
    pub access_count: u64,
    /// Names the visit, for what belongs to it.
    pub view: String,
    /// The records, newest first.
    pub records: Vec<RecordView>,
    /// Whether there are more than one visit opens.
    pub more: bool,
}

impl std::fmt::Debug for SharedRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedRecords")
    }
}

/// A document of a link, before it is set on paper.
pub struct SharedDocument {
    /// What it says.
    pub document: ClinicalDocument,
    /// Names and words of the link.
    pub cover: Cover,
    /// Which link.
    pub share: String,
    /// When the link ends.
    pub expires_at: Timestamp,
    /// When the document was made.
    pub at: Timestamp,
}

impl std::fmt::Debug for SharedDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedDocument")
    }
}

/// The visitor who has `key`.
pub fn visitor(mut visitor: Visitor, key: &LinkKey) -> Visitor {
    visitor.proof = Proof::Key(key.auth().0);
    visitor
}

fn everything(supporting: bool) -> SealedQuery {
    SealedQuery {
        supporting,
        limit: Some(MOST_RECORDS),
        ..SealedQuery::default()
    }
}

/// `GET /api/records/shared/{token}` with `X-Share-Key`.
///
/// # Errors
/// As [`visit::open_share`]; 403 where the patient lets no server open.
pub async fn open_shared(
    service: &Service,
    visitor: &Visitor,
    key: &LinkKey,
) -> Result<SharedRecords, VisitFailure> {
    let opened = visit::open_share(service, visitor, everything(false)).await?;
    let (cover, records) = open_all(&opened, key)?;
    Ok(SharedRecords {
        cover,
        types: opened.grant.types.clone(),
        expires_at: opened.grant.expires_at,
        may_download: opened.grant.may_download,
        access_count: opened.access_count,
        view: opened.opened.view.clone(),
        more: opened.opened.page.next.is_some(),
        records,
    })
}

fn open_all(opened: &Opened, key: &LinkKey) -> Result<(Cover, Vec<RecordView>), VaultError> {
    let open = link::open(&opened.opened, key)?;
    let page = &opened.opened.page;
    let batches = BatchKeys::of_page(page, &open.keys, None);
    let records = page
        .items
        .iter()
        .filter_map(
            |sealed| match open_one(sealed, &open.keys, &batches, true) {
                // Written for others while this link's keyring was being made
                // anew: its next page has it.
                Err(VaultError::NoKey) => None,
                other => Some(other),
            },
        )
        .collect::<Result<_, _>>()?;
    Ok((open.cover, records))
}

/// `POST /api/records/shared/{token}` for a Bundle.
///
/// # Errors
/// As [`visit::count_download`].
pub async fn download_bundle(
    service: &Service,
    visitor: &Visitor,
    key: &LinkKey,
) -> Result<SecretBytes, VisitFailure> {
    let opened = visit::read_for_download(service, visitor, everything(true)).await?;
    let (_, records) = open_all(&opened, key)?;
    let parts: Vec<Part<'_>> = records
        .iter()
        .map(|record| Part {
            record: record.id.0,
            fields: &record.fields,
            content: bytes(&record.content),
            stored_at: record.updated_at,
        })
        .collect();
    let json = bundle::collection(&parts, service.now())?;
    visit::note_download(service, visitor, Download::Fhir).await?;
    Ok(json)
}

fn bytes(content: &Content) -> Option<&[u8]> {
    match content {
        Content::None => None,
        Content::Resource(bytes) | Content::Text(bytes) => Some(bytes.as_bytes()),
    }
}

/// `POST /api/records/shared/{token}` for a PDF: what it is made of. The
/// download is logged and counted before this returns.
///
/// # Errors
/// As [`visit::count_download`].
pub async fn download_document(
    service: &Service,
    visitor: &Visitor,
    key: &LinkKey,
) -> Result<SharedDocument, VisitFailure> {
    let opened = visit::read_for_download(service, visitor, everything(true)).await?;
    let (cover, records) = open_all(&opened, key)?;
    let document = clinical(&records, &opened.grant.types);
    visit::note_download(service, visitor, Download::Pdf).await?;
    Ok(SharedDocument {
        document,
        cover,
        share: opened.grant.id.to_string(),
        expires_at: opened.grant.expires_at,
        at: service.now(),
    })
}

/// Open records as a clinician reads them; `covered` are the types of which
/// these are everything.
pub(crate) fn clinical(records: &[RecordView], covered: &[RecordType]) -> ClinicalDocument {
    let texts: Vec<(String, Option<Value>, Option<String>)> = records
        .iter()
        .map(|record| {
            let (resource, text) = match &record.content {
                Content::None => (None, None),
                Content::Resource(bytes) => (serde_json::from_slice(bytes).ok(), None),
                Content::Text(bytes) => (None, std::str::from_utf8(bytes).ok().map(str::to_owned)),
            };
            (record.id.to_string(), resource, text)
        })
        .collect();
    let rows: Vec<ClinicalRecord<'_>> = records
        .iter()
        .zip(&texts)
        .map(|(record, (id, resource, text))| {
            let header = &record.fields.header;
            ClinicalRecord {
                id,
                record_type: record.record_type,
                sensitivity: record.kinds,
                resource: resource.as_ref(),
                text: text.as_deref(),
                title: &header.title,
                date: header.date.as_deref(),
                source: Some(record.source.as_str()).filter(|s| *s != super::records::UPLOAD),
                author: record.fields.author_name.as_deref(),
                sealed_by_server: record.author.is_none(),
                file: record.fields.file_name.as_deref().map(|name| FileInfo {
                    name,
                    content_type: &record.fields.content_type,
                    size: record.fields.size,
                }),
            }
        })
        .collect();
    ClinicalDocument::covering(&rows, covered)
}

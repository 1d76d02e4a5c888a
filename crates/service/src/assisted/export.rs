//! Everything that may be taken along, in the clear for one request: as one
//! FHIR Bundle that streams, or as a document for people.

use std::collections::{HashSet, VecDeque};

use chartkey_crypto::SecretBytes;
use chartkey_domain::blobs::BlobError;
use chartkey_domain::ids::{BlobId, PatientId, RecordId};
use chartkey_domain::limits::Limit;
use chartkey_fhir::RecordType;
use chartkey_fhir::clinical::ClinicalDocument;
use chartkey_vault::bundle::{Part, Writer};
use chartkey_vault::error::VaultError;
use chartkey_vault::patient::ReadKeys;
use chartkey_vault::protocol::{SealedPage, SealedRecord};
use chartkey_vault::read::{BatchKeys, OpenRecord};
use chartkey_vault::record::{BodyKind, Fields};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::records::{Content, RecordView, open_one};
use super::visits::clinical;
use super::{Assisted, AssistedFailure, coded};
use crate::records::{ExportTerms, begin_export, read_export};
use crate::{Failure, blobs, limits};

/// Largest file that goes into a Bundle, in bytes; of others it says where
/// they are.
pub const MAX_INLINE_FILE: u64 = 4 << 20;
/// Records read at a time for a Bundle.
const PORTION: u32 = 64;
/// Records read at a time for a document.
const PAGE: u32 = 500;
/// Most records that one document is made of.
const MOST_RECORDS: usize = 20_000;

/// A Bundle under way.
pub struct RecordExport {
    patient: PatientId,
    begun: Timestamp,
    keys: ReadKeys,
    writer: Option<Writer>,
    /// Read and not yet written.
    page: VecDeque<SealedRecord>,
    batches: BatchKeys,
    place: Reading,
    /// Records that were written.
    written: HashSet<RecordId>,
    /// Supporting resources that were written, by hash: each lies in every
    /// compartment that refers to it.
    supporting: HashSet<[u8; 32]>,
}

impl std::fmt::Debug for RecordExport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordExport")
    }
}

/// How far it has read. Pages go from the newest to the oldest; what changes
/// meanwhile moves to the front, and is read once more at the end.
enum Reading {
    Pages(Option<String>),
    Changed(Option<String>),
    Done,
}

/// A document before it is set on paper.
pub struct ExportedDocument {
    /// What it says.
    pub document: ClinicalDocument,
    /// Whose record.
    pub patient_name: String,
    /// Who takes it along.
    pub reader_name: String,
    /// Coded purpose, where it is taken under a grant.
    pub purpose: Option<String>,
    /// When it was made.
    pub at: Timestamp,
}

impl std::fmt::Debug for ExportedDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExportedDocument")
    }
}

impl Assisted {
    /// Begins a Bundle of everything that the caller may take along. Logged
    /// before this returns.
    ///
    /// # Errors
    /// The policy's; too many of them.
    pub async fn begin_bundle(
        &mut self,
        patient: PatientId,
    ) -> Result<RecordExport, AssistedFailure> {
        let (keys, _) = self.begin_taking(patient, "fhir").await?;
        Ok(RecordExport {
            patient,
            begun: self.now,
            keys,
            writer: Some(Writer::new(self.now)),
            page: VecDeque::new(),
            batches: BatchKeys::default(),
            place: Reading::Pages(None),
            written: HashSet::new(),
            supporting: HashSet::new(),
        })
    }

    async fn begin_taking(
        &mut self,
        patient: PatientId,
        format: &'static str,
    ) -> Result<(ReadKeys, ExportTerms), AssistedFailure> {
        let account = self.caller.account()?.id.to_string();
        limits::spend(&self.service, Limit::RecordExport, &account).await?;
        let terms = begin_export(&self.service, &self.caller, patient, format)
            .await
            .map_err(coded)?;
        Ok((self.read_keys(patient, true).await?, terms))
    }

    /// The next piece of a Bundle; nothing after its last.
    ///
    /// # Errors
    /// The policy's where a grant has ended meanwhile; the database's, the
    /// blob store's.
    pub async fn next_piece(
        &mut self,
        export: &mut RecordExport,
    ) -> Result<Option<SecretBytes>, AssistedFailure> {
        loop {
            while let Some(sealed) = export.page.pop_front() {
                if let Some(piece) = self.write_one(export, &sealed).await? {
                    return Ok(Some(piece));
                }
            }
            if matches!(export.place, Reading::Done) {
                return Ok(export.writer.take().map(Writer::finish));
            }
            self.read_on(export).await?;
        }
    }

    async fn read_on(&mut self, export: &mut RecordExport) -> Result<(), AssistedFailure> {
        let (cursor, changed) = match &export.place {
            Reading::Pages(cursor) => (cursor.clone(), false),
            Reading::Changed(cursor) => (cursor.clone(), true),
            Reading::Done => return Ok(()),
        };
        let page = self.export_page(export.patient, cursor, PORTION).await?;
        export.batches = BatchKeys::of_page(&page, &export.keys, Some(&self.client.account));
        let old = page
            .items
            .last()
            .is_none_or(|r| r.updated_at < export.begun);
        export.place = match (changed, page.next) {
            (false, Some(next)) => Reading::Pages(Some(next)),
            (false, None) => Reading::Changed(None),
            (true, Some(next)) if !old => Reading::Changed(Some(next)),
            (true, _) => Reading::Done,
        };
        export.page = page
            .items
            .into_iter()
            .filter(|r| !changed || r.updated_at >= export.begun)
            .filter(|r| !export.written.contains(&RecordId(r.id)))
            .collect();
        Ok(())
    }

    async fn export_page(
        &self,
        patient: PatientId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<SealedPage, AssistedFailure> {
        read_export(&self.service, &self.caller, patient, cursor, limit)
            .await
            .map_err(coded)
    }

    /// One record as a piece; nothing for a supporting resource that is there.
    async fn write_one(
        &self,
        export: &mut RecordExport,
        sealed: &SealedRecord,
    ) -> Result<Option<SecretBytes>, AssistedFailure> {
        let open = open_one(sealed, &export.keys, &export.batches, true);
        let view = open.map_err(Failure::Vault)?;
        let content = match view.content {
            Content::Resource(bytes) | Content::Text(bytes) => Some(bytes),
            Content::None => self.file_bytes(export, sealed, &view.fields).await?,
        };
        export.written.insert(view.id);
        if sealed.supporting
            && let Some(bytes) = &content
            && !export
                .supporting
                .insert(Sha256::digest(bytes.as_bytes()).into())
        {
            return Ok(None);
        }
        let part = Part {
            record: view.id.0,
            fields: &view.fields,
            content: content.as_ref().map(SecretBytes::as_bytes),
            stored_at: view.updated_at,
        };
        let Some(writer) = &mut export.writer else {
            return Ok(None);
        };
        let piece = if part.content.is_some() {
            writer.push(&part)
        } else {
            let app = &self.service.settings().app_url;
            writer.push_reference(&part, &format!("{app}/api/records/{}/content", view.id))
        };
        piece.map(Some).map_err(Failure::Vault)
    }

    /// The bytes of a file that is small enough.
    async fn file_bytes(
        &self,
        export: &RecordExport,
        sealed: &SealedRecord,
        fields: &Fields,
    ) -> Result<Option<SecretBytes>, AssistedFailure> {
        if fields.body != BodyKind::File || fields.size > MAX_INLINE_FILE {
            return Ok(None);
        }
        let open = OpenRecord::open(sealed, &export.keys, &export.batches);
        let open = open.map_err(Failure::Vault)?;
        let body = match sealed.blob {
            None => None,
            Some(blob) => Some(self.whole_blob(BlobId(blob), RecordId(sealed.id)).await?),
        };
        let bytes = open.open_body(sealed, body.as_deref());
        Ok(Some(bytes.map_err(Failure::Vault)?))
    }

    /// A sealed body that the header says is small.
    async fn whole_blob(&self, blob: BlobId, record: RecordId) -> Result<Vec<u8>, AssistedFailure> {
        let failed = |error: BlobError| coded(error.into());
        let len = self
            .service
            .blobs()
            .len(blob.into())
            .await
            .map_err(failed)?;
        if len > MAX_INLINE_FILE.saturating_mul(2) {
            return Err(Failure::Vault(VaultError::Open));
        }
        let found = blobs::FoundBlob { blob, record, len };
        let mut bytes = Vec::new();
        let mut at = 0_u64;
        while at < len {
            let chunk = blobs::read_blob(&self.service, &found, at..len)
                .await
                .map_err(failed)?;
            if chunk.is_empty() {
                return Err(Failure::Vault(VaultError::Open));
            }
            at = at.saturating_add(chunk.len() as u64);
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Everything that the caller may take along, as a clinician reads it.
    /// Logged before this returns.
    ///
    /// # Errors
    /// The policy's; too many of them; 413 where the record is too large for
    /// a document.
    pub async fn export_document(
        &mut self,
        patient: PatientId,
    ) -> Result<ExportedDocument, AssistedFailure> {
        let (keys, terms) = self.begin_taking(patient, "pdf").await?;
        let mut records: Vec<RecordView> = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.export_page(patient, cursor, PAGE).await?;
            let batches = BatchKeys::of_page(&page, &keys, Some(&self.client.account));
            for sealed in &page.items {
                records.push(open_one(sealed, &keys, &batches, true).map_err(Failure::Vault)?);
            }
            if records.len() > MOST_RECORDS {
                let error = chartkey_domain::records::RecordError::TooMany;
                return Err(coded(error.into()));
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let covered: Vec<RecordType> = terms.covered.iter().collect();
        Ok(ExportedDocument {
            document: clinical(&records, &covered),
            patient_name: terms.patient_name.unwrap_or_default(),
            reader_name: self.name_of(self.caller.account()?.id).await?,
            purpose: terms.purpose,
            at: self.now,
        })
    }
}

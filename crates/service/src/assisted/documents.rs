//! Documents as the practice API writes them: text with a type, a date, a source
//! and a title of the practice's own, kept word for word inside the sealed header.

use chartkey_crypto::SecretBytes;
use chartkey_domain::charts::record_type_of;
use chartkey_domain::ids::{PatientId, RecordId};
use chartkey_domain::records::RecordError;
use chartkey_fhir::{Compartment, Header, Kinds, header_for_text};
use chartkey_vault::import::{NewRecord, digest_of};
use chartkey_vault::record::{BodyKind, Fields};
use chartkey_vault::write::{Draft, DraftBody};

use super::records::UPLOAD;
use super::{Assisted, AssistedFailure, RecordView, coded};
use crate::{Failure, records};

const TEXT: &str = "text/plain; charset=utf-8";

/// A text document.
#[derive(Clone)]
pub struct TextDocument {
    /// Its type, in the practice's words.
    pub document_type: String,
    /// What day it is about, as FHIR text.
    pub date: Option<String>,
    /// Its title; the type where absent.
    pub title: Option<String>,
    /// Where the practice has it from.
    pub source: Option<String>,
    /// The text.
    pub content: String,
}

impl std::fmt::Debug for TextDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TextDocument")
    }
}

impl TextDocument {
    fn header(&self) -> Header {
        let title = self.title.as_deref().unwrap_or(&self.document_type);
        Header {
            code_text: Some(self.document_type.clone()),
            ..header_for_text(Some(title), &self.content, self.date.as_deref())
        }
    }
}

impl Assisted {
    /// Writes a document, and answers it. The same content again changes nothing.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn create_text_document(
        &mut self,
        patient: PatientId,
        document: TextDocument,
    ) -> Result<(RecordView, bool), AssistedFailure> {
        let record_type = record_type_of(&document.document_type);
        let new = NewRecord {
            compartment: Compartment::new(record_type, Kinds::EMPTY),
            body: BodyKind::Text,
            content_type: TEXT.into(),
            file_name: None,
            header: document.header(),
            content: SecretBytes::new(document.content.into_bytes()),
        };
        let source = document.source.as_deref();
        let (client, mut act) = self.acting();
        let imported = client
            .add(patient.0, vec![new], UPLOAD, source, &mut act)
            .await
            .map_err(|e| self.failed(e))?;
        self.refresh_links(patient).await;
        let created = !imported.written.is_empty();
        let id = imported.written.first().or(imported.known.first());
        let id = *id.ok_or(Failure::Internal("a write without its record"))?;
        Ok((self.find(RecordId(id), None).await?, created))
    }

    /// Writes a new version of a document that the caller means to be at
    /// `if_match`.
    ///
    /// # Errors
    /// `record.version_mismatch`, `document.not_source` for whoever did not write
    /// it, the policy's, the database's.
    pub async fn update_text_document(
        &mut self,
        record: RecordId,
        if_match: u32,
        document: TextDocument,
    ) -> Result<RecordView, AssistedFailure> {
        let (patient, known) = records::find_known_record(&self.service, &self.caller, record)
            .await
            .map_err(coded)?;
        if if_match != known.version {
            return Err(coded(RecordError::VersionMismatch.into()));
        }
        let author = self.find(record, None).await?.author;
        if author.is_none() || author != self.caller.account_id() {
            return Err(Failure::Rule {
                code: "document.not_source",
                field: "id",
                message: "only whoever wrote a document changes it".to_owned(),
            });
        }
        let header = document.header();
        let bytes = document.content.into_bytes();
        let (client, mut act) = self.acting();
        let open = client
            .settle(patient.0, &mut act)
            .await
            .map_err(|e| self.failed(e))?;
        let dedup = match open.manager {
            Some(_) => open.keys.newest_seed().map_err(Failure::Vault)?.dedup_key(),
            None => self.client.account.dedup_key(),
        };
        let draft = Draft {
            record: record.0,
            version: known.version.saturating_add(1),
            previous: Some(known.commitment),
            compartment: known.compartment,
            supporting: false,
            fields: Fields {
                body: BodyKind::Text,
                content_type: TEXT.into(),
                size: bytes.len() as u64,
                file_name: None,
                header,
                author_name: document.source,
            },
            content_tag: chartkey_vault::record::content_tag(&dedup, &digest_of(&bytes)),
            body: DraftBody::Open(SecretBytes::new(bytes)),
            identity_tag: known.identity_tag,
        };
        let (client, mut act) = self.acting();
        client
            .write(patient.0, &[draft], &mut act)
            .await
            .map_err(|e| self.failed(e))?;
        self.refresh_links(patient).await;
        self.find(record, None).await
    }
}

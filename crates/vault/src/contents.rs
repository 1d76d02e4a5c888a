//! Records with their contents, and what is told of them together: the
//! clinical document, one Bundle.

use std::collections::BTreeSet;

use chartkey_crypto::SecretBytes;
use chartkey_fhir::{
    Kinds, RecordType,
    clinical::{ClinicalDocument, ClinicalRecord, FileInfo},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Id,
    bundle::{self, Part},
    client::Client,
    error::VaultError,
    patient::{OpenPatient, ReadKeys},
    protocol::{SealedPage, SealedRecord},
    read::{BatchKeys, OpenRecord},
    reading::Listed,
    record::BodyKind,
    transport::{MaybeSend, SealedQuery, Transport},
};

/// Records of one page, with bodies.
const PAGE: u32 = 500;

/// A record with its content, unless that is a large file's.
#[derive(Debug)]
pub struct Held {
    /// The record.
    pub record: Listed,
    /// Its content.
    pub content: Option<SecretBytes>,
}

impl Held {
    /// Opens everything of a page.
    pub fn of_page(
        page: SealedPage,
        keys: &ReadKeys,
        batches: &BatchKeys,
    ) -> Result<Vec<Self>, VaultError> {
        let open = |sealed| {
            let open = OpenRecord::open(&sealed, keys, batches)?;
            let content = match sealed.body {
                Some(_) => Some(open.open_body(&sealed, None)?),
                None => None,
            };
            let record = Listed { sealed, open };
            Ok(Self { record, content })
        };
        page.items.into_iter().map(open).collect()
    }

    /// As part of a Bundle.
    pub fn part(&self) -> Part<'_> {
        Part {
            record: self.record.sealed.id,
            fields: &self.record.open.header.fields,
            content: self.content.as_ref().map(SecretBytes::as_bytes),
            stored_at: self.record.sealed.updated_at,
        }
    }
}

impl<T: Transport + MaybeSend> Client<T> {
    /// Every record of these types with its content; of all types where none
    /// are named.
    pub async fn contents(
        &self,
        open: &OpenPatient,
        types: Option<&[RecordType]>,
        supporting: bool,
    ) -> Result<Vec<Held>, VaultError> {
        let wanted: Vec<Option<RecordType>> = match types {
            Some(types) => types.iter().copied().map(Some).collect(),
            None => vec![None],
        };
        let mut held = Vec::new();
        for record_type in wanted {
            let mut query = SealedQuery {
                record_type,
                supporting,
                limit: Some(PAGE),
                ..SealedQuery::default()
            };
            loop {
                let mut page = self.transport.list(open.keys.patient(), &query).await?;
                let next = page.next.clone();
                let batches = BatchKeys::of_page(&page, &open.keys, Some(&self.account));
                let mine = |r: &SealedRecord| r.author == Some(self.account.account());
                // Authors go on being told of what they wrote. What they wrote
                // while they managed the record was wrapped for managers alone:
                // without a grant over it nothing of theirs opens it.
                let lost = |r: &SealedRecord| {
                    let key = batches.version_key(r, &open.keys);
                    mine(r) && matches!(key, Err(VaultError::NoKey))
                };
                if open.manager.is_none() {
                    page.items.retain(|r| !lost(r));
                }
                held.extend(Held::of_page(page, &open.keys, &batches)?);
                match next {
                    Some(next) if query.cursor.as_ref() != Some(&next) => query.cursor = Some(next),
                    _ => break,
                }
            }
        }
        Ok(held)
    }
}

/// A part of a record, as a grant would cut it out.
#[derive(Clone, Debug, Deserialize)]
pub struct Scope {
    /// Types.
    pub types: Vec<RecordType>,
    /// Kinds besides records without any.
    #[serde(default)]
    pub kinds: Kinds,
    /// Single records instead of everything of those types.
    #[serde(default)]
    pub records: Option<BTreeSet<Id>>,
}

impl Scope {
    fn holds(&self, record: &Listed) -> bool {
        let compartment = record.sealed.compartment;
        let chosen = self.records.as_ref();
        self.types.contains(&compartment.record_type)
            && compartment.kinds.is_subset_of(self.kinds)
            && chosen.is_none_or(|records| records.contains(&record.sealed.id))
    }
}

impl<T: Transport + MaybeSend> Client<T> {
    /// What whoever was granted this part would read now.
    pub async fn preview(
        &self,
        open: &OpenPatient,
        scope: &Scope,
    ) -> Result<ClinicalDocument, VaultError> {
        let mut held = self.contents(open, Some(&scope.types), false).await?;
        held.retain(|held| scope.holds(&held.record));
        // Some of a type is not everything of it.
        let covered: &[RecordType] = match scope.records {
            Some(_) => &[],
            None => &scope.types,
        };
        Ok(clinical(&held, covered))
    }
}

/// Records as one Bundle.
pub fn collection(held: &[Held], at: Timestamp) -> Result<SecretBytes, VaultError> {
    let parts: Vec<Part<'_>> = held.iter().map(Held::part).collect();
    bundle::collection(&parts, at)
}

/// Records as a clinician reads them; `covered` are the types of which these
/// are everything.
pub fn clinical(held: &[Held], covered: &[RecordType]) -> ClinicalDocument {
    struct Texts {
        id: String,
        resource: Option<Value>,
        text: Option<String>,
    }
    let shown: Vec<&Held> = held
        .iter()
        .filter(|h| !h.record.sealed.supporting)
        .collect();
    let texts: Vec<Texts> = shown
        .iter()
        .map(|h| {
            let content = h.content.as_ref();
            let (resource, text) = match h.record.open.header.fields.body {
                BodyKind::Resource => (content.and_then(|c| serde_json::from_slice(c).ok()), None),
                BodyKind::Text => (
                    None,
                    content.and_then(|c| std::str::from_utf8(c).ok().map(str::to_owned)),
                ),
                BodyKind::File => (None, None),
            };
            let id = h.record.sealed.id.to_string();
            Texts { id, resource, text }
        })
        .collect();
    let rows: Vec<ClinicalRecord<'_>> = shown
        .iter()
        .zip(&texts)
        .map(|(held, texts)| {
            let (sealed, fields) = (&held.record.sealed, &held.record.open.header.fields);
            ClinicalRecord {
                id: &texts.id,
                record_type: sealed.compartment.record_type,
                sensitivity: sealed.compartment.kinds,
                resource: texts.resource.as_ref(),
                text: texts.text.as_deref(),
                title: &fields.header.title,
                date: fields.header.date.as_deref(),
                source: Some(sealed.source.as_str()).filter(|s| *s != "upload"),
                author: fields.author_name.as_deref(),
                sealed_by_server: sealed.author.is_none(),
                file: fields.file_name.as_deref().map(|name| FileInfo {
                    name,
                    content_type: &fields.content_type,
                    size: fields.size,
                }),
            }
        })
        .collect();
    ClinicalDocument::covering(&rows, covered)
}

//! Records in the clear, for callers that let the server open them: upload,
//! list, read, new version.

use std::collections::HashMap;
use std::sync::Arc;

use chartkey_crypto::SecretBytes;
use chartkey_crypto::sign::VerifyKey;
use chartkey_domain::ids::{AccountId, PatientId, RecordId};
use chartkey_domain::policy::{Action, Noun, Refusal};
use chartkey_domain::records::{DEFAULT_PAGE, MAX_HEADERS, MAX_PAGE, RecordError};
use chartkey_domain::trail::TrailAction;
use chartkey_fhir::{
    Compartment, Fault, Header, Kinds, Limits, ParseError, Query, RecordType, Rejected, Search,
    header_for_text, plan_import,
};
use chartkey_vault::Id;
use chartkey_vault::error::VaultError;
use chartkey_vault::import::{Imported, NewRecord, digest_of};
use chartkey_vault::patient::ReadKeys;
use chartkey_vault::protocol::{SealedPage, SealedRecord};
use chartkey_vault::read::{BatchKeys, OpenRecord};
use chartkey_vault::record::{BodyKind, Fields};
use chartkey_vault::transport::SealedQuery;
use chartkey_vault::write::{Draft, DraftBody};
use jiff::Timestamp;

use super::authors::{Authorship, Known, NotTheirs, authors_of};
use super::{Assisted, AssistedFailure, coded};
use crate::{Failure, Service, records};

/// Source of what a person uploads; part of a record's identity.
pub const UPLOAD: &str = "upload";
/// A page of so many records is opened on two threads: somebody waits for it.
const LONG_PAGE: usize = 128;
/// Most headers that a search opens.
const SEARCH_LIMIT: u32 = 100_000;

/// What is uploaded.
pub enum Upload {
    /// FHIR R4 JSON: a resource, a Bundle, or NDJSON.
    Fhir {
        /// As it came.
        bytes: SecretBytes,
        /// Media type, as a hint.
        content_type: Option<String>,
    },
    /// Plain text.
    Text {
        /// The text.
        text: String,
        /// Its title.
        title: Option<String>,
        /// Its date, as FHIR text.
        date: Option<String>,
    },
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upload")
    }
}

/// What an upload did.
#[derive(Debug, Clone)]
pub struct Report {
    /// Whether the input was one resource or text, and not a Bundle.
    pub single: bool,
    /// New records.
    pub created: u64,
    /// New versions.
    pub updated: u64,
    /// Known as they are.
    pub unchanged: u64,
    /// Refused, one by one.
    pub rejected: Vec<Rejected>,
    /// Created or updated, in order.
    pub written: Vec<RecordId>,
    /// There already.
    pub known: Vec<RecordId>,
}

/// Which records are wanted.
#[derive(Clone, Default)]
pub struct RecordQuery {
    /// Of this type.
    pub record_type: Option<RecordType>,
    /// From this source.
    pub source: Option<String>,
    /// Words that the header must contain.
    pub text: Option<String>,
    /// Not over before this FHIR date.
    pub from: Option<String>,
    /// Not begun after this FHIR date.
    pub to: Option<String>,
    /// Headers without bodies.
    pub headers_only: bool,
    /// Most items; 50 where absent, at most 500.
    pub limit: Option<u32>,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

impl std::fmt::Debug for RecordQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordQuery")
    }
}

/// A record in the clear.
pub struct RecordView {
    /// Its id.
    pub id: RecordId,
    /// Whose.
    pub patient: PatientId,
    /// Its type.
    pub record_type: RecordType,
    /// Its kinds.
    pub kinds: Kinds,
    /// What its header says.
    pub fields: Fields,
    /// `upload`, `provider`, or a connection.
    pub source: String,
    /// Who wrote this version; absent for the server.
    pub author: Option<AccountId>,
    /// Which version.
    pub version: u32,
    /// When the record was first stored.
    pub created_at: Timestamp,
    /// When this version was.
    pub updated_at: Timestamp,
    /// Its content, unless only headers were wanted or it is a file.
    pub content: Content,
    /// Who wrote this version, where that was checked: with the content.
    pub authorship: Option<Authorship>,
}

impl std::fmt::Debug for RecordView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordView({})", self.id)
    }
}

/// The content of a record in the clear.
#[derive(Debug)]
pub enum Content {
    /// Not fetched: headers only, or a file.
    None,
    /// FHIR JSON.
    Resource(SecretBytes),
    /// Text in UTF-8.
    Text(SecretBytes),
}

/// A page of records.
#[derive(Debug)]
pub struct Page {
    /// The records.
    pub items: Vec<RecordView>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Records of this page that are not shown: they do not open, or were not
    /// written by whom they name.
    pub closed: Vec<RecordId>,
}

/// Records that stayed closed, and why.
type Closed = Vec<(RecordId, RecordError)>;

/// What there is of one type.
#[derive(Debug)]
pub struct Summary {
    /// The type.
    pub record_type: RecordType,
    /// How many.
    pub count: u64,
    /// The latest by storage, header only.
    pub latest: Option<RecordView>,
}

impl Assisted {
    /// Writes what is uploaded into a patient's record.
    ///
    /// # Errors
    /// The input's (`fhir.*`), the policy's, the database's.
    pub async fn upload(
        &mut self,
        patient: PatientId,
        upload: Upload,
        record_type: Option<RecordType>,
        limits: &Limits,
    ) -> Result<Report, AssistedFailure> {
        match upload {
            Upload::Fhir {
                bytes,
                content_type,
            } => {
                let plan = plan_import(&bytes, content_type.as_deref(), limits)
                    .map_err(|error| unreadable(&error))?;
                let rejected = plan.rejected.clone();
                let single = plan.bundle_type.is_none() && plan.items.len() + rejected.len() == 1;
                let (client, mut act) = self.acting();
                let imported = client
                    .import(patient.0, plan, record_type, UPLOAD, None, &mut act)
                    .await
                    .map_err(|e| self.failed(e))?;
                self.refresh_links(patient).await;
                Ok(report(imported, rejected, single))
            }
            Upload::Text { text, title, date } => {
                let header = header_for_text(title.as_deref(), &text, date.as_deref());
                let record_type = record_type.unwrap_or(RecordType::Documents);
                let new = NewRecord {
                    compartment: Compartment::new(record_type, Kinds::EMPTY),
                    body: BodyKind::Text,
                    content_type: "text/plain; charset=utf-8".into(),
                    file_name: None,
                    header,
                    content: SecretBytes::new(text.into_bytes()),
                };
                let (client, mut act) = self.acting();
                let imported = client
                    .add(patient.0, vec![new], UPLOAD, None, &mut act)
                    .await
                    .map_err(|e| self.failed(e))?;
                self.refresh_links(patient).await;
                Ok(report(imported, Vec::new(), true))
            }
        }
    }

    /// A page of a patient's records in the clear.
    ///
    /// # Errors
    /// The query's, the policy's, the database's.
    pub async fn list(
        &mut self,
        patient: PatientId,
        query: &RecordQuery,
    ) -> Result<Page, AssistedFailure> {
        if query.cursor.is_none() {
            self.settle_owed(patient).await;
        }
        let most = if query.headers_only {
            MAX_HEADERS
        } else {
            MAX_PAGE
        };
        let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, most);
        let wanted = usize::try_from(limit).unwrap_or(50);
        if query.text.is_some() || query.from.is_some() || query.to.is_some() {
            return self.search(patient, query, wanted).await;
        }
        let sealed = SealedQuery {
            record_type: query.record_type,
            source: query.source.clone(),
            headers_only: query.headers_only,
            supporting: false,
            limit: Some(limit),
            cursor: query.cursor.clone(),
        };
        let read = records::read_list(&self.service, &self.caller, patient, sealed)
            .await
            .map_err(coded)?;
        let next = read.page.next.clone();
        let (items, closed) = self.open_read(patient, &read, !query.headers_only).await?;
        Ok(Page {
            items,
            next,
            closed: ids(&closed),
        })
    }

    /// Of these records the headers of those that the caller may read.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn named(
        &mut self,
        patient: PatientId,
        named: Vec<RecordId>,
    ) -> Result<Vec<RecordView>, AssistedFailure> {
        let read = records::list_named(&self.service, &self.caller, patient, named)
            .await
            .map_err(coded)?;
        Ok(self.open_read(patient, &read, false).await?.0)
    }

    /// Opens what was read while the trail is written; nothing is given before
    /// it is durable.
    async fn open_read(
        &mut self,
        patient: PatientId,
        read: &records::Unlogged,
        with_body: bool,
    ) -> Result<(Vec<RecordView>, Closed), AssistedFailure> {
        let logging = read.log(&self.service, &self.caller);
        let (logged, opened) = tokio::join!(
            biased;
            logging,
            self.open_page(patient, &read.page, with_body)
        );
        logged.map_err(coded)?;
        opened
    }

    /// Opens all headers, and pages through those that match.
    async fn search(
        &mut self,
        patient: PatientId,
        query: &RecordQuery,
        wanted: usize,
    ) -> Result<Page, AssistedFailure> {
        let search = Search::new(&Query {
            text: query.text.clone(),
            from: query.from.clone(),
            to: query.to.clone(),
            record_types: query.record_type.into_iter().collect(),
        })
        .map_err(|_| Failure::field("from", "not a date"))?;
        let sealed = SealedQuery {
            record_type: query.record_type,
            source: query.source.clone(),
            headers_only: true,
            limit: Some(SEARCH_LIMIT),
            cursor: query.cursor.clone(),
            ..SealedQuery::default()
        };
        let read = records::read_list(&self.service, &self.caller, patient, sealed)
            .await
            .map_err(coded)?;
        let (headers, mut closed) = self.open_read(patient, &read, false).await?;
        let mut found: Vec<RecordView> = headers
            .into_iter()
            .filter(|r| search.matches(r.record_type, &r.fields.header))
            .take(wanted + 1)
            .collect();
        let more = found.len() > wanted;
        found.truncate(wanted);
        let last = found.last().filter(|_| more);
        let next = last.map(|r| records::cursor_at(r.updated_at, r.id));
        if !query.headers_only && !found.is_empty() {
            // Bodies of these alone, so that memory holds a page of them at most.
            let named = found.iter().map(|r| r.id).collect();
            let read = records::list_named(&self.service, &self.caller, patient, named)
                .await
                .map_err(coded)?;
            let (open, more) = self.open_read(patient, &read, true).await?;
            found = open;
            closed.extend(more);
        }
        Ok(Page {
            items: found,
            next,
            closed: ids(&closed),
        })
    }

    /// One record in the clear; the current version unless another is named.
    ///
    /// # Errors
    /// The policy's, `record.unknown`, the database's.
    pub async fn find(
        &mut self,
        record: RecordId,
        version: Option<u32>,
    ) -> Result<RecordView, AssistedFailure> {
        let (action, logged) = (Action::FindRecord, TrailAction::RecordRead);
        let caller = &self.caller;
        let read = records::read_version(&self.service, caller, record, version, action, logged)
            .await
            .map_err(coded)?;
        let patient = read
            .page
            .items
            .first()
            .map(|r| PatientId(r.patient))
            .ok_or(coded(RecordError::Unknown.into()))?;
        let (mut items, closed) = self.open_read(patient, &read, true).await?;
        items.pop().ok_or_else(|| {
            let why = closed.first().map(|(_, error)| *error);
            coded(why.unwrap_or(RecordError::Unopenable).into())
        })
    }

    /// Opens what the caller's keys open, and with bodies checks who wrote it;
    /// with everything fetched anew where what is remembered does not do. What
    /// stayed closed comes along, with the reason.
    pub(crate) async fn open_page(
        &mut self,
        patient: PatientId,
        page: &SealedPage,
        with_body: bool,
    ) -> Result<(Vec<RecordView>, Closed), AssistedFailure> {
        if page.items.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let opening = self.opening(patient, page, with_body, false).await?;
        if let Ok(items) = opening.all(page) {
            return Ok((items, Vec::new()));
        }
        let opening = self.opening(patient, page, with_body, true).await?;
        // What somebody sealed as nonsense hides nothing but itself.
        let (mut items, mut closed) = (Vec::with_capacity(page.items.len()), Vec::new());
        for sealed in &page.items {
            match opening.one(sealed) {
                Ok(open) => items.push(open),
                Err(error) => closed.push((RecordId(sealed.id), error)),
            }
        }
        tracing::warn!(
            closed = closed.len(),
            "some of a page of records did not open"
        );
        Ok((items, closed))
    }

    /// What opens a page, and what its records are checked against.
    async fn opening(
        &mut self,
        patient: PatientId,
        page: &SealedPage,
        with_body: bool,
        fresh: bool,
    ) -> Result<Opening, AssistedFailure> {
        let keys = self.read_keys(patient, fresh).await?;
        let batches = BatchKeys::of_page(page, &keys, Some(&self.client.account));
        let known = match with_body {
            true => Some(self.known(patient, page, fresh).await?),
            false => None,
        };
        Ok(Opening {
            service: self.service.clone(),
            keys,
            batches,
            known,
            with_body,
        })
    }

    /// The keys of whoever wrote something of a page, and the patient's chain.
    async fn known(
        &mut self,
        patient: PatientId,
        page: &SealedPage,
        fresh: bool,
    ) -> Result<Known, AssistedFailure> {
        let mut keys = HashMap::new();
        for author in authors_of(page) {
            let known = match self.service.authors().keys(author).filter(|_| !fresh) {
                Some(known) => known,
                None => self.author_keys(author).await?,
            };
            keys.insert(author, known);
        }
        let chain = self.service.authors().chain(patient.0).unwrap_or_default();
        Ok(Known { keys, chain })
    }

    /// Every key that an account ever had, verified; none where it is gone.
    async fn author_keys(&mut self, author: Id) -> Result<Arc<[VerifyKey]>, AssistedFailure> {
        match self.client.account_keys(author).await {
            Ok(verified) => {
                let keys: Arc<[VerifyKey]> = verified.sign_keys.into();
                self.service.authors().put_keys(author, &keys);
                Ok(keys)
            }
            Err(error) => match self.failed(error) {
                Failure::Refused(Refusal::Unknown(Noun::Account)) => Ok(Arc::default()),
                // A chain of keys that does not verify vouches for nothing.
                Failure::Vault(VaultError::Statement(_) | VaultError::RolledBack) => {
                    Err(coded(RecordError::Unverified.into()))
                }
                other => Err(other),
            },
        }
    }

    /// Writes a new version of a record that the caller means to be at
    /// `if_match`.
    ///
    /// # Errors
    /// `record.version_mismatch`, the input's, the policy's, the database's.
    pub async fn update(
        &mut self,
        record: RecordId,
        if_match: u32,
        upload: Upload,
        limits: &Limits,
    ) -> Result<RecordView, AssistedFailure> {
        let (patient, known) = records::find_known_record(&self.service, &self.caller, record)
            .await
            .map_err(coded)?;
        if known.version != if_match {
            return Err(coded(RecordError::VersionMismatch.into()));
        }
        let (fields, body, canonical, kinds) = match upload {
            Upload::Fhir {
                bytes,
                content_type,
            } => {
                let mut plan = plan_import(&bytes, content_type.as_deref(), limits)
                    .map_err(|error| unreadable(&error))?;
                let item = match (plan.items.pop(), plan.items.is_empty()) {
                    (Some(item), true) => item,
                    _ => return Err(Failure::field("body", "exactly one resource")),
                };
                (
                    resource_fields(&item.header, item.bytes.len()),
                    item.bytes,
                    item.canonical,
                    item.kinds,
                )
            }
            Upload::Text { text, title, date } => {
                let header = header_for_text(title.as_deref(), &text, date.as_deref());
                let bytes = text.into_bytes();
                let canonical = digest_of(&bytes).to_vec();
                (
                    text_fields(header, bytes.len()),
                    bytes,
                    canonical,
                    Kinds::EMPTY,
                )
            }
        };
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
            compartment: Compartment::new(
                known.compartment.record_type,
                known.compartment.kinds.union(kinds),
            ),
            supporting: false,
            fields,
            body: DraftBody::Open(SecretBytes::new(body)),
            identity_tag: known.identity_tag,
            content_tag: chartkey_vault::record::content_tag(&dedup, &canonical),
        };
        let (client, mut act) = self.acting();
        client
            .write(patient.0, &[draft], &mut act)
            .await
            .map_err(|e| self.failed(e))?;
        self.refresh_links(patient).await;
        self.find(record, None).await
    }

    /// What there is, type by type.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn summary(&mut self, patient: PatientId) -> Result<Vec<Summary>, AssistedFailure> {
        let counts = records::count_records(&self.service, &self.caller, patient)
            .await
            .map_err(coded)?;
        let mut by_type: std::collections::BTreeMap<RecordType, u64> =
            std::collections::BTreeMap::new();
        for (compartment, count) in counts {
            *by_type.entry(compartment.record_type).or_default() += count;
        }
        let mut out = Vec::with_capacity(by_type.len());
        for (record_type, count) in by_type {
            let query = RecordQuery {
                record_type: Some(record_type),
                headers_only: true,
                limit: Some(1),
                ..RecordQuery::default()
            };
            let latest = self.list(patient, &query).await?.items.pop();
            out.push(Summary {
                record_type,
                count,
                latest,
            });
        }
        Ok(out)
    }
}

/// What could not be read as text, JSON or FHIR; with the place, in our words.
fn unreadable(error: &ParseError) -> AssistedFailure {
    let code = match error.fault {
        Fault::Empty
        | Fault::NotUtf8
        | Fault::Truncated
        | Fault::Syntax
        | Fault::NotObject
        | Fault::TooDeep
        | Fault::Trailing => "body.malformed",
        Fault::TooLarge | Fault::TooManyResources | Fault::TooManyValues | Fault::StringTooLong => {
            "body.too_large"
        }
        _ => "body.invalid",
    };
    Failure::Rule {
        code,
        field: "body",
        message: error.to_string(),
    }
}

fn report(imported: Imported, mut rejected: Vec<Rejected>, single: bool) -> Report {
    rejected.sort_by_key(|one| one.index);
    Report {
        single,
        created: imported.created,
        updated: imported.updated,
        unchanged: imported.unchanged,
        rejected,
        written: imported.written.into_iter().map(RecordId).collect(),
        known: imported.known.into_iter().map(RecordId).collect(),
    }
}

fn resource_fields(header: &Header, size: usize) -> Fields {
    Fields {
        body: BodyKind::Resource,
        content_type: "application/fhir+json".into(),
        size: size as u64,
        file_name: None,
        header: header.clone(),
        author_name: None,
    }
}

fn text_fields(header: Header, size: usize) -> Fields {
    Fields {
        body: BodyKind::Text,
        content_type: "text/plain; charset=utf-8".into(),
        size: size as u64,
        file_name: None,
        header,
        author_name: None,
    }
}

fn ids(closed: &Closed) -> Vec<RecordId> {
    closed.iter().map(|(id, _)| *id).collect()
}

/// What opens the records of a page, and says who wrote them.
struct Opening {
    service: Service,
    keys: ReadKeys,
    batches: BatchKeys,
    /// Absent where only headers are opened: nobody relies on these alone.
    known: Option<Known>,
    with_body: bool,
}

impl Opening {
    /// Every record, or the first failure; long pages on two threads.
    fn all(&self, page: &SealedPage) -> Result<Vec<RecordView>, RecordError> {
        let open = |part: &[SealedRecord]| -> Result<Vec<RecordView>, RecordError> {
            part.iter().map(|sealed| self.one(sealed)).collect()
        };
        if page.items.len() < LONG_PAGE {
            return open(&page.items);
        }
        let (front, back) = page.items.split_at(page.items.len() / 2);
        std::thread::scope(|scope| {
            let back = scope.spawn(|| open(back));
            let mut items = open(front)?;
            items.extend(back.join().map_err(|_panic| RecordError::Unopenable)??);
            Ok(items)
        })
    }

    fn one(&self, sealed: &SealedRecord) -> Result<RecordView, RecordError> {
        let open = OpenRecord::open(sealed, &self.keys, &self.batches)
            .map_err(|_| RecordError::Unopenable)?;
        let authorship = match &self.known {
            None => None,
            Some(known) => {
                let checked = self.service.authors().check(sealed, &open, known);
                Some(checked.map_err(|NotTheirs| RecordError::Unverified)?)
            }
        };
        let mut view = view(sealed, open, self.with_body).map_err(|_| RecordError::Unopenable)?;
        view.authorship = authorship;
        Ok(view)
    }
}

/// Opens one record with keys at hand. Links come through here too.
pub(crate) fn open_one(
    sealed: &SealedRecord,
    keys: &ReadKeys,
    batches: &BatchKeys,
    with_body: bool,
) -> Result<RecordView, VaultError> {
    view(sealed, OpenRecord::open(sealed, keys, batches)?, with_body)
}

fn view(
    sealed: &SealedRecord,
    open: OpenRecord,
    with_body: bool,
) -> Result<RecordView, VaultError> {
    let content = match open.header.fields.body {
        _ if !with_body || sealed.body.is_none() => Content::None,
        BodyKind::Resource => Content::Resource(open.open_body(sealed, None)?),
        BodyKind::Text => Content::Text(open.open_body(sealed, None)?),
        BodyKind::File => Content::None,
    };
    Ok(RecordView {
        id: RecordId(sealed.id),
        patient: PatientId(sealed.patient),
        record_type: sealed.compartment.record_type,
        kinds: sealed.compartment.kinds,
        fields: open.header.fields,
        source: sealed.source.clone(),
        author: sealed.author.map(|a: Id| AccountId(a)),
        version: sealed.version,
        created_at: sealed.created_at,
        updated_at: sealed.updated_at,
        content,
        authorship: None,
    })
}

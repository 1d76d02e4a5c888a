//! Records as the sealed protocol moves them: written, listed, read, deleted.
//! The server checks that whoever may read can (and nobody else), that
//! versions follow each other, and logs before anything leaves. It opens
//! nothing; assisted requests come through these same functions.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_crypto::encode;
use chartkey_domain::ids::{AccountId, BatchId, BlobId, GrantId, PatientId, RecordId};
use chartkey_domain::policy::{self, Action, Permit, Refusal, Scope, Target};
use chartkey_domain::records::{MAX_PAGE, MAX_RECORDS_PER_WRITE, RecordFacts, RecordTypes};
use chartkey_domain::trail::{NewEntry, TrailAction};
use chartkey_fhir::Compartment;
use chartkey_store::batches::{self, BatchRow, EnvelopeRow};
use chartkey_store::grants::{self, GrantRow};
use chartkey_store::patients::{self, PatientRow};
use chartkey_store::records::{self, Filter, RecordRow, VersionRow};
use chartkey_store::{Reader, StoreError, Tx};
use chartkey_vault::bytes::{Bytes, Bytes32};
use chartkey_vault::epoch::Epoch;
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{
    BatchKey, Envelope, KnownRecord, KnownTags, KnownTagsRequest, NewSealedRecord, RecipientKind,
    SealedBatch, SealedMove, SealedPage, SealedRecord, SealedWrite, VersionEnvelope, WriteOutcome,
};
use chartkey_vault::transport::SealedQuery;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::patients::{covers, current_epoch, facts, moved, permit};
use crate::{Caller, Failure, NounError, Service, trail};

/// Errors of this noun.
pub use chartkey_domain::records::RecordError;

/// How a records use case fails.
pub type RecordFailure = Failure<RecordError>;

/// Most tags of one look-up.
pub const MAX_TAGS: usize = 20_000;
/// Largest sealed body kept in the database; larger ones are blobs.
pub const MAX_INLINE_BYTES: usize = 4 << 20;

impl NounError for RecordError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }
}

/// The place a page ended: time of storage in ms and record.
pub(crate) fn parse_cursor(cursor: &str) -> Option<(i64, RecordId)> {
    let (at, id) = cursor.split_once('~')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

fn cursor(row: &RecordRow) -> String {
    format!("{}~{}", row.updated_at.as_millisecond(), row.id)
}

/// `POST /api/records` sealed: stores new records and new versions.
pub async fn create_records(
    service: &Service,
    caller: &Caller,
    write: SealedWrite,
) -> Result<WriteOutcome, RecordFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    service
        .store()
        .write("record.create", move |tx| {
            let patient = PatientId(write.patient);
            let (row, permit) = permit(tx, &asking, Action::CreateRecord, patient, now)?;
            let taken = take_write(tx, &row, &permit, &write, now)?;
            let action = if taken.created > 0 {
                TrailAction::RecordCreate
            } else {
                TrailAction::RecordUpdate
            };
            let mut entry = NewEntry::under(action, now, &permit)
                .count(taken.created.saturating_add(taken.updated))
                .types(taken.types);
            if let (Some((record, version, hash)), [_]) = (taken.single, write.records.as_slice()) {
                entry = entry.record(record).version(version, hash);
            }
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok(WriteOutcome {
                grants_version: row.grants_version,
                leaf_index,
            })
        })
        .await
}

struct Taken {
    created: u64,
    updated: u64,
    types: RecordTypes,
    single: Option<(RecordId, u32, [u8; 32])>,
}

fn take_write(
    tx: &mut Tx,
    row: &PatientRow,
    permit: &Permit,
    write: &SealedWrite,
    now: Timestamp,
) -> Result<Taken, RecordFailure> {
    if write.records.len() > MAX_RECORDS_PER_WRITE || write.batches.len() > MAX_RECORDS_PER_WRITE {
        return Err(RecordError::TooMany.into());
    }
    if write.records.is_empty() {
        return Err(Failure::field("records", "nothing to write"));
    }
    if row.grants_version != write.grants_version {
        return Err(moved());
    }
    let living = grants::list_living(tx, row.id, now)?;
    let mut compartments = BTreeMap::new();
    for batch in &write.batches {
        insert_batch(tx, row, permit, &living, batch, now)?;
        compartments.insert(batch.id, batch.compartment);
    }
    let mut taken = Taken {
        created: 0,
        updated: 0,
        types: RecordTypes::EMPTY,
        single: None,
    };
    let mut used = BTreeSet::new();
    for record in &write.records {
        let compartment = *compartments
            .get(&record.batch)
            .ok_or_else(|| Failure::field("records.batch", "not one of this write's batches"))?;
        used.insert(record.batch);
        may_write(permit, compartment)?;
        let hash = if record.version == 1 {
            taken.created += 1;
            insert_record(tx, row.id, permit, record, compartment, now)?
        } else {
            taken.updated += 1;
            insert_successor(tx, row.id, permit, record, compartment, now)?
        };
        taken.types = taken.types.union(RecordTypes::of(compartment.record_type));
        taken.single = Some((RecordId(record.id), record.version, hash));
    }
    if used.len() != compartments.len() {
        return Err(Failure::field("batches", "a batch without records"));
    }
    Ok(taken)
}

/// Whether the permit lets write into a compartment.
fn may_write(permit: &Permit, compartment: Compartment) -> Result<(), RecordFailure> {
    match permit.scope() {
        Scope::All => Ok(()),
        Scope::Within(within) => {
            let allowed = within
                .writes
                .iter()
                .any(|(_, types)| types.contains(compartment.record_type));
            if allowed {
                Ok(())
            } else {
                Err(Refusal::NoWrite.into())
            }
        }
        Scope::Nothing => Err(Refusal::Forbidden.into()),
    }
}

/// Stores a batch, after checking that it is sealed to exactly those who are
/// to open it: wrapped under a fresh current epoch, or directly to the inbox
/// and every living grant that covers.
fn insert_batch(
    tx: &mut Tx,
    row: &PatientRow,
    permit: &Permit,
    living: &[GrantRow],
    batch: &SealedBatch,
    now: Timestamp,
) -> Result<(), RecordFailure> {
    let epoch = current_epoch(tx, row, batch.compartment)?;
    let mut due: BTreeSet<GrantId> = BTreeSet::new();
    for grant in living.iter().filter(|g| covers(g, batch.compartment)) {
        let opens = batch.epoch.is_some()
            && grants::holds(tx, grant.id, batch.compartment, epoch.0, epoch.1)?;
        if !opens {
            due.insert(grant.id);
        }
    }
    match (&batch.epoch, &batch.wrapped) {
        (Some(sealed_for), Some(_)) => {
            if !permit.is_managers() {
                return Err(VaultError::Input("only a manager wraps a batch").into());
            }
            let stale = patients::is_stale(tx, row.id, batch.compartment, epoch, now)?;
            if stale || (sealed_for.generation, sealed_for.n) != epoch {
                return Err(moved());
            }
        }
        (None, None) => {
            let inbox = batch
                .envelopes
                .iter()
                .any(|e| e.to == RecipientKind::Inbox && e.id == row.id.0);
            if !inbox {
                return Err(VaultError::Input("a direct batch is sealed to the inbox").into());
            }
        }
        _ => {
            return Err(
                VaultError::Input("a batch is wrapped in an epoch or sealed directly").into(),
            );
        }
    }
    let sealed_to: BTreeSet<GrantId> = batch
        .envelopes
        .iter()
        .filter(|e| e.to == RecipientKind::Grant)
        .map(|e| GrantId(e.id))
        .collect();
    if sealed_to != due {
        return Err(moved());
    }
    let author = permit.account();
    let own = |e: &Envelope| e.to != RecipientKind::Account || author.is_some_and(|a| a.0 == e.id);
    if !batch.envelopes.iter().all(own) {
        return Err(VaultError::Input("sealed to an account that is not the author").into());
    }
    let stored = BatchRow {
        id: BatchId(batch.id),
        patient: row.id,
        compartment: batch.compartment,
        epoch: batch.epoch.map(|e| (e.generation, e.n)),
        wrapped: batch.wrapped.as_ref().map(|w| w.0.clone()),
        author,
        created_at: now,
    };
    let envelopes: Vec<EnvelopeRow> = batch.envelopes.iter().map(envelope_row).collect();
    batches::insert(tx, &stored, &envelopes).map_err(exists)
}

fn envelope_row(envelope: &Envelope) -> EnvelopeRow {
    EnvelopeRow {
        to_kind: to_kind(envelope.to).to_owned(),
        to: envelope.id,
        sealed: envelope.sealed.0.clone(),
    }
}

const fn to_kind(kind: RecipientKind) -> &'static str {
    match kind {
        RecipientKind::Inbox => "inbox",
        RecipientKind::Grant => "grant",
        RecipientKind::Account => "account",
    }
}

fn exists(error: StoreError) -> RecordFailure {
    match error {
        StoreError::Unique { .. } => RecordError::Exists.into(),
        other => other.into(),
    }
}

fn insert_record(
    tx: &mut Tx,
    patient: PatientId,
    permit: &Permit,
    record: &NewSealedRecord,
    compartment: Compartment,
    now: Timestamp,
) -> Result<[u8; 32], RecordFailure> {
    if !record.extra.is_empty() {
        return Err(VaultError::Input("a new record has no extra readers").into());
    }
    let stored = RecordRow {
        id: RecordId(record.id),
        patient,
        compartment,
        supporting: record.supporting,
        version: 1,
        identity_tag: record.identity_tag.map(|t| t.0),
        source: if permit.is_managers() {
            "upload"
        } else {
            "provider"
        }
        .to_owned(),
        author: permit.account(),
        created_at: now,
        updated_at: now,
        deleted_at: None,
    };
    records::insert(tx, &stored).map_err(exists)?;
    insert_version(tx, permit, record, now)
}

/// A new version: the same compartment, or (for those who do not manage) the
/// same type with kinds added.
fn insert_successor(
    tx: &mut Tx,
    patient: PatientId,
    permit: &Permit,
    record: &NewSealedRecord,
    compartment: Compartment,
    now: Timestamp,
) -> Result<[u8; 32], RecordFailure> {
    let id = RecordId(record.id);
    let known = records::lookup(tx, id)?
        .filter(|r| r.patient == patient && r.deleted_at.is_none())
        .filter(|r| reaches(permit, r))
        .ok_or(RecordError::Unknown)?;
    if known.compartment.record_type != compartment.record_type
        || !known.compartment.kinds.is_subset_of(compartment.kinds)
    {
        return Err(
            VaultError::Input("a new version keeps the type; other changes are a move").into(),
        );
    }
    let due: BTreeSet<GrantId> = grants::list_extra_readers(tx, id, now)?
        .into_iter()
        .collect();
    let sealed_to: BTreeSet<GrantId> = record.extra.iter().map(|e| GrantId(e.grant)).collect();
    if due != sealed_to {
        return Err(moved());
    }
    if !records::update_version(tx, patient, id, record.version, compartment, now)? {
        return Err(RecordError::VersionMismatch.into());
    }
    let hash = insert_version(tx, permit, record, now)?;
    for extra in &record.extra {
        records::insert_version_envelope(
            tx,
            id,
            record.version,
            GrantId(extra.grant),
            &extra.sealed.0,
        )?;
    }
    Ok(hash)
}

/// Whether a permit that lets write reaches an existing record: a manager
/// every one, others what they wrote, or may read and write.
fn reaches(permit: &Permit, record: &RecordRow) -> bool {
    match permit.scope() {
        Scope::All => true,
        Scope::Within(within) => {
            let facts = record_facts(record);
            (within.author.is_some() && within.author == record.author)
                || within.reads.iter().any(|c| c.covers_record(&facts))
        }
        Scope::Nothing => false,
    }
}

fn insert_version(
    tx: &mut Tx,
    permit: &Permit,
    record: &NewSealedRecord,
    now: Timestamp,
) -> Result<[u8; 32], RecordFailure> {
    let body_len = match (&record.body, record.blob) {
        (Some(body), None) if body.0.len() <= MAX_INLINE_BYTES => body.0.len() as u64,
        (Some(_), None) => {
            return Err(Failure::field(
                "records.body",
                "too large: upload it as a blob",
            ));
        }
        (None, Some(blob)) => blob_size(tx, permit, BlobId(blob))?,
        _ => return Err(Failure::field("records.body", "either a body or a blob")),
    };
    let hash = sealed_hash(record);
    let version = VersionRow {
        record: RecordId(record.id),
        version: record.version,
        batch: BatchId(record.batch),
        header: record.header.0.clone(),
        body: record.body.as_ref().map(|b| b.0.clone()),
        blob: record.blob.map(BlobId),
        size: body_len.saturating_add(record.header.0.len() as u64),
        commitment: record.commitment.0,
        content_tag: Some(record.content_tag.0),
        sealed_hash: hash,
        author: permit.account(),
        created_at: now,
    };
    let sealed_by = if permit.is_managers() {
        "account"
    } else {
        "grantee"
    };
    records::insert_version(tx, &version, sealed_by).map_err(exists)?;
    Ok(hash)
}

fn blob_size(tx: &mut Tx, permit: &Permit, blob: BlobId) -> Result<u64, RecordFailure> {
    let found = chartkey_store::blobs::lookup(tx, *permit.patient().as_bytes(), *blob.as_bytes())?
        .filter(|b| b.finished)
        .ok_or_else(|| Failure::<RecordError>::field("records.blob", "no such finished blob"))?;
    Ok(found.size)
}

/// SHA-256 over what is stored of a version: what the trail names.
fn sealed_hash(record: &NewSealedRecord) -> [u8; 32] {
    let body: &[u8] = record.body.as_ref().map_or(&[], |b| &b.0);
    let blob: &[u8] = record.blob.as_ref().map_or(&[], |b| b.as_bytes());
    let bytes = encode::lp(&[&record.header.0, body, blob, &record.commitment.0]);
    Sha256::digest(bytes).into()
}

/// `POST /api/records/known`: which records these identity tags name.
pub async fn find_known_tags(
    service: &Service,
    caller: &Caller,
    request: KnownTagsRequest,
) -> Result<KnownTags, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    if request.tags.len() > MAX_TAGS {
        return Err(RecordError::TooMany.into());
    }
    service
        .store()
        .read_long("record.known", move |db| {
            let patient = PatientId(request.patient);
            let (_, permit) = permit(db, &asking, Action::FindKnownTags, patient, now)?;
            let mut items = Vec::new();
            for tag in &request.tags {
                let found = records::lookup_by_tag(db, patient, &tag.0)?;
                if let Some((row, version)) = found.filter(|(r, _)| reaches(&permit, r)) {
                    items.push(known(db, &row, &version, now)?);
                }
            }
            Ok(KnownTags { items })
        })
        .await
}

fn known(
    db: &mut Reader,
    row: &RecordRow,
    version: &VersionRow,
    now: Timestamp,
) -> Result<KnownRecord, StoreError> {
    Ok(KnownRecord {
        id: row.id.0,
        version: row.version,
        compartment: row.compartment,
        identity_tag: row.identity_tag.map(Bytes32),
        content_tag: Bytes32(version.content_tag.unwrap_or_default()),
        commitment: Bytes32(version.commitment),
        extra_readers: grants::list_extra_readers(db, row.id, now)?
            .into_iter()
            .map(|g| g.0)
            .collect(),
    })
}

/// What a writer must know of one record to write its next version.
pub async fn find_known_record(
    service: &Service,
    caller: &Caller,
    record: RecordId,
) -> Result<(PatientId, KnownRecord), RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("record.known", move |db| {
            let permit = permit_record(db, &asking, Action::UpdateRecord, record, now)?;
            let (row, version) =
                records::lookup_version(db, &permit, None)?.ok_or(RecordError::Unknown)?;
            Ok((row.patient, known(db, &row, &version, now)?))
        })
        .await
}

pub(crate) fn record_facts(row: &RecordRow) -> RecordFacts {
    RecordFacts {
        id: row.id,
        compartment: row.compartment,
        author: row.author,
        deleted: row.deleted_at.is_some(),
        moving: false,
    }
}

/// Loads a record with its patient and asks the policy.
pub(crate) fn permit_record(
    db: &mut Reader,
    caller: &Caller,
    action: Action,
    record: RecordId,
    now: Timestamp,
) -> Result<Permit, RecordFailure> {
    let hidden =
        || crate::patients::unauthenticated_first(caller, Refusal::Unknown(policy::Noun::Record));
    let row = records::lookup(db, record)?.ok_or_else(hidden)?;
    let (_, patient) = facts(db, row.patient, caller.account_id())?.ok_or_else(hidden)?;
    let target = record_facts(&row);
    Ok(policy::permit(
        &caller.who,
        action,
        &Target::Record(&patient, &target),
        now,
    )?)
}

/// `GET /api/records` sealed: a page of what the caller may see, logged before
/// it leaves.
pub async fn list_records(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    query: SealedQuery,
) -> Result<SealedPage, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    let (permit, page) = service
        .store()
        .read_long("record.list", move |db| {
            let (_, permit) =
                permit::<RecordError>(db, &asking, Action::ListRecords, patient, now)?;
            let page = sealed_page(db, &permit, &query)?;
            Ok::<_, RecordFailure>((permit, page))
        })
        .await?;
    let mut entry = NewEntry::under(TrailAction::RecordList, now, &permit)
        .count(page.items.len() as u64)
        .types(
            page.items
                .iter()
                .map(|r| r.compartment.record_type)
                .collect(),
        );
    if is_assisted(caller) {
        entry = entry.assisted();
    }
    log(service, caller, "record.list", &permit, entry).await?;
    Ok(page)
}

fn is_assisted(caller: &Caller) -> bool {
    caller.account().is_ok_and(|a| a.assisted)
}

/// Makes an entry durable, and counts the use of the grants it rests on.
async fn log(
    service: &Service,
    caller: &Caller,
    name: &'static str,
    permit: &Permit,
    entry: NewEntry,
) -> Result<u64, RecordFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    let used = permit.grants();
    service
        .store()
        .write(name, move |tx| {
            for grant in used {
                grants::count_access(tx, grant, now)?;
            }
            Ok(trail::append_by(tx, entry, &asking, &mut rng)?)
        })
        .await
}

/// A page of sealed records within a permit, with what opens them.
pub(crate) fn sealed_page(
    db: &mut Reader,
    permit: &Permit,
    query: &SealedQuery,
) -> Result<SealedPage, RecordFailure> {
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, 100_000);
    let after = match &query.cursor {
        Some(text) => Some(
            parse_cursor(text)
                .ok_or_else(|| Failure::field("cursor", "not a cursor of this list"))?,
        ),
        None => None,
    };
    let filter = Filter {
        record_type: query.record_type,
        source: query.source.clone(),
        supporting: query.supporting,
        with_body: !query.headers_only,
        after,
        limit: limit.saturating_add(1),
    };
    let mut rows = records::list(db, permit, &filter)?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > page;
    rows.truncate(page);
    let next = match rows.last() {
        Some((row, _)) if more => Some(cursor(row)),
        _ => None,
    };
    Ok(render_page(db, permit, rows, next)?)
}

fn render_page(
    db: &mut Reader,
    permit: &Permit,
    rows: Vec<(RecordRow, VersionRow)>,
    next: Option<String>,
) -> Result<SealedPage, StoreError> {
    let by_records: Vec<GrantId> = match permit.scope() {
        Scope::Within(within) => within
            .reads
            .iter()
            .filter(|c| c.records.is_some())
            .map(|c| c.grant)
            .collect(),
        Scope::All | Scope::Nothing => Vec::new(),
    };
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    let mut items = Vec::with_capacity(rows.len());
    for (row, version) in rows {
        if seen.insert(version.batch) {
            keys.extend(batch_key(db, permit, version.batch)?);
        }
        let extra = if by_records.is_empty() {
            Vec::new()
        } else {
            records::list_version_envelopes(db, row.id, version.version, &by_records)?
                .into_iter()
                .map(|(grant, sealed)| VersionEnvelope {
                    grant: grant.0,
                    sealed: Bytes(sealed),
                })
                .collect()
        };
        items.push(sealed_record(row, version, extra));
    }
    Ok(SealedPage {
        items,
        batches: keys,
        next,
    })
}

fn sealed_record(row: RecordRow, version: VersionRow, extra: Vec<VersionEnvelope>) -> SealedRecord {
    SealedRecord {
        id: row.id.0,
        patient: row.patient.0,
        version: version.version,
        compartment: row.compartment,
        supporting: row.supporting,
        batch: version.batch.0,
        header: Bytes(version.header),
        body: version.body.map(Bytes),
        blob: version.blob.map(|b| b.0),
        size: version.size,
        commitment: Bytes32(version.commitment),
        source: row.source,
        author: version.author.map(|a| a.0),
        created_at: row.created_at,
        updated_at: version.created_at,
        extra,
    }
}

/// What opens a batch, as far as the permit's actor may have it.
fn batch_key(
    db: &mut Reader,
    permit: &Permit,
    id: BatchId,
) -> Result<Option<BatchKey>, StoreError> {
    let Some(batch) = batches::lookup(db, permit.patient(), id)? else {
        return Ok(None);
    };
    let mut wanted: Vec<(RecipientKind, chartkey_vault::Id)> = Vec::new();
    let covered = match permit.scope() {
        Scope::All => {
            wanted.push((RecipientKind::Inbox, permit.patient().0));
            true
        }
        Scope::Within(within) => {
            let whole = within
                .reads
                .iter()
                .filter(|c| c.records.is_none() && c.covers(batch.compartment));
            let grants: Vec<GrantId> = whole.map(|c| c.grant).collect();
            wanted.extend(grants.iter().map(|g| (RecipientKind::Grant, g.0)));
            if let Some(author) = permit.account().filter(|a| batch.author == Some(*a)) {
                wanted.push((RecipientKind::Account, author.0));
            }
            !grants.is_empty()
        }
        Scope::Nothing => false,
    };
    let wrapped = batch.wrapped.filter(|_| covered);
    let epoch = batch.epoch.filter(|_| wrapped.is_some());
    let mut envelopes = Vec::new();
    if wrapped.is_none() || !permit.is_managers() {
        for (kind, to) in wanted {
            let found = batches::lookup_envelope(db, id, to_kind(kind), to)?;
            envelopes.extend(found.map(|e| Envelope {
                to: kind,
                id: e.to,
                sealed: Bytes(e.sealed),
            }));
        }
    }
    Ok(Some(BatchKey {
        id: batch.id.0,
        compartment: batch.compartment,
        epoch: epoch.map(|(generation, n)| Epoch { generation, n }),
        wrapped: wrapped.map(Bytes),
        envelopes,
    }))
}

/// `GET /api/records/{id}` sealed: one version with its body; the current one
/// unless another is named. Logged before it leaves.
pub async fn find_record(
    service: &Service,
    caller: &Caller,
    record: RecordId,
    version: Option<u32>,
) -> Result<SealedPage, RecordFailure> {
    read_record(
        service,
        caller,
        record,
        version,
        Action::FindRecord,
        TrailAction::RecordRead,
    )
    .await
}

/// Reads one version under an action of the caller's choice.
pub(crate) async fn read_record(
    service: &Service,
    caller: &Caller,
    record: RecordId,
    version: Option<u32>,
    action: Action,
    logged: TrailAction,
) -> Result<SealedPage, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    let (permit, hash, page) = service
        .store()
        .read("record.read", move |db| {
            let permit = permit_record(db, &asking, action, record, now)?;
            let (row, found) =
                records::lookup_version(db, &permit, version)?.ok_or(RecordError::Unknown)?;
            let hash = (
                found.version,
                found.sealed_hash,
                row.compartment.record_type,
            );
            let page = render_page(db, &permit, vec![(row, found)], None)?;
            Ok::<_, RecordFailure>((permit, hash, page))
        })
        .await?;
    let (number, sealed_hash, record_type) = hash;
    let mut entry = NewEntry::under(logged, now, &permit)
        .version(number, sealed_hash)
        .types(RecordTypes::of(record_type));
    if is_assisted(caller) {
        entry = entry.assisted();
    }
    log(service, caller, "record.read", &permit, entry).await?;
    Ok(page)
}

/// One line of a record's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    /// Which version.
    pub version: u32,
    /// Sealed size in bytes.
    pub size: u64,
    /// Who wrote it; absent for the server.
    pub author: Option<AccountId>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// SHA-256 of what was stored; the trail names it.
    pub sealed_hash: [u8; 32],
}

/// `GET /api/records/{id}/history`: the versions, newest first.
pub async fn list_record_history(
    service: &Service,
    caller: &Caller,
    record: RecordId,
) -> Result<Vec<HistoryItem>, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    let (permit, items) = service
        .store()
        .read("record.history", move |db| {
            let permit = permit_record(db, &asking, Action::ListRecordHistory, record, now)?;
            let items: Vec<HistoryItem> = records::list_versions(db, &permit)?
                .into_iter()
                .map(|v| HistoryItem {
                    version: v.version,
                    size: v.size,
                    author: v.author,
                    created_at: v.created_at,
                    sealed_hash: v.sealed_hash,
                })
                .collect();
            Ok::<_, RecordFailure>((permit, items))
        })
        .await?;
    let entry = NewEntry::under(TrailAction::RecordList, now, &permit).count(items.len() as u64);
    log(service, caller, "record.history", &permit, entry).await?;
    Ok(items)
}

/// `DELETE /api/records/{id}`: its versions are gone, the trail stays.
/// `if_match` is the version that the caller means to delete.
pub async fn delete_record(
    service: &Service,
    caller: &Caller,
    record: RecordId,
    if_match: Option<u32>,
) -> Result<u64, RecordFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    let (leaf, blobs) = service
        .store()
        .write("record.delete", move |tx| {
            let permit = permit_record(tx, &asking, Action::DeleteRecord, record, now)?;
            let (row, version) =
                records::lookup_version(tx, &permit, None)?.ok_or(RecordError::Unknown)?;
            if if_match.is_some_and(|v| v != row.version) {
                return Err(RecordError::VersionMismatch.into());
            }
            let blobs = records::delete(tx, row.patient, record, now)?;
            let entry = NewEntry::under(TrailAction::RecordDelete, now, &permit)
                .version(version.version, version.sealed_hash)
                .types(RecordTypes::of(row.compartment.record_type));
            let leaf = trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok::<_, RecordFailure>((leaf, blobs))
        })
        .await?;
    for blob in blobs {
        // A body that cannot be deleted now is swept later: nothing names it.
        if let Err(error) = service.blobs().delete(blob.into()).await {
            tracing::warn!(
                code = error.code(),
                "a deleted record's blob was not deleted yet"
            );
        }
    }
    Ok(leaf)
}

/// `POST /api/records/{id}/move`: every version sealed anew in another
/// compartment; the trail links both hashes.
pub async fn move_record(
    service: &Service,
    caller: &Caller,
    sealed: SealedMove,
) -> Result<WriteOutcome, RecordFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    service
        .store()
        .write("record.move", move |tx| {
            let id = RecordId(sealed.record);
            let permit = permit_record(tx, &asking, Action::MoveRecord, id, now)?;
            let row = patients::lookup(tx, permit.patient())?
                .ok_or(Failure::Internal("a record without a patient"))?;
            let (old, current) =
                records::lookup_version(tx, &permit, None)?.ok_or(RecordError::Unknown)?;
            let hash = take_move(tx, &row, &permit, &old, &sealed, now)?;
            let entry = NewEntry::under(TrailAction::RecordMove, now, &permit)
                .version(old.version, hash)
                .previous_hash(current.sealed_hash);
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok(WriteOutcome {
                grants_version: row.grants_version,
                leaf_index,
            })
        })
        .await
}

fn take_move(
    tx: &mut Tx,
    row: &PatientRow,
    permit: &Permit,
    old: &RecordRow,
    sealed: &SealedMove,
    now: Timestamp,
) -> Result<[u8; 32], RecordFailure> {
    if row.grants_version != sealed.grants_version || sealed.patient != row.id.0 {
        return Err(moved());
    }
    let compartment = sealed
        .batches
        .first()
        .map(|b| b.compartment)
        .filter(|c| sealed.batches.iter().all(|b| b.compartment == *c))
        .ok_or_else(|| {
            Failure::<RecordError>::field("batches", "all in the one new compartment")
        })?;
    let whole = sealed.versions.len() == usize::try_from(old.version).unwrap_or(0)
        && sealed
            .versions
            .iter()
            .zip(1..)
            .all(|(v, n)| v.version == n && v.id == old.id.0);
    if !whole {
        return Err(Failure::field("versions", "every version, in order"));
    }
    let living = grants::list_living(tx, row.id, now)?;
    for batch in &sealed.batches {
        insert_batch(tx, row, permit, &living, batch, now)?;
    }
    records::delete_versions(tx, old.id)?;
    records::update_compartment(tx, row.id, old.id, compartment, now)?;
    let mut hash = [0; 32];
    for version in &sealed.versions {
        hash = insert_version(tx, permit, version, now)?;
    }
    Ok(hash)
}

/// How many records of each compartment the caller may see.
pub async fn count_records(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<Vec<(Compartment, u64)>, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    let (permit, counts) = service
        .store()
        .read("record.summary", move |db| {
            let (_, permit) =
                permit::<RecordError>(db, &asking, Action::FindRecordSummary, patient, now)?;
            let counts = records::count(db, &permit)?;
            Ok::<_, RecordFailure>((permit, counts))
        })
        .await?;
    let entry = NewEntry::under(TrailAction::RecordList, now, &permit);
    log(service, caller, "record.summary", &permit, entry).await?;
    Ok(counts)
}

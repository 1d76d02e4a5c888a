//! Writing sealed records: batches sealed to exactly those who are to open
//! them, versions that follow each other, moves and deletions.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_crypto::encode;
use chartkey_domain::ids::{BatchId, BlobId, GrantId, PatientId, RecordId};
use chartkey_domain::policy::{Action, Permit, Refusal, Scope};
use chartkey_domain::records::{MAX_RECORDS_PER_WRITE, RecordTypes};
use chartkey_domain::trail::{NewEntry, TrailAction};
use chartkey_fhir::Compartment;
use chartkey_store::batches::{self, BatchRow, EnvelopeRow};
use chartkey_store::grants::{self, GrantRow};
use chartkey_store::patients::{self, PatientRow};
use chartkey_store::records::{self, RecordRow, VersionRow};
use chartkey_store::{StoreError, Tx, shares};
use chartkey_vault::Id;
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{
    Envelope, NewSealedRecord, RecipientKind, SealedBatch, SealedMove, SealedWrite, WriteOutcome,
};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::delivery::{self, Written};
use crate::patients::{MAX_WRAP_BYTES, check_size, covers, current_epoch, moved, permit};
use crate::{Caller, Failure, Service, events, trail};

use super::{RecordError, RecordFailure, permit_record, to_kind};

/// Largest sealed body kept in the database; larger ones are blobs.
pub const MAX_INLINE_BYTES: usize = 4 << 20;

/// Longest sealed header, in bytes: titles, codes, a name and a signature. It
/// bounds what a search over a whole record opens.
pub const MAX_HEADER_BYTES: usize = 64 << 10;

/// `POST /api/records` sealed: stores new records and new versions.
pub async fn create_records(
    service: &Service,
    caller: &Caller,
    write: SealedWrite,
) -> Result<WriteOutcome, RecordFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    let inner = service.clone();
    check_numbers(&write)?;
    // Not on the thread that everybody's writes wait for.
    let hashes: Vec<[u8; 32]> = write.records.iter().map(sealed_hash).collect();
    service
        .store()
        .write("record.create", move |tx| {
            let patient = PatientId(write.patient);
            let (row, permit) = permit(tx, &asking, Action::CreateRecord, patient, now)?;
            let by = Writing {
                asking: &asking,
                row: &row,
                permit: &permit,
                now,
            };
            let taken = take_write(tx, &by, &write, &hashes)?;
            delivery::note_written(tx, &inner, patient, &taken.written, now, &mut rng)?;
            for record_type in taken.types.iter() {
                shares::mark_files_stale(tx, patient, record_type)?;
            }
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
            let subject = match (taken.single, write.records.as_slice()) {
                (Some((record, ..)), [_]) => record.0,
                _ => patient.0,
            };
            tell_readers(
                tx,
                patient,
                action.as_str(),
                subject,
                now,
                &taken.compartments,
            )?;
            Ok(WriteOutcome {
                grants_version: row.grants_version,
                leaf_index,
            })
        })
        .await
}

/// Who writes, into whose record, when.
struct Writing<'a> {
    asking: &'a Caller,
    row: &'a PatientRow,
    permit: &'a Permit,
    now: Timestamp,
}

/// Lets open screens of those who may read know.
fn tell_readers(
    tx: &mut Tx,
    patient: PatientId,
    kind: &'static str,
    subject: chartkey_vault::Id,
    now: Timestamp,
    touched: &BTreeSet<Compartment>,
) -> Result<(), StoreError> {
    let concerns = |grant: &GrantRow| {
        let inside = |c: &Compartment| {
            grant.types.contains(&c.record_type) && c.kinds.is_subset_of(grant.kinds)
        };
        touched.iter().any(inside)
    };
    events::tell_readers(tx, patient, kind, subject, now, concerns)
}

struct Taken {
    created: u64,
    updated: u64,
    types: RecordTypes,
    compartments: BTreeSet<Compartment>,
    single: Option<(RecordId, u32, [u8; 32])>,
    written: Vec<Written>,
}

/// What can be refused before anything is looked at.
fn check_numbers(write: &SealedWrite) -> Result<(), RecordFailure> {
    if write.records.len() > MAX_RECORDS_PER_WRITE || write.batches.len() > MAX_RECORDS_PER_WRITE {
        return Err(RecordError::TooMany.into());
    }
    if write.records.is_empty() {
        return Err(Failure::field("records", "nothing to write"));
    }
    check_records(&write.records)
}

fn check_records(records: &[NewSealedRecord]) -> Result<(), RecordFailure> {
    for record in records {
        check_size(&record.header, MAX_HEADER_BYTES, "records.header")?;
        for extra in &record.extra {
            check_size(&extra.sealed, MAX_WRAP_BYTES, "records.extra")?;
        }
    }
    Ok(())
}

fn take_write(
    tx: &mut Tx,
    by: &Writing<'_>,
    write: &SealedWrite,
    hashes: &[[u8; 32]],
) -> Result<Taken, RecordFailure> {
    if by.row.grants_version != write.grants_version {
        return Err(moved());
    }
    let compartments = insert_batches(tx, by, &write.batches)?;
    let mut taken = Taken {
        created: 0,
        updated: 0,
        types: RecordTypes::EMPTY,
        compartments: BTreeSet::new(),
        single: None,
        written: Vec::with_capacity(write.records.len()),
    };
    let mut used = BTreeSet::new();
    for (record, hash) in write.records.iter().zip(hashes) {
        let compartment = *compartments
            .get(&record.batch)
            .ok_or_else(|| Failure::field("records.batch", "not one of this write's batches"))?;
        used.insert(record.batch);
        may_write(by.permit, compartment)?;
        if record.version == 1 {
            taken.created += 1;
            insert_record(tx, by, record, compartment, *hash)?;
        } else {
            taken.updated += 1;
            insert_successor(tx, by, record, compartment, *hash)?;
        }
        taken.compartments.insert(compartment);
        taken.types = taken.types.union(RecordTypes::of(compartment.record_type));
        taken.single = Some((RecordId(record.id), record.version, *hash));
        taken.written.push(Written {
            record: RecordId(record.id),
            version: record.version,
            compartment,
            supporting: record.supporting,
        });
    }
    if used.len() != compartments.len() {
        return Err(Failure::field("batches", "a batch without records"));
    }
    Ok(taken)
}

/// Stores the batches of a write; which compartment each is for.
fn insert_batches(
    tx: &mut Tx,
    by: &Writing<'_>,
    batches: &[SealedBatch],
) -> Result<BTreeMap<Id, Compartment>, RecordFailure> {
    let living = grants::list_living(tx, by.row.id, by.now)?;
    let mut compartments = BTreeMap::new();
    for batch in batches {
        insert_batch(tx, by.row, by.permit, &living, batch, by.now)?;
        compartments.insert(batch.id, batch.compartment);
    }
    Ok(compartments)
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
        (Some(sealed_for), Some(wrapped)) => {
            if !permit.is_managers() {
                return Err(VaultError::Input("only a manager wraps a batch").into());
            }
            let stale = patients::is_stale(tx, row.id, batch.compartment, epoch, now)?;
            if stale || (sealed_for.generation, sealed_for.n) != epoch {
                return Err(moved());
            }
            check_size(wrapped, MAX_WRAP_BYTES, "batches.wrapped")?;
        }
        (None, None) => {}
        _ => {
            return Err(
                VaultError::Input("a batch is wrapped in an epoch or sealed directly").into(),
            );
        }
    }
    check_recipients(row, permit, &due, batch)?;
    let stored = BatchRow {
        id: BatchId(batch.id),
        patient: row.id,
        compartment: batch.compartment,
        epoch: batch.epoch.map(|e| (e.generation, e.n)),
        wrapped: batch.wrapped.as_ref().map(|w| w.0.clone()),
        author: permit.account(),
        created_at: now,
    };
    let envelopes: Vec<EnvelopeRow> = batch.envelopes.iter().map(envelope_row).collect();
    batches::insert(tx, &stored, &envelopes).map_err(exists)
}

/// A batch is sealed once to each grant that is due, to the inbox exactly where
/// nobody wrapped it, beside those at most to its author.
fn check_recipients(
    row: &PatientRow,
    permit: &Permit,
    due: &BTreeSet<GrantId>,
    batch: &SealedBatch,
) -> Result<(), RecordFailure> {
    let mut grants = BTreeSet::new();
    let (mut inbox, mut author) = (false, false);
    for envelope in &batch.envelopes {
        check_size(&envelope.sealed, MAX_WRAP_BYTES, "batches.envelopes")?;
        let fresh = match envelope.to {
            RecipientKind::Grant => grants.insert(GrantId(envelope.id)),
            RecipientKind::Inbox => {
                envelope.id == row.id.0
                    && batch.wrapped.is_none()
                    && !std::mem::replace(&mut inbox, true)
            }
            RecipientKind::Account => {
                permit.account().is_some_and(|a| a.0 == envelope.id)
                    && !std::mem::replace(&mut author, true)
            }
        };
        if !fresh {
            return Err(VaultError::Input("sealed to somebody who is not to open it").into());
        }
    }
    if batch.wrapped.is_none() && !inbox {
        return Err(VaultError::Input("a direct batch is sealed to the inbox").into());
    }
    if grants != *due {
        return Err(moved());
    }
    Ok(())
}

fn envelope_row(envelope: &Envelope) -> EnvelopeRow {
    EnvelopeRow {
        to_kind: to_kind(envelope.to).to_owned(),
        to: envelope.id,
        sealed: envelope.sealed.0.clone(),
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
    by: &Writing<'_>,
    record: &NewSealedRecord,
    compartment: Compartment,
    hash: [u8; 32],
) -> Result<(), RecordFailure> {
    if !record.extra.is_empty() {
        return Err(VaultError::Input("a new record has no extra readers").into());
    }
    let source = if by.permit.is_managers() {
        "upload"
    } else {
        "provider"
    };
    let stored = RecordRow {
        id: RecordId(record.id),
        patient: by.row.id,
        compartment,
        supporting: record.supporting,
        version: 1,
        identity_tag: record.identity_tag.map(|t| t.0),
        source: source.to_owned(),
        author: by.permit.account(),
        created_at: by.now,
        updated_at: by.now,
        deleted_at: None,
        withdrawn_at: None,
    };
    records::insert(tx, &stored).map_err(exists)?;
    insert_version(tx, by, record, hash, None)
}

/// A new version: the same compartment, or the same type with kinds added.
/// Whoever does not manage is asked for again, about this very record: what
/// lets add to a patient's record lets change only what may be read, too.
fn insert_successor(
    tx: &mut Tx,
    by: &Writing<'_>,
    record: &NewSealedRecord,
    compartment: Compartment,
    hash: [u8; 32],
) -> Result<(), RecordFailure> {
    let id = RecordId(record.id);
    let known = records::lookup(tx, id)?
        .filter(|r| r.patient == by.row.id && r.deleted_at.is_none())
        .ok_or(RecordError::Unknown)?;
    if !by.permit.is_managers() {
        permit_record(tx, by.asking, Action::UpdateRecord, id, by.now)?;
    }
    if known.compartment.record_type != compartment.record_type
        || !known.compartment.kinds.is_subset_of(compartment.kinds)
    {
        return Err(
            VaultError::Input("a new version keeps the type; other changes are a move").into(),
        );
    }
    let next = records::update_version(tx, by.row.id, id, record.version, compartment, by.now);
    if !next.map_err(exists)? {
        return Err(RecordError::VersionMismatch.into());
    }
    insert_version(tx, by, record, hash, None)?;
    insert_extra(tx, by, record, compartment)
}

/// Stores a version's key for the readers of this single record, after checking
/// that it is sealed to exactly those.
fn insert_extra(
    tx: &mut Tx,
    by: &Writing<'_>,
    record: &NewSealedRecord,
    compartment: Compartment,
) -> Result<(), RecordFailure> {
    let id = RecordId(record.id);
    let due: BTreeSet<GrantId> = grants::list_extra_readers(tx, id, compartment, by.now)?
        .into_iter()
        .collect();
    let sealed_to: BTreeSet<GrantId> = record.extra.iter().map(|e| GrantId(e.grant)).collect();
    if due != sealed_to || sealed_to.len() != record.extra.len() {
        return Err(moved());
    }
    for extra in &record.extra {
        let grant = GrantId(extra.grant);
        records::insert_version_envelope(tx, id, record.version, grant, &extra.sealed.0)?;
    }
    Ok(())
}

/// Stores a version; in place of `before` where it is the same one, sealed
/// anew: then it keeps who wrote it, and when.
fn insert_version(
    tx: &mut Tx,
    by: &Writing<'_>,
    record: &NewSealedRecord,
    hash: [u8; 32],
    before: Option<&VersionRow>,
) -> Result<(), RecordFailure> {
    let body_len = match (&record.body, record.blob) {
        (Some(body), None) if body.0.len() <= MAX_INLINE_BYTES => body.0.len() as u64,
        (Some(_), None) => {
            return Err(Failure::field(
                "records.body",
                "too large: upload it as a blob",
            ));
        }
        (None, Some(blob)) => blob_size(tx, by.permit, BlobId(blob))?,
        _ => return Err(Failure::field("records.body", "either a body or a blob")),
    };
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
        author: before.map_or_else(|| by.permit.account(), |v| v.author),
        created_at: before.map_or(by.now, |v| v.created_at),
    };
    let sealed_by = if by.permit.is_managers() {
        "account"
    } else {
        "grantee"
    };
    records::insert_version(tx, &version, sealed_by).map_err(exists)
}

fn blob_size(tx: &mut Tx, permit: &Permit, blob: BlobId) -> Result<u64, RecordFailure> {
    let found = chartkey_store::blobs::lookup(tx, *permit.patient().as_bytes(), *blob.as_bytes())?
        .filter(|b| b.finished)
        .ok_or_else(|| Failure::<RecordError>::field("records.blob", "no such finished blob"))?;
    Ok(found.size)
}

/// SHA-256 over what is stored of a version: what the trail names.
pub(crate) fn sealed_hash(record: &NewSealedRecord) -> [u8; 32] {
    let body: &[u8] = record.body.as_ref().map_or(&[], |b| &b.0);
    let blob: &[u8] = record.blob.as_ref().map_or(&[], |b| b.as_bytes());
    let bytes = encode::lp(&[&record.header.0, body, blob, &record.commitment.0]);
    Sha256::digest(bytes).into()
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
            delivery::note_deleted(tx, row.patient, record, now, &mut rng)?;
            shares::withdraw_files(tx, row.patient, row.compartment.record_type)?;
            let entry = NewEntry::under(TrailAction::RecordDelete, now, &permit)
                .version(version.version, version.sealed_hash)
                .types(RecordTypes::of(row.compartment.record_type));
            let leaf = trail::append_by(tx, entry, &asking, &mut rng)?;
            let touched = BTreeSet::from([row.compartment]);
            let kind = TrailAction::RecordDelete.as_str();
            tell_readers(tx, row.patient, kind, record.0, now, &touched)?;
            Ok::<_, RecordFailure>((leaf, blobs))
        })
        .await?;
    delete_bodies(service, blobs).await;
    Ok(leaf)
}

/// `DELETE /api/v1/documents/{id}` by its source: shared and pushed no longer, kept
/// for whoever manages the record.
///
/// # Errors
/// The policy's: its author, while a grant of theirs lives.
pub async fn withdraw_record(
    service: &Service,
    caller: &Caller,
    record: RecordId,
) -> Result<(), RecordFailure> {
    let now = service.now();
    let (asking, mut rng) = (caller.clone(), service.rng());
    service
        .store()
        .write("record.withdraw", move |tx| {
            let permit = permit_record(tx, &asking, Action::WithdrawRecord, record, now)?;
            let (row, version) =
                records::lookup_version(tx, &permit, None)?.ok_or(RecordError::Unknown)?;
            if !records::withdraw(tx, row.patient, record, now)? {
                return Err(RecordError::Unknown.into());
            }
            delivery::note_deleted(tx, row.patient, record, now, &mut rng)?;
            shares::withdraw_files(tx, row.patient, row.compartment.record_type)?;
            let entry = NewEntry::under(TrailAction::RecordWithdraw, now, &permit)
                .version(version.version, version.sealed_hash)
                .types(RecordTypes::of(row.compartment.record_type));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            let touched = BTreeSet::from([row.compartment]);
            let kind = TrailAction::RecordWithdraw.as_str();
            tell_readers(tx, row.patient, kind, record.0, now, &touched)?;
            Ok(())
        })
        .await
}

/// Deletes bodies that nothing names any more. What cannot be deleted now is
/// swept later.
async fn delete_bodies(service: &Service, blobs: Vec<BlobId>) {
    for blob in blobs {
        if let Err(error) = service.blobs().delete(blob.into()).await {
            tracing::warn!(
                code = error.code(),
                "a body that nothing names was not deleted yet"
            );
        }
    }
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
    let (asking, inner) = (caller.clone(), service.clone());
    check_records(&sealed.versions)?;
    let to = one_compartment(&sealed)?;
    let hashes: Vec<[u8; 32]> = sealed.versions.iter().map(sealed_hash).collect();
    let (outcome, blobs) = service
        .store()
        .write("record.move", move |tx| {
            let id = RecordId(sealed.record);
            let permit = permit_record(tx, &asking, Action::MoveRecord, id, now)?;
            let row = patients::lookup(tx, permit.patient())?
                .ok_or(Failure::Internal("a record without a patient"))?;
            let (old, current) =
                records::lookup_version(tx, &permit, None)?.ok_or(RecordError::Unknown)?;
            let by = Writing {
                asking: &asking,
                row: &row,
                permit: &permit,
                now,
            };
            let blobs = take_move(tx, &by, &old, &sealed, to, &hashes)?;
            // Where it may no longer go it is looked at, where it may go now it is due.
            delivery::note_moved(tx, &inner, &old, to, now, &mut rng)?;
            shares::withdraw_files(tx, row.id, old.compartment.record_type)?;
            shares::mark_files_stale(tx, row.id, to.record_type)?;
            let newest = hashes.last().copied().unwrap_or_default();
            let both = RecordTypes::of(old.compartment.record_type);
            let entry = NewEntry::under(TrailAction::RecordMove, now, &permit)
                .version(old.version, newest)
                .previous_hash(current.sealed_hash)
                .types(both.union(RecordTypes::of(to.record_type)));
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            let touched = BTreeSet::from([old.compartment, to]);
            let kind = TrailAction::RecordMove.as_str();
            tell_readers(tx, row.id, kind, id.0, now, &touched)?;
            let outcome = WriteOutcome {
                grants_version: row.grants_version,
                leaf_index,
            };
            Ok::<_, RecordFailure>((outcome, blobs))
        })
        .await?;
    delete_bodies(service, blobs).await;
    Ok(outcome)
}

/// The one compartment that everything goes to.
fn one_compartment(sealed: &SealedMove) -> Result<Compartment, RecordFailure> {
    sealed
        .batches
        .first()
        .map(|b| b.compartment)
        .filter(|c| sealed.batches.iter().all(|b| b.compartment == *c))
        .ok_or_else(|| Failure::field("batches", "all in the one new compartment"))
}

/// Replaces every version; the blobs of those that were, to be deleted.
fn take_move(
    tx: &mut Tx,
    by: &Writing<'_>,
    old: &RecordRow,
    sealed: &SealedMove,
    to: Compartment,
    hashes: &[[u8; 32]],
) -> Result<Vec<BlobId>, RecordFailure> {
    if by.row.grants_version != sealed.grants_version || sealed.patient != by.row.id.0 {
        return Err(moved());
    }
    let mut before = records::list_versions(tx, by.permit)?;
    before.reverse();
    let whole = sealed.versions.len() == before.len()
        && sealed
            .versions
            .iter()
            .zip(&before)
            .all(|(v, b)| v.version == b.version && v.id == old.id.0);
    if !whole {
        return Err(Failure::field("versions", "every version, in order"));
    }
    let batches = insert_batches(tx, by, &sealed.batches)?;
    let used: BTreeSet<Id> = sealed.versions.iter().map(|v| v.batch).collect();
    if !used.iter().eq(batches.keys()) {
        return Err(Failure::field(
            "versions.batch",
            "in the batches of this move, all of them",
        ));
    }
    let blobs = records::delete_versions(tx, old.id)?;
    records::update_compartment(tx, by.row.id, old.id, to, by.now).map_err(exists)?;
    for ((version, hash), before) in sealed.versions.iter().zip(hashes).zip(&before) {
        insert_version(tx, by, version, *hash, Some(before))?;
        insert_extra(tx, by, version, to)?;
    }
    // A body that a version names again is not deleted.
    let named: BTreeSet<Id> = sealed.versions.iter().filter_map(|v| v.blob).collect();
    Ok(blobs
        .into_iter()
        .filter(|b| !named.contains(&b.0))
        .collect())
}

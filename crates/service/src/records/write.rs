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
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{
    Envelope, NewSealedRecord, RecipientKind, SealedBatch, SealedMove, SealedWrite, WriteOutcome,
};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::patients::{covers, current_epoch, moved, permit};
use crate::{Caller, Failure, Service, trail};

use super::{RecordError, RecordFailure, permit_record, reaches, to_kind};

/// Largest sealed body kept in the database; larger ones are blobs.
pub const MAX_INLINE_BYTES: usize = 4 << 20;

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
            shares::withdraw_files(tx, row.patient, row.compartment.record_type)?;
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
            shares::withdraw_files(tx, row.id, old.compartment.record_type)?;
            if let Some(batch) = sealed.batches.first() {
                shares::mark_files_stale(tx, row.id, batch.compartment.record_type)?;
            }
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

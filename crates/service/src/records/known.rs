//! What a writer must know of what is there: found by keyed tags, without
//! the server learning what they stand for.

use chartkey_domain::ids::{PatientId, RecordId};
use chartkey_domain::policy::{Action, Permit};
use chartkey_domain::records::RecordTypes;
use chartkey_domain::trail::{NewEntry, TrailAction};
use chartkey_store::grants;
use chartkey_store::records::{self, RecordRow, VersionRow};
use chartkey_store::{Reader, StoreError};
use chartkey_vault::bytes::Bytes32;
use chartkey_vault::protocol::{KnownRecord, KnownTags, KnownTagsRequest};
use jiff::Timestamp;

use crate::patients::permit;
use crate::{Caller, Service, trail};

use super::{RecordError, RecordFailure, permit_record, record_facts};

/// Most tags of one look-up.
pub const MAX_TAGS: usize = 20_000;

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
    let (permit, known) = service
        .store()
        .read_long("record.known", move |db| {
            let patient = PatientId(request.patient);
            let (_, permit) =
                permit::<RecordError>(db, &asking, Action::FindKnownTags, patient, now)?;
            let readable = readable(db, &asking, patient, &permit, now)?;
            let mut items = Vec::new();
            for tag in &request.tags {
                let found = records::lookup_by_tag(db, patient, &tag.0)?;
                if let Some((row, version)) =
                    found.filter(|(r, _)| readable.reads(&record_facts(r)))
                {
                    items.push(known(db, &row, &version, now)?);
                }
            }
            Ok::<_, RecordFailure>((permit, KnownTags { items }))
        })
        .await?;
    let mut rng = service.rng();
    let types: RecordTypes = known
        .items
        .iter()
        .map(|k| k.compartment.record_type)
        .collect();
    let entry = NewEntry::under(TrailAction::RecordList, now, &permit)
        .count(known.items.len() as u64)
        .types(types);
    let asking = caller.clone();
    service
        .store()
        .write("record.known", move |tx| {
            Ok::<_, RecordFailure>(trail::append_by(tx, entry, &asking, &mut rng)?)
        })
        .await?;
    Ok(known)
}

/// What the caller may know to be there: a manager everything, others what they
/// may read, and what they wrote.
fn readable(
    db: &mut Reader,
    caller: &Caller,
    patient: PatientId,
    writing: &Permit,
    now: Timestamp,
) -> Result<Permit, RecordFailure> {
    if writing.is_managers() {
        return Ok(writing.clone());
    }
    Ok(permit::<RecordError>(db, caller, Action::ListRecords, patient, now)?.1)
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
        extra_readers: grants::list_extra_readers(db, row.id, row.compartment, now)?
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

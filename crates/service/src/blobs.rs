//! Large sealed bodies: announced, filled chunk by chunk, finished; read by
//! whoever may read the record that names them. Ciphertext only.

use std::ops::Range;

use bytes::Bytes;
use chartkey_domain::blobs::{BlobError, MAX_CHUNK_LEN};
use chartkey_domain::ids::{BlobId, PatientId, RecordId};
use chartkey_domain::policy::{Action, Noun, Refusal};
use chartkey_domain::quotas::Quota;
use chartkey_domain::records::{RecordError, RecordTypes};
use chartkey_domain::trail::{NewEntry, TrailAction};
use chartkey_store::records as rows;
use chartkey_store::{StoreError, blobs};
use jiff::{SignedDuration, Timestamp};

use crate::records::{RecordFailure, permit_record};
use crate::{Caller, Failure, NounError, Service, patients, trail};

impl NounError for BlobError {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
}

/// How a blobs use case fails.
pub type BlobFailure = Failure<BlobError>;

fn renamed(failure: RecordFailure) -> BlobFailure {
    failure.map(|_: RecordError| BlobError::NotFound)
}

/// Announces a blob of a patient, before its first byte. Announcing it again
/// is fine while it is open.
///
/// # Errors
/// The policy's; [`BlobError::Exists`] for an id that is taken.
pub async fn create_blob(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    blob: BlobId,
) -> Result<(), BlobFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .write("blob.create", move |tx| {
            let permitted =
                patients::permit::<RecordError>(tx, &asking, Action::CreateBlob, patient, now);
            permitted.map_err(renamed)?;
            if let Some(known) = blobs::lookup(tx, *patient.as_bytes(), *blob.as_bytes())? {
                return if known.finished {
                    Err(BlobFailure::from(BlobError::Exists))
                } else {
                    Ok(())
                };
            }
            Quota::Uploads.check(blobs::count_open(tx, *patient.as_bytes())?)?;
            let inserted = blobs::insert(
                tx,
                *blob.as_bytes(),
                *patient.as_bytes(),
                0,
                now.as_millisecond(),
            );
            match inserted {
                Err(StoreError::Unique { .. }) => Err(BlobError::Exists.into()),
                other => Ok(other?),
            }
        })
        .await?;
    Ok(service.blobs().create(blob.into()).await?)
}

/// Adds a chunk at `offset`; the length after it. Sending a chunk again
/// changes nothing.
///
/// # Errors
/// The policy's; [`BlobError`].
pub async fn append_blob(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    blob: BlobId,
    offset: u64,
    chunk: Bytes,
) -> Result<u64, BlobFailure> {
    let now = service.now();
    let asking = caller.clone();
    let open = service
        .store()
        .read("blob.append", move |db| {
            let permitted =
                patients::permit::<RecordError>(db, &asking, Action::AppendBlob, patient, now);
            permitted.map_err(renamed)?;
            Ok::<_, BlobFailure>(blobs::lookup(db, *patient.as_bytes(), *blob.as_bytes())?)
        })
        .await?;
    open.filter(|b| !b.finished).ok_or(BlobError::NotFound)?;
    Ok(service.blobs().append(blob.into(), offset, chunk).await?)
}

/// Ends an upload that is `len` bytes long.
///
/// # Errors
/// The policy's; [`BlobError::Offset`] where it is not that long.
pub async fn finish_blob(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    blob: BlobId,
    len: u64,
) -> Result<(), BlobFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("blob.finish", move |db| {
            let permitted =
                patients::permit::<RecordError>(db, &asking, Action::AppendBlob, patient, now);
            permitted.map_err(renamed)?;
            blobs::lookup(db, *patient.as_bytes(), *blob.as_bytes())?.ok_or(BlobError::NotFound)?;
            Ok::<_, BlobFailure>(())
        })
        .await?;
    service.blobs().finish(blob.into(), len).await?;
    service
        .store()
        .write("blob.finish", move |tx| {
            blobs::update_finished(tx, *blob.as_bytes(), len)?;
            Ok(())
        })
        .await
}

/// A sealed body that may be read.
#[derive(Debug, Clone, Copy)]
pub struct FoundBlob {
    /// Which.
    pub blob: BlobId,
    /// Of which record.
    pub record: RecordId,
    /// Length in bytes, sealed.
    pub len: u64,
}

/// `GET /api/blobs/{id}`: checks that the caller may read the record that
/// names it, and logs that, before any byte leaves.
///
/// # Errors
/// The policy's; 404 for a blob that no record of the caller's names.
pub async fn find_blob(
    service: &Service,
    caller: &Caller,
    blob: BlobId,
    action: Action,
) -> Result<FoundBlob, RecordFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    let record = service
        .store()
        .write("blob.read", move |tx| {
            let (record, version) =
                rows::lookup_by_blob(tx, blob)?.ok_or(Refusal::Unknown(Noun::Record))?;
            let permit = permit_record(tx, &asking, action, record.id, now)?;
            let entry = NewEntry::under(TrailAction::RecordDownload, now, &permit)
                .version(version.version, version.sealed_hash)
                .types(RecordTypes::of(record.compartment.record_type));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok::<_, RecordFailure>(record.id)
        })
        .await?;
    let len = service
        .blobs()
        .len(blob.into())
        .await
        .map_err(|_| Failure::Internal("a record's blob cannot be read"))?;
    Ok(FoundBlob { blob, record, len })
}

/// Part of a blob that was found.
///
/// # Errors
/// [`BlobError`].
pub async fn read_blob(
    service: &Service,
    found: &FoundBlob,
    range: Range<u64>,
) -> Result<Bytes, BlobError> {
    let most = u64::try_from(MAX_CHUNK_LEN).unwrap_or(u64::MAX);
    let end = range
        .end
        .min(found.len)
        .min(range.start.saturating_add(most));
    service
        .blobs()
        .get_range(found.blob.into(), range.start..end)
        .await
}

/// How long an upload may take, and a finished one wait to be named.
const UNUSED_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Most bodies that one run deletes.
const PORTION: u32 = 200;

/// Deletes bodies that no version names: uploads that broke off, and what
/// deleted or moved records left behind. In this order, so that a crash loses
/// nothing and leaves nothing: the row stops counting as finished, unless a
/// version came to name it; the bytes go; the row goes. How many went.
///
/// # Errors
/// The database's. What the blob store does not delete now, it is asked again.
pub async fn sweep(service: &Service) -> Result<usize, StoreError> {
    let over = service
        .now()
        .checked_sub(UNUSED_LIFE)
        .unwrap_or(Timestamp::MIN)
        .as_millisecond();
    let unused: Vec<[u8; 16]> = service
        .store()
        .read_long("blob.sweep", move |db| {
            let rows = blobs::list_unused(db, over, PORTION)?;
            Ok::<_, StoreError>(rows.into_iter().map(|b| b.id).collect())
        })
        .await?;
    let mut gone = Vec::with_capacity(unused.len());
    for id in unused {
        let withdrawn: Result<bool, StoreError> = service
            .store()
            .write("blob.sweep", move |tx| blobs::withdraw(tx, id))
            .await;
        if !withdrawn? {
            continue;
        }
        match service.blobs().delete(BlobId::from_bytes(id).into()).await {
            Ok(()) => gone.push(id),
            Err(error) => tracing::warn!(code = error.code(), "a body was not swept yet"),
        }
    }
    let count = gone.len();
    service
        .store()
        .write("blob.sweep", move |tx| {
            for id in gone {
                blobs::delete(tx, id)?;
            }
            Ok::<_, StoreError>(count)
        })
        .await
}

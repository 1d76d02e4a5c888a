//! Which sealed bodies lie in the object store, and how far they are written.
//!
//! The row is inserted, `open`, before the first byte is written, and
//! `finished` after the last; so whatever lies in the object store without a
//! finished row that a version names is left over from a crash, and swept.

use crate::engine::{Reader, Row, StoreError, Tx};
use crate::params;

/// A sealed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobRow {
    /// UUIDv7.
    pub id: [u8; 16],
    /// Whose record it belongs to.
    pub patient_id: [u8; 16],
    /// Bytes as they lie there, sealed; while it is open, as announced.
    pub size: u64,
    /// Whether its last byte is written.
    pub finished: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

impl BlobRow {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            patient_id: row.get(1)?,
            size: row.get(2)?,
            finished: match row.get::<String>(3)?.as_str() {
                "open" => false,
                "finished" => true,
                _ => return Err(StoreError::Corrupt("a blob's state")),
            },
            created_at: row.get(4)?,
        })
    }
}

const COLUMNS: &str = "id, patient_id, size, state, created_at";

/// Announces a blob.
///
/// # Errors
/// [`StoreError::Unique`] if the id is taken; else the engine's.
pub fn insert(
    tx: &mut Tx,
    id: [u8; 16],
    patient_id: [u8; 16],
    size: u64,
    created_at: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO blobs (id, patient_id, size, state, created_at)
         VALUES (?1, ?2, ?3, 'open', ?4)",
        params![id, patient_id, size, created_at],
    )
    .map(drop)
}

/// All its bytes are written, so many; `false` if it was not open.
///
/// # Errors
/// The engine's.
pub fn update_finished(tx: &mut Tx, id: [u8; 16], size: u64) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE blobs SET state = 'finished', size = ?2 WHERE id = ?1 AND state = 'open'",
        params![id, size],
    )?;
    Ok(touched == 1)
}

/// One blob of one patient.
///
/// # Errors
/// The engine's.
pub fn lookup(
    r: &mut Reader,
    patient_id: [u8; 16],
    id: [u8; 16],
) -> Result<Option<BlobRow>, StoreError> {
    r.query_opt(
        &format!("SELECT {COLUMNS} FROM blobs WHERE id = ?1 AND patient_id = ?2"),
        params![id, patient_id],
        BlobRow::read,
    )
}

/// All blobs of one patient, oldest first.
///
/// # Errors
/// The engine's.
pub fn list(r: &mut Reader, patient_id: [u8; 16]) -> Result<Vec<BlobRow>, StoreError> {
    r.query(
        &format!("SELECT {COLUMNS} FROM blobs WHERE patient_id = ?1 ORDER BY id"),
        params![patient_id],
        BlobRow::read,
    )
}

/// How many blobs of one patient are announced and not finished.
///
/// # Errors
/// The engine's.
pub fn count_open(r: &mut Reader, patient_id: [u8; 16]) -> Result<u64, StoreError> {
    r.query_i64(
        "SELECT COUNT(*) FROM blobs WHERE patient_id = ?1 AND state = 'open'",
        params![patient_id],
    )
    .map(i64::unsigned_abs)
}

/// Blobs from before `before` that no version names, at most `limit`: uploads
/// that broke off, and bodies of versions that are gone.
///
/// # Errors
/// The engine's.
pub fn list_unused(r: &mut Reader, before: i64, limit: u32) -> Result<Vec<BlobRow>, StoreError> {
    r.query(
        &format!(
            "SELECT {COLUMNS} FROM blobs WHERE created_at < ?1
               AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.blob_id = blobs.id)
             ORDER BY created_at LIMIT ?2"
        ),
        params![before, limit],
        BlobRow::read,
    )
}

/// Forgets a blob, after its bytes were deleted; whether it was there.
///
/// # Errors
/// The engine's.
pub fn delete(tx: &mut Tx, id: [u8; 16]) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM blobs WHERE id = ?1", params![id])? == 1)
}

/// Takes back that a blob is finished, if no version names it: from then on
/// none can, and its bytes may be deleted. `false` where one does.
///
/// # Errors
/// The engine's.
pub fn withdraw(tx: &mut Tx, id: [u8; 16]) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE blobs SET state = 'open' WHERE id = ?1
           AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.blob_id = blobs.id)",
        params![id],
    )?;
    Ok(touched == 1)
}

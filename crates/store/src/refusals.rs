//! Refusals of people who did not prove who they are, counted by minute.
//!
//! Each is one leaf of the trail per minute, source and kind, so that whoever
//! knocks ten thousand times cannot make the trail ten thousand entries long.

use crate::engine::{StoreError, Tx};
use crate::params;

/// How often one source was refused for one reason within one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRow {
    /// Minutes since 1970.
    pub minute: i64,
    /// Over where it came from.
    pub source_hash: [u8; 32],
    /// The refusal's dotted code.
    pub kind: String,
    /// How often.
    pub count: u64,
}

/// Counts refusals (usually one).
///
/// # Errors
/// The engine's.
pub fn insert(tx: &mut Tx, row: &RefusalRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO refusals (minute, source_hash, kind, count) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (minute, source_hash, kind)
         DO UPDATE SET count = refusals.count + excluded.count",
        params![row.minute, row.source_hash, row.kind, row.count],
    )
    .map(drop)
}

/// Takes out up to `limit` rows of minutes before `minute`, oldest first, for
/// the caller to append to the trail in the same write.
///
/// # Errors
/// The engine's.
pub fn take(tx: &mut Tx, minute: i64, limit: u32) -> Result<Vec<RefusalRow>, StoreError> {
    let rows = tx.query(
        "SELECT minute, source_hash, kind, count FROM refusals WHERE minute < ?1
         ORDER BY minute, source_hash, kind LIMIT ?2",
        params![minute, limit],
        |row| {
            Ok(RefusalRow {
                minute: row.get(0)?,
                source_hash: row.get(1)?,
                kind: row.get(2)?,
                count: row.get(3)?,
            })
        },
    )?;
    for row in &rows {
        tx.execute(
            "DELETE FROM refusals WHERE minute = ?1 AND source_hash = ?2 AND kind = ?3",
            params![row.minute, row.source_hash, row.kind],
        )?;
    }
    Ok(rows)
}

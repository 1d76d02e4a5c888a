//! Settings of the deployment that live with its data: keys, marks, choices.
//!
//! Values are bytes; whoever needs one protected hands it over protected.

use crate::engine::{Reader, StoreError, Tx};
use crate::params;

/// Sets `key` unless it is set; `false` if it was, and then it stays.
///
/// # Errors
/// The engine's.
pub fn insert(tx: &mut Tx, key: &str, value: &[u8]) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![key, value],
    )?;
    Ok(inserted == 1)
}

/// The value of `key`.
///
/// # Errors
/// The engine's.
pub fn lookup(r: &mut Reader, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    r.query_opt(
        "SELECT value FROM settings WHERE key = ?1",
        params![key],
        |row| row.get(0),
    )
}

/// Sets `key`, whether it was set or not.
///
/// # Errors
/// The engine's.
pub fn update(tx: &mut Tx, key: &str, value: &[u8]) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO settings (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        params![key, value],
    )
    .map(drop)
}

/// Forgets `key`; whether it was set.
///
/// # Errors
/// The engine's.
pub fn delete(tx: &mut Tx, key: &str) -> Result<bool, StoreError> {
    let deleted = tx.execute("DELETE FROM settings WHERE key = ?1", params![key])?;
    Ok(deleted == 1)
}

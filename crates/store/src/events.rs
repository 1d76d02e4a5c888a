//! What a screen that is open should hear of: that something changed.
//!
//! An event says whom it concerns and which kind of thing changed, never what.
//! Ids count up in the order of commits (writes take turns on both engines),
//! so a listener that has seen one id has seen all below it.

use crate::engine::{Reader, Row, StoreError, Tx};
use crate::params;

/// An event to tell.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// Whom to tell.
    pub account_id: [u8; 16],
    /// Dotted word: which kind of thing changed.
    pub kind: &'a str,
    /// Which thing.
    pub subject_id: Option<[u8; 16]>,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its place among all events, from 1.
    pub id: i64,
    /// Whom to tell.
    pub account_id: [u8; 16],
    /// Dotted word.
    pub kind: String,
    /// Which thing.
    pub subject_id: Option<[u8; 16]>,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

impl EventRow {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            account_id: row.get(1)?,
            kind: row.get(2)?,
            subject_id: row.get(3)?,
            created_at: row.get(4)?,
        })
    }
}

const COLUMNS: &str = "id, account_id, kind, subject_id, created_at";

/// Inserts an event; gives its id.
///
/// # Errors
/// The engine's.
pub fn insert(tx: &mut Tx, event: &NewEvent<'_>) -> Result<i64, StoreError> {
    let id = last(tx)? + 1;
    tx.execute(
        "INSERT INTO events (id, account_id, kind, subject_id, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            id,
            event.account_id,
            event.kind,
            event.subject_id,
            event.created_at
        ],
    )?;
    Ok(id)
}

/// The id of the newest event; 0 before the first.
///
/// # Errors
/// The engine's.
pub fn last(r: &mut Reader) -> Result<i64, StoreError> {
    r.query_i64("SELECT MAX(id) FROM events", params![])
}

/// The id of the oldest event that is still kept; 0 before the first.
///
/// # Errors
/// The engine's.
pub fn first(r: &mut Reader) -> Result<i64, StoreError> {
    r.query_i64("SELECT MIN(id) FROM events", params![])
}

/// Events of all accounts after `after`, oldest first, at most `limit`: what a
/// node passes on to those who listen there.
///
/// # Errors
/// The engine's.
pub fn list(r: &mut Reader, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
    r.query(
        &format!("SELECT {COLUMNS} FROM events WHERE id > ?1 ORDER BY id LIMIT ?2"),
        params![after, limit],
        EventRow::read,
    )
}

/// One account's events after `after`, oldest first, at most `limit`: what a
/// listener missed.
///
/// # Errors
/// The engine's.
pub fn list_of_account(
    r: &mut Reader,
    account_id: [u8; 16],
    after: i64,
    limit: u32,
) -> Result<Vec<EventRow>, StoreError> {
    r.query(
        &format!(
            "SELECT {COLUMNS} FROM events WHERE account_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
        ),
        params![account_id, after, limit],
        EventRow::read,
    )
}

/// Sweeps events from before `before`, except the newest of all: ids must go
/// on counting from it. How many.
///
/// # Errors
/// The engine's.
pub fn delete(tx: &mut Tx, before: i64) -> Result<u64, StoreError> {
    let newest = last(tx)?;
    tx.execute(
        "DELETE FROM events WHERE created_at < ?1 AND id < ?2",
        params![before, newest],
    )
}

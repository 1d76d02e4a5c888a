//! The trail: append-only logs over which a Merkle tree stands.
//!
//! Log 0 (`trail`) says who did what to whose record; its leaves are salted,
//! so the tree can be public. Log 1 (`keys`) says which public keys were whose
//! and is public itself. An entry is text, kept exactly as it was hashed; the
//! columns beside it only serve queries, and are read from the entry when it
//! is appended, so they cannot say anything else.
//!
//! Appending happens inside a write, so an entry is durable exactly when that
//! write is. The right edge of each tree lives in the writer's memory and is
//! stored once per commit. The primary key `(log, leaf_index)` is the fence:
//! two nodes can never give one index to two entries.
//!
//! What this module must not know: who may read it, and the signing key.

mod entry;
mod frontiers;
mod proofs;
mod verify;

use chartkey_crypto::ledger::Hash;

use crate::engine::{FromValue, Reader, Row, StoreError, ToValue, Tx, Value};
use crate::params;

pub use proofs::{prove_consistency, prove_inclusion, root};
pub use verify::{BrokenAt, Flaw, VerifiedLog, VerifyError, verify_whole};

pub(crate) use frontiers::{Frontiers, flush};

/// Which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Log {
    /// Who did what; salted.
    Trail,
    /// Public keys and their changes; unsalted.
    Keys,
}

impl Log {
    /// Both logs.
    pub const ALL: [Self; 2] = [Self::Trail, Self::Keys];

    /// The word for it in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trail => "trail",
            Self::Keys => "keys",
        }
    }
}

impl ToValue for Log {
    fn to_value(&self) -> Value<'_> {
        Value::I64(match self {
            Self::Trail => 0,
            Self::Keys => 1,
        })
    }
}

/// An entry to append.
///
/// `entry` is a JSON object with at least `action` (a dotted word) and `at`
/// (RFC 3339); `actor.id`, `patient`, `grant` and `record` are ids where
/// they are there. Nothing else of it is looked at, and its bytes are kept.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// 32 random bytes for [`Log::Trail`], `None` for [`Log::Keys`].
    pub salt: Option<[u8; 32]>,
    /// The exact text.
    pub entry: String,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Its place in the log, from 0.
    pub leaf_index: u64,
    /// When, in milliseconds since 1970, as the entry says.
    pub at: i64,
    /// As given when it was appended.
    pub salt: Option<[u8; 32]>,
    /// The exact text.
    pub entry: String,
    /// Its leaf in the tree.
    pub leaf_hash: Hash,
}

const ENTRY_COLUMNS: &str = "leaf_index, at, salt, entry, leaf_hash";

impl EntryRow {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            leaf_index: row.get(0)?,
            at: row.get(1)?,
            salt: row.get(2)?,
            entry: row.get(3)?,
            leaf_hash: row.get(4)?,
        })
    }
}

/// Which entries to list: those that meet every condition that is given.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// About this patient.
    pub patient: Option<[u8; 16]>,
    /// Done by this account or link.
    pub actor: Option<[u8; 16]>,
    /// Done under this grant.
    pub grant: Option<[u8; 16]>,
    /// One of these actions; empty for any.
    pub actions: Vec<String>,
    /// Not earlier than this (milliseconds since 1970).
    pub from: Option<i64>,
    /// Earlier than this (milliseconds since 1970).
    pub to: Option<i64>,
    /// Only entries with a smaller index: the last one of the page before.
    pub before: Option<u64>,
}

impl Tx {
    /// Appends to a log; gives the entry's index, final once this write is
    /// durable.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the entry is not of the described form or
    /// its salt does not fit the log; [`StoreError::Corrupt`] if the log's
    /// end is not where the log says.
    pub fn append(&mut self, log: Log, new: &NewEntry) -> Result<u64, StoreError> {
        let columns = entry::Columns::of(&new.entry)
            .ok_or(StoreError::Refused("an entry without action or time"))?;
        let leaf_hash = entry::leaf_hash(log, new.salt.as_ref(), &new.entry)
            .ok_or(StoreError::Refused("a salt that does not fit the log"))?;
        let (leaf_index, chain_hash, tiles) = frontiers::append(self, log, leaf_hash)?;
        self.execute(
            "INSERT INTO ledger (log, leaf_index, at, salt, entry, leaf_hash, chain_hash,
               patient_id, actor_id, action, grant_id, record_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                log,
                leaf_index,
                columns.at,
                new.salt,
                new.entry,
                leaf_hash,
                chain_hash,
                columns.patient,
                columns.actor,
                columns.action.as_ref(),
                columns.grant,
                columns.record
            ],
        )?;
        for (level, index, hash) in tiles {
            self.execute(
                "INSERT INTO ledger_tiles (log, level, tile_index, hash) VALUES (?1, ?2, ?3, ?4)",
                params![log, level, index, hash],
            )?;
        }
        Ok(leaf_index)
    }
}

/// How many entries the log has.
///
/// # Errors
/// The engine's.
pub fn size(r: &mut Reader, log: Log) -> Result<u64, StoreError> {
    let last: Option<u64> = r.query_opt(
        "SELECT leaf_index FROM ledger WHERE log = ?1 ORDER BY leaf_index DESC LIMIT 1",
        params![log],
        |row| row.get(0),
    )?;
    Ok(last.map_or(0, |index| index + 1))
}

/// One entry by its index.
///
/// # Errors
/// The engine's.
pub fn lookup(r: &mut Reader, log: Log, leaf_index: u64) -> Result<Option<EntryRow>, StoreError> {
    r.query_opt(
        &format!("SELECT {ENTRY_COLUMNS} FROM ledger WHERE log = ?1 AND leaf_index = ?2"),
        params![log, leaf_index],
        EntryRow::read,
    )
}

/// Entries of one log that meet `filter`, newest first, at most `limit`.
///
/// # Errors
/// The engine's.
pub fn list(
    r: &mut Reader,
    log: Log,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<EntryRow>, StoreError> {
    let (sql, params) = selection(&log, filter, &limit);
    r.query(&sql, &params, EntryRow::read)
}

fn selection<'a>(log: &'a Log, filter: &'a Filter, limit: &'a u32) -> (String, Vec<Value<'a>>) {
    let mut where_ = Conditions::default();
    // One patient's, grant's or actor's entries are few beside the log, and
    // those of one action fewer: their indexes are to be walked, in this
    // order, and not the log. `+` and `||` hide a column from that choice.
    let few = filter.patient.is_some() || filter.grant.is_some() || filter.actor.is_some();
    let one_action = filter.actions.len() == 1;
    let log_is = if few || one_action { "+log =" } else { "log =" };
    where_.add(log_is, Some(log));
    where_.add("patient_id =", filter.patient.as_ref());
    where_.add("actor_id =", filter.actor.as_ref());
    where_.add("grant_id =", filter.grant.as_ref());
    where_.add("at >=", filter.from.as_ref());
    where_.add("at <", filter.to.as_ref());
    where_.add("leaf_index <", filter.before.as_ref());
    let action = if few { "action || ''" } else { "action" };
    where_.add_any(action, &filter.actions);
    let Conditions { parts, mut params } = where_;
    params.push(limit.to_value());
    let sql = format!(
        "SELECT {ENTRY_COLUMNS} FROM ledger WHERE {} ORDER BY leaf_index DESC LIMIT ?{}",
        parts.join(" AND "),
        params.len()
    );
    (sql, params)
}

#[derive(Default)]
struct Conditions<'a> {
    parts: Vec<String>,
    params: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    fn add(&mut self, left: &str, value: Option<&'a impl ToValue>) {
        if let Some(value) = value {
            self.params.push(value.to_value());
            self.parts.push(format!("{left} ?{}", self.params.len()));
        }
    }

    fn add_any(&mut self, column: &str, words: &'a [String]) {
        if words.is_empty() {
            return;
        }
        let mut places = Vec::with_capacity(words.len());
        for word in words {
            self.params.push(word.to_value());
            places.push(format!("?{}", self.params.len()));
        }
        self.parts
            .push(format!("{column} IN ({})", places.join(", ")));
    }
}

/// Keeps a signed checkpoint. A log has one checkpoint per size: `false` if
/// there is one already, which is then the one to hand out.
///
/// # Errors
/// The engine's.
pub fn insert_checkpoint(
    tx: &mut Tx,
    log: Log,
    size: u64,
    note: &str,
    created_at: i64,
) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO checkpoints (log, size, note, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        params![log, size, note, created_at],
    )?;
    Ok(inserted == 1)
}

/// The signed note of the checkpoint at exactly this size.
///
/// # Errors
/// The engine's.
pub fn lookup_checkpoint(
    r: &mut Reader,
    log: Log,
    size: u64,
) -> Result<Option<String>, StoreError> {
    r.query_opt(
        "SELECT note FROM checkpoints WHERE log = ?1 AND size = ?2",
        params![log, size],
        |row| row.get(0),
    )
}

/// The newest checkpoint: its size and signed note.
///
/// # Errors
/// The engine's.
pub fn lookup_newest_checkpoint(
    r: &mut Reader,
    log: Log,
) -> Result<Option<(u64, String)>, StoreError> {
    r.query_opt(
        "SELECT size, note FROM checkpoints WHERE log = ?1 ORDER BY size DESC LIMIT 1",
        params![log],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Checkpoints, newest first, at most `limit`: size, note, when signed.
///
/// # Errors
/// The engine's.
pub fn list_checkpoints(
    r: &mut Reader,
    log: Log,
    limit: u32,
) -> Result<Vec<(u64, String, i64)>, StoreError> {
    list_checkpoints_below(r, log, u64::try_from(i64::MAX).unwrap_or(u64::MAX), limit)
}

/// Checkpoints of less than `below` entries, newest first, at most `limit`.
///
/// # Errors
/// The engine's.
pub fn list_checkpoints_below(
    r: &mut Reader,
    log: Log,
    below: u64,
    limit: u32,
) -> Result<Vec<(u64, String, i64)>, StoreError> {
    r.query(
        "SELECT size, note, created_at FROM checkpoints WHERE log = ?1 AND size < ?2
         ORDER BY size DESC LIMIT ?3",
        params![log, below, limit],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// A hash of the tree, for callers that read rows themselves.
fn hash_of(row: &Row<'_>) -> Result<Hash, StoreError> {
    Hash::from_value(row.value(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Place, Store, StoreConfig};

    /// How SQLite would go about listing with this filter.
    async fn plan(filter: Filter) -> String {
        let store = Store::open(&StoreConfig::new(Place::Memory)).unwrap();
        let steps: Result<Vec<String>, StoreError> = store
            .read("test.plan", move |r: &mut Reader| {
                let (sql, params) = selection(&Log::Trail, &filter, &50);
                let sql = format!("EXPLAIN QUERY PLAN {sql}");
                r.query(&sql, &params, |row| row.get(3))
            })
            .await;
        steps.unwrap().join("; ")
    }

    #[tokio::test]
    async fn listing_walks_the_index_of_whom_it_is_about() {
        let id = Some([1; 16]);
        for (filter, index) in [
            (
                Filter {
                    patient: id,
                    ..Filter::default()
                },
                "ledger_patient",
            ),
            (
                Filter {
                    actor: id,
                    ..Filter::default()
                },
                "ledger_actor",
            ),
            (
                Filter {
                    grant: id,
                    ..Filter::default()
                },
                "ledger_grant",
            ),
            (Filter::default(), "PRIMARY KEY"),
            (
                Filter {
                    patient: id,
                    actions: vec!["record.read".into()],
                    from: Some(5),
                    to: Some(9),
                    before: Some(7),
                    ..Filter::default()
                },
                "ledger_patient",
            ),
            (
                Filter {
                    actions: vec!["account.disable".into()],
                    ..Filter::default()
                },
                "ledger_action",
            ),
        ] {
            let plan = plan(filter).await;
            assert!(plan.contains(index), "{index}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{index}: {plan}");
        }
    }
}

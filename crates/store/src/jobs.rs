//! Work to be done later: mail, pushes, pulls, sweeping.
//!
//! A job is a row, written in the transaction that needs it done. A node
//! leases due jobs for a while, does them outside of any transaction, and
//! then says how it went; if it dies, the lease runs out and another takes
//! over. So a job is done at least once, and must bear being done twice.
//! Only the holder of the lease may say anything about a running job.
//!
//! Payloads are protected bytes; they are wiped as soon as the job is done.

use crate::engine::{FromValue, Reader, Row, StoreError, ToValue, Tx, Value};
use crate::params;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for its time.
    Ready,
    /// Leased by a node.
    Running,
    /// Done.
    Done,
    /// Given up; an operator may revive it.
    Dead,
    /// Waits until a way to send mail is configured.
    NeedsSender,
}

impl JobState {
    /// The word that the database keeps.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::NeedsSender => "needs_sender",
        }
    }
}

impl ToValue for JobState {
    fn to_value(&self) -> Value<'_> {
        self.word().into()
    }
}

impl FromValue for JobState {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        let word = String::from_value(value)?;
        [
            Self::Ready,
            Self::Running,
            Self::Done,
            Self::Dead,
            Self::NeedsSender,
        ]
        .into_iter()
        .find(|state| state.word() == word)
        .ok_or(StoreError::Corrupt("a job's state"))
    }
}

/// A job to be done. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct NewJob<'a> {
    /// UUIDv7.
    pub id: [u8; 16],
    /// Dotted word that says which code does it.
    pub kind: &'a str,
    /// What it needs to know, protected.
    pub payload_p: &'a [u8],
    /// While a job with this key waits or runs, no second one is taken.
    pub dedupe_key: Option<&'a str>,
    /// Not before.
    pub run_at: i64,
    /// Attempts before it is given up; at least one.
    pub max_attempts: u32,
    /// [`JobState::Ready`] or [`JobState::NeedsSender`].
    pub state: JobState,
    /// Now.
    pub created_at: i64,
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// As given.
    pub id: [u8; 16],
    /// As given.
    pub kind: String,
    /// As given; empty once the job is done.
    pub payload_p: Vec<u8>,
    /// When it is due.
    pub run_at: i64,
    /// How often it was leased.
    pub attempts: u32,
    /// After how many attempts it is given up.
    pub max_attempts: u32,
    /// Where it stands.
    pub state: JobState,
    /// The code of its last failure.
    pub last_error: Option<String>,
    /// When it was inserted.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
}

const COLUMNS: &str = "id, kind, payload_p, run_at, attempts, max_attempts, state, last_error, \
                       created_at, updated_at";

impl JobRow {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            kind: row.get(1)?,
            payload_p: row.get(2)?,
            run_at: row.get(3)?,
            attempts: row.get(4)?,
            max_attempts: row.get(5)?,
            state: row.get(6)?,
            last_error: row.get(7)?,
            created_at: row.get(8)?,
            updated_at: row.get(9)?,
        })
    }
}

/// Who holds a lease: a random id that each node makes when it starts.
pub type NodeId = [u8; 16];

/// Inserts a job; `false` if one with the same key waits or runs already.
///
/// # Errors
/// The engine's.
pub fn insert(tx: &mut Tx, job: &NewJob<'_>) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO jobs (id, kind, payload_p, dedupe_key, run_at, attempts, max_attempts,
           state, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?8) ON CONFLICT DO NOTHING",
        params![
            job.id,
            job.kind,
            job.payload_p,
            job.dedupe_key,
            job.run_at,
            job.max_attempts.max(1),
            job.state,
            job.created_at
        ],
    )?;
    Ok(inserted == 1)
}

/// One job.
///
/// # Errors
/// The engine's.
pub fn lookup(r: &mut Reader, id: [u8; 16]) -> Result<Option<JobRow>, StoreError> {
    r.query_opt(
        &format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"),
        params![id],
        JobRow::read,
    )
}

/// Jobs of one state, last changed first, at most `limit`.
///
/// # Errors
/// The engine's.
pub fn list(r: &mut Reader, state: JobState, limit: u32) -> Result<Vec<JobRow>, StoreError> {
    r.query(
        &format!("SELECT {COLUMNS} FROM jobs WHERE state = ?1 ORDER BY updated_at DESC LIMIT ?2"),
        params![state, limit],
        JobRow::read,
    )
}

/// How many jobs each state has; states without any are left out.
///
/// # Errors
/// The engine's.
pub fn count(r: &mut Reader) -> Result<Vec<(JobState, u64)>, StoreError> {
    r.query(
        "SELECT state, COUNT(*) FROM jobs GROUP BY state ORDER BY state",
        params![],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// How many jobs of one kind each state has; states without any are left out.
///
/// # Errors
/// The engine's.
pub fn count_of_kind(r: &mut Reader, kind: &str) -> Result<Vec<(JobState, u64)>, StoreError> {
    r.query(
        "SELECT state, COUNT(*) FROM jobs WHERE kind = ?1 GROUP BY state ORDER BY state",
        params![kind],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// When the next job is due or the next lease runs out; `None` if nothing
/// waits. A worker may sleep until then, or until something is inserted.
///
/// # Errors
/// The engine's.
pub fn next_due(r: &mut Reader) -> Result<Option<i64>, StoreError> {
    let ready = r.query_opt(
        "SELECT MIN(run_at) FROM jobs WHERE state = 'ready'",
        params![],
        |row| row.get::<Option<i64>>(0),
    )?;
    let leased = r.query_opt(
        "SELECT MIN(lease_until) FROM jobs WHERE state = 'running'",
        params![],
        |row| row.get::<Option<i64>>(0),
    )?;
    Ok(ready.flatten().into_iter().chain(leased.flatten()).min())
}

/// Leases up to `limit` due jobs to `node` until `lease_until`, the longest
/// due first. Jobs whose lease ran out count as due, and as dead where that
/// was their last attempt: a job that takes its node down must not go round
/// for ever.
///
/// # Errors
/// The engine's.
pub fn lease(
    tx: &mut Tx,
    node: NodeId,
    now: i64,
    lease_until: i64,
    limit: u32,
) -> Result<Vec<JobRow>, StoreError> {
    tx.execute(
        "UPDATE jobs SET state = CASE WHEN attempts >= max_attempts THEN 'dead' ELSE 'ready' END,
           last_error = 'job.lost', lease_by = NULL, lease_until = NULL, updated_at = ?1
         WHERE state = 'running' AND lease_until <= ?1",
        params![now],
    )?;
    let due = tx.query(
        "SELECT id FROM jobs WHERE state = 'ready' AND run_at <= ?1 ORDER BY run_at, id LIMIT ?2",
        params![now, limit],
        |row| row.get::<[u8; 16]>(0),
    )?;
    let mut leased = Vec::with_capacity(due.len());
    for id in due {
        // Writes take turns, so none of these can have been taken since.
        tx.execute(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_by = ?2,
               lease_until = ?3, updated_at = ?4
             WHERE id = ?1 AND state = 'ready'",
            params![id, node, lease_until, now],
        )?;
        leased.extend(lookup(tx, id)?);
    }
    Ok(leased)
}

/// Holds a lease for longer; `false` if it is not held any more, and then the
/// work should stop.
///
/// # Errors
/// The engine's.
pub fn extend(
    tx: &mut Tx,
    id: [u8; 16],
    node: NodeId,
    lease_until: i64,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE jobs SET lease_until = ?3 WHERE id = ?1 AND lease_by = ?2 AND state = 'running'",
        params![id, node, lease_until],
    )?;
    Ok(touched == 1)
}

/// The job is done; its payload is wiped. `false` if the lease was lost.
///
/// # Errors
/// The engine's.
pub fn finish(tx: &mut Tx, id: [u8; 16], node: NodeId, now: i64) -> Result<bool, StoreError> {
    let nothing: &[u8] = &[];
    let touched = tx.execute(
        "UPDATE jobs SET state = 'done', payload_p = ?4, last_error = NULL, lease_by = NULL,
           lease_until = NULL, updated_at = ?3
         WHERE id = ?1 AND lease_by = ?2 AND state = 'running'",
        params![id, node, now, nothing],
    )?;
    Ok(touched == 1)
}

/// The attempt failed with this code: due again at `run_at` (see
/// [`backoff_ms`]), or dead if it was the last. Where it stands now; `None` if
/// the lease was lost.
///
/// # Errors
/// The engine's.
pub fn retry(
    tx: &mut Tx,
    id: [u8; 16],
    node: NodeId,
    error: &str,
    run_at: i64,
    now: i64,
) -> Result<Option<JobState>, StoreError> {
    let touched = tx.execute(
        "UPDATE jobs SET state = CASE WHEN attempts >= max_attempts THEN 'dead' ELSE 'ready' END,
           last_error = ?3, run_at = ?4, lease_by = NULL, lease_until = NULL, updated_at = ?5
         WHERE id = ?1 AND lease_by = ?2 AND state = 'running'",
        params![id, node, error, run_at, now],
    )?;
    if touched == 0 {
        return Ok(None);
    }
    Ok(lookup(tx, id)?.map(|job| job.state))
}

/// The job cannot ever succeed, or (`needs_sender`) not as things are
/// configured. `false` if the lease was lost.
///
/// # Errors
/// The engine's.
pub fn park(
    tx: &mut Tx,
    id: [u8; 16],
    node: NodeId,
    state: JobState,
    error: &str,
    now: i64,
) -> Result<bool, StoreError> {
    if !matches!(state, JobState::Dead | JobState::NeedsSender) {
        return Err(StoreError::Refused("a state to park in"));
    }
    let touched = tx.execute(
        "UPDATE jobs SET state = ?3, last_error = ?4, lease_by = NULL, lease_until = NULL,
           updated_at = ?5
         WHERE id = ?1 AND lease_by = ?2 AND state = 'running'",
        params![id, node, state, error, now],
    )?;
    Ok(touched == 1)
}

/// Makes parked jobs of one kind due now, with all their attempts again:
/// after mail was configured, or when an operator says so. How many.
/// A job whose key another has since taken stays as it is; of several dead
/// ones with one key only the newest comes back.
///
/// # Errors
/// The engine's.
pub fn revive(tx: &mut Tx, state: JobState, kind: &str, now: i64) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE jobs SET state = 'ready', attempts = 0, run_at = ?3, updated_at = ?3
         WHERE state = ?1 AND kind = ?2 AND state IN ('dead', 'needs_sender')
           AND NOT EXISTS (
             SELECT 1 FROM jobs AS other
             WHERE other.dedupe_key = jobs.dedupe_key AND other.id <> jobs.id
               AND (other.state IN ('ready', 'running', 'needs_sender')
                 OR (other.state = 'dead' AND other.id > jobs.id)))",
        params![state, kind, now],
    )
}

/// Withdraws the job with this key unless it runs; whether there was one.
///
/// # Errors
/// The engine's.
pub fn delete_by_key(tx: &mut Tx, dedupe_key: &str) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM jobs WHERE dedupe_key = ?1 AND state IN ('ready', 'needs_sender')",
        params![dedupe_key],
    )?;
    Ok(deleted > 0)
}

/// Sweeps jobs that were done, or given up, before `before`. How many.
///
/// # Errors
/// The engine's.
pub fn delete_settled(tx: &mut Tx, before: i64) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM jobs WHERE state IN ('done', 'dead') AND updated_at < ?1",
        params![before],
    )
}

/// How long to wait after failure number `attempts`: 15 seconds, doubling up
/// to an hour, and up to a quarter more by `chance` (uniformly random), so
/// that jobs that failed together do not come back together.
pub fn backoff_ms(attempts: u32, chance: u32) -> i64 {
    const FIRST: i64 = 15_000;
    const MOST: i64 = 3_600_000;
    let doubled = FIRST << attempts.saturating_sub(1).min(8);
    let wait = doubled.min(MOST);
    wait + wait / 4 * i64::from(chance) / i64::from(u32::MAX)
}

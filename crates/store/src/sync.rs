//! Runs of a synchronisation, its log, what sources have, and how much may be
//! asked of a host.

use chartkey_domain::ids::{AccountId, ConnectionId, PatientId, RecordId, SyncId};
use chartkey_domain::sync::{Counts, LogAction, LogStatus, RunState, Trigger};
use jiff::Timestamp;

use crate::jobs::NodeId;
use crate::{Reader, Row, StoreError, Tx, params};

// --- runs ------------------------------------------------------------------------

/// One patient on one connection, looked at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its own id.
    pub id: SyncId,
    /// Of what was asked for.
    pub sync: SyncId,
    /// The connection.
    pub connection: ConnectionId,
    /// The patient.
    pub patient: PatientId,
    /// Whose connection.
    pub owner: AccountId,
    /// What made it.
    pub trigger: Trigger,
    /// Who asked.
    pub asked_by: Option<AccountId>,
    /// Whether everything is listed anew.
    pub whole: bool,
    /// Where it stands.
    pub state: RunState,
    /// Not before.
    pub run_at: Timestamp,
    /// How often it failed in a row.
    pub attempts: u32,
    /// How far it came, protected.
    pub checkpoint_p: Option<Vec<u8>>,
    /// What it brought.
    pub counts: Counts,
    /// What went wrong last.
    pub problem: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

const RUN: &str = "r.id, r.sync_id, r.connection_id, r.patient_id, r.owner_account, r.reason, r.asked_by, \
     r.whole, r.state, r.run_at, r.attempts, r.checkpoint_p, r.created, r.updated, r.unchanged, r.skipped, \
     r.failed, r.problem, r.created_at, r.updated_at, r.finished_at";

fn run_row(row: &Row<'_>) -> Result<RunRow, StoreError> {
    Ok(RunRow {
        id: row.get(0)?,
        sync: row.get(1)?,
        connection: row.get(2)?,
        patient: row.get(3)?,
        owner: row.get(4)?,
        trigger: row.get(5)?,
        asked_by: row.get(6)?,
        whole: row.get(7)?,
        state: row.get(8)?,
        run_at: row.get(9)?,
        attempts: row.get(10)?,
        checkpoint_p: row.get(11)?,
        counts: Counts {
            created: row.get(12)?,
            updated: row.get(13)?,
            unchanged: row.get(14)?,
            skipped: row.get(15)?,
            failed: row.get(16)?,
        },
        problem: row.get(17)?,
        created_at: row.get(18)?,
        updated_at: row.get(19)?,
        finished_at: row.get(20)?,
    })
}

/// Queues a run; false where one waits or runs already for this patient there.
///
/// # Errors
/// The engine's.
pub fn insert_run(tx: &mut Tx, run: &RunRow) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO sync_runs (id, sync_id, connection_id, patient_id, owner_account, reason, asked_by, whole,
           state, run_at, attempts, created, updated, unchanged, skipped, failed, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, 0, 0, 0, 0, ?11, ?11)
         ON CONFLICT DO NOTHING",
        params![
            run.id,
            run.sync,
            run.connection,
            run.patient,
            run.owner,
            run.trigger,
            run.asked_by,
            run.whole,
            run.state,
            run.run_at,
            run.created_at
        ],
    )?;
    Ok(inserted == 1)
}

/// The run of a patient on a connection that waits or runs, if there is one.
///
/// # Errors
/// The engine's.
pub fn lookup_active(
    db: &mut Reader,
    connection: ConnectionId,
    patient: PatientId,
) -> Result<Option<RunRow>, StoreError> {
    db.query_opt(
        &format!(
            "SELECT {RUN} FROM sync_runs r WHERE r.connection_id = ?1 AND r.patient_id = ?2
               AND r.state IN ('queued', 'running')"
        ),
        params![connection, patient],
        run_row,
    )
}

/// The newest run of a patient on a connection that is over.
///
/// # Errors
/// The engine's.
pub fn lookup_last(
    db: &mut Reader,
    connection: ConnectionId,
    patient: PatientId,
) -> Result<Option<RunRow>, StoreError> {
    db.query_opt(
        &format!(
            "SELECT {RUN} FROM sync_runs r WHERE r.patient_id = ?2 AND r.connection_id = ?1
               AND r.finished_at IS NOT NULL ORDER BY r.finished_at DESC, r.id DESC LIMIT 1"
        ),
        params![connection, patient],
        run_row,
    )
}

/// One run.
///
/// # Errors
/// The engine's.
pub fn lookup_run(db: &mut Reader, id: SyncId) -> Result<Option<RunRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {RUN} FROM sync_runs r WHERE r.id = ?1"),
        params![id],
        run_row,
    )
}

/// The runs of what was asked for.
///
/// # Errors
/// The engine's.
pub fn list_runs(db: &mut Reader, sync: SyncId) -> Result<Vec<RunRow>, StoreError> {
    db.query(
        &format!("SELECT {RUN} FROM sync_runs r WHERE r.sync_id = ?1 ORDER BY r.id"),
        params![sync],
        run_row,
    )
}

/// A run that waits or runs is wanted now, by a person, as part of this sync.
///
/// # Errors
/// The engine's.
pub fn adopt(tx: &mut Tx, id: SyncId, sync: SyncId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE sync_runs SET sync_id = ?3, reason = 'manual',
           run_at = CASE WHEN attempts = 0 AND run_at > ?2 THEN ?2 ELSE run_at END
         WHERE id = ?1 AND state IN ('queued', 'running')",
        params![id, now, sync],
    )?;
    Ok(())
}

/// Runs whose lease ran out.
///
/// # Errors
/// The engine's.
pub fn list_lost(db: &mut Reader, now: Timestamp) -> Result<Vec<RunRow>, StoreError> {
    let ids: Vec<SyncId> = db.query(
        "SELECT id FROM sync_runs WHERE state = 'running' AND lease_until <= ?1",
        params![now],
        |row| row.get(0),
    )?;
    let mut lost = Vec::with_capacity(ids.len());
    for id in ids {
        lost.extend(lookup_run(db, id)?);
    }
    Ok(lost)
}

/// Ends every lease, for whoever is alone with the database.
///
/// # Errors
/// The engine's.
pub fn free_leases(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE sync_runs SET lease_until = ?1 WHERE state = 'running' AND lease_until > ?1",
        params![now],
    )
    .map(drop)
}

/// Leases up to `limit` queued runs whose time has come and whose connection
/// may be used: those that people asked for first, then the owners take turns.
/// Runs whose lease ran out wait again, from their checkpoint; their loss
/// counts as a failure.
///
/// # Errors
/// The engine's.
pub fn lease_runs(
    tx: &mut Tx,
    node: NodeId,
    now: Timestamp,
    until: Timestamp,
    only: Option<SyncId>,
    limit: u32,
) -> Result<Vec<RunRow>, StoreError> {
    tx.execute(
        "UPDATE sync_runs SET state = 'queued', attempts = attempts + 1, problem = 'sync.lost', run_at = ?1,
           lease_by = NULL, lease_until = NULL, updated_at = ?1
         WHERE state = 'running' AND lease_until <= ?1",
        params![now],
    )?;
    let due: Vec<SyncId> = match only {
        Some(sync) => tx.query(
            "SELECT r.id FROM sync_runs r WHERE r.sync_id = ?1 AND r.state = 'queued' AND r.run_at <= ?2
             ORDER BY r.run_at, r.id LIMIT ?3",
            params![sync, now, limit],
            |row| row.get(0),
        )?,
        None => tx.query(
            "SELECT id FROM (
               SELECT r.id AS id, r.updated_at AS moved,
                 CASE WHEN r.reason = 'manual' THEN 0 ELSE 1 END AS rank,
                 ROW_NUMBER() OVER (PARTITION BY r.owner_account ORDER BY r.updated_at, r.id) AS turn
               FROM sync_runs r JOIN connections c ON c.id = r.connection_id
               LEFT JOIN sync_hosts h ON h.host_hash = c.host_hash
               WHERE r.state = 'queued' AND r.run_at <= ?1
                 AND (h.until_at IS NULL OR h.until_at <= ?1)) AS waiting
             ORDER BY rank, turn, moved, id LIMIT ?2",
            params![now, limit],
            |row| row.get(0),
        )?,
    };
    let mut leased = Vec::with_capacity(due.len());
    for id in due {
        tx.execute(
            "UPDATE sync_runs SET state = 'running', lease_by = ?2, lease_until = ?3, updated_at = ?4
             WHERE id = ?1 AND state = 'queued'",
            params![id, node, until, now],
        )?;
        leased.extend(lookup_run(tx, id)?);
    }
    Ok(leased)
}

/// Holds a lease for longer; false where it was lost.
///
/// # Errors
/// The engine's.
pub fn hold(tx: &mut Tx, id: SyncId, node: NodeId, until: Timestamp) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE sync_runs SET lease_until = ?3 WHERE id = ?1 AND lease_by = ?2 AND state = 'running'",
        params![id, node, until],
    )?;
    Ok(touched == 1)
}

/// Keeps how far a run came, what it brought, and its lease; false where the
/// lease was lost, and then the work must stop.
///
/// # Errors
/// The engine's.
pub fn checkpoint(
    tx: &mut Tx,
    id: SyncId,
    node: NodeId,
    checkpoint_p: &[u8],
    counts: &Counts,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE sync_runs SET checkpoint_p = ?3, created = ?4, updated = ?5, unchanged = ?6, skipped = ?7,
           failed = ?8, attempts = 0, updated_at = ?9, lease_until = ?10
         WHERE id = ?1 AND lease_by = ?2 AND state = 'running'",
        params![
            id,
            node,
            checkpoint_p,
            counts.created,
            counts.updated,
            counts.unchanged,
            counts.skipped,
            counts.failed,
            now,
            until
        ],
    )?;
    Ok(touched == 1)
}

/// A run waits again until `run_at`: for its turn, or (`failed`) after a
/// failure. False where the lease was lost.
///
/// # Errors
/// The engine's.
pub fn requeue(
    tx: &mut Tx,
    id: SyncId,
    node: NodeId,
    run_at: Timestamp,
    failed: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let one = u32::from(failed.is_some());
    let touched = tx.execute(
        "UPDATE sync_runs SET state = 'queued', run_at = ?3, attempts = attempts + ?4, problem = ?5,
           lease_by = NULL, lease_until = NULL, updated_at = ?6
         WHERE id = ?1 AND lease_by = ?2 AND state = 'running'",
        params![id, node, run_at, one, failed, now],
    )?;
    Ok(touched == 1)
}

/// A run is over; its checkpoint is wiped. False where the lease was lost.
///
/// # Errors
/// The engine's.
pub fn finish_run(
    tx: &mut Tx,
    id: SyncId,
    node: NodeId,
    state: RunState,
    counts: &Counts,
    problem: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE sync_runs SET state = ?3, created = ?4, updated = ?5, unchanged = ?6, skipped = ?7,
           failed = ?8, problem = ?9, checkpoint_p = NULL, lease_by = NULL, lease_until = NULL,
           updated_at = ?10, finished_at = ?10
         WHERE id = ?1 AND lease_by = ?2 AND state = 'running'",
        params![
            id,
            node,
            state,
            counts.created,
            counts.updated,
            counts.unchanged,
            counts.skipped,
            counts.failed,
            problem,
            now
        ],
    )?;
    Ok(touched == 1)
}

/// When the next run or lease is due, hosts that are left alone considered.
///
/// # Errors
/// The engine's.
pub fn next_run(db: &mut Reader) -> Result<Option<Timestamp>, StoreError> {
    let mut earliest = None;
    for sql in [
        "SELECT MIN(CASE WHEN h.until_at IS NOT NULL AND h.until_at > r.run_at THEN h.until_at ELSE r.run_at END)
         FROM sync_runs r JOIN connections c ON c.id = r.connection_id
         LEFT JOIN sync_hosts h ON h.host_hash = c.host_hash WHERE r.state = 'queued'",
        "SELECT MIN(lease_until) FROM sync_runs WHERE state = 'running'",
    ] {
        let found = db.query_opt(sql, params![], |row| row.get::<Option<Timestamp>>(0))?;
        earliest = found.flatten().into_iter().chain(earliest).min();
    }
    Ok(earliest)
}

/// Sweeps runs that were over before `before`. How many.
///
/// # Errors
/// The engine's.
pub fn delete_runs(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM sync_runs WHERE finished_at IS NOT NULL AND finished_at < ?1",
        params![before],
    )
}

// --- the log -----------------------------------------------------------------------

/// A line of the synchronization log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Its id.
    pub id: SyncId,
    /// Whose record.
    pub patient: PatientId,
    /// Which connection.
    pub connection: Option<ConnectionId>,
    /// Of what was asked for.
    pub sync: Option<SyncId>,
    /// Which document, and version.
    pub record: Option<(RecordId, u32)>,
    /// What it is about.
    pub action: LogAction,
    /// How it went.
    pub status: LogStatus,
    /// The step's word.
    pub step: String,
    /// What a refusal meant, as a word.
    pub why: Option<String>,
    /// Numbers.
    pub counts: Counts,
    /// When.
    pub at: Timestamp,
}

const LOG: &str = "l.id, l.patient_id, l.connection_id, l.sync_id, l.record_id, l.version, l.action, l.status, \
     l.step, l.why, l.counts, l.at";

fn log_row(row: &Row<'_>) -> Result<LogRow, StoreError> {
    let record = match (row.get(4)?, row.get(5)?) {
        (Some(record), Some(version)) => Some((record, version)),
        _ => None,
    };
    Ok(LogRow {
        id: row.get(0)?,
        patient: row.get(1)?,
        connection: row.get(2)?,
        sync: row.get(3)?,
        record,
        action: row.get(6)?,
        status: row.get(7)?,
        step: row.get(8)?,
        why: row.get(9)?,
        counts: counts(&row.get::<String>(10)?)?,
        at: row.get(11)?,
    })
}

fn counts_text(c: &Counts) -> String {
    format!(
        "[{},{},{},{},{}]",
        c.created, c.updated, c.unchanged, c.skipped, c.failed
    )
}

fn counts(text: &str) -> Result<Counts, StoreError> {
    let [created, updated, unchanged, skipped, failed] =
        serde_json::from_str(text).map_err(|_| StoreError::Corrupt("counts"))?;
    Ok(Counts {
        created,
        updated,
        unchanged,
        skipped,
        failed,
    })
}

/// Appends a line.
///
/// # Errors
/// The engine's.
pub fn insert_log(tx: &mut Tx, l: &LogRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO sync_log (id, patient_id, connection_id, sync_id, record_id, version, action, status, step,
           why, counts, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            l.id,
            l.patient,
            l.connection,
            l.sync,
            l.record.map(|r| r.0),
            l.record.map(|r| r.1),
            l.action,
            l.status,
            l.step,
            l.why,
            counts_text(&l.counts),
            l.at
        ],
    )?;
    Ok(())
}

/// One line.
///
/// # Errors
/// The engine's.
pub fn lookup_log(db: &mut Reader, id: SyncId) -> Result<Option<LogRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {LOG} FROM sync_log l WHERE l.id = ?1"),
        params![id],
        log_row,
    )
}

/// A patient's lines, newest first, behind `after`.
///
/// # Errors
/// The engine's.
pub fn list_log(
    db: &mut Reader,
    patient: PatientId,
    after: Option<(Timestamp, SyncId)>,
    limit: u32,
) -> Result<Vec<LogRow>, StoreError> {
    let (at, id) = after.unwrap_or((Timestamp::MAX, SyncId::from_bytes([0xff; 16])));
    db.query(
        &format!(
            "SELECT {LOG} FROM sync_log l WHERE l.patient_id = ?1 AND (l.at, l.id) < (?2, ?3)
             ORDER BY l.at DESC, l.id DESC LIMIT ?4"
        ),
        params![patient, at, id, limit],
        log_row,
    )
}

/// The lines of what was asked for, oldest first.
///
/// # Errors
/// The engine's.
pub fn list_log_of(db: &mut Reader, sync: SyncId) -> Result<Vec<LogRow>, StoreError> {
    db.query(
        &format!("SELECT {LOG} FROM sync_log l WHERE l.sync_id = ?1 ORDER BY l.at, l.id"),
        params![sync],
        log_row,
    )
}

// --- what sources have ---------------------------------------------------------------

/// Something at a source, and the record that it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    /// Keyed hash of what it is there.
    pub tag: [u8; 32],
    /// The record.
    pub record: RecordId,
    /// Keyed hash of what was served.
    pub served_tag: [u8; 32],
    /// Keyed hash of what that came to, with its attachments.
    pub content_tag: [u8; 32],
    /// When it last changed, as the source says.
    pub changed_at: Option<Timestamp>,
}

/// What is known by a tag.
///
/// # Errors
/// The engine's.
pub fn lookup_item(
    db: &mut Reader,
    connection: ConnectionId,
    patient: PatientId,
    tag: &[u8; 32],
) -> Result<Option<ItemRow>, StoreError> {
    db.query_opt(
        "SELECT tag, record_id, served_tag, content_tag, changed_at FROM source_items
         WHERE connection_id = ?1 AND patient_id = ?2 AND tag = ?3",
        params![connection, patient, tag],
        |row| {
            Ok(ItemRow {
                tag: row.get(0)?,
                record: row.get(1)?,
                served_tag: row.get(2)?,
                content_tag: row.get(3)?,
                changed_at: row.get(4)?,
            })
        },
    )
}

/// Keeps that something was seen in a search, as it is now.
///
/// # Errors
/// The engine's.
pub fn put_item(
    tx: &mut Tx,
    connection: ConnectionId,
    patient: PatientId,
    item: &ItemRow,
    query: &str,
    seen_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO source_items (connection_id, patient_id, tag, record_id, served_tag, content_tag, query,
           seen_at, missed, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9)
         ON CONFLICT (connection_id, patient_id, tag) DO UPDATE SET record_id = excluded.record_id,
           served_tag = excluded.served_tag, content_tag = excluded.content_tag, query = excluded.query,
           seen_at = excluded.seen_at, changed_at = excluded.changed_at, missed = 0, missing_since = NULL",
        params![
            connection,
            patient,
            item.tag,
            item.record,
            item.served_tag,
            item.content_tag,
            query,
            seen_at,
            item.changed_at
        ],
    )?;
    Ok(())
}

/// After a whole list of these searches that began at `began`: what it did not
/// have was missed once more, and after twice counts as missing. The records
/// that are newly missing.
///
/// # Errors
/// The engine's.
pub fn note_missing(
    tx: &mut Tx,
    connection: ConnectionId,
    patient: PatientId,
    queries: &[&str],
    began: Timestamp,
    now: Timestamp,
) -> Result<Vec<RecordId>, StoreError> {
    let mut missing = Vec::new();
    for query in queries {
        tx.execute(
            "UPDATE source_items SET missed = missed + 1
             WHERE connection_id = ?1 AND patient_id = ?2 AND query = ?3 AND seen_at < ?4
               AND missing_since IS NULL",
            params![connection, patient, query, began],
        )?;
        missing.extend(tx.query(
            "SELECT record_id FROM source_items
             WHERE connection_id = ?1 AND patient_id = ?2 AND query = ?3 AND missed >= 2
               AND missing_since IS NULL",
            params![connection, patient, query],
            |row| row.get::<RecordId>(0),
        )?);
        tx.execute(
            "UPDATE source_items SET missing_since = ?4
             WHERE connection_id = ?1 AND patient_id = ?2 AND query = ?3 AND missed >= 2
               AND missing_since IS NULL",
            params![connection, patient, query, now],
        )?;
    }
    Ok(missing)
}

/// Since when a record is missing at its source.
///
/// # Errors
/// The engine's.
pub fn missing_since(db: &mut Reader, record: RecordId) -> Result<Option<Timestamp>, StoreError> {
    let found = db.query_opt(
        "SELECT MAX(missing_since) FROM source_items WHERE record_id = ?1",
        params![record],
        |row| row.get::<Option<Timestamp>>(0),
    )?;
    Ok(found.flatten())
}

// --- hosts -------------------------------------------------------------------------

/// How much may be asked of a host, and whether it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostRow {
    /// Keyed hash of its name.
    pub host: [u8; 32],
    /// Thousandths of a request that may be made.
    pub drops: i64,
    /// As of when.
    pub filled_at: Timestamp,
    /// It is left alone until then.
    pub until_at: Option<Timestamp>,
    /// How often it failed in a row.
    pub failures: u32,
}

/// What is known of a host.
///
/// # Errors
/// The engine's.
pub fn lookup_host(db: &mut Reader, host: &[u8; 32]) -> Result<Option<HostRow>, StoreError> {
    db.query_opt(
        "SELECT host_hash, drops, filled_at, until_at, failures FROM sync_hosts WHERE host_hash = ?1",
        params![host],
        |row| {
            Ok(HostRow {
                host: row.get(0)?,
                drops: row.get(1)?,
                filled_at: row.get(2)?,
                until_at: row.get(3)?,
                failures: row.get(4)?,
            })
        },
    )
}

/// Keeps what is known of a host.
///
/// # Errors
/// The engine's.
pub fn put_host(tx: &mut Tx, h: &HostRow, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO sync_hosts (host_hash, drops, filled_at, until_at, failures, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (host_hash) DO UPDATE SET drops = excluded.drops, filled_at = excluded.filled_at,
           until_at = excluded.until_at, failures = excluded.failures, updated_at = excluded.updated_at",
        params![h.host, h.drops, h.filled_at, h.until_at, h.failures, now],
    )?;
    Ok(())
}

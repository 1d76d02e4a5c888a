//! The ledger of deliveries: one row for each version on its way to one
//! destination. It is written before anything is sent, and says afterwards
//! what became of it, so that a crash at any point loses and doubles nothing.

use chartkey_domain::ids::{AccountId, ConnectionId, DeliveryId, GrantId, PatientId, RecordId};
use chartkey_domain::sync::{DeliveryState, Operation};
use jiff::Timestamp;

use crate::jobs::NodeId;
use crate::{Reader, Row, StoreError, Tx, params};

/// One version on its way to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// To which destination.
    pub connection: ConnectionId,
    /// Whose.
    pub patient: PatientId,
    /// Of which record.
    pub record: RecordId,
    /// Which version.
    pub version: u32,
    /// Put or remove.
    pub operation: Operation,
    /// Names it at the destination; unique there.
    pub dedupe_key: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// The version key, sealed to the destination.
    pub envelope: Option<Vec<u8>>,
    /// When that was sealed.
    pub sealed_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before.
    pub next_at: Timestamp,
    /// The last attempt may have been acted upon.
    pub unsure: bool,
    /// Where the next attempt goes on, protected.
    pub resume_p: Option<Vec<u8>>,
    /// The document's id there, protected.
    pub remote_p: Option<Vec<u8>>,
    /// When it was removed there.
    pub removed_at: Option<Timestamp>,
    /// What went wrong last.
    pub problem: Option<String>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// When it was done.
    pub done_at: Option<Timestamp>,
}

const COLUMNS: &str = "d.id, d.connection_id, d.patient_id, d.record_id, d.version, d.operation, d.dedupe_key, \
     d.state, d.envelope, d.sealed_at, d.attempts, d.next_at, d.unsure, d.resume_p, d.remote_p, d.removed_at, \
     d.problem, d.created_at, d.updated_at, d.done_at";

fn row(row: &Row<'_>) -> Result<DeliveryRow, StoreError> {
    Ok(DeliveryRow {
        id: row.get(0)?,
        connection: row.get(1)?,
        patient: row.get(2)?,
        record: row.get(3)?,
        version: row.get(4)?,
        operation: row.get(5)?,
        dedupe_key: row.get(6)?,
        state: row.get(7)?,
        envelope: row.get(8)?,
        sealed_at: row.get(9)?,
        attempts: row.get(10)?,
        next_at: row.get(11)?,
        unsure: row.get(12)?,
        resume_p: row.get(13)?,
        remote_p: row.get(14)?,
        removed_at: row.get(15)?,
        problem: row.get(16)?,
        created_at: row.get(17)?,
        updated_at: row.get(18)?,
        done_at: row.get(19)?,
    })
}

/// Queues a delivery; false where the destination has, or had, this very one.
///
/// # Errors
/// The engine's.
pub fn insert(tx: &mut Tx, d: &DeliveryRow) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO deliveries (id, connection_id, patient_id, record_id, version, operation, dedupe_key,
           state, envelope, sealed_at, attempts, next_at, unsure, resume_p, remote_p, problem, created_at,
           updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, 0, NULL, ?12, NULL, ?13, ?13)
         ON CONFLICT DO NOTHING",
        params![
            d.id,
            d.connection,
            d.patient,
            d.record,
            d.version,
            d.operation,
            d.dedupe_key,
            d.state,
            d.envelope,
            d.sealed_at,
            d.next_at,
            d.remote_p,
            d.created_at
        ],
    )?;
    Ok(inserted == 1)
}

/// One delivery.
///
/// # Errors
/// The engine's.
pub fn lookup(db: &mut Reader, id: DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {COLUMNS} FROM deliveries d WHERE d.id = ?1"),
        params![id],
        row,
    )
}

/// The delivery of this name.
///
/// # Errors
/// The engine's.
pub fn lookup_by_key(
    db: &mut Reader,
    connection: ConnectionId,
    dedupe_key: &str,
) -> Result<Option<DeliveryRow>, StoreError> {
    db.query_opt(
        &format!(
            "SELECT {COLUMNS} FROM deliveries d WHERE d.connection_id = ?1 AND d.dedupe_key = ?2"
        ),
        params![connection, dedupe_key],
        row,
    )
}

/// Every delivery of a record to a destination, oldest version first.
///
/// # Errors
/// The engine's.
pub fn list_of_record(
    db: &mut Reader,
    connection: ConnectionId,
    record: RecordId,
) -> Result<Vec<DeliveryRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM deliveries d WHERE d.record_id = ?2 AND d.connection_id = ?1
             ORDER BY d.version, d.operation, d.id"
        ),
        params![connection, record],
        row,
    )
}

/// A patient's deliveries in one state, oldest first, behind `after`.
///
/// # Errors
/// The engine's.
pub fn list_of_patient(
    db: &mut Reader,
    patient: PatientId,
    state: DeliveryState,
    after: DeliveryId,
    limit: u32,
) -> Result<Vec<DeliveryRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM deliveries d WHERE d.patient_id = ?1 AND d.state = ?2 AND d.id > ?3
             ORDER BY d.id LIMIT ?4"
        ),
        params![patient, state, after, limit],
        row,
    )
}

/// Deliveries of an account's connections in one state, newest first, before
/// `before`; of one patient where one is given.
///
/// # Errors
/// The engine's.
pub fn list_of_owner(
    db: &mut Reader,
    owner: AccountId,
    state: DeliveryState,
    patient: Option<PatientId>,
    before: Option<DeliveryId>,
    limit: u32,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let before = before.unwrap_or(DeliveryId::from_bytes([0xff; 16]));
    let (any, patient) = (patient.is_none(), patient.unwrap_or(PatientId::NIL));
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM deliveries d JOIN connections c ON c.id = d.connection_id
             WHERE c.owner_account = ?1 AND d.state = ?2 AND d.id < ?3 AND (?4 = 1 OR d.patient_id = ?5)
             ORDER BY d.id DESC LIMIT ?6"
        ),
        params![owner, state, before, any, patient, limit],
        row,
    )
}

/// How many deliveries of a patient to a destination each state has.
///
/// # Errors
/// The engine's.
pub fn count(
    db: &mut Reader,
    connection: ConnectionId,
    patient: PatientId,
) -> Result<Vec<(DeliveryState, u64)>, StoreError> {
    db.query(
        "SELECT state, COUNT(*) FROM deliveries WHERE connection_id = ?1 AND patient_id = ?2 GROUP BY state",
        params![connection, patient],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Current versions that a destination has no delivery of: not supporting, not
/// deleted, behind `after`.
///
/// # Errors
/// The engine's.
pub fn list_backlog(
    db: &mut Reader,
    connection: ConnectionId,
    patient: PatientId,
    after: RecordId,
    limit: u32,
) -> Result<Vec<(RecordId, u32)>, StoreError> {
    db.query(
        "SELECT r.id, r.version FROM records r
         WHERE r.patient_id = ?2 AND r.supporting = 0 AND r.deleted_at IS NULL AND r.id > ?3
           AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.record_id = r.id AND d.connection_id = ?1
             AND d.version = r.version AND d.operation = 'put' AND d.state <> 'cancelled')
         ORDER BY r.id LIMIT ?4",
        params![connection, patient, after, limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// What was put at a destination, and whose record is gone here.
///
/// # Errors
/// The engine's.
pub fn list_orphans(
    db: &mut Reader,
    connection: ConnectionId,
    patient: PatientId,
    limit: u32,
) -> Result<Vec<DeliveryRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM deliveries d JOIN records r ON r.id = d.record_id
             WHERE d.connection_id = ?1 AND d.patient_id = ?2 AND d.state = 'done' AND d.operation = 'put'
               AND d.removed_at IS NULL AND (r.deleted_at IS NOT NULL OR r.withdrawn_at IS NOT NULL)
             ORDER BY d.id LIMIT ?3"
        ),
        params![connection, patient, limit],
        row,
    )
}

/// Versions that were not sent yet, and never will be: a newer one is.
///
/// # Errors
/// The engine's.
pub fn supersede(
    tx: &mut Tx,
    connection: ConnectionId,
    record: RecordId,
    version: u32,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE deliveries SET state = 'superseded', envelope = NULL, updated_at = ?4
         WHERE connection_id = ?1 AND record_id = ?2 AND version < ?3 AND operation = 'put' AND unsure = 0
           AND resume_p IS NULL AND state IN ('owed', 'ready', 'handed_off', 'dead')",
        params![connection, record, version, now],
    )
}

/// A record's versions were sealed anew: keys that wait for its deliveries open
/// nothing any more, and are owed again.
///
/// # Errors
/// The engine's.
pub fn owe_again(tx: &mut Tx, record: RecordId, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE deliveries SET state = 'owed', envelope = NULL, sealed_at = NULL, updated_at = ?2
         WHERE record_id = ?1 AND operation = 'put' AND state = 'ready'",
        params![record, now],
    )
}

/// A cancelled delivery is due again: permission came back.
///
/// # Errors
/// The engine's.
pub fn revive(
    tx: &mut Tx,
    id: DeliveryId,
    state: DeliveryState,
    envelope: Option<&[u8]>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sealed_at = envelope.map(|_| now);
    let touched = tx.execute(
        "UPDATE deliveries SET state = ?2, envelope = ?3, sealed_at = ?4, attempts = 0, problem = NULL,
           next_at = ?5, updated_at = ?5
         WHERE id = ?1 AND state = 'cancelled'",
        params![id, state, envelope, sealed_at, now],
    )?;
    Ok(touched == 1)
}

/// The key of a version that was owed is here; false where it was not owed.
///
/// # Errors
/// The engine's.
pub fn seal(
    tx: &mut Tx,
    connection: ConnectionId,
    record: RecordId,
    version: u32,
    envelope: &[u8],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE deliveries SET state = 'ready', envelope = ?4, sealed_at = ?5, next_at = ?5, updated_at = ?5
         WHERE connection_id = ?1 AND record_id = ?2 AND version = ?3 AND operation = 'put' AND state = 'owed'",
        params![connection, record, version, envelope, now],
    )?;
    Ok(touched == 1)
}

/// Deliveries whose lease ran out after an attempt had begun.
///
/// # Errors
/// The engine's.
pub fn list_lost(db: &mut Reader, now: Timestamp) -> Result<Vec<DeliveryRow>, StoreError> {
    let ids: Vec<DeliveryId> = db.query(
        "SELECT id FROM deliveries WHERE state = 'sending' AND lease_until <= ?1 AND attempts > 0",
        params![now],
        |row| row.get(0),
    )?;
    let mut lost = Vec::with_capacity(ids.len());
    for id in ids {
        lost.extend(lookup(db, id)?);
    }
    Ok(lost)
}

/// Ends every lease, for whoever is alone with the database.
///
/// # Errors
/// The engine's.
pub fn free_leases(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE deliveries SET lease_until = ?1 WHERE state = 'sending' AND lease_until > ?1",
        params![now],
    )
    .map(drop)
}

/// Leases up to `limit` deliveries whose time has come and whose connection and
/// patient may be served: one at a time for a patient at a destination, so that
/// no client is created twice. Those whose lease ran out may have been acted
/// upon or not: their own `unsure` says.
///
/// # Errors
/// The engine's.
pub fn lease(
    tx: &mut Tx,
    node: NodeId,
    now: Timestamp,
    until: Timestamp,
    only: Option<PatientId>,
    limit: u32,
) -> Result<Vec<DeliveryRow>, StoreError> {
    tx.execute(
        "UPDATE deliveries SET state = 'ready', lease_by = NULL, lease_until = NULL, updated_at = ?1
         WHERE state = 'sending' AND lease_until <= ?1",
        params![now],
    )?;
    let (any, patient) = (only.is_none(), only.unwrap_or(PatientId::NIL));
    let due: Vec<DeliveryId> = tx.query(
        "SELECT id FROM (
           SELECT d.id AS id, d.next_at AS at,
             ROW_NUMBER() OVER (PARTITION BY d.connection_id, d.patient_id
               ORDER BY d.version, d.next_at, d.id) AS turn
           FROM deliveries d JOIN connections c ON c.id = d.connection_id
           JOIN connection_patients a ON a.connection_id = d.connection_id AND a.patient_id = d.patient_id
           LEFT JOIN sync_hosts h ON h.host_hash = c.host_hash
           WHERE d.state = 'ready' AND d.next_at <= ?1 AND c.state = 'ok' AND a.state = 'ok'
             AND (h.until_at IS NULL OR h.until_at <= ?1) AND (?3 = 1 OR d.patient_id = ?4)
             AND NOT EXISTS (SELECT 1 FROM deliveries s WHERE s.state = 'sending'
               AND s.connection_id = d.connection_id AND s.patient_id = d.patient_id)) AS waiting
         WHERE turn = 1 ORDER BY at, id LIMIT ?2",
        params![now, limit, any, patient],
        |row| row.get(0),
    )?;
    let mut leased = Vec::with_capacity(due.len());
    for id in due {
        tx.execute(
            "UPDATE deliveries SET state = 'sending', lease_by = ?2, lease_until = ?3, updated_at = ?4
             WHERE id = ?1 AND state = 'ready'",
            params![id, node, until, now],
        )?;
        leased.extend(lookup(tx, id)?);
    }
    Ok(leased)
}

/// What is written of a delivery that a node holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// Counts as tried, from here on.
    pub attempt: bool,
    /// Whether what follows, or what was, may have been acted upon.
    pub unsure: Option<bool>,
    /// Where the next attempt goes on.
    pub resume_p: Option<Vec<u8>>,
}

/// Writes before, or between, the steps of an attempt; false where the lease
/// was lost, and then nothing may be sent.
///
/// # Errors
/// The engine's.
pub fn mark(
    tx: &mut Tx,
    id: DeliveryId,
    node: NodeId,
    mark: &Mark,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE deliveries SET attempts = attempts + ?3,
           unsure = CASE WHEN ?4 = 1 THEN ?5 ELSE unsure END,
           resume_p = CASE WHEN ?6 = 1 THEN ?7 ELSE resume_p END, updated_at = ?8, lease_until = ?9
         WHERE id = ?1 AND lease_by = ?2 AND state = 'sending'",
        params![
            id,
            node,
            mark.attempt,
            mark.unsure.is_some(),
            mark.unsure.unwrap_or(false),
            mark.resume_p.is_some(),
            mark.resume_p,
            now,
            until
        ],
    )?;
    Ok(touched == 1)
}

/// It waits again: until `next_at`, perhaps not knowing whether it arrived.
///
/// # Errors
/// The engine's.
pub fn retry(
    tx: &mut Tx,
    id: DeliveryId,
    node: NodeId,
    next_at: Timestamp,
    unsure: bool,
    problem: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE deliveries SET state = 'ready', next_at = ?3, unsure = ?4, problem = ?5, lease_by = NULL,
           lease_until = NULL, updated_at = ?6
         WHERE id = ?1 AND lease_by = ?2 AND state = 'sending'",
        params![id, node, next_at, unsure, problem, now],
    )?;
    Ok(touched == 1)
}

/// It waits as before, and no attempt is counted.
///
/// # Errors
/// The engine's.
pub fn release(
    tx: &mut Tx,
    id: DeliveryId,
    node: NodeId,
    next_at: Timestamp,
    uncount: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE deliveries SET state = 'ready', next_at = ?3, attempts = attempts - ?4, lease_by = NULL,
           lease_until = NULL, updated_at = ?5
         WHERE id = ?1 AND lease_by = ?2 AND state = 'sending'",
        params![id, node, next_at, uncount, now],
    )?;
    Ok(touched == 1)
}

/// It is there (or gone, for a removal): the envelope is deleted.
///
/// # Errors
/// The engine's.
pub fn finish(
    tx: &mut Tx,
    id: DeliveryId,
    node: NodeId,
    remote_p: Option<&[u8]>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE deliveries SET state = 'done', envelope = NULL, resume_p = NULL, unsure = 0, problem = NULL,
           remote_p = CASE WHEN ?3 = 1 THEN ?4 ELSE remote_p END, lease_by = NULL, lease_until = NULL,
           updated_at = ?5, done_at = ?5
         WHERE id = ?1 AND lease_by = ?2 AND state = 'sending'",
        params![id, node, remote_p.is_some(), remote_p, now],
    )?;
    Ok(touched == 1)
}

/// What was put is gone at the destination.
///
/// # Errors
/// The engine's.
pub fn note_removed(
    tx: &mut Tx,
    connection: ConnectionId,
    record: RecordId,
    version: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE deliveries SET removed_at = ?4
         WHERE connection_id = ?1 AND record_id = ?2 AND version = ?3 AND operation = 'put'",
        params![connection, record, version, now],
    )?;
    Ok(())
}

/// It ends here, or waits for a person: `dead`, `needs_review`, `cancelled`,
/// `superseded`, `handed_off`, or `owed` again. The envelope is deleted unless a
/// person may have it sent again.
///
/// # Errors
/// The engine's.
pub fn park(
    tx: &mut Tx,
    id: DeliveryId,
    node: NodeId,
    state: DeliveryState,
    problem: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    use DeliveryState as S;
    if matches!(state, S::Ready | S::Sending | S::Done) {
        return Err(StoreError::Refused("a state to park in"));
    }
    let keeps = matches!(state, S::Dead | S::NeedsReview);
    let touched = tx.execute(
        "UPDATE deliveries SET state = ?3, problem = ?4, lease_by = NULL, lease_until = NULL, updated_at = ?5,
           envelope = CASE WHEN ?6 = 1 THEN envelope ELSE NULL END,
           sealed_at = CASE WHEN ?6 = 1 THEN sealed_at ELSE NULL END
         WHERE id = ?1 AND lease_by = ?2 AND state = 'sending'",
        params![id, node, state, problem, now, keeps],
    )?;
    Ok(touched == 1)
}

/// A person decided about a delivery that waits for one; false where it is in
/// none of the states that this may be decided in.
///
/// # Errors
/// The engine's.
pub fn decide(
    tx: &mut Tx,
    id: DeliveryId,
    from: &[DeliveryState],
    to: DeliveryState,
    unsure: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(known) = lookup(tx, id)?.filter(|d| from.contains(&d.state)) else {
        return Ok(false);
    };
    // Without its key it is owed again.
    let waits_for_key =
        to == DeliveryState::Ready && known.operation == Operation::Put && known.envelope.is_none();
    let to = if waits_for_key {
        DeliveryState::Owed
    } else {
        to
    };
    let keeps = to == DeliveryState::Ready;
    let done_at = (to == DeliveryState::Done).then_some(now);
    tx.execute(
        "UPDATE deliveries SET state = ?2, unsure = ?3, attempts = 0, next_at = ?4, problem = NULL,
           updated_at = ?4, done_at = ?5, envelope = CASE WHEN ?6 = 1 THEN envelope ELSE NULL END
         WHERE id = ?1",
        params![id, to, unsure, now, done_at, keeps],
    )?;
    Ok(true)
}

/// Envelopes that were sealed before `before` are deleted; what waited for them
/// is owed again. Which those were, at most `limit`.
///
/// # Errors
/// The engine's.
pub fn lapse(
    tx: &mut Tx,
    before: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let lapsed = tx.query(
        &format!(
            "SELECT {COLUMNS} FROM deliveries d WHERE d.envelope IS NOT NULL AND d.sealed_at < ?1
               AND d.state <> 'sending' ORDER BY d.sealed_at LIMIT ?2"
        ),
        params![before, limit],
        row,
    )?;
    for one in &lapsed {
        tx.execute(
            "UPDATE deliveries SET envelope = NULL, sealed_at = NULL, updated_at = ?2,
               state = CASE WHEN state = 'ready' THEN 'owed' ELSE state END
             WHERE id = ?1",
            params![one.id, now],
        )?;
    }
    Ok(lapsed)
}

/// A grant ended: what waits under it is cancelled, and its envelopes are gone
/// at once. How many.
///
/// # Errors
/// The engine's.
pub fn cancel_grant(tx: &mut Tx, grant: GrantId, now: Timestamp) -> Result<u64, StoreError> {
    let under: Vec<(ConnectionId, PatientId)> = tx.query(
        "SELECT connection_id, patient_id FROM connection_patients WHERE grant_id = ?1",
        params![grant],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut cancelled = 0;
    for (connection, patient) in under {
        cancelled += cancel(tx, connection, patient, now)?;
    }
    Ok(cancelled)
}

/// What waits for a patient at a destination is cancelled, and its envelopes
/// are gone at once. How many. What is being sent now finds out by itself.
///
/// # Errors
/// The engine's.
pub fn cancel(
    tx: &mut Tx,
    connection: ConnectionId,
    patient: PatientId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE deliveries SET envelope = NULL, sealed_at = NULL, updated_at = ?3
         WHERE connection_id = ?1 AND patient_id = ?2 AND envelope IS NOT NULL",
        params![connection, patient, now],
    )?;
    tx.execute(
        "UPDATE deliveries SET state = 'cancelled', updated_at = ?3
         WHERE connection_id = ?1 AND patient_id = ?2 AND operation = 'put'
           AND state IN ('owed', 'ready', 'handed_off')",
        params![connection, patient, now],
    )
}

/// What was owed by hand becomes owed by key, or the other way round, when a
/// platform's abilities change.
///
/// # Errors
/// The engine's.
pub fn change_hands(
    tx: &mut Tx,
    connection: ConnectionId,
    hands_off: bool,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let sql = if hands_off {
        "UPDATE deliveries SET state = 'handed_off', envelope = NULL, sealed_at = NULL, updated_at = ?2
         WHERE connection_id = ?1 AND operation = 'put' AND state IN ('owed', 'ready') AND unsure = 0"
    } else {
        "UPDATE deliveries SET state = 'owed', updated_at = ?2
         WHERE connection_id = ?1 AND operation = 'put' AND state = 'handed_off'"
    };
    tx.execute(sql, params![connection, now])
}

/// When the next delivery or lease is due.
///
/// # Errors
/// The engine's.
pub fn next_at(db: &mut Reader) -> Result<Option<Timestamp>, StoreError> {
    let mut earliest = None;
    for sql in [
        "SELECT MIN(CASE WHEN h.until_at IS NOT NULL AND h.until_at > d.next_at THEN h.until_at ELSE d.next_at END)
         FROM deliveries d JOIN connections c ON c.id = d.connection_id
         JOIN connection_patients a ON a.connection_id = d.connection_id AND a.patient_id = d.patient_id
         LEFT JOIN sync_hosts h ON h.host_hash = c.host_hash
         WHERE d.state = 'ready' AND c.state = 'ok' AND a.state = 'ok'",
        "SELECT MIN(lease_until) FROM deliveries WHERE state = 'sending'",
    ] {
        let found = db.query_opt(sql, params![], |row| row.get::<Option<Timestamp>>(0))?;
        earliest = found.flatten().into_iter().chain(earliest).min();
    }
    Ok(earliest)
}

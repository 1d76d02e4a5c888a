//! Connections, the patients on them, and their tokens.

use chartkey_domain::connections::{ConnectionKind, Direction};
use chartkey_domain::ids::{AccountId, ConnectionId, GrantId, PatientId};
use chartkey_domain::sync::LinkState;
use chartkey_fhir::{Kinds, RecordType};
use jiff::Timestamp;

use crate::{Reader, Row, StoreError, Tx, params};

/// A source or destination. Columns that end in `_p` are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Its id.
    pub id: ConnectionId,
    /// Whose.
    pub owner: AccountId,
    /// Which way.
    pub direction: Direction,
    /// Which system.
    pub kind: ConnectionKind,
    /// What people call it.
    pub name_p: Vec<u8>,
    /// Where it leads.
    pub base_url_p: Vec<u8>,
    /// Keyed hash of the host.
    pub host_hash: [u8; 32],
    /// The kind of its credentials.
    pub auth: String,
    /// What it proves itself with.
    pub credentials_p: Vec<u8>,
    /// JSON of what only its kind understands.
    pub settings: String,
    /// When it is due.
    pub schedule: String,
    /// Whether it may be used.
    pub state: LinkState,
    /// Why not.
    pub problem: Option<String>,
    /// The platform takes no documents: a person files them.
    pub hands_off: bool,
    /// A source's dedup key, a destination's seed.
    pub secret_p: Vec<u8>,
    /// A destination's public key.
    pub public_key: Option<Vec<u8>>,
    /// What the adapter discovered.
    pub discovered_p: Option<Vec<u8>>,
    /// When.
    pub discovered_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

const CONNECTION: &str = "c.id, c.owner_account, c.direction, c.kind, c.name_p, c.base_url_p, c.host_hash, \
     c.auth, c.credentials_p, c.settings, c.schedule, c.state, c.problem, c.hands_off, c.secret_p, \
     c.public_key, c.discovered_p, c.discovered_at, c.created_at, c.updated_at";
const CONNECTION_COLUMNS: usize = 20;

fn connection_row(row: &Row<'_>) -> Result<ConnectionRow, StoreError> {
    Ok(ConnectionRow {
        id: row.get(0)?,
        owner: row.get(1)?,
        direction: row.get(2)?,
        kind: row.get(3)?,
        name_p: row.get(4)?,
        base_url_p: row.get(5)?,
        host_hash: row.get(6)?,
        auth: row.get(7)?,
        credentials_p: row.get(8)?,
        settings: row.get(9)?,
        schedule: row.get(10)?,
        state: row.get(11)?,
        problem: row.get(12)?,
        hands_off: row.get(13)?,
        secret_p: row.get(14)?,
        public_key: row.get(15)?,
        discovered_p: row.get(16)?,
        discovered_at: row.get(17)?,
        created_at: row.get(18)?,
        updated_at: row.get(19)?,
    })
}

/// A patient on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentRow {
    /// The connection.
    pub connection: ConnectionId,
    /// The patient.
    pub patient: PatientId,
    /// The patient's id there, protected.
    pub remote_p: Option<Vec<u8>>,
    /// Record types that pass; empty: all.
    pub types: Vec<RecordType>,
    /// Kinds of sensitivity that pass to a destination.
    pub kinds: Kinds,
    /// Who authorised it, protected JSON.
    pub authorization_p: Option<Vec<u8>>,
    /// Which account put the patient here.
    pub attached_by: AccountId,
    /// Under which grant; none for a manager.
    pub grant: Option<GrantId>,
    /// The signed text, and its signature: a destination's.
    pub statement: Option<(String, Vec<u8>)>,
    /// Whether it may be used.
    pub state: LinkState,
    /// Why not.
    pub problem: Option<String>,
    /// When it is due.
    pub next_due: Option<Timestamp>,
    /// When a run last ended well.
    pub last_run_at: Option<Timestamp>,
    /// When a run last listed everything.
    pub last_full_at: Option<Timestamp>,
    /// JSON of the newest change seen, by search.
    pub cursors: String,
    /// When the patient was put here.
    pub created_at: Timestamp,
}

const ATTACHMENT: &str = "a.connection_id, a.patient_id, a.remote_p, a.types, a.kinds, a.authorization_p, \
     a.attached_by, a.grant_id, a.statement, a.signature, a.state, a.problem, a.next_due, \
     a.last_run_at, a.last_full_at, a.cursors, a.created_at";

fn attachment_row(row: &Row<'_>, at: usize) -> Result<AttachmentRow, StoreError> {
    let statement = match (
        row.get::<Option<String>>(at + 8)?,
        row.get::<Option<Vec<u8>>>(at + 9)?,
    ) {
        (Some(body), Some(signature)) => Some((body, signature)),
        _ => None,
    };
    Ok(AttachmentRow {
        connection: row.get(at)?,
        patient: row.get(at + 1)?,
        remote_p: row.get(at + 2)?,
        types: types(&row.get::<String>(at + 3)?)?,
        kinds: row.get(at + 4)?,
        authorization_p: row.get(at + 5)?,
        attached_by: row.get(at + 6)?,
        grant: row.get(at + 7)?,
        statement,
        state: row.get(at + 10)?,
        problem: row.get(at + 11)?,
        next_due: row.get(at + 12)?,
        last_run_at: row.get(at + 13)?,
        last_full_at: row.get(at + 14)?,
        cursors: row.get(at + 15)?,
        created_at: row.get(at + 16)?,
    })
}

fn types(text: &str) -> Result<Vec<RecordType>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt("a list of record types"))
}

fn types_text(types: &[RecordType]) -> Result<String, StoreError> {
    serde_json::to_string(types).map_err(|_| StoreError::Refused("record types"))
}

// --- connections --------------------------------------------------------------

/// Stores a connection.
///
/// # Errors
/// The engine's.
pub fn insert(tx: &mut Tx, c: &ConnectionRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO connections (id, owner_account, direction, kind, name_p, base_url_p, host_hash, auth,
           credentials_p, settings, schedule, state, problem, hands_off, secret_p, public_key, discovered_p,
           discovered_at, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
        params![
            c.id,
            c.owner,
            c.direction,
            c.kind,
            c.name_p,
            c.base_url_p,
            c.host_hash,
            c.auth,
            c.credentials_p,
            c.settings,
            c.schedule,
            c.state,
            c.problem,
            c.hands_off,
            c.secret_p,
            c.public_key,
            c.discovered_p,
            c.discovered_at,
            c.created_at,
            c.updated_at
        ],
    )?;
    Ok(())
}

/// One connection, whoever asks.
///
/// # Errors
/// The engine's.
pub fn lookup(db: &mut Reader, id: ConnectionId) -> Result<Option<ConnectionRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {CONNECTION} FROM connections c WHERE c.id = ?1"),
        params![id],
        connection_row,
    )
}

/// An account's connections, oldest first.
///
/// # Errors
/// The engine's.
pub fn list(db: &mut Reader, owner: AccountId) -> Result<Vec<ConnectionRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {CONNECTION} FROM connections c WHERE c.owner_account = ?1 ORDER BY c.created_at, c.id"
        ),
        params![owner],
        connection_row,
    )
}

/// Replaces what may change of a connection.
///
/// # Errors
/// The engine's.
pub fn update(tx: &mut Tx, c: &ConnectionRow) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE connections SET name_p = ?2, base_url_p = ?3, host_hash = ?4, auth = ?5, credentials_p = ?6,
           settings = ?7, schedule = ?8, state = ?9, problem = ?10, hands_off = ?11, discovered_p = ?12,
           discovered_at = ?13, updated_at = ?14
         WHERE id = ?1",
        params![
            c.id,
            c.name_p,
            c.base_url_p,
            c.host_hash,
            c.auth,
            c.credentials_p,
            c.settings,
            c.schedule,
            c.state,
            c.problem,
            c.hands_off,
            c.discovered_p,
            c.discovered_at,
            c.updated_at
        ],
    )?;
    Ok(())
}

/// Says whether a connection may be used; whether that is news.
///
/// # Errors
/// The engine's.
pub fn update_state(
    tx: &mut Tx,
    id: ConnectionId,
    state: LinkState,
    problem: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE connections SET state = ?2, problem = ?3, updated_at = ?4 WHERE id = ?1 AND state <> ?2",
        params![id, state, problem, now],
    )?;
    Ok(touched == 1)
}

/// Keeps what an adapter discovered.
///
/// # Errors
/// The engine's.
pub fn update_discovered(
    tx: &mut Tx,
    id: ConnectionId,
    discovered_p: &[u8],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE connections SET discovered_p = ?2, discovered_at = ?3 WHERE id = ?1",
        params![id, discovered_p, now],
    )?;
    Ok(())
}

/// Keeps whether a platform takes documents.
///
/// # Errors
/// The engine's.
pub fn update_hands_off(tx: &mut Tx, id: ConnectionId, hands_off: bool) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE connections SET hands_off = ?2 WHERE id = ?1 AND hands_off <> ?2",
        params![id, hands_off],
    )?;
    Ok(())
}

/// Deletes a connection with everything that waits on it; whether it was there.
///
/// # Errors
/// The engine's.
pub fn delete(tx: &mut Tx, id: ConnectionId) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM connections WHERE id = ?1", params![id])? == 1)
}

// --- patients on connections ---------------------------------------------------

/// Puts a patient on a connection, or replaces how they are there.
///
/// # Errors
/// The engine's.
pub fn attach(tx: &mut Tx, a: &AttachmentRow) -> Result<(), StoreError> {
    let (statement, signature) = match &a.statement {
        Some((body, signature)) => (Some(body.as_str()), Some(signature.as_slice())),
        None => (None, None),
    };
    tx.execute(
        "INSERT INTO connection_patients (connection_id, patient_id, remote_p, types, kinds, authorization_p,
           attached_by, grant_id, statement, signature, state, problem, next_due, last_run_at, last_full_at,
           cursors, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
         ON CONFLICT (connection_id, patient_id) DO UPDATE SET remote_p = excluded.remote_p,
           types = excluded.types, kinds = excluded.kinds, authorization_p = excluded.authorization_p,
           attached_by = excluded.attached_by, grant_id = excluded.grant_id,
           statement = excluded.statement, signature = excluded.signature, state = excluded.state,
           problem = excluded.problem, next_due = excluded.next_due",
        params![
            a.connection,
            a.patient,
            a.remote_p,
            types_text(&a.types)?,
            a.kinds,
            a.authorization_p,
            a.attached_by,
            a.grant,
            statement,
            signature,
            a.state,
            a.problem,
            a.next_due,
            a.last_run_at,
            a.last_full_at,
            a.cursors,
            a.created_at
        ],
    )?;
    Ok(())
}

/// Takes a patient off a connection, with what waits for them there; whether
/// they were on it. The log stays.
///
/// # Errors
/// The engine's.
pub fn detach(tx: &mut Tx, id: ConnectionId, patient: PatientId) -> Result<bool, StoreError> {
    let on = [
        "DELETE FROM connection_tokens WHERE connection_id = ?1 AND patient_id = ?2",
        "DELETE FROM sync_runs WHERE connection_id = ?1 AND patient_id = ?2
           AND state IN ('queued', 'running')",
        "UPDATE deliveries SET state = 'cancelled', envelope = NULL, lease_by = NULL, lease_until = NULL
         WHERE connection_id = ?1 AND patient_id = ?2
           AND state IN ('owed', 'ready', 'sending', 'needs_review', 'handed_off')",
    ];
    for sql in on {
        tx.execute(sql, params![id, patient])?;
    }
    let gone = tx.execute(
        "DELETE FROM connection_patients WHERE connection_id = ?1 AND patient_id = ?2",
        params![id, patient],
    )?;
    Ok(gone == 1)
}

/// A patient on a connection.
///
/// # Errors
/// The engine's.
pub fn lookup_attachment(
    db: &mut Reader,
    id: ConnectionId,
    patient: PatientId,
) -> Result<Option<AttachmentRow>, StoreError> {
    db.query_opt(
        &format!(
            "SELECT {ATTACHMENT} FROM connection_patients a WHERE a.connection_id = ?1 AND a.patient_id = ?2"
        ),
        params![id, patient],
        |row| attachment_row(row, 0),
    )
}

/// Everybody on a connection, in the order of their ids, behind `after`.
///
/// # Errors
/// The engine's.
pub fn list_attachments(
    db: &mut Reader,
    id: ConnectionId,
    after: PatientId,
    limit: u32,
) -> Result<Vec<AttachmentRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {ATTACHMENT} FROM connection_patients a WHERE a.connection_id = ?1 AND a.patient_id > ?2
             ORDER BY a.patient_id LIMIT ?3"
        ),
        params![id, after, limit],
        |row| attachment_row(row, 0),
    )
}

/// What a patient is connected to; of one direction where it is given.
///
/// # Errors
/// The engine's.
pub fn list_of_patient(
    db: &mut Reader,
    patient: PatientId,
    direction: Option<Direction>,
) -> Result<Vec<(ConnectionRow, AttachmentRow)>, StoreError> {
    let all = db.query(
        &format!(
            "SELECT {CONNECTION}, {ATTACHMENT} FROM connection_patients a
             JOIN connections c ON c.id = a.connection_id
             WHERE a.patient_id = ?1 ORDER BY a.created_at, c.id"
        ),
        params![patient],
        |row| {
            Ok((
                connection_row(row)?,
                attachment_row(row, CONNECTION_COLUMNS)?,
            ))
        },
    )?;
    Ok(all
        .into_iter()
        .filter(|(c, _)| direction.is_none_or(|d| c.direction == d))
        .collect())
}

/// Patients whose time on a source has come, the longest due first.
///
/// # Errors
/// The engine's.
pub fn list_due(
    db: &mut Reader,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(ConnectionRow, AttachmentRow)>, StoreError> {
    db.query(
        &format!(
            "SELECT {CONNECTION}, {ATTACHMENT} FROM connection_patients a
             JOIN connections c ON c.id = a.connection_id
             WHERE a.next_due IS NOT NULL AND a.next_due <= ?1 ORDER BY a.next_due LIMIT ?2"
        ),
        params![now, limit],
        |row| {
            Ok((
                connection_row(row)?,
                attachment_row(row, CONNECTION_COLUMNS)?,
            ))
        },
    )
}

/// When the next patient is due.
///
/// # Errors
/// The engine's.
pub fn next_due(db: &mut Reader) -> Result<Option<Timestamp>, StoreError> {
    let found = db.query_opt(
        "SELECT MIN(next_due) FROM connection_patients WHERE next_due IS NOT NULL",
        params![],
        |row| row.get::<Option<Timestamp>>(0),
    )?;
    Ok(found.flatten())
}

/// Says when a patient is due next.
///
/// # Errors
/// The engine's.
pub fn update_next_due(
    tx: &mut Tx,
    id: ConnectionId,
    patient: PatientId,
    next_due: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE connection_patients SET next_due = ?3 WHERE connection_id = ?1 AND patient_id = ?2",
        params![id, patient, next_due],
    )?;
    Ok(())
}

/// Says whether a patient on a connection may be served; whether that is news.
///
/// # Errors
/// The engine's.
pub fn update_attachment_state(
    tx: &mut Tx,
    id: ConnectionId,
    patient: PatientId,
    state: LinkState,
    problem: Option<&str>,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE connection_patients SET state = ?3, problem = ?4
         WHERE connection_id = ?1 AND patient_id = ?2 AND state <> ?3",
        params![id, patient, state, problem],
    )?;
    Ok(touched == 1)
}

/// Keeps the patient's id at the other end.
///
/// # Errors
/// The engine's.
pub fn update_remote(
    tx: &mut Tx,
    id: ConnectionId,
    patient: PatientId,
    remote_p: &[u8],
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE connection_patients SET remote_p = ?3 WHERE connection_id = ?1 AND patient_id = ?2",
        params![id, patient, remote_p],
    )?;
    Ok(())
}

/// Commits what a whole walk saw.
///
/// # Errors
/// The engine's.
pub fn update_walked(
    tx: &mut Tx,
    id: ConnectionId,
    patient: PatientId,
    cursors: &str,
    full: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE connection_patients SET cursors = ?3, last_run_at = ?4,
           last_full_at = CASE WHEN ?5 = 1 THEN ?4 ELSE last_full_at END
         WHERE connection_id = ?1 AND patient_id = ?2",
        params![id, patient, cursors, now, full],
    )?;
    Ok(())
}

// --- tokens ----------------------------------------------------------------------

/// Tokens as they are kept, protected, and whether the authorisation has lapsed.
pub type KeptToken = (Option<Vec<u8>>, bool);

/// What is kept of tokens: protected state, and whether it lapsed.
///
/// # Errors
/// The engine's.
pub fn lookup_token(
    db: &mut Reader,
    id: ConnectionId,
    patient: PatientId,
) -> Result<Option<KeptToken>, StoreError> {
    db.query_opt(
        "SELECT state_p, lapsed FROM connection_tokens WHERE connection_id = ?1 AND patient_id = ?2",
        params![id, patient],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Takes the turn to refresh until `until`; false while somebody else has it.
///
/// # Errors
/// The engine's.
pub fn take_turn(
    tx: &mut Tx,
    id: ConnectionId,
    patient: PatientId,
    by: [u8; 16],
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute(
        "INSERT INTO connection_tokens (connection_id, patient_id, lapsed, updated_at)
         VALUES (?1, ?2, 0, ?3) ON CONFLICT DO NOTHING",
        params![id, patient, now],
    )?;
    let taken = tx.execute(
        "UPDATE connection_tokens SET turn_by = ?3, turn_until = ?5
         WHERE connection_id = ?1 AND patient_id = ?2 AND (turn_until IS NULL OR turn_until <= ?4)",
        params![id, patient, by, now, until],
    )?;
    Ok(taken == 1)
}

/// Stores tokens and gives the turn back.
///
/// # Errors
/// The engine's.
pub fn update_token(
    tx: &mut Tx,
    id: ConnectionId,
    patient: PatientId,
    state_p: &[u8],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO connection_tokens (connection_id, patient_id, state_p, lapsed, updated_at)
         VALUES (?1, ?2, ?3, 0, ?4)
         ON CONFLICT (connection_id, patient_id) DO UPDATE SET state_p = excluded.state_p, lapsed = 0,
           turn_by = NULL, turn_until = NULL, updated_at = excluded.updated_at",
        params![id, patient, state_p, now],
    )?;
    Ok(())
}

/// Gives the turn back; `lapsed` forgets the tokens.
///
/// # Errors
/// The engine's.
pub fn give_turn_back(
    tx: &mut Tx,
    id: ConnectionId,
    patient: PatientId,
    by: [u8; 16],
    lapsed: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE connection_tokens SET turn_by = NULL, turn_until = NULL,
           lapsed = CASE WHEN ?4 = 1 THEN 1 ELSE lapsed END,
           state_p = CASE WHEN ?4 = 1 THEN NULL ELSE state_p END, updated_at = ?5
         WHERE connection_id = ?1 AND patient_id = ?2 AND turn_by = ?3",
        params![id, patient, by, lapsed, now],
    )?;
    Ok(())
}

/// Keeps other credentials of the same kind.
///
/// # Errors
/// The engine's.
pub fn update_credentials(
    tx: &mut Tx,
    id: ConnectionId,
    credentials_p: &[u8],
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE connections SET credentials_p = ?2 WHERE id = ?1",
        params![id, credentials_p],
    )?;
    Ok(())
}

/// Forgets every token of a connection.
///
/// # Errors
/// The engine's.
pub fn delete_tokens(tx: &mut Tx, id: ConnectionId) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM connection_tokens WHERE connection_id = ?1",
        params![id],
    )?;
    Ok(())
}

/// Says when everybody on a connection is due next.
///
/// # Errors
/// The engine's.
pub fn update_all_due(
    tx: &mut Tx,
    id: ConnectionId,
    next_due: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE connection_patients SET next_due = ?2 WHERE connection_id = ?1",
        params![id, next_due],
    )?;
    Ok(())
}

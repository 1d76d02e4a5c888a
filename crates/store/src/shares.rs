//! Links: what a grant to whoever holds a secret URL has beside its terms.
//! Visits, files for other viewers, and the tickets that these are fetched by.
//!
//! Tokens, passcodes and views arrive as they may be kept; names and addresses
//! arrive protected, files encrypted.

use chartkey_domain::ids::{GrantId, PatientId};
use chartkey_fhir::RecordType;
use jiff::Timestamp;

use crate::patients::StatementRow;
use crate::{Reader, Row, StoreError, Tx, params};

/// A link's row.
#[derive(Clone)]
pub struct LinkRow {
    /// Its grant, and its own id.
    pub grant: GrantId,
    /// Names it in URLs; opens nothing.
    pub token: String,
    /// Keyed hash of what proves its key.
    pub auth_hash: [u8; 32],
    /// A single file for other viewers, instead of a manifest.
    pub single_file: bool,
    /// Slow hash of the passcode, where one is set.
    pub passcode_hash: Option<String>,
    /// Wrong passcodes that are left in its life.
    pub passcode_left: Option<u32>,
    /// How often it may be opened.
    pub max_accesses: Option<u64>,
    /// To whom it was addressed, protected.
    pub recipient_email_p: Option<Vec<u8>>,
    /// Their name, protected.
    pub recipient_name_p: Option<Vec<u8>>,
    /// Whether its recipient was written to: `none`, `notice` or `link`.
    pub mail_state: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

const LINK: &str = "l.grant_id, l.token, l.auth_hash, l.form, l.passcode_hash, l.passcode_left, l.max_accesses, \
     l.recipient_email_p, l.recipient_name_p, l.mail_state, l.created_at";

fn link_row(row: &Row<'_>) -> Result<LinkRow, StoreError> {
    Ok(LinkRow {
        grant: row.get(0)?,
        token: row.get(1)?,
        auth_hash: row.get(2)?,
        single_file: row.get::<String>(3)? == "U",
        passcode_hash: row.get(4)?,
        passcode_left: row.get(5)?,
        max_accesses: row.get::<Option<i64>>(6)?.map(i64::unsigned_abs),
        recipient_email_p: row.get(7)?,
        recipient_name_p: row.get(8)?,
        mail_state: row.get(9)?,
        created_at: row.get(10)?,
    })
}

/// Stores what a grant has as a link.
///
/// # Errors
/// [`StoreError::Unique`] where the token is taken.
pub fn insert(tx: &mut Tx, link: &LinkRow) -> Result<(), StoreError> {
    let most = link
        .max_accesses
        .map(|most| i64::try_from(most).unwrap_or(i64::MAX));
    tx.execute(
        "INSERT INTO links (grant_id, token, auth_hash, form, passcode_hash, passcode_left, max_accesses,
            recipient_email_p, recipient_name_p, mail_state, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            link.grant,
            link.token,
            link.auth_hash,
            if link.single_file { "U" } else { "M" },
            link.passcode_hash,
            link.passcode_left,
            most,
            link.recipient_email_p,
            link.recipient_name_p,
            link.mail_state,
            link.created_at
        ],
    )?;
    Ok(())
}

/// The link of a token.
pub fn lookup_by_token(db: &mut Reader, token: &str) -> Result<Option<LinkRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {LINK} FROM links l WHERE l.token = ?1"),
        params![token],
        link_row,
    )
}

/// The link of a grant.
pub fn lookup(db: &mut Reader, grant: GrantId) -> Result<Option<LinkRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {LINK} FROM links l WHERE l.grant_id = ?1"),
        params![grant],
        link_row,
    )
}

/// The links on patients that an account manages, newest first, behind
/// `after`: the time a link was made, in ms, and its id.
pub fn list_managed(
    db: &mut Reader,
    patients: &[PatientId],
    after: Option<(i64, GrantId)>,
    limit: u32,
) -> Result<Vec<LinkRow>, StoreError> {
    let (at, id) = after.unwrap_or((i64::MAX, GrantId::NIL));
    let mut found = Vec::new();
    for patient in patients {
        found.extend(db.query(
            &format!(
                "SELECT {LINK} FROM links l JOIN grants g ON g.id = l.grant_id
                 WHERE g.patient_id = ?1 AND (l.created_at < ?2 OR (l.created_at = ?2 AND l.grant_id < ?3))
                 ORDER BY l.created_at DESC, l.grant_id DESC LIMIT ?4"
            ),
            params![patient, at, id, limit],
            link_row,
        )?);
    }
    found.sort_by_key(|link| std::cmp::Reverse((link.created_at, link.grant)));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

/// Renames whom a link is for.
pub fn update_recipient(tx: &mut Tx, grant: GrantId, name_p: &[u8]) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE links SET recipient_name_p = ?2 WHERE grant_id = ?1",
        params![grant, name_p],
    )?;
    Ok(())
}

/// Takes one of the passcodes that may still be tried, before anything is
/// compared; how many are left then, or nothing where none was left.
pub fn take_try(tx: &mut Tx, grant: GrantId) -> Result<Option<u32>, StoreError> {
    let taken = tx.execute(
        "UPDATE links SET passcode_left = passcode_left - 1 WHERE grant_id = ?1 AND passcode_left > 0",
        params![grant],
    )?;
    if taken == 0 {
        return Ok(None);
    }
    tx.query_opt(
        "SELECT passcode_left FROM links WHERE grant_id = ?1",
        params![grant],
        |row| row.get(0),
    )
}

/// Gives a try back: the passcode was right, or was not compared.
pub fn give_try_back(tx: &mut Tx, grant: GrantId) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE links SET passcode_left = passcode_left + 1 WHERE grant_id = ?1",
        params![grant],
    )?;
    Ok(())
}

/// The statement by which a grant was made.
pub fn lookup_statement(
    db: &mut Reader,
    patient: PatientId,
    grant: GrantId,
) -> Result<Option<StatementRow>, StoreError> {
    db.query_opt(
        "SELECT s.seq, s.kind, s.body, s.signature, s.cosignature, s.hash
         FROM grants g JOIN patient_statements s ON s.patient_id = g.patient_id AND s.seq = g.statement_seq
         WHERE g.id = ?2 AND g.patient_id = ?1 AND s.kind = 'grant'",
        params![patient, grant],
        |row| {
            Ok(StatementRow {
                seq: row.get(0)?,
                kind: row.get(1)?,
                body: row.get(2)?,
                signature: row.get(3)?,
                cosignature: row.get(4)?,
                hash: row.get(5)?,
            })
        },
    )
}

// --- visits ---------------------------------------------------------------------

/// A visit to a link, as its owner is shown it.
#[derive(Clone)]
pub struct ViewRow {
    /// When it began.
    pub created_at: Timestamp,
    /// Until when it counts.
    pub expires_at: Timestamp,
    /// Who they said they are, protected.
    pub recipient_p: Option<Vec<u8>>,
}

/// Notes a visit under the hash of the secret that names it.
pub fn insert_view(
    tx: &mut Tx,
    hash: &[u8; 32],
    grant: GrantId,
    view: &ViewRow,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO link_views (id, grant_id, created_at, expires_at, recipient_p) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![hash, grant, view.created_at, view.expires_at, view.recipient_p],
    )?;
    Ok(())
}

/// Whether a visit to this link lasts.
pub fn has_view(
    db: &mut Reader,
    hash: &[u8; 32],
    grant: GrantId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found = db.query_i64(
        "SELECT COUNT(*) FROM link_views WHERE id = ?1 AND grant_id = ?2 AND expires_at > ?3",
        params![hash, grant, now],
    )?;
    Ok(found > 0)
}

/// The newest visits to a link.
pub fn list_views(db: &mut Reader, grant: GrantId, limit: u32) -> Result<Vec<ViewRow>, StoreError> {
    db.query(
        "SELECT created_at, expires_at, recipient_p FROM link_views WHERE grant_id = ?1
         ORDER BY created_at DESC LIMIT ?2",
        params![grant, limit],
        |row| {
            Ok(ViewRow {
                created_at: row.get(0)?,
                expires_at: row.get(1)?,
                recipient_p: row.get(2)?,
            })
        },
    )
}

// --- files for other viewers ------------------------------------------------------

// A file's `stale`: 0 as it should be, 1 out of date and still given, 2
// withdrawn until it is made anew, 3 nothing to show.

/// A file of a link: one record type, or everything in one (`record_type`
/// absent).
#[derive(Clone)]
pub struct FileRow {
    /// What it holds.
    pub record_type: Option<RecordType>,
    /// Compact JWE.
    pub jwe: String,
    /// When it was made.
    pub last_updated: Timestamp,
}

fn file_row(row: &Row<'_>) -> Result<FileRow, StoreError> {
    let word: String = row.get(0)?;
    let record_type = match word.as_str() {
        "" => None,
        word => Some(
            word.parse()
                .map_err(|_| StoreError::Corrupt("the type of a link's file"))?,
        ),
    };
    Ok(FileRow {
        record_type,
        jwe: String::from_utf8(row.get(1)?)
            .map_err(|_| StoreError::Corrupt("a link's file that is no text"))?,
        last_updated: row.get(2)?,
    })
}

fn type_word(record_type: Option<RecordType>) -> &'static str {
    record_type.map_or("", RecordType::as_str)
}

/// Stores a file of a link in place of the one before.
pub fn put_file(
    tx: &mut Tx,
    grant: GrantId,
    file_id: [u8; 16],
    file: &FileRow,
) -> Result<(), StoreError> {
    let word = type_word(file.record_type);
    tx.execute(
        "INSERT INTO link_files (grant_id, record_type, file_id, jwe, last_updated, stale)
         VALUES (?1, ?2, ?3, ?4, ?5, 0)
         ON CONFLICT (grant_id, record_type)
         DO UPDATE SET jwe = excluded.jwe, last_updated = excluded.last_updated, stale = 0",
        params![grant, word, file_id, file.jwe.as_bytes(), file.last_updated],
    )?;
    Ok(())
}

/// Notes that a link has nothing to show of what a file would hold, so that
/// the file is made when something comes in.
pub fn put_nothing(
    tx: &mut Tx,
    grant: GrantId,
    file_id: [u8; 16],
    record_type: Option<RecordType>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO link_files (grant_id, record_type, file_id, jwe, last_updated, stale)
         VALUES (?1, ?2, ?3, ?4, ?5, 3) ON CONFLICT (grant_id, record_type) DO NOTHING",
        params![
            grant,
            type_word(record_type),
            file_id,
            Vec::<u8>::new(),
            now
        ],
    )?;
    Ok(())
}

/// Deletes the files of a link, before they are all made anew.
pub fn delete_files(tx: &mut Tx, grant: GrantId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM link_files WHERE grant_id = ?1", params![grant])?;
    Ok(())
}

/// The files of a link, in the order of their types.
pub fn list_files(db: &mut Reader, grant: GrantId) -> Result<Vec<FileRow>, StoreError> {
    db.query(
        "SELECT record_type, jwe, last_updated FROM link_files WHERE grant_id = ?1 AND stale < 2
         ORDER BY record_type",
        params![grant],
        file_row,
    )
}

/// One file of a link.
pub fn lookup_file(
    db: &mut Reader,
    grant: GrantId,
    record_type: Option<RecordType>,
) -> Result<Option<FileRow>, StoreError> {
    db.query_opt(
        "SELECT record_type, jwe, last_updated FROM link_files WHERE grant_id = ?1 AND record_type = ?2
           AND stale < 2",
        params![grant, type_word(record_type)],
        file_row,
    )
}

/// Notes that records of a type changed: files that show it are out of date.
pub fn mark_files_stale(
    tx: &mut Tx,
    patient: PatientId,
    record_type: RecordType,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE link_files SET stale = CASE WHEN stale >= 2 THEN 2 ELSE 1 END WHERE record_type IN (?2, '')
           AND grant_id IN (SELECT id FROM grants WHERE patient_id = ?1 AND holder_kind = 'link')",
        params![patient, record_type],
    )?;
    Ok(())
}

/// Withdraws the files that show a type of which something was deleted or
/// re-classified, until they are made anew.
pub fn withdraw_files(
    tx: &mut Tx,
    patient: PatientId,
    record_type: RecordType,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE link_files SET stale = 2, jwe = ?3 WHERE record_type IN (?2, '')
           AND grant_id IN (SELECT id FROM grants WHERE patient_id = ?1 AND holder_kind = 'link')",
        params![patient, record_type, Vec::<u8>::new()],
    )?;
    Ok(())
}

/// Living links of a patient whose files are to be made anew: withdrawn ones
/// at once, those out of date when they were made before `made_before`.
pub fn list_with_stale_files(
    db: &mut Reader,
    patient: PatientId,
    now: Timestamp,
    made_before: Timestamp,
) -> Result<Vec<GrantId>, StoreError> {
    db.query(
        "SELECT DISTINCT g.id FROM grants g JOIN link_files f ON f.grant_id = g.id
         WHERE g.patient_id = ?1 AND g.ended_at IS NULL AND g.expires_at > ?2 AND (f.stale = 2 OR (f.stale = 1 AND f.last_updated <= ?3))",
        params![patient, now, made_before],
        |row| row.get(0),
    )
}

/// A ticket: fetches one file once, until it is over.
pub fn insert_ticket(
    tx: &mut Tx,
    hash: &[u8; 32],
    grant: GrantId,
    record_type: Option<RecordType>,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO file_tickets (id, grant_id, record_type, expires_at) VALUES (?1, ?2, ?3, ?4)",
        params![hash, grant, type_word(record_type), expires_at],
    )?;
    Ok(())
}

/// Uses a ticket up; what it was for, if it counted.
pub fn take_ticket(
    tx: &mut Tx,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<(GrantId, Option<RecordType>)>, StoreError> {
    let found = tx.query_opt(
        "SELECT grant_id, record_type FROM file_tickets WHERE id = ?1 AND expires_at > ?2",
        params![hash, now],
        |row| Ok((row.get::<GrantId>(0)?, row.get::<String>(1)?)),
    )?;
    let Some((grant, word)) = found else {
        return Ok(None);
    };
    tx.execute("DELETE FROM file_tickets WHERE id = ?1", params![hash])?;
    let record_type = match word.as_str() {
        "" => None,
        word => Some(
            word.parse()
                .map_err(|_| StoreError::Corrupt("the type of a ticket"))?,
        ),
    };
    Ok(Some((grant, record_type)))
}

// --- what a job does every minute -------------------------------------------------

/// Living links that nobody can open any more: opened as often as they may be
/// and the last visit over, or every passcode tried. A bounded number.
pub fn list_used_up(
    db: &mut Reader,
    visits_over: Timestamp,
    limit: u32,
) -> Result<Vec<(GrantId, PatientId)>, StoreError> {
    db.query(
        "SELECT g.id, g.patient_id FROM links l JOIN grants g ON g.id = l.grant_id
         WHERE g.ended_at IS NULL AND (l.passcode_left = 0
            OR (l.max_accesses IS NOT NULL AND g.access_count >= l.max_accesses AND g.last_accessed_at <= ?1))
         LIMIT ?2",
        params![visits_over, limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Deletes tickets that are over.
pub fn delete_tickets(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM file_tickets WHERE expires_at <= ?1",
        params![now],
    )
}

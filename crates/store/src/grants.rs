//! Grants: terms as columns, keyrings, what each holds, and counts of use.

use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId};
use chartkey_fhir::{Compartment, Kinds, RecordType};
use jiff::Timestamp;

use crate::{Reader, Row, StoreError, Tx, params};

/// A grant's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// Its id; a link has the same.
    pub id: GrantId,
    /// In whose record.
    pub patient: PatientId,
    /// Generation of its keyring.
    pub generation: u32,
    /// Position in the patient's chain of the statement by which it was made.
    pub statement_seq: u64,
    /// The account that holds it, absent for a link.
    pub holder: Option<AccountId>,
    /// Salt of the holder's hash.
    pub salt: [u8; 32],
    /// Types covered.
    pub types: Vec<RecordType>,
    /// Kinds covered.
    pub kinds: Kinds,
    /// Whether it names single records instead.
    pub by_records: bool,
    /// From when.
    pub valid_from: Timestamp,
    /// Till when.
    pub expires_at: Timestamp,
    /// Coded purpose of use.
    pub purpose: String,
    /// May download.
    pub may_download: bool,
    /// Types that may be added.
    pub write_types: Vec<RecordType>,
    /// May re-share.
    pub may_reshare: bool,
    /// The grant under which it was passed on, if it was.
    pub parent: Option<GrantId>,
    /// Which account made it.
    pub created_by: AccountId,
    /// When.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was ended, if it was.
    pub ended_at: Option<Timestamp>,
    /// Why, as a word.
    pub ended_reason: Option<String>,
    /// How often it was used.
    pub access_count: u64,
    /// How often something was downloaded.
    pub download_count: u64,
    /// Last use.
    pub last_accessed: Option<Timestamp>,
    /// Last download.
    pub last_downloaded: Option<Timestamp>,
}

/// The sealed parts of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantSeals {
    /// Sealed to the holder; empty once the grant ended.
    pub keyring: Vec<u8>,
    /// Sealed to the holder.
    pub cover: Vec<u8>,
    /// Wrapped for managers.
    pub cover_wrap: Vec<u8>,
}

const COLUMNS: &str = "g.id, g.patient_id, g.generation, g.holder_account, g.holder_salt, g.types, g.kinds, \
     g.by_records, g.valid_from, g.expires_at, g.purpose, g.may_download, g.write_types, g.may_reshare, \
     g.created_by, g.created_at, g.updated_at, g.ended_at, g.ended_reason, g.access_count, \
     g.download_count, g.last_accessed_at, g.last_downloaded_at, g.statement_seq, g.parent_id";

fn types(text: &str) -> Result<Vec<RecordType>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt("a list of record types"))
}

fn types_text(types: &[RecordType]) -> Result<String, StoreError> {
    serde_json::to_string(types).map_err(|_| StoreError::Refused("record types"))
}

fn grant_row(row: &Row<'_>) -> Result<GrantRow, StoreError> {
    Ok(GrantRow {
        id: row.get(0)?,
        patient: row.get(1)?,
        generation: row.get(2)?,
        statement_seq: row.get(23)?,
        holder: row.get(3)?,
        salt: row.get(4)?,
        types: types(&row.get::<String>(5)?)?,
        kinds: row.get(6)?,
        by_records: row.get(7)?,
        valid_from: row.get(8)?,
        expires_at: row.get(9)?,
        purpose: row.get(10)?,
        may_download: row.get(11)?,
        write_types: types(&row.get::<String>(12)?)?,
        may_reshare: row.get(13)?,
        parent: row.get(24)?,
        created_by: row.get(14)?,
        created_at: row.get(15)?,
        updated_at: row.get(16)?,
        ended_at: row.get(17)?,
        ended_reason: row.get(18)?,
        access_count: row.get(19)?,
        download_count: row.get(20)?,
        last_accessed: row.get(21)?,
        last_downloaded: row.get(22)?,
    })
}

/// Stores a grant with what its keyring holds.
pub fn insert(
    tx: &mut Tx,
    grant: &GrantRow,
    grant_key: &[u8],
    seals: &GrantSeals,
    holds: &[(Compartment, u32, u32)],
    records: &[RecordId],
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO grants (id, patient_id, generation, holder_kind, holder_account, holder_salt, grant_key,
            types, kinds, by_records, valid_from, expires_at, purpose, may_download, write_types, may_reshare,
            created_by, created_at, updated_at, keyring, cover, cover_wrap, access_count, download_count,
            statement_seq, parent_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
            ?21, ?22, 0, 0, ?23, ?24)",
        params![
            grant.id,
            grant.patient,
            grant.generation,
            if grant.holder.is_some() { "account" } else { "link" },
            grant.holder,
            grant.salt,
            grant_key,
            types_text(&grant.types)?,
            grant.kinds,
            grant.by_records,
            grant.valid_from,
            grant.expires_at,
            grant.purpose,
            grant.may_download,
            types_text(&grant.write_types)?,
            grant.may_reshare,
            grant.created_by,
            grant.created_at,
            grant.updated_at,
            seals.keyring,
            seals.cover,
            seals.cover_wrap,
            grant.statement_seq,
            grant.parent
        ],
    )?;
    for (compartment, generation, n) in holds {
        insert_hold(tx, grant.id, *compartment, *generation, *n)?;
    }
    for record in records {
        tx.execute(
            "INSERT INTO grant_records (grant_id, record_id) VALUES (?1, ?2)",
            params![grant.id, record],
        )?;
    }
    Ok(())
}

/// Notes that a grant's keyring opens an epoch.
pub fn insert_hold(
    tx: &mut Tx,
    grant: GrantId,
    compartment: Compartment,
    generation: u32,
    n: u32,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO grant_holds (grant_id, compartment, generation, n) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        params![grant, compartment, generation, n],
    )?;
    Ok(())
}

/// Whether a grant's keyring opens an epoch.
pub fn holds(
    db: &mut Reader,
    grant: GrantId,
    compartment: Compartment,
    generation: u32,
    n: u32,
) -> Result<bool, StoreError> {
    let found = db.query_i64(
        "SELECT COUNT(*) FROM grant_holds WHERE grant_id = ?1 AND compartment = ?2 AND generation = ?3 AND n >= ?4",
        params![grant, compartment, generation, n],
    )?;
    Ok(found > 0)
}

/// A grant by id.
pub fn lookup(db: &mut Reader, id: GrantId) -> Result<Option<GrantRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {COLUMNS} FROM grants g WHERE g.id = ?1"),
        params![id],
        grant_row,
    )
}

/// The sealed parts of a grant.
pub fn lookup_seals(db: &mut Reader, id: GrantId) -> Result<Option<GrantSeals>, StoreError> {
    db.query_opt(
        "SELECT keyring, cover, cover_wrap FROM grants WHERE id = ?1",
        params![id],
        |row| {
            Ok(GrantSeals {
                keyring: row.get(0)?,
                cover: row.get::<Option<Vec<u8>>>(1)?.unwrap_or_default(),
                cover_wrap: row.get::<Option<Vec<u8>>>(2)?.unwrap_or_default(),
            })
        },
    )
}

/// Every grant on a patient, newest first.
pub fn list_of_patient(db: &mut Reader, patient: PatientId) -> Result<Vec<GrantRow>, StoreError> {
    db.query(
        &format!("SELECT {COLUMNS} FROM grants g WHERE g.patient_id = ?1 ORDER BY g.created_at DESC, g.id DESC"),
        params![patient],
        grant_row,
    )
}

/// Every grant an account holds, newest first.
pub fn list_held(db: &mut Reader, holder: AccountId) -> Result<Vec<GrantRow>, StoreError> {
    db.query(
        &format!("SELECT {COLUMNS} FROM grants g WHERE g.holder_account = ?1 ORDER BY g.created_at DESC, g.id DESC"),
        params![holder],
        grant_row,
    )
}

/// Every grant an account holds on one patient, ended ones too.
pub fn list_held_on(
    db: &mut Reader,
    patient: PatientId,
    holder: AccountId,
) -> Result<Vec<GrantRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM grants g WHERE g.patient_id = ?1 AND g.holder_account = ?2 ORDER BY g.created_at, g.id"
        ),
        params![patient, holder],
        grant_row,
    )
}

/// Grants on a patient that have not ended; those that begin later included.
pub fn list_living(
    db: &mut Reader,
    patient: PatientId,
    now: Timestamp,
) -> Result<Vec<GrantRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM grants g
             WHERE g.patient_id = ?1 AND g.ended_at IS NULL AND g.expires_at > ?2 ORDER BY g.created_at, g.id"
        ),
        params![patient, now],
        grant_row,
    )
}

/// How many grants on a patient, links among them, have not ended.
pub fn count_living(
    db: &mut Reader,
    patient: PatientId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    db.query_i64(
        "SELECT COUNT(*) FROM grants WHERE patient_id = ?1 AND ended_at IS NULL AND expires_at > ?2",
        params![patient, now],
    )
    .map(i64::unsigned_abs)
}

/// The single records that a grant names.
pub fn list_records(db: &mut Reader, grant: GrantId) -> Result<Vec<RecordId>, StoreError> {
    db.query(
        "SELECT record_id FROM grant_records WHERE grant_id = ?1 ORDER BY record_id",
        params![grant],
        |row| row.get(0),
    )
}

/// Living grants of single records that name this one, and whose types and
/// kinds take in where it lies (or goes).
pub fn list_extra_readers(
    db: &mut Reader,
    record: RecordId,
    compartment: Compartment,
    now: Timestamp,
) -> Result<Vec<GrantId>, StoreError> {
    let named = db.query(
        &format!(
            "SELECT {COLUMNS} FROM grant_records r JOIN grants g ON g.id = r.grant_id
             WHERE r.record_id = ?1 AND g.ended_at IS NULL AND g.expires_at > ?2 ORDER BY g.id"
        ),
        params![record, now],
        grant_row,
    )?;
    Ok(named
        .into_iter()
        .filter(|g| {
            g.types.contains(&compartment.record_type) && compartment.kinds.is_subset_of(g.kinds)
        })
        .map(|g| g.id)
        .collect())
}

/// Of every grant on a patient the cover that is wrapped for managers.
pub fn list_cover_wraps(
    db: &mut Reader,
    patient: PatientId,
) -> Result<Vec<(GrantId, Vec<u8>)>, StoreError> {
    db.query(
        "SELECT id, cover_wrap FROM grants WHERE patient_id = ?1",
        params![patient],
        |row| {
            Ok((
                row.get(0)?,
                row.get::<Option<Vec<u8>>>(1)?.unwrap_or_default(),
            ))
        },
    )
}

/// Living grants that were passed on under this one.
pub fn list_passed_on(db: &mut Reader, parent: GrantId) -> Result<Vec<GrantId>, StoreError> {
    db.query(
        "SELECT id FROM grants WHERE parent_id = ?1 AND ended_at IS NULL ORDER BY id",
        params![parent],
        |row| row.get(0),
    )
}

/// Single-record grants on a patient that an account holds or made, newest first.
pub fn list_single(
    db: &mut Reader,
    patient: PatientId,
    account: AccountId,
) -> Result<Vec<GrantRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM grants g
             WHERE g.patient_id = ?1 AND g.by_records = 1 AND g.holder_account IS NOT NULL
               AND (g.holder_account = ?2 OR g.created_by = ?2)
             ORDER BY g.created_at DESC, g.id DESC"
        ),
        params![patient, account],
        grant_row,
    )
}

/// Ends a grant and what was passed on under it, and deletes what opened things
/// for these: keyrings and direct envelopes. False where it had ended already.
pub fn end(tx: &mut Tx, id: GrantId, reason: &str, now: Timestamp) -> Result<bool, StoreError> {
    let ended = tx.execute(
        "UPDATE grants SET ended_at = ?2, ended_reason = ?3, updated_at = ?2, keyring = ?4
         WHERE id = ?1 AND ended_at IS NULL",
        params![id, now, reason, Vec::<u8>::new()],
    )?;
    delete_envelopes(tx, id)?;
    crate::deliveries::cancel_grant(tx, id, now)?;
    // What was passed on is never passed on again: this ends.
    for child in list_passed_on(tx, id)? {
        end(tx, child, reason, now)?;
    }
    Ok(ended > 0)
}

/// Deletes the direct envelopes to a grant.
pub fn delete_envelopes(tx: &mut Tx, id: GrantId) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM envelopes WHERE to_kind = 'grant' AND to_id = ?1",
        params![id],
    )?;
    tx.execute(
        "DELETE FROM version_envelopes WHERE grant_id = ?1",
        params![id],
    )?;
    tx.execute("DELETE FROM link_files WHERE grant_id = ?1", params![id])?;
    Ok(())
}

/// Grants past their time that still have a keyring, a bounded number.
pub fn list_expired(
    db: &mut Reader,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<GrantRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM grants g WHERE g.ended_at IS NULL AND g.expires_at <= ?1
             ORDER BY g.expires_at LIMIT ?2"
        ),
        params![now, limit],
        grant_row,
    )
}

/// Living grants that end before `until` and whose patient was not told yet.
pub fn list_expiring(
    db: &mut Reader,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<GrantRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM grants g WHERE g.ended_at IS NULL AND g.expires_at > ?1
               AND g.expires_at <= ?2 AND g.expiry_notified_at IS NULL ORDER BY g.expires_at LIMIT ?3"
        ),
        params![now, until, limit],
        grant_row,
    )
}

/// Notes that the patient was told of a coming end.
pub fn update_notified(tx: &mut Tx, id: GrantId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE grants SET expiry_notified_at = ?2 WHERE id = ?1",
        params![id, now],
    )?;
    Ok(())
}

/// Changes a living grant's end.
pub fn update_expiry(
    tx: &mut Tx,
    id: GrantId,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE grants SET expires_at = ?2, updated_at = ?3, expiry_notified_at = NULL WHERE id = ?1",
        params![id, expires_at, now],
    )?;
    Ok(())
}

/// Replaces a living grant's keyring.
pub fn update_keyring(
    tx: &mut Tx,
    id: GrantId,
    keyring: &[u8],
    generation: u32,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE grants SET keyring = ?2, generation = ?3 WHERE id = ?1 AND ended_at IS NULL",
        params![id, keyring, generation],
    )?;
    Ok(())
}

/// Replaces the managers' copy of a cover, and the grant's key, in a new
/// generation.
pub fn update_carried(
    tx: &mut Tx,
    id: GrantId,
    grant_key: &[u8],
    cover_wrap: Option<&[u8]>,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE grants SET grant_key = ?2 WHERE id = ?1",
        params![id, grant_key],
    )?;
    if let Some(cover_wrap) = cover_wrap {
        tx.execute(
            "UPDATE grants SET cover_wrap = ?2 WHERE id = ?1",
            params![id, cover_wrap],
        )?;
    }
    Ok(())
}

/// Counts one use.
pub fn count_access(tx: &mut Tx, id: GrantId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE grants SET access_count = access_count + 1, last_accessed_at = ?2 WHERE id = ?1",
        params![id, now],
    )?;
    Ok(())
}

/// Counts one download.
pub fn count_download(tx: &mut Tx, id: GrantId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE grants SET download_count = download_count + 1, last_downloaded_at = ?2 WHERE id = ?1",
        params![id, now],
    )?;
    Ok(())
}

//! Patients: generations, managers, their seeds, and the chain of statements.

use chartkey_domain::ids::{AccountId, PatientId};
use chartkey_fhir::Compartment;
use jiff::Timestamp;

use crate::{Reader, Row, StoreError, Tx, params};

/// A patient's row, without the protected profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientRow {
    /// Its id.
    pub id: PatientId,
    /// The account that owns it, once claimed.
    pub owner: Option<AccountId>,
    /// The current generation.
    pub generation: u32,
    /// Bumped by every change that writers must know of.
    pub grants_version: u64,
    /// Whether the server may open records for a request.
    pub assisted_access: bool,
}

/// A statement of a chain, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementRow {
    /// Position, from 0.
    pub seq: u64,
    /// The word of its kind.
    pub kind: String,
    /// Exact text.
    pub body: String,
    /// 64 bytes.
    pub signature: Vec<u8>,
    /// 64 bytes, where a key is introduced.
    pub cosignature: Option<Vec<u8>>,
    /// Names it in its successor.
    pub hash: [u8; 32],
}

const PATIENT: &str = "id, owner_account, generation, grants_version, assisted_access";

fn patient_row(row: &Row<'_>) -> Result<PatientRow, StoreError> {
    Ok(PatientRow {
        id: row.get(0)?,
        owner: row.get(1)?,
        generation: row.get(2)?,
        grants_version: row.get(3)?,
        assisted_access: row.get(4)?,
    })
}

fn statement_row(row: &Row<'_>) -> Result<StatementRow, StoreError> {
    Ok(StatementRow {
        seq: row.get(0)?,
        kind: row.get(1)?,
        body: row.get(2)?,
        signature: row.get(3)?,
        cosignature: row.get(4)?,
        hash: row.get(5)?,
    })
}

/// Stores a new patient of generation 1.
pub fn insert(
    tx: &mut Tx,
    id: PatientId,
    owner: Option<AccountId>,
    assisted_access: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO patients (id, owner_account, generation, grants_version, assisted_access, claimed, created_at)
         VALUES (?1, ?2, 1, 1, ?3, ?4, ?5)",
        params![id, owner, assisted_access, owner.is_some(), now],
    )?;
    Ok(())
}

/// A patient by id.
pub fn lookup(db: &mut Reader, id: PatientId) -> Result<Option<PatientRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {PATIENT} FROM patients WHERE id = ?1"),
        params![id],
        patient_row,
    )
}

/// Patients that an account manages: its own first, then charts that it opened
/// or took over, each oldest first.
pub fn list_managed(db: &mut Reader, account: AccountId) -> Result<Vec<PatientRow>, StoreError> {
    db.query(
        "SELECT p.id, p.owner_account, p.generation, p.grants_version, p.assisted_access
         FROM patient_managers m JOIN patients p ON p.id = m.patient_id
         LEFT JOIN charts c ON c.patient_id = p.id
         WHERE m.account_id = ?1
         ORDER BY CASE WHEN c.patient_id IS NULL THEN 0 ELSE 1 END, p.created_at, p.id",
        params![account],
        patient_row,
    )
}

/// Switches assisted access on or off.
pub fn update_assisted_access(tx: &mut Tx, id: PatientId, on: bool) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE patients SET assisted_access = ?2 WHERE id = ?1",
        params![id, on],
    )?;
    Ok(())
}

/// Says that writers must look again; the new version.
pub fn bump_version(tx: &mut Tx, id: PatientId) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE patients SET grants_version = grants_version + 1 WHERE id = ?1",
        params![id],
    )?;
    Ok(lookup(tx, id)?.map_or(0, |p| p.grants_version))
}

/// Moves on to a new generation.
pub fn update_generation(tx: &mut Tx, id: PatientId, generation: u32) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE patients SET generation = ?2 WHERE id = ?1",
        params![id, generation],
    )?;
    Ok(())
}

/// Accounts that hold the current seed.
pub fn list_managers(db: &mut Reader, id: PatientId) -> Result<Vec<AccountId>, StoreError> {
    db.query(
        "SELECT account_id FROM patient_managers WHERE patient_id = ?1 ORDER BY created_at, account_id",
        params![id],
        |row| row.get(0),
    )
}

/// The seed sealed to a manager.
pub fn lookup_seed(
    db: &mut Reader,
    id: PatientId,
    account: AccountId,
) -> Result<Option<Vec<u8>>, StoreError> {
    db.query_opt(
        "SELECT sealed_seed FROM patient_managers WHERE patient_id = ?1 AND account_id = ?2",
        params![id, account],
        |row| row.get(0),
    )
}

/// Stores the seed sealed to a manager.
pub fn insert_manager(
    tx: &mut Tx,
    id: PatientId,
    account: AccountId,
    generation: u32,
    sealed_seed: &[u8],
    role: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO patient_managers (patient_id, account_id, generation, sealed_seed, role, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![id, account, generation, sealed_seed, role, now],
    )?;
    Ok(())
}

/// Removes every manager, before a generation names its own.
pub fn delete_managers(tx: &mut Tx, id: PatientId) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM patient_managers WHERE patient_id = ?1",
        params![id],
    )?;
    Ok(())
}

/// Stores the seed of an earlier generation, wrapped under its successor.
pub fn insert_older_seed(
    tx: &mut Tx,
    id: PatientId,
    generation: u32,
    wrapped: &[u8],
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO patient_seeds (patient_id, generation, wrapped) VALUES (?1, ?2, ?3)",
        params![id, generation, wrapped],
    )?;
    Ok(())
}

/// Seeds of earlier generations, newest first.
pub fn list_older_seeds(db: &mut Reader, id: PatientId) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
    db.query(
        "SELECT generation, wrapped FROM patient_seeds WHERE patient_id = ?1 ORDER BY generation DESC",
        params![id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Appends to a patient's chain. The primary key refuses a second statement at
/// the same position.
pub fn insert_statement(
    tx: &mut Tx,
    id: PatientId,
    statement: &StatementRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO patient_statements (patient_id, seq, kind, body, signature, cosignature, hash, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            id,
            statement.seq,
            statement.kind,
            statement.body,
            statement.signature,
            statement.cosignature,
            statement.hash,
            now
        ],
    )?;
    tx.execute(
        "UPDATE patients SET head_hash = ?2 WHERE id = ?1",
        params![id, statement.hash],
    )?;
    Ok(())
}

/// A patient's chain, oldest first.
pub fn list_statements(db: &mut Reader, id: PatientId) -> Result<Vec<StatementRow>, StoreError> {
    db.query(
        "SELECT seq, kind, body, signature, cosignature, hash FROM patient_statements
         WHERE patient_id = ?1 ORDER BY seq",
        params![id],
        statement_row,
    )
}

/// The newest statement of a patient's chain; of a kind, where it is given.
pub fn lookup_newest_statement(
    db: &mut Reader,
    id: PatientId,
    kind: Option<&str>,
) -> Result<Option<StatementRow>, StoreError> {
    const NEWEST: &str = "SELECT seq, kind, body, signature, cosignature, hash FROM patient_statements \
         WHERE patient_id = ?1";
    match kind {
        // PostgreSQL gives a parameter that is only compared with NULL no type.
        None => db.query_opt(
            &format!("{NEWEST} ORDER BY seq DESC LIMIT 1"),
            params![id],
            statement_row,
        ),
        Some(kind) => db.query_opt(
            &format!("{NEWEST} AND kind = ?2 ORDER BY seq DESC LIMIT 1"),
            params![id, kind],
            statement_row,
        ),
    }
}

/// An epoch that has been begun, or that the first of a generation links back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochRow {
    /// Of which compartment.
    pub compartment: Compartment,
    /// In which generation.
    pub generation: u32,
    /// From 1.
    pub n: u32,
    /// Which epoch came before.
    pub previous: (u32, u32),
    /// Its key, wrapped under this one's.
    pub previous_wrapped: Vec<u8>,
}

/// Begins an epoch.
pub fn insert_epoch(
    tx: &mut Tx,
    id: PatientId,
    epoch: &EpochRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO epochs (patient_id, compartment, generation, n, previous_wrapped, begun_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            id,
            epoch.compartment,
            epoch.generation,
            epoch.n,
            epoch.previous_wrapped,
            now
        ],
    )?;
    Ok(())
}

/// All epochs of a patient that store a predecessor, in order of time.
pub fn list_epochs(db: &mut Reader, id: PatientId) -> Result<Vec<EpochRow>, StoreError> {
    let mut previous: Option<(Compartment, u32, u32)> = None;
    db.query(
        "SELECT compartment, generation, n, previous_wrapped FROM epochs
         WHERE patient_id = ?1 AND previous_wrapped IS NOT NULL ORDER BY compartment, generation, n",
        params![id],
        |row| {
            let compartment: Compartment = row.get(0)?;
            let (generation, n): (u32, u32) = (row.get(1)?, row.get(2)?);
            let before = match previous {
                Some((c, g, m)) if c == compartment && n == 1 => (g, m),
                _ if n == 1 => (generation.saturating_sub(1), 1),
                _ => (generation, n.saturating_sub(1)),
            };
            previous = Some((compartment, generation, n));
            Ok(EpochRow {
                compartment,
                generation,
                n,
                previous: before,
                previous_wrapped: row.get(3)?,
            })
        },
    )
}

/// The newest epoch of a compartment within a generation; 1 exists from birth.
pub fn current_epoch(
    db: &mut Reader,
    id: PatientId,
    compartment: Compartment,
    generation: u32,
) -> Result<u32, StoreError> {
    let n = db.query_i64(
        "SELECT MAX(n) FROM epochs WHERE patient_id = ?1 AND compartment = ?2 AND generation = ?3",
        params![id, compartment, generation],
    )?;
    Ok(u32::try_from(n.max(1)).unwrap_or(u32::MAX))
}

/// Compartments of a patient that have batches.
pub fn list_compartments(db: &mut Reader, id: PatientId) -> Result<Vec<Compartment>, StoreError> {
    db.query(
        "SELECT DISTINCT compartment FROM batches WHERE patient_id = ?1",
        params![id],
        |row| row.get(0),
    )
}

/// Whether anybody whose grant ended holds a compartment's current key.
pub fn is_stale(
    db: &mut Reader,
    id: PatientId,
    compartment: Compartment,
    epoch: (u32, u32),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let n = db.query_i64(
        "SELECT COUNT(*) FROM grants g JOIN grant_holds h ON h.grant_id = g.id
         WHERE g.patient_id = ?1 AND (g.ended_at IS NOT NULL OR g.expires_at <= ?5)
           AND h.compartment = ?2 AND h.generation = ?3 AND h.n = ?4",
        params![id, compartment, epoch.0, epoch.1, now],
    )?;
    Ok(n > 0)
}

/// A patient's name, protected.
pub fn lookup_name(db: &mut Reader, id: PatientId) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(db
        .query_opt(
            "SELECT name_p FROM patients WHERE id = ?1",
            params![id],
            |row| row.get::<Option<Vec<u8>>>(0),
        )?
        .flatten())
}

/// A patient's day of birth, protected.
pub fn lookup_birth_date(db: &mut Reader, id: PatientId) -> Result<Option<Vec<u8>>, StoreError> {
    let found = db.query_opt(
        "SELECT birth_date_p FROM patients WHERE id = ?1",
        params![id],
        |row| row.get::<Option<Vec<u8>>>(0),
    )?;
    Ok(found.flatten())
}

//! Batches: the keys that versions hang on, wrapped or sealed directly.

use chartkey_domain::ids::{AccountId, BatchId, Id, PatientId};
use chartkey_fhir::Compartment;
use jiff::Timestamp;

use crate::{Reader, Row, StoreError, Tx, params};

/// A batch's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    /// Its id.
    pub id: BatchId,
    /// Whose.
    pub patient: PatientId,
    /// Its one compartment.
    pub compartment: Compartment,
    /// Generation and number of the epoch whose key wraps; absent until a
    /// directly sealed batch is adopted.
    pub epoch: Option<(u32, u32)>,
    /// The batch key, wrapped.
    pub wrapped: Option<Vec<u8>>,
    /// Who wrote it; absent for the server.
    pub author: Option<AccountId>,
    /// When.
    pub created_at: Timestamp,
}

/// A batch key sealed to one principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeRow {
    /// `inbox`, `grant` or `account`.
    pub to_kind: String,
    /// Which.
    pub to: Id,
    /// The sealed key.
    pub sealed: Vec<u8>,
}

const BATCH: &str =
    "id, patient_id, compartment, generation, n, wrapped, author_account, created_at";

fn batch_row(row: &Row<'_>) -> Result<BatchRow, StoreError> {
    let epoch = match (row.get::<Option<u32>>(3)?, row.get::<Option<u32>>(4)?) {
        (Some(generation), Some(n)) => Some((generation, n)),
        _ => None,
    };
    Ok(BatchRow {
        id: row.get(0)?,
        patient: row.get(1)?,
        compartment: row.get(2)?,
        epoch,
        wrapped: row.get(5)?,
        author: row.get(6)?,
        created_at: row.get(7)?,
    })
}

/// Stores a batch with its envelopes.
pub fn insert(tx: &mut Tx, batch: &BatchRow, envelopes: &[EnvelopeRow]) -> Result<(), StoreError> {
    let author_kind = if batch.author.is_some() {
        "account"
    } else {
        "server"
    };
    tx.execute(
        "INSERT INTO batches (id, patient_id, compartment, generation, n, wrapped, author_account, author_kind, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            batch.id,
            batch.patient,
            batch.compartment,
            batch.epoch.map(|e| e.0),
            batch.epoch.map(|e| e.1),
            batch.wrapped,
            batch.author,
            author_kind,
            batch.created_at
        ],
    )?;
    for envelope in envelopes {
        tx.execute(
            "INSERT INTO envelopes (batch_id, to_kind, to_id, sealed) VALUES (?1, ?2, ?3, ?4)",
            params![batch.id, envelope.to_kind, envelope.to, envelope.sealed],
        )?;
    }
    Ok(())
}

/// A batch of a patient.
pub fn lookup(
    db: &mut Reader,
    patient: PatientId,
    id: BatchId,
) -> Result<Option<BatchRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {BATCH} FROM batches WHERE id = ?1 AND patient_id = ?2"),
        params![id, patient],
        batch_row,
    )
}

/// Envelopes of a batch to one principal.
pub fn lookup_envelope(
    db: &mut Reader,
    batch: BatchId,
    to_kind: &str,
    to: Id,
) -> Result<Option<EnvelopeRow>, StoreError> {
    db.query_opt(
        "SELECT to_kind, to_id, sealed FROM envelopes WHERE batch_id = ?1 AND to_kind = ?2 AND to_id = ?3",
        params![batch, to_kind, to],
        |row| {
            Ok(EnvelopeRow {
                to_kind: row.get(0)?,
                to: row.get(1)?,
                sealed: row.get(2)?,
            })
        },
    )
}

/// Directly sealed batches that wait for adoption, oldest first.
pub fn list_unadopted(
    db: &mut Reader,
    patient: PatientId,
    limit: u32,
) -> Result<Vec<BatchRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {BATCH} FROM batches WHERE patient_id = ?1 AND generation IS NULL ORDER BY id LIMIT ?2"
        ),
        params![patient, limit],
        batch_row,
    )
}

/// How many wait for adoption; in one compartment where it is given.
pub fn count_unadopted(
    db: &mut Reader,
    patient: PatientId,
    compartment: Option<Compartment>,
) -> Result<u64, StoreError> {
    let n = match compartment {
        Some(compartment) => db.query_i64(
            "SELECT COUNT(*) FROM batches WHERE patient_id = ?1 AND compartment = ?2 AND generation IS NULL",
            params![patient, compartment],
        )?,
        None => db.query_i64(
            "SELECT COUNT(*) FROM batches WHERE patient_id = ?1 AND generation IS NULL",
            params![patient],
        )?,
    };
    Ok(u64::try_from(n).unwrap_or(0))
}

/// Wraps a directly sealed batch, and drops the envelopes that nobody needs
/// any more: the inbox's, and those of grants whose keyring opens the epoch.
/// False where it was adopted already.
pub fn adopt(
    tx: &mut Tx,
    patient: PatientId,
    id: BatchId,
    epoch: (u32, u32),
    wrapped: &[u8],
) -> Result<bool, StoreError> {
    let n = tx.execute(
        "UPDATE batches SET generation = ?3, n = ?4, wrapped = ?5
         WHERE id = ?1 AND patient_id = ?2 AND generation IS NULL",
        params![id, patient, epoch.0, epoch.1, wrapped],
    )?;
    if n == 0 {
        return Ok(false);
    }
    tx.execute(
        "DELETE FROM envelopes WHERE batch_id = ?1 AND to_kind = 'inbox'",
        params![id],
    )?;
    tx.execute(
        "DELETE FROM envelopes WHERE batch_id = ?1 AND to_kind = 'grant' AND EXISTS
           (SELECT 1 FROM grant_holds h JOIN batches b ON b.id = envelopes.batch_id
            WHERE h.grant_id = envelopes.to_id AND h.compartment = b.compartment
              AND h.generation = ?2 AND h.n >= ?3)",
        params![id, epoch.0, epoch.1],
    )?;
    Ok(true)
}

/// Sets a directly sealed batch aside that no manager can open: nothing waits
/// for it any more. It counts as taken over in an epoch that nothing is sealed
/// in. False where it was not waiting.
pub fn set_aside(tx: &mut Tx, patient: PatientId, id: BatchId) -> Result<bool, StoreError> {
    let n = tx.execute(
        "UPDATE batches SET generation = 0, n = 0
         WHERE id = ?1 AND patient_id = ?2 AND generation IS NULL",
        params![id, patient],
    )?;
    Ok(n == 1)
}

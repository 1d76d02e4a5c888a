//! Requests for access: a provider asks a patient. The message is sealed to
//! the patient's inbox.

use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId, RequestId};
use chartkey_fhir::{Kinds, RecordType};
use jiff::Timestamp;

use crate::{Reader, Row, StoreError, Tx, params};

/// A request's row.
#[derive(Debug, Clone)]
pub struct RequestRow {
    /// Its id.
    pub id: RequestId,
    /// Whom it asks.
    pub patient: PatientId,
    /// Who asks.
    pub asker: AccountId,
    /// Types to read.
    pub types: Vec<RecordType>,
    /// Kinds to read.
    pub kinds: Kinds,
    /// Types to write.
    pub write_types: Vec<RecordType>,
    /// Coded purpose of use.
    pub purpose: String,
    /// Sealed to the patient's inbox.
    pub message_sealed: Option<Vec<u8>>,
    /// Until when access is wanted, where it was said.
    pub wanted_until: Option<Timestamp>,
    /// `pending`, `approved`, `denied` or `expired`.
    pub status: String,
    /// The grant that answered it.
    pub grant: Option<GrantId>,
    /// For whom, where it is not who asks.
    pub beneficiary: Option<AccountId>,
    /// The one record that it is about, where it is about one.
    pub record: Option<RecordId>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, patient_id, provider_id, types, kinds, write_types, purpose, message_sealed, wanted_until, \
     status, grant_id, created_at, answered_at, for_account, record_id";

fn types(text: &str) -> Result<Vec<RecordType>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt("a list of record types"))
}

fn types_text(types: &[RecordType]) -> Result<String, StoreError> {
    serde_json::to_string(types).map_err(|_| StoreError::Refused("record types"))
}

fn request_row(row: &Row<'_>) -> Result<RequestRow, StoreError> {
    Ok(RequestRow {
        id: row.get(0)?,
        patient: row.get(1)?,
        asker: row.get(2)?,
        types: types(&row.get::<String>(3)?)?,
        kinds: row.get(4)?,
        write_types: types(&row.get::<String>(5)?)?,
        purpose: row.get(6)?,
        message_sealed: row.get(7)?,
        wanted_until: row.get(8)?,
        status: row.get(9)?,
        grant: row.get(10)?,
        created_at: row.get(11)?,
        answered_at: row.get(12)?,
        beneficiary: row.get(13)?,
        record: row.get(14)?,
    })
}

/// Stores a new request.
pub fn insert(tx: &mut Tx, request: &RequestRow) -> Result<(), StoreError> {
    tx.execute(
        &format!(
            "INSERT INTO access_requests ({COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        ),
        params![
            request.id,
            request.patient,
            request.asker,
            types_text(&request.types)?,
            request.kinds,
            types_text(&request.write_types)?,
            request.purpose,
            request.message_sealed,
            request.wanted_until,
            request.status,
            request.grant,
            request.created_at,
            request.answered_at,
            request.beneficiary,
            request.record
        ],
    )?;
    Ok(())
}

/// A request by id.
pub fn lookup(db: &mut Reader, id: RequestId) -> Result<Option<RequestRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {COLUMNS} FROM access_requests WHERE id = ?1"),
        params![id],
        request_row,
    )
}

/// Requests to a patient, newest first.
pub fn list_of_patient(
    db: &mut Reader,
    patient: PatientId,
    limit: u32,
) -> Result<Vec<RequestRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM access_requests WHERE patient_id = ?1
             ORDER BY created_at DESC, id DESC LIMIT ?2"
        ),
        params![patient, limit],
        request_row,
    )
}

/// Requests by an account, newest first.
pub fn list_of_asker(
    db: &mut Reader,
    asker: AccountId,
    limit: u32,
) -> Result<Vec<RequestRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM access_requests WHERE provider_id = ?1
             ORDER BY created_at DESC, id DESC LIMIT ?2"
        ),
        params![asker, limit],
        request_row,
    )
}

/// How many requests of whomever wait with a patient, made after `since`.
pub fn count_waiting_with(
    db: &mut Reader,
    patient: PatientId,
    since: Timestamp,
) -> Result<u64, StoreError> {
    db.query_i64(
        "SELECT COUNT(*) FROM access_requests
         WHERE patient_id = ?1 AND status = 'pending' AND created_at > ?2",
        params![patient, since],
    )
    .map(i64::unsigned_abs)
}

/// How many requests of an account wait with a patient, made after `since`.
pub fn count_waiting(
    db: &mut Reader,
    patient: PatientId,
    asker: AccountId,
    since: Timestamp,
) -> Result<i64, StoreError> {
    db.query_i64(
        "SELECT COUNT(*) FROM access_requests
         WHERE patient_id = ?1 AND provider_id = ?2 AND status = 'pending' AND created_at > ?3",
        params![patient, asker, since],
    )
}

/// Answers a request that waits; false where it was answered already.
pub fn answer(
    tx: &mut Tx,
    id: RequestId,
    status: &str,
    grant: Option<GrantId>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let answered = tx.execute(
        "UPDATE access_requests SET status = ?2, grant_id = ?3, answered_at = ?4
         WHERE id = ?1 AND status = 'pending'",
        params![id, status, grant, now],
    )?;
    Ok(answered == 1)
}

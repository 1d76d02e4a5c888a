//! Requests to providers for documents: what was asked for in coded words, the
//! hash of the link by which it is answered, and how much has come.

use chartkey_domain::document_requests::{DocumentRequestState, DocumentRequestWay};
use chartkey_domain::ids::{AccountId, DocumentRequestId, PatientId, SyncId};
use chartkey_fhir::RecordType;
use jiff::Timestamp;

use crate::{Reader, Row, StoreError, Tx, params};

/// A request's row.
#[derive(Debug, Clone)]
pub struct DocumentRequestRow {
    /// Its id.
    pub id: DocumentRequestId,
    /// About whom.
    pub patient: PatientId,
    /// Who asks.
    pub asked_by: AccountId,
    /// Types asked for; none: whatever there is.
    pub types: Vec<RecordType>,
    /// Whom a mail went to, protected.
    pub to_p: Option<Vec<u8>>,
    /// How it reached them.
    pub way: DocumentRequestWay,
    /// Keyed hash of the link's token.
    pub token_hash: [u8; 32],
    /// What the link shows, sealed under its token.
    pub words_sealed: Vec<u8>,
    /// The message, sealed to the patient's inbox.
    pub message_sealed: Vec<u8>,
    /// The wider synchronisation that came first.
    pub sync: Option<SyncId>,
    /// Where it stands, as far as anybody said.
    pub state: DocumentRequestState,
    /// Documents that came by the link.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Until when the link takes documents.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When the newest document came.
    pub answered_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, patient_id, asked_by, types, to_p, way, token_hash, words_sealed, message_sealed, \
     sync_id, state, documents, bytes, expires_at, created_at, updated_at, answered_at";

fn request_row(row: &Row<'_>) -> Result<DocumentRequestRow, StoreError> {
    let types: String = row.get(3)?;
    let way: String = row.get(5)?;
    let state: String = row.get(10)?;
    Ok(DocumentRequestRow {
        id: row.get(0)?,
        patient: row.get(1)?,
        asked_by: row.get(2)?,
        types: serde_json::from_str(&types)
            .map_err(|_| StoreError::Corrupt("a list of record types"))?,
        to_p: row.get(4)?,
        way: DocumentRequestWay::parse(&way)
            .ok_or(StoreError::Corrupt("the way of a request for documents"))?,
        token_hash: row.get(6)?,
        words_sealed: row.get(7)?,
        message_sealed: row.get(8)?,
        sync: row.get(9)?,
        state: DocumentRequestState::parse(&state)
            .ok_or(StoreError::Corrupt("the state of a request for documents"))?,
        documents: row.get(11)?,
        bytes: row.get(12)?,
        expires_at: row.get(13)?,
        created_at: row.get(14)?,
        updated_at: row.get(15)?,
        answered_at: row.get(16)?,
    })
}

/// Stores a new request.
pub fn insert(tx: &mut Tx, request: &DocumentRequestRow) -> Result<(), StoreError> {
    let types =
        serde_json::to_string(&request.types).map_err(|_| StoreError::Refused("record types"))?;
    tx.execute(
        &format!(
            "INSERT INTO document_requests ({COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
        ),
        params![
            request.id,
            request.patient,
            request.asked_by,
            types,
            request.to_p,
            request.way.as_str(),
            request.token_hash,
            request.words_sealed,
            request.message_sealed,
            request.sync,
            request.state.as_str(),
            request.documents,
            request.bytes,
            request.expires_at,
            request.created_at,
            request.updated_at,
            request.answered_at
        ],
    )?;
    Ok(())
}

/// A request by id.
pub fn lookup(
    db: &mut Reader,
    id: DocumentRequestId,
) -> Result<Option<DocumentRequestRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {COLUMNS} FROM document_requests WHERE id = ?1"),
        params![id],
        request_row,
    )
}

/// A request by its link.
pub fn lookup_by_token(
    db: &mut Reader,
    token_hash: &[u8; 32],
) -> Result<Option<DocumentRequestRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {COLUMNS} FROM document_requests WHERE token_hash = ?1"),
        params![token_hash],
        request_row,
    )
}

/// Requests about a patient, newest first.
pub fn list_of_patient(
    db: &mut Reader,
    patient: PatientId,
    limit: u32,
) -> Result<Vec<DocumentRequestRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM document_requests WHERE patient_id = ?1
             ORDER BY created_at DESC, id DESC LIMIT ?2"
        ),
        params![patient, limit],
        request_row,
    )
}

/// Requests of an account, newest first.
pub fn list_of_asker(
    db: &mut Reader,
    asked_by: AccountId,
    limit: u32,
) -> Result<Vec<DocumentRequestRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM document_requests WHERE asked_by = ?1
             ORDER BY created_at DESC, id DESC LIMIT ?2"
        ),
        params![asked_by, limit],
        request_row,
    )
}

/// How many requests about a patient wait.
pub fn count_waiting(
    db: &mut Reader,
    patient: PatientId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    db.query_i64(
        "SELECT COUNT(*) FROM document_requests
         WHERE patient_id = ?1 AND state IN ('open', 'answered') AND expires_at > ?2",
        params![patient, now],
    )
    .map(i64::unsigned_abs)
}

/// Counts a document that came, where the request still takes some; false
/// where it was closed meanwhile, or has as many as `most`.
pub fn note_document(
    tx: &mut Tx,
    id: DocumentRequestId,
    bytes: u64,
    most: (u64, u64),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (documents, most_bytes) = most;
    let noted = tx.execute(
        "UPDATE document_requests SET state = 'answered', documents = documents + 1, bytes = bytes + ?2,
            answered_at = ?3, updated_at = ?3
         WHERE id = ?1 AND state IN ('open', 'answered') AND expires_at > ?3
           AND documents < ?4 AND bytes + ?2 <= ?5",
        params![id, bytes, now, documents, most_bytes],
    )?;
    Ok(noted == 1)
}

/// Ends a request that waits; false where it was ended already.
pub fn end(
    tx: &mut Tx,
    id: DocumentRequestId,
    state: DocumentRequestState,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended = tx.execute(
        "UPDATE document_requests SET state = ?2, updated_at = ?3
         WHERE id = ?1 AND state IN ('open', 'answered')",
        params![id, state.as_str(), now],
    )?;
    Ok(ended == 1)
}

/// Requests whose time is over and which nobody closed, a bounded number.
pub fn list_over(
    db: &mut Reader,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DocumentRequestRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {COLUMNS} FROM document_requests
             WHERE state IN ('open', 'answered') AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2"
        ),
        params![now, limit],
        request_row,
    )
}

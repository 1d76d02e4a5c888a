//! Records and their versions, as ciphertext. What may be seen is decided by
//! the permit: every list goes through its scope.

// Writing into a `String` cannot fail.
use std::fmt::Write as _;

use chartkey_domain::{
    grants::Coverage,
    ids::{AccountId, BatchId, BlobId, GrantId, PatientId, RecordId},
    policy::{Permit, Scope},
};
use chartkey_fhir::{Compartment, Kinds, RecordType};
use jiff::Timestamp;

use crate::{Reader, Row, StoreError, ToValue, Tx, Value, params};

/// A record, without content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// Its id.
    pub id: RecordId,
    /// Whose.
    pub patient: PatientId,
    /// Where it lies.
    pub compartment: Compartment,
    /// Hidden from counts.
    pub supporting: bool,
    /// Its current version.
    pub version: u32,
    /// Keyed hash of where it came from.
    pub identity_tag: Option<[u8; 32]>,
    /// `upload`, `provider`, or a connection.
    pub source: String,
    /// Who wrote the first version; absent for the server.
    pub author: Option<AccountId>,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// When its current version was.
    pub updated_at: Timestamp,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
    /// When its author took it back, if they did: only managers read it.
    pub withdrawn_at: Option<Timestamp>,
}

/// One version, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Of which record.
    pub record: RecordId,
    /// From 1.
    pub version: u32,
    /// Its batch.
    pub batch: BatchId,
    /// Sealed header.
    pub header: Vec<u8>,
    /// Sealed body, where it was asked for and is not a blob.
    pub body: Option<Vec<u8>>,
    /// The blob that holds the body.
    pub blob: Option<BlobId>,
    /// Sealed size of header and body.
    pub size: u64,
    /// Bound into header and body.
    pub commitment: [u8; 32],
    /// Keyed hash of the content.
    pub content_tag: Option<[u8; 32]>,
    /// SHA-256 of what is stored; the trail names it.
    pub sealed_hash: [u8; 32],
    /// Who wrote it; absent for the server.
    pub author: Option<AccountId>,
    /// When it was stored.
    pub created_at: Timestamp,
}

const RECORD: &str = "r.id, r.patient_id, r.compartment, r.supporting, r.version, r.identity_tag, r.source, \
     r.author_account, r.created_at, r.updated_at, r.deleted_at, r.withdrawn_at";
const RECORD_COLUMNS: usize = 12;

fn record_row(row: &Row<'_>) -> Result<RecordRow, StoreError> {
    Ok(RecordRow {
        id: row.get(0)?,
        patient: row.get(1)?,
        compartment: row.get(2)?,
        supporting: row.get(3)?,
        version: row.get(4)?,
        identity_tag: row.get(5)?,
        source: row.get(6)?,
        author: row.get(7)?,
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
        deleted_at: row.get(10)?,
        withdrawn_at: row.get(11)?,
    })
}

fn version_columns(with_body: bool) -> String {
    let body = if with_body { "v.body" } else { "NULL" };
    format!(
        "v.record_id, v.version, v.batch_id, v.header, {body}, v.blob_id, v.size, v.commitment, v.content_tag, \
         v.sealed_hash, v.author_account, v.created_at"
    )
}

fn version_row(row: &Row<'_>, at: usize) -> Result<VersionRow, StoreError> {
    Ok(VersionRow {
        record: row.get(at)?,
        version: row.get(at + 1)?,
        batch: row.get(at + 2)?,
        header: row.get(at + 3)?,
        body: row.get(at + 4)?,
        blob: row.get(at + 5)?,
        size: row.get(at + 6)?,
        commitment: row.get(at + 7)?,
        content_tag: row.get(at + 8)?,
        sealed_hash: row.get(at + 9)?,
        author: row.get(at + 10)?,
        created_at: row.get(at + 11)?,
    })
}

/// What a list is narrowed to, beside its permit.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this type.
    pub record_type: Option<RecordType>,
    /// Only from this source.
    pub source: Option<String>,
    /// Supporting resources too.
    pub supporting: bool,
    /// Bodies as well as headers.
    pub with_body: bool,
    /// Only these, at most as many as a page.
    pub records: Option<Vec<RecordId>>,
    /// Behind this record: its time of storage in ms and id.
    pub after: Option<(i64, RecordId)>,
    /// At most so many.
    pub limit: u32,
}

/// Appends what the permit's scope allows to a WHERE clause over `r`.
fn scope_clause(permit: &Permit, sql: &mut String, values: &mut Vec<Value<'_>>) {
    let Scope::Within(within) = permit.scope() else {
        if !permit.is_managers() {
            sql.push_str(" AND 1 = 0");
        }
        return;
    };
    sql.push_str(" AND r.withdrawn_at IS NULL AND (1 = 0");
    for coverage in &within.reads {
        coverage_clause(coverage, sql, values);
    }
    if let Some(author) = within.author {
        values.push(own(&author));
        let _ = write!(sql, " OR r.author_account = ?{}", values.len());
    }
    sql.push(')');
}

fn coverage_clause(coverage: &Coverage, sql: &mut String, values: &mut Vec<Value<'_>>) {
    if coverage.types.is_empty() {
        return;
    }
    let types: Vec<RecordType> = coverage.types.iter().collect();
    let types = placeholders(&types, values);
    let hidden = Kinds::ALL.bits() & !coverage.kinds.bits();
    values.push(Value::I64(i64::from(hidden)));
    let _ = write!(
        sql,
        " OR (r.record_type IN ({}) AND (r.kinds & ?{}) = 0",
        types,
        values.len()
    );
    if coverage.records.is_some() {
        values.push(own(&coverage.grant));
        let _ = write!(
            sql,
            " AND r.id IN (SELECT record_id FROM grant_records WHERE grant_id = ?{})",
            values.len()
        );
    }
    sql.push(')');
}

/// Adds values, and answers the list that stands for them; NULL for none, which
/// nothing is equal to.
fn placeholders(items: &[impl ToValue], values: &mut Vec<Value<'_>>) -> String {
    let list: Vec<String> = items
        .iter()
        .map(|item| {
            values.push(own(item));
            format!("?{}", values.len())
        })
        .collect();
    if list.is_empty() {
        return "NULL".to_owned();
    }
    list.join(", ")
}

fn own<'a>(value: &impl ToValue) -> Value<'a> {
    match value.to_value() {
        Value::Null => Value::Null,
        Value::I64(v) => Value::I64(v),
        Value::Text(v) => Value::Text(v.into_owned().into()),
        Value::Blob(v) => Value::Blob(v.into_owned().into()),
    }
}

/// Current versions that the permit reaches, newest stored first.
pub fn list(
    db: &mut Reader,
    permit: &Permit,
    filter: &Filter,
) -> Result<Vec<(RecordRow, VersionRow)>, StoreError> {
    let mut values: Vec<Value<'_>> = vec![own(&permit.patient())];
    let mut sql = format!(
        "SELECT {RECORD}, {} FROM records r JOIN versions v ON v.record_id = r.id AND v.version = r.version
         WHERE r.patient_id = ?1 AND r.deleted_at IS NULL",
        version_columns(filter.with_body)
    );
    if !filter.supporting {
        sql.push_str(" AND r.supporting = 0");
    }
    if let Some(record_type) = filter.record_type {
        values.push(own(&record_type));
        let _ = write!(sql, " AND r.record_type = ?{}", values.len());
    }
    if let Some(source) = &filter.source {
        values.push(own(source));
        let _ = write!(sql, " AND r.source = ?{}", values.len());
    }
    if let Some((at, id)) = &filter.after {
        values.push(Value::I64(*at));
        let at = values.len();
        values.push(own(id));
        // As a row value, so that the index leads straight to the next page.
        let _ = write!(
            sql,
            " AND (r.updated_at, r.id) < (?{at}, ?{})",
            values.len()
        );
    }
    if let Some(records) = &filter.records {
        let _ = write!(sql, " AND r.id IN ({})", placeholders(records, &mut values));
    }
    scope_clause(permit, &mut sql, &mut values);
    values.push(Value::I64(i64::from(filter.limit)));
    let _ = write!(
        sql,
        " ORDER BY r.updated_at DESC, r.id DESC LIMIT ?{}",
        values.len()
    );
    db.query(&sql, &values, |row| {
        Ok((record_row(row)?, version_row(row, RECORD_COLUMNS)?))
    })
}

/// How many records of each compartment the permit reaches.
pub fn count(db: &mut Reader, permit: &Permit) -> Result<Vec<(Compartment, u64)>, StoreError> {
    let mut values: Vec<Value<'_>> = vec![own(&permit.patient())];
    let mut sql = "SELECT r.compartment, COUNT(*) FROM records r
         WHERE r.patient_id = ?1 AND r.deleted_at IS NULL AND r.supporting = 0"
        .to_owned();
    scope_clause(permit, &mut sql, &mut values);
    sql.push_str(" GROUP BY r.compartment");
    db.query(&sql, &values, |row| Ok((row.get(0)?, row.get(1)?)))
}

/// A record by id, whoever asks: facts for the policy, not content.
pub fn lookup(db: &mut Reader, id: RecordId) -> Result<Option<RecordRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {RECORD} FROM records r WHERE r.id = ?1"),
        params![id],
        record_row,
    )
}

/// One version of the permit's record; its current one where `version` is
/// absent.
pub fn lookup_version(
    db: &mut Reader,
    permit: &Permit,
    version: Option<u32>,
) -> Result<Option<(RecordRow, VersionRow)>, StoreError> {
    let Some(record) = permit.record() else {
        return Ok(None);
    };
    db.query_opt(
        &format!(
            "SELECT {RECORD}, {} FROM records r JOIN versions v ON v.record_id = r.id
               AND v.version = COALESCE(?3, r.version)
             WHERE r.id = ?1 AND r.patient_id = ?2 AND r.deleted_at IS NULL",
            version_columns(true)
        ),
        params![record, permit.patient(), version],
        |row| Ok((record_row(row)?, version_row(row, RECORD_COLUMNS)?)),
    )
}

/// The current version of a patient's record, with its body: for what opens
/// only what was sealed to it.
pub fn lookup_current(
    db: &mut Reader,
    patient: PatientId,
    id: RecordId,
) -> Result<Option<(RecordRow, VersionRow)>, StoreError> {
    db.query_opt(
        &format!(
            "SELECT {RECORD}, {} FROM records r JOIN versions v ON v.record_id = r.id AND v.version = r.version
             WHERE r.id = ?1 AND r.patient_id = ?2 AND r.deleted_at IS NULL",
            version_columns(true)
        ),
        params![id, patient],
        |row| Ok((record_row(row)?, version_row(row, RECORD_COLUMNS)?)),
    )
}

/// All versions of the permit's record, newest first, without bodies.
pub fn list_versions(db: &mut Reader, permit: &Permit) -> Result<Vec<VersionRow>, StoreError> {
    let Some(record) = permit.record() else {
        return Ok(Vec::new());
    };
    db.query(
        &format!(
            "SELECT {} FROM versions v JOIN records r ON r.id = v.record_id
             WHERE r.id = ?1 AND r.patient_id = ?2 AND r.deleted_at IS NULL ORDER BY v.version DESC",
            version_columns(false)
        ),
        params![record, permit.patient()],
        |row| version_row(row, 0),
    )
}

/// A record found by its identity tag.
pub fn lookup_by_tag(
    db: &mut Reader,
    patient: PatientId,
    tag: &[u8; 32],
) -> Result<Option<(RecordRow, VersionRow)>, StoreError> {
    db.query_opt(
        &format!(
            "SELECT {RECORD}, {} FROM records r JOIN versions v ON v.record_id = r.id AND v.version = r.version
             WHERE r.patient_id = ?1 AND r.identity_tag = ?2 AND r.deleted_at IS NULL",
            version_columns(false)
        ),
        params![patient, tag],
        |row| Ok((record_row(row)?, version_row(row, RECORD_COLUMNS)?)),
    )
}

/// Stores a new record; its version is stored by [`insert_version`].
pub fn insert(tx: &mut Tx, record: &RecordRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO records (id, patient_id, compartment, record_type, kinds, supporting, version, identity_tag,
            source, author_account, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            record.id,
            record.patient,
            record.compartment,
            record.compartment.record_type,
            record.compartment.kinds,
            record.supporting,
            record.version,
            record.identity_tag,
            record.source,
            record.author,
            record.created_at,
            record.updated_at
        ],
    )?;
    Ok(())
}

/// Moves a record on to its next version, if it still is at the one before.
pub fn update_version(
    tx: &mut Tx,
    patient: PatientId,
    id: RecordId,
    version: u32,
    compartment: Compartment,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let n = tx.execute(
        "UPDATE records SET version = ?3, compartment = ?4, record_type = ?5, kinds = ?6, updated_at = ?7
         WHERE id = ?1 AND patient_id = ?2 AND version = ?3 - 1 AND deleted_at IS NULL",
        params![
            id,
            patient,
            version,
            compartment,
            compartment.record_type,
            compartment.kinds,
            now
        ],
    )?;
    Ok(n == 1)
}

/// Stores a version.
pub fn insert_version(
    tx: &mut Tx,
    version: &VersionRow,
    sealed_by: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO versions (record_id, version, batch_id, header, body, blob_id, size, commitment, content_tag,
            sealed_hash, author_account, sealed_by, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            version.record,
            version.version,
            version.batch,
            version.header,
            version.body,
            version.blob,
            version.size,
            version.commitment,
            version.content_tag,
            version.sealed_hash,
            version.author,
            sealed_by,
            version.created_at
        ],
    )?;
    Ok(())
}

/// Deletes a record: its versions and all that opened them are gone, a
/// tombstone stays. The blobs that held bodies are returned, to be deleted.
pub fn delete(
    tx: &mut Tx,
    patient: PatientId,
    id: RecordId,
    now: Timestamp,
) -> Result<Vec<BlobId>, StoreError> {
    let gone = tx.execute(
        "UPDATE records SET deleted_at = ?3, identity_tag = NULL, updated_at = ?3
         WHERE id = ?1 AND patient_id = ?2 AND deleted_at IS NULL",
        params![id, patient, now],
    )?;
    if gone == 0 {
        return Ok(Vec::new());
    }
    delete_versions(tx, id)
}

/// Takes a record back for its author: it stays, for managers alone. False where
/// it was taken back or deleted before. Nothing that comes later is taken for the
/// same.
pub fn withdraw(
    tx: &mut Tx,
    patient: PatientId,
    id: RecordId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let withdrawn = tx.execute(
        "UPDATE records SET withdrawn_at = ?3, identity_tag = NULL
         WHERE id = ?1 AND patient_id = ?2 AND deleted_at IS NULL AND withdrawn_at IS NULL",
        params![id, patient, now],
    )?;
    Ok(withdrawn == 1)
}

/// Removes every version of a record, and the batches that held nothing else.
/// The blobs that held bodies are returned, to be deleted.
pub fn delete_versions(tx: &mut Tx, id: RecordId) -> Result<Vec<BlobId>, StoreError> {
    let held: Vec<(BatchId, Option<BlobId>)> = tx.query(
        "SELECT batch_id, blob_id FROM versions WHERE record_id = ?1 ORDER BY batch_id",
        params![id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    tx.execute(
        "DELETE FROM version_envelopes WHERE record_id = ?1",
        params![id],
    )?;
    tx.execute("DELETE FROM versions WHERE record_id = ?1", params![id])?;
    let mut batches: Vec<BatchId> = held.iter().map(|(batch, _)| *batch).collect();
    batches.dedup();
    for batch in batches {
        tx.execute(
            "DELETE FROM batches WHERE id = ?1
               AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.batch_id = batches.id)",
            params![batch],
        )?;
    }
    Ok(held.into_iter().filter_map(|(_, blob)| blob).collect())
}

/// Puts a record into another compartment.
pub fn update_compartment(
    tx: &mut Tx,
    patient: PatientId,
    id: RecordId,
    compartment: Compartment,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE records SET compartment = ?3, record_type = ?4, kinds = ?5, updated_at = ?6
         WHERE id = ?1 AND patient_id = ?2",
        params![
            id,
            patient,
            compartment,
            compartment.record_type,
            compartment.kinds,
            now
        ],
    )?;
    Ok(())
}

/// Seals a version key to a grant of single records.
pub fn insert_version_envelope(
    tx: &mut Tx,
    record: RecordId,
    version: u32,
    grant: GrantId,
    sealed: &[u8],
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO version_envelopes (record_id, version, grant_id, sealed) VALUES (?1, ?2, ?3, ?4)",
        params![record, version, grant, sealed],
    )?;
    Ok(())
}

/// Version keys sealed to one of these grants.
pub fn list_version_envelopes(
    db: &mut Reader,
    record: RecordId,
    version: u32,
    grants: &[GrantId],
) -> Result<Vec<(GrantId, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    for grant in grants {
        found.extend(db.query(
            "SELECT grant_id, sealed FROM version_envelopes
             WHERE record_id = ?1 AND version = ?2 AND grant_id = ?3",
            params![record, version, grant],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?);
    }
    Ok(found)
}

/// The record version whose body a blob holds.
pub fn lookup_by_blob(
    db: &mut Reader,
    blob: BlobId,
) -> Result<Option<(RecordRow, VersionRow)>, StoreError> {
    db.query_opt(
        &format!(
            "SELECT {RECORD}, {} FROM versions v JOIN records r ON r.id = v.record_id
             WHERE v.blob_id = ?1 AND r.deleted_at IS NULL",
            version_columns(false)
        ),
        params![blob],
        |row| Ok((record_row(row)?, version_row(row, RECORD_COLUMNS)?)),
    )
}

//! Migrations: forward only, embedded, run at start, by one node at a time.
//!
//! Files in `migrations/` are written once for both engines. A released file
//! never changes; its number is the schema version.

use crate::engine::{Connection, StoreError, Tx};
use crate::params;

const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_base.sql")),
    (2, include_str!("../migrations/0002_practice.sql")),
    (4, include_str!("../migrations/0004_grant_statements.sql")),
    (5, include_str!("../migrations/0005_sync.sql")),
    (7, include_str!("../migrations/0007_directory.sql")),
    (8, include_str!("../migrations/0008_documents.sql")),
];

/// Brings the database to the newest version, each migration in its own
/// transaction together with the row that says so.
///
/// # Errors
/// [`StoreError::Migration`] with the number that failed, or that is newer
/// than this program; [`StoreError::Unavailable`] and the like as they are.
pub(crate) fn run(tx: &mut Tx) -> Result<(), StoreError> {
    begin(tx)?;
    let found = applied(tx);
    finish(tx, found.as_ref().err())?;
    let mut version = found?;
    let newest = MIGRATIONS.last().map_or(0, |(number, _)| *number);
    if version > newest {
        return Err(StoreError::Migration(version));
    }
    for (number, sql) in MIGRATIONS {
        if *number <= version {
            continue;
        }
        begin(tx)?;
        // Another node may have come first while we waited for the lock.
        let done = match applied(tx) {
            Ok(now) if now >= *number => Ok(now),
            Ok(_) => apply(tx, *number, sql).map(|()| *number),
            Err(error) => Err(error),
        };
        finish(tx, done.as_ref().err())?;
        version = done?;
        tracing::info!(version, "store.migrate");
    }
    Ok(())
}

fn begin(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = match &tx.connection {
        Connection::Sqlite(_) => "BEGIN IMMEDIATE",
        Connection::Postgres(_) => {
            "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('chartkey/' || current_schema(), 0))"
        }
    };
    tx.connection.batch(sql)
}

fn finish(tx: &mut Tx, error: Option<&StoreError>) -> Result<(), StoreError> {
    tx.failed = false;
    match error {
        None => tx.connection.batch("COMMIT"),
        Some(_) => tx.connection.batch("ROLLBACK"),
    }
}

fn applied(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.connection
        .batch("CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY)")?;
    tx.query_i64("SELECT MAX(version) FROM schema_migrations", params![])
}

fn apply(tx: &mut Tx, number: i64, sql: &str) -> Result<(), StoreError> {
    let dialect = match &tx.connection {
        Connection::Sqlite(_) => sqlite(sql),
        Connection::Postgres(_) => postgres(sql),
    };
    tx.connection.batch(&dialect).map_err(|error| {
        tracing::error!(?error, version = number, "store.migrate");
        StoreError::Migration(number)
    })?;
    tx.execute(
        "INSERT INTO schema_migrations (version) VALUES (?1)",
        params![number],
    )?;
    Ok(())
}

// The whole dialect: SQLite is told to check types (STRICT, which spells its
// integers INTEGER) and to keep rows in the order of the primary key where
// the file says so; PostgreSQL spells bytes BYTEA. Both have the digits of
// bytes, under names of their own.
fn sqlite(sql: &str) -> String {
    sql.replace("BIGINT", "INTEGER")
        .replace("/*rows*/", "STRICT")
        .replace("/*clustered*/", "STRICT, WITHOUT ROWID")
        .replace("lower_hex(grants.id)", "lower(hex(grants.id))")
}

fn postgres(sql: &str) -> String {
    sql.replace("BLOB", "BYTEA")
        .replace("lower_hex(grants.id)", "encode(grants.id, 'hex')")
}

#[cfg(test)]
mod tests {
    use chartkey_domain::ids::{AccountId, GrantId, PatientId};
    use jiff::Timestamp;

    use super::*;
    use crate::patients::StatementRow;
    use crate::testing::for_each_engine;
    use crate::{patients, shares};

    const PATIENT: PatientId = PatientId::from_bytes([0xa1; 16]);
    const GRANT: GrantId = GrantId::from_bytes([0xb2; 16]);

    /// What is stored as a program before migration 4 stored it.
    fn before_4(tx: &mut Tx) -> Result<(), StoreError> {
        for undo in [
            "ALTER TABLE grants DROP COLUMN statement_seq",
            "DROP INDEX access_requests_pending",
            "CREATE UNIQUE INDEX access_requests_open ON access_requests (patient_id, provider_id) WHERE status = 'open'",
            "DELETE FROM schema_migrations WHERE version = 4",
        ] {
            tx.execute(undo, params![])?;
        }
        tx.execute(
            "INSERT INTO patients (id, generation, grants_version, assisted_access, claimed, created_at)
             VALUES (?1, 1, 0, 1, 1, 0)",
            params![PATIENT],
        )?;
        for (seq, body) in [
            (0, "{}".to_owned()),
            (1, format!("{{\"grant\":\"{}\"}}", GrantId::NIL)),
            (2, format!("{{\"grant\":\"{GRANT}\"}}")),
        ] {
            let row = StatementRow {
                seq,
                kind: if seq == 0 { "generation" } else { "grant" }.to_owned(),
                body,
                signature: vec![1; 64],
                cosignature: None,
                hash: [2; 32],
            };
            patients::insert_statement(tx, PATIENT, &row, Timestamp::UNIX_EPOCH)?;
        }
        tx.execute(
            "INSERT INTO grants (id, patient_id, generation, holder_kind, holder_salt, grant_key, types, kinds,
                by_records, valid_from, expires_at, purpose, may_download, write_types, may_reshare, created_by,
                created_at, updated_at, keyring, access_count, download_count)
             VALUES (?1, ?2, 1, 'link', ?3, ?3, '[]', 0, 0, 0, 9, 'TREAT', 0, '[]', 0, ?4, 0, 0, ?3, 0, 0)",
            params![GRANT, PATIENT, [1_u8; 32], AccountId::NIL],
        )
        .map(drop)
    }

    #[test]
    fn grants_made_before_they_named_their_statement_name_it() {
        for_each_engine(|store| async move {
            let found = store
                .write("test.migrate", |tx: &mut Tx| {
                    before_4(tx)?;
                    let (number, sql) = MIGRATIONS
                        .iter()
                        .find(|(number, _)| *number == 4)
                        .ok_or(StoreError::Migration(4))?;
                    apply(tx, *number, sql)?;
                    shares::lookup_statement(tx, PATIENT, GRANT)
                })
                .await
                .unwrap_or_else(|error: StoreError| panic!("{error:?}"));
            assert_eq!(found.map(|row| row.seq), Some(2));
        });
    }
}

//! Migrations: forward only, embedded, run at start, by one node at a time.
//!
//! Files in `migrations/` are written once for both engines. A released file
//! never changes; its number is the schema version.

use crate::engine::{Connection, StoreError, Tx};
use crate::params;

const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_base.sql")),
    (3, include_str!("../migrations/0003_sync.sql")),
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
// the file says so; PostgreSQL spells bytes BYTEA.
fn sqlite(sql: &str) -> String {
    sql.replace("BIGINT", "INTEGER")
        .replace("/*rows*/", "STRICT")
        .replace("/*clustered*/", "STRICT, WITHOUT ROWID")
}

fn postgres(sql: &str) -> String {
    sql.replace("BLOB", "BYTEA")
}

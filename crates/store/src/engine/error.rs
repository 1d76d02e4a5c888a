//! What can go wrong below SQL, with stable codes.
//!
//! Never a statement and never a value: both databases put them into their
//! messages, so those messages stop here.

use std::fmt;

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A row with these values exists already.
    #[error("a row of {table} with the same {} exists", columns.join(", "))]
    Unique {
        /// The table whose unique index refused.
        table: String,
        /// The columns of that index, in its order.
        columns: Vec<String>,
    },
    /// A foreign key, check or not-null constraint refused.
    #[error("a constraint of the database refused the row")]
    Constraint,
    /// Somebody else held the database for longer than we wait. Nothing was
    /// written.
    #[error("the database is busy")]
    Busy,
    /// The commit did not report success. Whether the write is durable is not
    /// known; the caller looks before trying again.
    #[error("the commit failed; its outcome is unknown")]
    Commit,
    /// What is stored is not what we would have stored.
    #[error("stored data is damaged: {0}")]
    Corrupt(&'static str),
    /// The database cannot be reached, is full, or this store is closed.
    /// Nothing was written.
    #[error("the database is unavailable")]
    Unavailable,
    /// The closure panicked; what it wrote was taken back.
    #[error("the transaction panicked")]
    Panicked,
    /// The closure went on after a failed statement; everything it did was
    /// taken back (try such a statement in [`Tx::savepoint`](crate::Tx::savepoint)).
    #[error("the transaction went on after a failed statement")]
    Aborted,
    /// A value does not fit what its column or function takes.
    #[error("not accepted: {0}")]
    Refused(&'static str),
    /// The database did not accept a statement: our mistake.
    #[error("a statement was not accepted ({code})")]
    Statement {
        /// The engine's own code (SQLite's extended number, or SQLSTATE).
        code: String,
        /// The engine's message, in test builds only.
        hint: Hint,
    },
    /// A migration failed, or the database is newer than this program.
    #[error("migration {0} cannot be applied")]
    Migration(i64),
}

impl StoreError {
    /// Stable dotted code for logs, metrics and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unique { .. } => "store.unique",
            Self::Constraint => "store.constraint",
            Self::Busy => "store.busy",
            Self::Commit => "store.commit",
            Self::Corrupt(_) => "store.corrupt",
            Self::Unavailable => "store.unavailable",
            Self::Panicked => "store.panicked",
            Self::Aborted => "store.aborted",
            Self::Refused(_) => "store.refused",
            Self::Statement { .. } => "store.statement",
            Self::Migration(_) => "store.migration",
        }
    }

    /// Whether this is the refusal of the unique index over exactly these
    /// columns of `table`, named alike on both engines.
    pub fn is_unique(&self, table: &str, columns: &[&str]) -> bool {
        matches!(self, Self::Unique { table: t, columns: c }
            if t == table && c.iter().map(String::as_str).eq(columns.iter().copied()))
    }

    pub(super) fn from_sqlite(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as E;
        use rusqlite::ffi;
        let (failure, message) = match error {
            rusqlite::Error::SqliteFailure(failure, message) => {
                (*failure, message.clone().unwrap_or_default())
            }
            rusqlite::Error::SqlInputError { error, msg, .. } => (*error, msg.clone()),
            other => {
                return Self::Statement {
                    code: "rusqlite".into(),
                    hint: Hint::new(|| other.to_string()),
                };
            }
        };
        match failure.code {
            E::ConstraintViolation => match failure.extended_code {
                ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_ROWID => sqlite_unique(&message),
                _ => Self::Constraint,
            },
            E::DatabaseBusy | E::DatabaseLocked => Self::Busy,
            E::DatabaseCorrupt | E::NotADatabase => Self::Corrupt("database file"),
            E::DiskFull
            | E::SystemIoFailure
            | E::CannotOpen
            | E::ReadOnly
            | E::OutOfMemory
            | E::PermissionDenied
            | E::OperationInterrupted
            | E::OperationAborted => Self::Unavailable,
            _ => Self::Statement {
                code: failure.extended_code.to_string(),
                hint: Hint::new(|| message),
            },
        }
    }

    pub(super) fn from_postgres(error: &::postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            if error.is_closed() {
                return Self::Unavailable;
            }
            // Conversions report themselves as errors without a code; the
            // rest are the connection's.
            return match std::error::Error::source(error) {
                Some(source) if source.is::<super::value::WrongType>() => Self::Statement {
                    code: "postgres.type".into(),
                    hint: Hint::new(|| error.to_string()),
                },
                _ => Self::Unavailable,
            };
        };
        let code = db.code().code();
        match code {
            "23505" => postgres_unique(db),
            "40001" | "40P01" | "55P03" | "57014" => Self::Busy,
            "25P02" => Self::Aborted,
            "XX001" | "XX002" => Self::Corrupt("database pages"),
            _ => match code.get(..2).unwrap_or_default() {
                "23" => Self::Constraint,
                "08" | "53" | "57" | "58" => Self::Unavailable,
                _ => Self::Statement {
                    code: code.to_owned(),
                    hint: Hint::new(|| db.message().to_owned()),
                },
            },
        }
    }
}

/// `UNIQUE constraint failed: table.a, table.b`
fn sqlite_unique(message: &str) -> StoreError {
    let list = message.rsplit(": ").next().unwrap_or_default();
    let mut table = String::new();
    let mut columns = Vec::new();
    for part in list.split(", ") {
        if let Some((t, column)) = part.split_once('.') {
            t.clone_into(&mut table);
            columns.push(column.to_owned());
        }
    }
    StoreError::Unique { table, columns }
}

/// Detail: `Key (a, b)=(values) already exists.`; only the names are taken.
fn postgres_unique(db: &::postgres::error::DbError) -> StoreError {
    let columns = db
        .detail()
        .and_then(|detail| detail.strip_prefix("Key ("))
        .and_then(|rest| rest.split_once(")=("))
        .map(|(names, _)| names.split(", ").map(str::to_owned).collect())
        .unwrap_or_default();
    StoreError::Unique {
        table: db.table().unwrap_or_default().to_owned(),
        columns,
    }
}

/// An engine's message, kept only where tests are built: it may quote SQL.
#[derive(Clone, PartialEq, Eq)]
pub struct Hint(Option<String>);

impl Hint {
    fn new(message: impl FnOnce() -> String) -> Self {
        Self(cfg!(any(test, feature = "testing")).then(message))
    }
}

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("-"))
    }
}

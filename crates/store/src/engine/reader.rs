//! What closures are given: [`Reader`] to look, [`Tx`] to write.

use std::ops::{Deref, DerefMut};

use super::postgres::PgConnection;
use super::sqlite::SqliteConnection;
use super::{Row, StoreError, Value};
use crate::trail::Frontiers;

/// One connection of either engine.
pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>),
}

impl Connection {
    /// Runs statements without parameters; `sql` is ours, never built of data.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => connection.batch(sql),
            Self::Postgres(connection) => connection.batch(sql),
        }
    }

    /// Whether a transaction is open and its connection alive. Some failures
    /// (disk full, connection lost) end the transaction by themselves.
    pub(crate) fn in_transaction(&self) -> bool {
        match self {
            Self::Sqlite(connection) => connection.in_transaction(),
            Self::Postgres(connection) => !connection.is_closed(),
        }
    }
}

/// Looks at one consistent state of the database.
///
/// Functions that only look take `&mut Reader`; a `&mut Tx` is accepted in
/// its place, and sees what that transaction wrote.
pub struct Reader {
    pub(crate) connection: Connection,
    /// A statement failed. PostgreSQL refuses all that follow until the
    /// savepoint is taken back; SQLite would go on, so we refuse for it.
    pub(crate) failed: bool,
}

impl Reader {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            failed: false,
        }
    }

    /// All rows of the answer, each through `map`, in the answer's order.
    ///
    /// # Errors
    /// The engine's, as [`StoreError`]; or the first that `map` returns.
    pub fn query<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        map: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.up_to(usize::MAX, sql, params, map)
    }

    /// The first row of the answer through `map`, if there is one.
    ///
    /// # Errors
    /// The engine's, as [`StoreError`]; or the one that `map` returns.
    pub fn query_opt<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        map: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.up_to(1, sql, params, map)?.pop())
    }

    /// The single integer of an answer, such as a `COUNT(*)`; 0 if there is no
    /// row or it is NULL. (`SUM` needs `CAST(… AS BIGINT)` to be portable.)
    ///
    /// # Errors
    /// The engine's, as [`StoreError`].
    pub fn query_i64(&mut self, sql: &str, params: &[Value<'_>]) -> Result<i64, StoreError> {
        let found = self.query_opt(sql, params, |row| row.get::<Option<i64>>(0))?;
        Ok(found.flatten().unwrap_or(0))
    }

    /// How large the database is, in bytes.
    ///
    /// # Errors
    /// The engine's, as [`StoreError`].
    pub fn size_bytes(&mut self) -> Result<u64, StoreError> {
        let sql = match &self.connection {
            Connection::Sqlite(_) => {
                "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
            }
            Connection::Postgres(_) => "SELECT pg_database_size(current_database())",
        };
        self.query_i64(sql, &[]).map(i64::unsigned_abs)
    }

    fn up_to<T>(
        &mut self,
        most: usize,
        sql: &str,
        params: &[Value<'_>],
        mut map: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        if self.failed {
            return Err(StoreError::Aborted);
        }
        let answer = match &mut self.connection {
            Connection::Sqlite(connection) => connection.query(most, sql, params, &mut map),
            Connection::Postgres(connection) => connection.query(most, sql, params, &mut map),
        };
        self.failed = answer.is_err();
        answer
    }
}

/// A write in progress: everything a [`Reader`] can, and changes.
///
/// What a closure does is durable when its `write` resolves, and not at all
/// if the closure returns an error.
pub struct Tx {
    reader: Reader,
    depth: u32,
    /// Where the logs end; kept here because it must follow savepoints.
    pub(crate) frontiers: Frontiers,
}

impl Deref for Tx {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

impl Tx {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            reader: Reader::new(connection),
            depth: 0,
            frontiers: Frontiers::default(),
        }
    }

    /// Runs one statement that answers no rows and tells how many rows it
    /// touched.
    ///
    /// After an error the closure must return (or have run the statement in
    /// [`Tx::savepoint`]): every later statement is [`StoreError::Aborted`].
    /// To insert what may exist, prefer `ON CONFLICT DO NOTHING`.
    ///
    /// # Errors
    /// The engine's, as [`StoreError`].
    pub fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        if self.failed {
            return Err(StoreError::Aborted);
        }
        let answer = match &mut self.reader.connection {
            Connection::Sqlite(connection) => connection.execute(sql, params),
            Connection::Postgres(connection) => connection.execute(sql, params),
        };
        self.failed = answer.is_err();
        answer
    }

    /// Runs `f` so that its failure takes back only what `f` did.
    ///
    /// # Errors
    /// Those of `f`, and the engine's.
    pub fn savepoint<T, E: From<StoreError>>(
        &mut self,
        f: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.failed {
            return Err(StoreError::Aborted.into());
        }
        let name = format!("inner{}", self.depth);
        self.reader.connection.batch(&format!("SAVEPOINT {name}"))?;
        self.depth += 1;
        let frontiers = self.frontiers.copy();
        let answer = f(self);
        self.depth -= 1;
        if answer.is_ok() && !self.failed {
            self.reader
                .connection
                .batch(&format!("RELEASE SAVEPOINT {name}"))?;
            return answer;
        }
        self.reader.connection.batch(&format!(
            "ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}"
        ))?;
        self.failed = false;
        self.frontiers.restore(frontiers);
        answer.and(Err(StoreError::Aborted.into()))
    }

    /// A batch of writes has begun.
    pub(super) fn begun(&mut self) -> Result<(), StoreError> {
        self.frontiers.begin(&self.reader.connection)
    }

    /// The next write begins. A panic in the one before may have left inner
    /// savepoints open, which went with the outer one.
    pub(super) fn next(&mut self) {
        self.depth = 0;
        self.reader.failed = false;
        self.frontiers.next();
    }
}

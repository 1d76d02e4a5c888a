//! [`Store`]: the handle that everybody else holds.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::postgres::{PgPool, PgTarget};
use super::sqlite::{Checkpointer, ReaderPool, SqliteConnection};
use super::writer::{Job, Write, Writer};
use super::{Connection, Reader, StoreError, Tx};

/// Where the database is.
#[derive(Clone)]
pub enum Place {
    /// SQLite in memory, for tests: one connection, gone with the store.
    Memory,
    /// SQLite in this file (and `-wal`, `-shm` beside it).
    File(PathBuf),
    /// PostgreSQL.
    Postgres {
        /// `postgres://user:password@host:port/database?sslmode=…`
        url: String,
        /// A schema to create and to stay in; `None` for the server's default.
        schema: Option<String>,
    },
}

// A URL may hold a password.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "Memory",
            Self::File(_) => "File",
            Self::Postgres { .. } => "Postgres",
        })
    }
}

/// How to open a [`Store`].
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Where the database is.
    pub place: Place,
    /// Writes that share one commit, at most.
    pub batch: usize,
    /// Writes that may wait; who comes later waits outside the queue.
    pub queue: usize,
}

impl StoreConfig {
    /// The usual sizes, for a database at `place`.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            batch: 256,
            queue: 1024,
        }
    }

    /// From `DATABASE_URL`: `sqlite::memory:`, `sqlite:<path>` (also
    /// `sqlite://<path>`), `postgres://…` or `postgresql://…`.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for any other form.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::new(Place::Postgres {
                url: url.to_owned(),
                schema: None,
            }));
        }
        let path = url
            .strip_prefix("sqlite:")
            .map(|rest| rest.strip_prefix("//").unwrap_or(rest));
        match path {
            Some(":memory:") => Ok(Self::new(Place::Memory)),
            Some(path) if !path.is_empty() => Ok(Self::new(Place::File(path.into()))),
            _ => Err(StoreError::Refused("the database URL")),
        }
    }
}

/// The database. Cheap to clone; it closes when the last clone is dropped and
/// the writes that waited are done.
#[derive(Clone)]
pub struct Store {
    writes: mpsc::Sender<Box<dyn Job>>,
    reads: Reads,
}

#[derive(Clone)]
enum Reads {
    /// In memory there is one connection, so reads queue with the writes.
    Queued,
    Sqlite(Arc<ReaderPool>),
    Postgres(Arc<PgPool>),
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens (SQLite: creates) the database, applies the migrations that it
    /// lacks and starts the writer thread. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`],
    /// [`StoreError::Migration`] or [`StoreError::Refused`] for the place.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let (writes, queue) = mpsc::channel(config.queue.max(1));
        let batch = config.batch.max(1);
        let place = config.place.clone();
        let (opened, result) = std::sync::mpsc::sync_channel(1);
        // Opening happens on the writer's thread too: the client for
        // PostgreSQL cannot be used on a thread of an asynchronous runtime.
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || match start(&place, batch, queue) {
                Ok((writer, reads)) => {
                    let _ = opened.send(Ok(reads));
                    drop(opened);
                    writer.run();
                }
                Err(error) => drop(opened.send(Err(error))),
            })
            .map_err(|_| StoreError::Unavailable)?;
        let reads = result.recv().map_err(|_| StoreError::Unavailable)??;
        Ok(Self { writes, reads })
    }

    /// Runs `f` in the named transaction; resolves once it is durable.
    ///
    /// Dropping the future before `f` began withdraws it; after that it has no
    /// effect. `f` runs on the writer thread: it must be brief and must not
    /// wait for anything.
    ///
    /// # Errors
    /// What `f` returns, with nothing written; or [`StoreError`]: `Busy`,
    /// `Unavailable`, `Panicked`, `Aborted` (nothing written), `Commit`
    /// (unknown).
    pub async fn write<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, answered) = Write::new(name, f);
        self.writes
            .send(Box::new(job))
            .await
            .map_err(|_| StoreError::Unavailable)?;
        answered.await.map_err(|_| StoreError::Unavailable)?
    }

    /// Runs `f` over one snapshot of what is committed. On SQLite it runs on
    /// the calling thread: for reads of a few rows. The future must not be
    /// held in one thread while that thread holds a write open.
    ///
    /// # Errors
    /// What `f` returns, or [`StoreError`].
    pub async fn read<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Reader) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.reads {
            Reads::Queued => self.write(name, |tx: &mut Tx| f(tx)).await,
            Reads::Sqlite(pool) => pool.read(f),
            Reads::Postgres(pool) => Arc::clone(pool).read(f).await,
        }
    }

    /// Like [`Store::read`], on a thread that may be kept busy: for big
    /// listings, exports and checks of the whole trail.
    ///
    /// # Errors
    /// What `f` returns, or [`StoreError`].
    pub async fn read_long<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Reader) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let Reads::Sqlite(pool) = &self.reads else {
            return self.read(name, f).await;
        };
        let pool = Arc::clone(pool);
        tokio::task::spawn_blocking(move || pool.read(f))
            .await
            .unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }
}

fn start(
    place: &Place,
    batch: usize,
    queue: mpsc::Receiver<Box<dyn Job>>,
) -> Result<(Writer, Reads), StoreError> {
    let mut checkpointer = None;
    let mut postgres = None;
    let (connection, reads) = match place {
        Place::Memory => (
            Connection::Sqlite(SqliteConnection::memory()?),
            Reads::Queued,
        ),
        Place::File(path) => {
            let writer = SqliteConnection::writer(path)?;
            checkpointer = Some(Checkpointer::start(path)?);
            let pool = ReaderPool::new(path);
            (Connection::Sqlite(writer), Reads::Sqlite(Arc::new(pool)))
        }
        Place::Postgres { url, schema } => {
            let target = PgTarget::new(url, schema.as_deref());
            target.create_schema()?;
            let writer = target.connect()?;
            postgres = Some(target.clone());
            let pool = PgPool::new(target);
            (
                Connection::Postgres(Box::new(writer)),
                Reads::Postgres(Arc::new(pool)),
            )
        }
    };
    let mut tx = Tx::new(connection);
    crate::migrate::run(&mut tx)?;
    let writer = Writer {
        tx,
        queue,
        batch,
        checkpointer,
        postgres,
    };
    Ok((writer, reads))
}

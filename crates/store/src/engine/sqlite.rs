//! SQLite: one writing connection, a few reading ones, one that checkpoints.
//!
//! Write-ahead log with `synchronous=FULL`: a commit returns after its log
//! frames are on the disk. Moving them into the database file is the work of
//! the checkpointer's own connection, so that no commit waits for it; the
//! writer only takes the short last step that lets the log start over.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{OpenFlags, params_from_iter};

use super::{Connection, Reader, Row, StoreError, Value};

/// Frames (pages) that the log may hold before the writer helps to empty it.
const LOG_FRAMES: i64 = 1_000;
/// Commits between two rounds of the checkpointer.
const COMMITS_PER_ROUND: u32 = 256;
/// Idle reading connections that are kept; each costs some 300 KiB once used.
const KEPT_READERS: usize = 8;
const BUSY_WAIT: Duration = Duration::from_secs(5);

pub(crate) struct SqliteConnection(rusqlite::Connection);

impl SqliteConnection {
    /// The writing connection to a database in memory, gone when dropped.
    pub(super) fn memory() -> Result<Self, StoreError> {
        let connection = rusqlite::Connection::open_in_memory().map_err(error)?;
        let this = Self(connection);
        this.prepare("PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;")?;
        Ok(this)
    }

    /// The writing connection to a file, created readable to its owner only.
    pub(super) fn writer(path: &Path) -> Result<Self, StoreError> {
        create_private(path)?;
        let this = Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        this.switch_to_log()?;
        // temp_store: what savepoints set aside must not reach a disk.
        // secure_delete: a deleted wrapped key must not survive in free pages.
        this.prepare(
            "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;
             PRAGMA temp_store=MEMORY; PRAGMA secure_delete=ON; PRAGMA cache_size=-4096;
             PRAGMA mmap_size=67108864; PRAGMA wal_autocheckpoint=0;
             PRAGMA journal_size_limit=67108864;",
        )?;
        Ok(this)
    }

    /// Switching a file to write-ahead logging needs it alone for a moment, and
    /// SQLite does not wait for that: nodes that start, or stop, at the same
    /// time may be told that it is busy.
    fn switch_to_log(&self) -> Result<(), StoreError> {
        const PAUSE: Duration = Duration::from_millis(20);
        let mut left = BUSY_WAIT.as_millis() / PAUSE.as_millis();
        loop {
            match self.prepare("PRAGMA journal_mode=WAL") {
                Err(StoreError::Busy) if left > 0 => left -= 1,
                other => return other,
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn reader(path: &Path) -> Result<Self, StoreError> {
        let this = Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // No mmap: while others commit, SQLite unmaps the whole file at the
        // beginning of every read.
        this.prepare(
            "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-256;
             PRAGMA mmap_size=0; PRAGMA wal_autocheckpoint=0;",
        )?;
        Ok(this)
    }

    fn open(path: &Path, access: OpenFlags) -> Result<Self, StoreError> {
        // Every connection has one user at a time, so its own mutex is idle.
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(error)?;
        // Without the guarantee a statement over a table with a partial index
        // is planned anew whenever a parameter changes, which costs more than
        // running it.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(error)?;
        Ok(Self(connection))
    }

    fn prepare(&self, pragmas: &str) -> Result<(), StoreError> {
        self.0.busy_timeout(BUSY_WAIT).map_err(error)?;
        self.0.set_prepared_statement_cache_capacity(128);
        self.0.execute_batch(pragmas).map_err(error)
    }

    pub(super) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        if sql.contains(';') {
            return self.0.execute_batch(sql).map_err(error);
        }
        let mut statement = self.0.prepare_cached(sql).map_err(error)?;
        statement.execute([]).map(drop).map_err(error)
    }

    pub(super) fn in_transaction(&self) -> bool {
        !self.0.is_autocommit()
    }

    pub(super) fn execute(&self, sql: &str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(error)?;
        let touched = statement.execute(params_from_iter(params)).map_err(error)?;
        Ok(touched as u64)
    }

    pub(super) fn query<T>(
        &self,
        most: usize,
        sql: &str,
        params: &[Value<'_>],
        map: &mut impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(error)?;
        let mut rows = statement.query(params_from_iter(params)).map_err(error)?;
        let mut answer = Vec::new();
        while answer.len() < most {
            match rows.next().map_err(error)? {
                Some(row) => answer.push(map(&Row::sqlite(row))?),
                None => break,
            }
        }
        Ok(answer)
    }

    /// Changes when another connection, perhaps of another process, commits.
    pub(crate) fn data_version(&self) -> Result<i64, StoreError> {
        let mut statement = self
            .0
            .prepare_cached("PRAGMA data_version")
            .map_err(error)?;
        statement.query_row([], |row| row.get(0)).map_err(error)
    }

    /// Moves what it can of the log into the file without waiting for anyone.
    /// Returns (frames in the log, frames of them that are in the file).
    fn checkpoint(&self) -> Result<(i64, i64), StoreError> {
        self.0
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get(1)?, row.get(2)?))
            })
            .map_err(error)
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err takes"
)]
fn error(error: rusqlite::Error) -> StoreError {
    StoreError::from_sqlite(&error)
}

fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
        .open(path)
        .map(drop)
        .map_err(|_| StoreError::Unavailable)
}

/// Reading connections, lent to one closure at a time.
pub(super) struct ReaderPool {
    path: std::path::PathBuf,
    idle: Mutex<Vec<Reader>>,
}

impl ReaderPool {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Runs `f` over one snapshot on the calling thread.
    pub(super) fn read<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&mut Reader) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader::new(Connection::Sqlite(SqliteConnection::reader(&self.path)?)),
        };
        reader.connection.batch("BEGIN")?;
        // If `f` panics its connection is dropped, and with it the snapshot.
        let answer = f(&mut reader);
        if reader.connection.batch("COMMIT").is_ok() {
            reader.failed = false;
            let mut idle = self.idle();
            if idle.len() < KEPT_READERS {
                idle.push(reader);
            }
        }
        answer
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        // A panic cannot happen while the list is held; poison says nothing.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's hold on the checkpointing thread, which ends when this drops.
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    nearly_done: Arc<AtomicBool>,
    commits: u32,
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let connection = SqliteConnection::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.prepare("PRAGMA synchronous=FULL; PRAGMA cache_size=-64;")?;
        let (wake, woken) = sync_channel(1);
        let nearly_done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&nearly_done);
        std::thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || checkpoint_rounds(&connection, &woken, &flag))
            .map_err(|_| StoreError::Unavailable)?;
        Ok(Self {
            wake,
            nearly_done,
            commits: 0,
        })
    }

    /// Called by the writer after each commit, outside of any transaction.
    pub(super) fn committed(&mut self, writer: &SqliteConnection) {
        self.commits += 1;
        if self.commits >= COMMITS_PER_ROUND {
            self.commits = 0;
            // Full means that a round is due anyway.
            let _ = self.wake.try_send(());
        }
        // While commits go on, a checkpoint beside them never meets the end
        // of the log, and the log would only grow. Once nearly all of it is
        // in the file, the writer does the rest between two commits; its next
        // commit then starts the log over. Failing only means a longer log.
        if self.nearly_done.swap(false, Ordering::AcqRel)
            && let Err(error) = writer.checkpoint()
        {
            tracing::warn!(code = error.code(), "store.checkpoint");
        }
    }
}

fn checkpoint_rounds(connection: &SqliteConnection, woken: &Receiver<()>, flag: &AtomicBool) {
    while woken.recv().is_ok() {
        match connection.checkpoint() {
            Ok((frames, _)) if frames > LOG_FRAMES => flag.store(true, Ordering::Release),
            Ok(_) => {}
            Err(error) => tracing::warn!(code = error.code(), "store.checkpoint"),
        }
    }
}

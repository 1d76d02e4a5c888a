//! The one thread that writes: takes what waits, runs it, commits once.
//!
//! Order within a batch is the order of the queue. A write is answered only
//! after the commit that holds it returned; a crash before that leaves no
//! trace of it, a crash after it leaves all of it. If a commit reports
//! failure, each write in it is answered with [`StoreError::Commit`], because
//! nobody can know.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::{mpsc, oneshot};

use super::postgres::PgTarget;
use super::sqlite::Checkpointer;
use super::{Connection, StoreError, Tx};
use crate::trail::flush;

/// Takes the turn among nodes that share a PostgreSQL schema, until commit.
const PG_BEGIN: &str =
    "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('chartkey/' || current_schema(), 0))";

/// A closure that waits for its turn, with the way to answer it.
pub(super) trait Job: Send {
    /// The caller is gone, and nothing has been done yet.
    fn abandoned(&self) -> bool;
    /// Runs the closure; whether it wants its writes kept.
    fn run(&mut self, tx: &mut Tx) -> bool;
    /// Answers: the closure's own error, else `outcome`, else its value.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

pub(super) struct Write<F, T, E> {
    name: &'static str,
    closure: Option<F>,
    answer: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Write<F, T, E> {
    pub(super) fn new(name: &'static str, f: F) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (reply, answered) = oneshot::channel();
        let job = Self {
            name,
            closure: Some(f),
            answer: None,
            reply,
        };
        (job, answered)
    }
}

impl<F, T, E> Job for Write<F, T, E>
where
    F: FnOnce(&mut Tx) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, tx: &mut Tx) -> bool {
        let Some(closure) = self.closure.take() else {
            return false;
        };
        // The Tx is put right after a panic by rolling back; nothing else
        // that the closure could have broken outlives it.
        let answer = catch_unwind(AssertUnwindSafe(|| closure(tx))).unwrap_or_else(|_| {
            tracing::error!(transaction = self.name, "store.panicked");
            Err(StoreError::Panicked.into())
        });
        let answer = match answer {
            Ok(_) if tx.failed => Err(StoreError::Aborted.into()),
            answer => answer,
        };
        let keep = answer.is_ok();
        self.answer = Some(answer);
        keep
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = match (self.answer, outcome) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(StoreError::Unavailable.into()),
        };
        // The caller may have gone; the write stands.
        let _ = self.reply.send(answer);
    }
}

/// What the writer thread owns.
pub(super) struct Writer {
    pub(super) tx: Tx,
    pub(super) queue: mpsc::Receiver<Box<dyn Job>>,
    pub(super) batch: usize,
    pub(super) checkpointer: Option<Checkpointer>,
    pub(super) postgres: Option<PgTarget>,
}

impl Writer {
    /// Until every `Store` is gone.
    pub(super) fn run(mut self) {
        let mut jobs: Vec<Box<dyn Job>> = Vec::with_capacity(self.batch);
        while let Some(first) = self.queue.blocking_recv() {
            jobs.push(first);
            while jobs.len() < self.batch {
                match self.queue.try_recv() {
                    Ok(job) => jobs.push(job),
                    Err(_) => break,
                }
            }
            jobs.retain(|job| !job.abandoned());
            if jobs.is_empty() {
                continue;
            }
            let outcome = self.commit(&mut jobs);
            for job in jobs.drain(..) {
                job.finish(outcome.clone());
            }
            if outcome.is_ok()
                && let Some(checkpointer) = &mut self.checkpointer
                && let Connection::Sqlite(connection) = &self.tx.connection
            {
                checkpointer.committed(connection);
            }
        }
    }

    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        self.begin()?;
        if let Err(error) = self.tx.begun() {
            self.rollback();
            return Err(error);
        }
        let kept = match jobs {
            // Alone in its transaction a write needs no savepoint.
            [job] => run_one(&mut self.tx, job.as_mut()),
            jobs => run_each(&mut self.tx, jobs),
        };
        match kept {
            Ok(true) => self.end(),
            Ok(false) => {
                self.rollback();
                Ok(())
            }
            Err(error) => {
                self.rollback();
                Err(error)
            }
        }
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if let Some(target) = &self.postgres {
            if !self.tx.connection.in_transaction() {
                self.tx = Tx::new(Connection::Postgres(Box::new(target.connect()?)));
            }
            let begun = self.tx.connection.batch(PG_BEGIN);
            if begun.is_err() && !self.tx.connection.in_transaction() {
                // It was closed while it sat idle, so nothing was begun.
                self.tx = Tx::new(Connection::Postgres(Box::new(target.connect()?)));
                return self.tx.connection.batch(PG_BEGIN);
            }
            if begun.is_err() {
                self.rollback();
            }
            return begun;
        }
        self.tx.connection.batch("BEGIN IMMEDIATE")
    }

    fn end(&mut self) -> Result<(), StoreError> {
        self.tx.next();
        if let Err(error) = flush(&mut self.tx) {
            self.rollback();
            return Err(error);
        }
        self.tx.connection.batch("COMMIT").map_err(|error| {
            tracing::error!(code = error.code(), "store.commit");
            self.rollback();
            StoreError::Commit
        })
    }

    fn rollback(&mut self) {
        self.tx.frontiers.forget();
        if self.tx.connection.in_transaction() {
            // If even this fails the connection is of no more use, which the
            // next BEGIN will tell.
            let _ = self.tx.connection.batch("ROLLBACK");
        }
    }
}

/// Whether there is anything to commit; an error ends the whole batch.
fn run_one(tx: &mut Tx, job: &mut dyn Job) -> Result<bool, StoreError> {
    tx.next();
    let keep = job.run(tx);
    alive(tx)?;
    Ok(keep)
}

fn run_each(tx: &mut Tx, jobs: &mut [Box<dyn Job>]) -> Result<bool, StoreError> {
    let mut any = false;
    // After a roll back the savepoint itself is still there, empty.
    let mut step = "SAVEPOINT job";
    for job in jobs {
        if !step.is_empty() {
            tx.connection.batch(step)?;
        }
        tx.next();
        if job.run(tx) {
            any = true;
            step = "RELEASE SAVEPOINT job; SAVEPOINT job";
        } else {
            alive(tx)?;
            tx.connection.batch("ROLLBACK TO SAVEPOINT job")?;
            tx.frontiers.undo();
            step = "";
        }
    }
    Ok(any)
}

/// A full disk or a lost connection ends the transaction for everyone in it.
fn alive(tx: &Tx) -> Result<(), StoreError> {
    if tx.connection.in_transaction() {
        Ok(())
    } else {
        Err(StoreError::Unavailable)
    }
}

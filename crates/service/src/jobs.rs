//! The worker: leases due jobs, does them outside of any transaction, says how
//! it went. And the sweeping that every installation needs once a minute.
//!
//! A job may be done twice (its node may die after doing it), so every kind
//! must bear that: mail carries an idempotency key.

use std::future::Future;
use std::time::Duration;

use chartkey_domain::limits::Limit;
use chartkey_domain::sessions::after;
use chartkey_store::jobs::{self as rows, JobRow, JobState, NodeId};
use chartkey_store::{StoreError, Tx, events, limits as limit_rows, sessions, tokens};
use jiff::Timestamp;
use rand_core::Rng as _;

use crate::{Service, accounts, blobs, limits, mail, sync};

/// How a job went.
pub enum Outcome {
    /// Done.
    Done,
    /// Not now; again after the usual wait. Counts as an attempt.
    Retry(&'static str),
    /// Not now; again after so many seconds.
    Later(&'static str, u64),
    /// Never.
    Dead(&'static str),
    /// Only whoever asked for it can have it done now.
    NeedsSender,
}

/// Jobs leased at a time.
const PORTION: u32 = 16;
/// How long a lease lasts, in seconds: longer than any carrier's timeout.
const LEASE_SECS: i64 = 120;
/// How long the worker sleeps when nothing wakes it.
const PAUSE: Duration = Duration::from_secs(5);
/// How long done jobs and answers are kept, in seconds.
const KEPT_SECS: i64 = 24 * 60 * 60;
/// How long sessions that are over are kept, in seconds: to know devices again.
const SESSIONS_KEPT_SECS: i64 = 30 * 24 * 60 * 60;

/// Does everything that is due now; how many jobs that were.
///
/// # Errors
/// The database's.
pub async fn run_due(service: &Service) -> Result<usize, StoreError> {
    let mut done = 0;
    loop {
        let leased = lease(service).await?;
        if leased.is_empty() {
            return Ok(done);
        }
        for job in leased {
            let outcome = perform(service, &job).await;
            settle(service, &job, outcome).await?;
            done += 1;
        }
    }
}

async fn lease(service: &Service) -> Result<Vec<JobRow>, StoreError> {
    let (node, now) = (service.0.node, service.now());
    let until = after(now, LEASE_SECS).as_millisecond();
    service
        .store()
        .write("job.lease", move |tx: &mut Tx| {
            rows::lease(tx, node, now.as_millisecond(), until, PORTION)
        })
        .await
}

async fn perform(service: &Service, job: &JobRow) -> Outcome {
    match job.kind.as_str() {
        mail::KIND => mail::send(service, job).await,
        _ => Outcome::Dead("job.unknown"),
    }
}

async fn settle(service: &Service, job: &JobRow, outcome: Outcome) -> Result<(), StoreError> {
    let (id, node, attempts): (_, NodeId, _) = (job.id, service.0.node, job.attempts);
    let now = service.now().as_millisecond();
    let chance = service.rng().next_u32();
    if let Outcome::Retry(code) | Outcome::Later(code, _) | Outcome::Dead(code) = &outcome {
        tracing::warn!(kind = %job.kind, code, attempts, "a job was not done");
    }
    service
        .store()
        .write("job.settle", move |tx: &mut Tx| match outcome {
            Outcome::Done => rows::finish(tx, id, node, now).map(drop),
            Outcome::Retry(code) => {
                let at = now + rows::backoff_ms(attempts, chance);
                rows::retry(tx, id, node, code, at, now).map(drop)
            }
            Outcome::Later(code, secs) => {
                let secs = i64::try_from(secs.min(86_400)).unwrap_or(86_400);
                rows::retry(tx, id, node, code, now + secs * 1_000, now).map(drop)
            }
            Outcome::Dead(code) => rows::park(tx, id, node, JobState::Dead, code, now).map(drop),
            Outcome::NeedsSender => {
                let code = "share.needs_sender";
                rows::park(tx, id, node, JobState::NeedsSender, code, now).map(drop)
            }
        })
        .await
}

/// Works until `stop` resolves: jobs as they come due, sweeping once a minute,
/// large bodies once an hour.
pub async fn run(service: Service, stop: impl Future<Output = ()>) {
    // Syncs may take long, and mail does not wait for them.
    sync::beside(&service, work(service.clone(), stop)).await;
}

async fn work(service: Service, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let (mut swept, mut tidied): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    loop {
        if let Err(error) = run_due(&service).await {
            tracing::warn!(?error, "jobs could not be looked at");
        }
        let now = service.now();
        if swept.is_none_or(|at| now.duration_since(at).as_secs() >= 60) {
            sweep(&service).await;
            swept = Some(now);
        }
        if tidied.is_none_or(|at| now.duration_since(at).as_secs() >= 3_600) {
            if let Err(error) = blobs::sweep(&service).await {
                tracing::warn!(?error, "bodies that nothing names were not swept");
            }
            tidied = Some(now);
        }
        tokio::select! {
            () = &mut stop => return,
            () = service.0.wake.notified() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Deletes what is over, and tells the trail of the refusals that were counted.
pub async fn sweep(service: &Service) {
    if let Err(error) = limits::flush(service).await {
        tracing::warn!(?error, "refusals were not written down");
    }
    if let Err(error) = crate::shares::sweep(service).await {
        tracing::warn!(?error, "grants were not swept");
    }
    if let Err(error) = sync::sweep(service).await {
        tracing::warn!(?error, "keys of deliveries were not swept");
    }
    if let Err(error) = crate::charts::sweep(service).await {
        tracing::warn!(?error, "unclaimed charts were not swept");
    }
    if let Err(error) = crate::document_requests::sweep(service).await {
        tracing::warn!(?error, "requests for documents were not swept");
    }
    if let Err(error) = accounts::expire_pending(service).await {
        tracing::warn!(?error, "pending accounts were not swept");
    }
    let now = service.now();
    let longest = Limit::ALL
        .iter()
        .map(|limit| i64::from(limit.window_secs()))
        .max()
        .unwrap_or(86_400);
    let swept: Result<(), StoreError> = service
        .store()
        .write("server.sweep", move |tx: &mut Tx| {
            let before = |secs: i64| after(now, -secs);
            sessions::delete_over(tx, before(SESSIONS_KEPT_SECS), now)?;
            tokens::delete_over(tx, before(KEPT_SECS))?;
            let kept = before(KEPT_SECS).as_millisecond();
            rows::delete_settled(tx, kept)?;
            limit_rows::delete_answers(tx, kept)?;
            limit_rows::delete_windows(tx, before(2 * longest).as_millisecond())?;
            events::delete(tx, kept)?;
            Ok(())
        })
        .await;
    if let Err(error) = swept {
        tracing::warn!(?error, "the database was not swept");
    }
}

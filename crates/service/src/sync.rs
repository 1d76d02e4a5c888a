//! The engine of synchronisation: what is due is queued, what is queued takes
//! turns, and every step is a line of the log.
//!
//! Pulls and pushes are two queues joined by the ledger of deliveries. Both are
//! rows with leases, so that a node that dies loses nothing: what it held comes
//! back, a pull from its checkpoint, a push to be looked for first. Memory holds
//! a portion at a time, whatever waits. This module must not know how any system
//! speaks (`outside::connectors` does), nor open anything (`intake` seals what is
//! pulled, `delivery` opens what was sealed to a destination).

mod hosts;
mod log;
mod pull;
mod start;
mod tokens;

use std::future::Future;
use std::time::Duration;

use chartkey_domain::ids::{AccountId, PatientId, SyncId};
use chartkey_domain::sessions::after;
use chartkey_domain::sync::{Counts, LinkState, RunState, Schedule, Trigger};
use chartkey_store::connections::{self, ConnectionRow};
use chartkey_store::sync::{self as rows, RunRow};
use chartkey_store::{StoreError, Tx, deliveries};
use jiff::Timestamp;
use rand_core::{CryptoRng, Rng as _};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{Service, delivery};

pub use crate::connections::{SyncError, SyncFailure};
pub(crate) use hosts::{Gate, Wait, usable};
pub(crate) use log::{Line, write_line};
pub use log::{LogPage, LogView, find_log, list_logs, list_sync_logs};
pub use start::{Asked, RunView, Started, SyncView, drive, find_sync, note_webhook, start_sync};
pub(crate) use tokens::Keeper;
pub use tokens::store_tokens;

/// Runs leased at a time, and deliveries: what one node works on at once.
const PORTION: u32 = 4;
/// How long a lease lasts, in seconds: longer than any call to another system.
pub(crate) const LEASE_SECS: i64 = 180;
/// Schedules that are queued in one write.
const DUE_PORTION: u32 = 200;
/// Tries before something is given up: with the pauses of [`backoff`], over
/// about a day.
pub(crate) const MAX_TRIES: u32 = 8;
/// How long runs that are over are kept, in seconds.
const RUNS_KEPT_SECS: i64 = 30 * 24 * 60 * 60;
/// The longest and the shortest sleep when nothing wakes the engine.
const PAUSE: Duration = Duration::from_secs(5);
const LEAST_PAUSE: Duration = Duration::from_millis(20);

/// Unix milliseconds, for ids.
pub(crate) fn ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

/// How long to wait after failure number `attempts`: uniformly between a tenth
/// of a ceiling and the ceiling, which is one minute at first and grows fourfold
/// to eight hours.
pub(crate) fn backoff(attempts: u32, chance: u32) -> i64 {
    const FIRST_SECS: i64 = 60;
    const MOST_SECS: i64 = 8 * 60 * 60;
    let ceiling = (FIRST_SECS << (2 * attempts.saturating_sub(1)).min(16)).min(MOST_SECS);
    let least = ceiling / 10;
    least + (ceiling - least) * i64::from(chance) / i64::from(u32::MAX)
}

/// When something that failed is tried again: after its own pause, or the one
/// that the other end asked for.
pub(crate) fn again_at(
    service: &Service,
    attempts: u32,
    asked: Option<Duration>,
    now: Timestamp,
) -> Timestamp {
    let own = backoff(attempts, service.rng().next_u32());
    let asked = asked.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0) + 1);
    after(now, own.max(asked).min(24 * 60 * 60))
}

/// Queues a run of a patient on a connection; the sync that it belongs to, which
/// is an older one where one waits or runs already.
pub(crate) fn queue(
    tx: &mut Tx,
    connection: &ConnectionRow,
    patient: PatientId,
    trigger: Trigger,
    asked_by: Option<AccountId>,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<SyncId, StoreError> {
    let sync = SyncId::new(ms(now), rng);
    queue_in(
        tx,
        connection,
        patient,
        (sync, trigger, asked_by, false),
        now,
        now,
        rng,
    )
}

/// [`queue`], as part of a sync that may have other runs, not before `run_at`.
pub(crate) fn queue_in(
    tx: &mut Tx,
    connection: &ConnectionRow,
    patient: PatientId,
    (sync, trigger, asked_by, whole): (SyncId, Trigger, Option<AccountId>, bool),
    run_at: Timestamp,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<SyncId, StoreError> {
    if let Some(active) = rows::lookup_active(tx, connection.id, patient)? {
        return Ok(active.sync);
    }
    let run = RunRow {
        id: SyncId::new(ms(now), rng),
        sync,
        connection: connection.id,
        patient,
        owner: connection.owner,
        trigger,
        asked_by,
        whole,
        state: RunState::Queued,
        run_at,
        attempts: 0,
        checkpoint_p: None,
        counts: Counts::default(),
        problem: None,
        created_at: now,
        updated_at: now,
        finished_at: None,
    };
    rows::insert_run(tx, &run)?;
    Ok(sync)
}

/// A connection has another schedule: everybody on it is due anew.
pub(crate) fn reschedule(
    tx: &mut Tx,
    connection: &ConnectionRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let next = Schedule::parse(&connection.schedule, now)
        .ok()
        .and_then(|schedule| schedule.next(now));
    connections::update_all_due(tx, connection.id, next)
}

/// Queues what is due by its schedule; how many.
async fn queue_due(service: &Service) -> Result<usize, StoreError> {
    let now = service.now();
    let due = service
        .store()
        .read("sync.due", move |db| {
            connections::list_due(db, now, DUE_PORTION)
        })
        .await?;
    if due.is_empty() {
        return Ok(0);
    }
    let count = due.len();
    let mut rng = service.rng();
    service
        .store()
        .write("sync.due", move |tx| {
            for (connection, attached) in due {
                let next = Schedule::parse(&connection.schedule, now)
                    .ok()
                    .and_then(|schedule| schedule.next(now));
                connections::update_next_due(tx, connection.id, attached.patient, next)?;
                if usable(connection.state) && attached.state == LinkState::Ok {
                    let trigger = Trigger::Schedule;
                    queue(
                        tx,
                        &connection,
                        attached.patient,
                        trigger,
                        None,
                        now,
                        &mut rng,
                    )?;
                }
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    Ok(count)
}

async fn lease_runs(service: &Service, only: Option<SyncId>) -> Result<Vec<RunRow>, StoreError> {
    let (node, now) = (service.0.node, service.now());
    service
        .store()
        .write("sync.lease", move |tx| {
            rows::lease_runs(tx, node, now, after(now, LEASE_SECS), only, PORTION)
        })
        .await
}

/// Whether anything may be due: one look before any write.
async fn is_due(service: &Service) -> Result<bool, StoreError> {
    let now = service.now();
    Ok(next_due(service).await?.is_some_and(|at| at <= now))
}

/// When there is something to do next; none where nothing waits.
///
/// # Errors
/// The database's.
pub async fn next_due(service: &Service) -> Result<Option<Timestamp>, StoreError> {
    service
        .store()
        .read("sync.next", |db| {
            let due = [
                connections::next_due(db)?,
                rows::next_run(db)?,
                deliveries::next_at(db)?,
            ];
            Ok(due.into_iter().flatten().min())
        })
        .await
}

/// Does everything that is due now, a portion at a time; how many steps those
/// were. What hosts do not let be done now is left for later.
///
/// # Errors
/// The database's.
pub async fn run_due(service: &Service) -> Result<usize, StoreError> {
    let mut done = 0;
    if !is_due(service).await? {
        return Ok(done);
    }
    loop {
        let queued = queue_due(service).await?;
        let pulls = lease_runs(service, None).await?;
        let pushes = delivery::lease(service, None, PORTION).await?;
        let step = pulls.len() + pushes.len();
        if step + queued == 0 {
            return Ok(done);
        }
        done += step;
        let mut working = JoinSet::new();
        for run in pulls {
            working.spawn(pull::perform(service.clone(), run));
        }
        for push in pushes {
            working.spawn(delivery::perform(service.clone(), push));
        }
        finish_all(working).await?;
    }
}

async fn finish_all(mut working: JoinSet<Result<(), StoreError>>) -> Result<(), StoreError> {
    let mut failed = Ok(());
    while let Some(done) = working.join_next().await {
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed = Err(error),
            // What it held comes back when its lease runs out.
            Err(error) => tracing::error!(panic = error.is_panic(), "a step of a sync broke off"),
        }
    }
    failed
}

/// Works until `stop` says so: what comes due, and, when woken, at once.
pub(crate) async fn run(service: Service, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = run_due(&service).await {
            tracing::warn!(?error, "syncs could not be looked at");
        }
        let pause = match next_due(&service).await {
            Ok(Some(at)) => {
                let wait = at.duration_since(service.now());
                Duration::try_from(wait).unwrap_or(LEAST_PAUSE)
            }
            Ok(None) | Err(_) => PAUSE,
        };
        tokio::select! {
            _ = stop.changed() => return,
            () = service.0.wake_sync.notified() => {}
            () = tokio::time::sleep(pause.clamp(LEAST_PAUSE, PAUSE)) => {}
        }
    }
}

/// Runs the engine beside other work, and lets it finish what it is doing for a
/// moment when that ends.
pub(crate) async fn beside(service: &Service, work: impl Future<Output = ()>) {
    const GRACE: Duration = Duration::from_secs(5);
    let (stop, stopped) = watch::channel(false);
    let mut engine = tokio::spawn(run(service.clone(), stopped));
    work.await;
    // Nobody listens where the engine is gone already.
    let _ = stop.send(true);
    if tokio::time::timeout(GRACE, &mut engine).await.is_err() {
        engine.abort();
    }
}

/// Deletes what is over: keys older than seven days, runs of last month.
///
/// # Errors
/// The database's.
pub(crate) async fn sweep(service: &Service) -> Result<(), StoreError> {
    delivery::lapse(service).await?;
    let before = after(service.now(), -RUNS_KEPT_SECS);
    service
        .store()
        .write("sync.sweep", move |tx| rows::delete_runs(tx, before))
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_tries_take_about_a_day() {
        let at_most: i64 = (1..MAX_TRIES).map(|n| backoff(n, u32::MAX)).sum();
        let at_least: i64 = (1..MAX_TRIES).map(|n| backoff(n, 0)).sum();
        assert!((20 * 3_600..30 * 3_600).contains(&at_most), "{at_most}");
        assert!(at_least * 9 < at_most && at_least > 3_600, "{at_least}");
        assert_eq!(backoff(1, u32::MAX), 60);
        assert_eq!(backoff(40, u32::MAX), 8 * 3_600);
    }
}

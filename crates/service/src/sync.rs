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
const PORTION: u32 = 8;
/// Schedules that are queued in one write.
const DUE_PORTION: u32 = 200;
/// Tries before something is given up: with the pauses of [`backoff`], over
/// about a day.
pub(crate) const MAX_TRIES: u32 = 8;
/// How patient the engine is with other systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long one call may take, in seconds; what is carried may add to it.
    pub timeout_secs: u32,
    /// The longest pause after a first failure, in seconds; it grows fourfold.
    pub retry_secs: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            timeout_secs: 30,
            retry_secs: 60,
        }
    }
}

impl Pace {
    /// How long a lease lasts, in seconds: longer than the few calls that are made
    /// between two looks at it.
    pub(crate) const fn lease_secs(self) -> i64 {
        6 * self.timeout_secs as i64
    }

    /// How long the turn to refresh a token lasts, in seconds: longer than a token
    /// endpoint may take.
    pub(crate) const fn turn_secs(self) -> i64 {
        2 * self.timeout_secs as i64
    }

    /// How long after a run that somebody asked for the next one waits, in seconds.
    pub(crate) const fn cool_down_secs(self) -> i64 {
        self.retry_secs as i64 / 6
    }

    /// The longest pause before try number `tries` + 1, in seconds.
    const fn ceiling_secs(self, tries: u32) -> i64 {
        const MOST_SECS: i64 = 8 * 60 * 60;
        let shift = 2 * tries.saturating_sub(1);
        let grown = (self.retry_secs as i64) << if shift > 16 { 16 } else { shift };
        if grown > MOST_SECS { MOST_SECS } else { grown }
    }
}

/// How long runs that are over are kept, in seconds.
const RUNS_KEPT_SECS: i64 = 30 * 24 * 60 * 60;
/// The longest and the shortest sleep when nothing wakes the engine.
const PAUSE: Duration = Duration::from_secs(5);
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// How often it is looked for what came due while something is being done.
const GLANCE: Duration = Duration::from_millis(250);

/// Unix milliseconds, for ids.
pub(crate) fn ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

/// How long to wait after failure number `attempts`: uniformly between a tenth
/// of a ceiling and the ceiling, which grows fourfold to eight hours.
pub(crate) fn backoff(pace: Pace, attempts: u32, chance: u32) -> i64 {
    let ceiling = pace.ceiling_secs(attempts);
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
    let own = backoff(service.settings().pace, attempts, service.rng().next_u32());
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

/// Leases runs; those that a node died over are told of.
async fn lease_runs(
    service: &Service,
    only: Option<SyncId>,
    limit: u32,
) -> Result<Vec<RunRow>, StoreError> {
    let (node, now, mut rng) = (service.0.node, service.now(), service.rng());
    let until = after(now, service.settings().pace.lease_secs());
    service
        .store()
        .write("sync.lease", move |tx| {
            for lost in rows::list_lost(tx, now)? {
                pull::note_lost(tx, &lost, now, &mut rng)?;
            }
            rows::lease_runs(tx, node, now, until, only, limit)
        })
        .await
}

/// No other process works on this database, and what one before held comes back at
/// once: what it did may have been acted upon, and is looked at like that. For
/// whoever knows to be alone, before the first [`run_due`].
///
/// # Errors
/// The database's.
pub async fn take_over(service: &Service) -> Result<(), StoreError> {
    let now = service.now();
    service
        .store()
        .write("sync.take_over", move |tx| {
            rows::free_leases(tx, now)?;
            deliveries::free_leases(tx, now)
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
    let (_go_on, going_on) = watch::channel(false);
    work(service, &going_on).await
}

/// What a node works on at once.
#[derive(Default)]
struct Working {
    steps: JoinSet<(Kind, Result<(), StoreError>)>,
    pulls: u32,
    pushes: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Pull,
    Push,
}

impl Working {
    /// Leases what there is room for, and begins it; how many steps those are.
    async fn fill(&mut self, service: &Service) -> Result<usize, StoreError> {
        let queued = queue_due(service).await?;
        let pulls = match PORTION - self.pulls {
            0 => Vec::new(),
            room => lease_runs(service, None, room).await?,
        };
        let pushes = match PORTION - self.pushes {
            0 => Vec::new(),
            room => delivery::lease(service, None, room).await?,
        };
        let begun = pulls.len() + pushes.len();
        for run in pulls {
            self.pulls += 1;
            let step = pull::perform(service.clone(), run);
            self.steps.spawn(async { (Kind::Pull, step.await) });
        }
        for push in pushes {
            self.pushes += 1;
            let step = delivery::perform(service.clone(), push);
            self.steps.spawn(async { (Kind::Push, step.await) });
        }
        Ok(begun + queued)
    }

    /// Takes note of a step that is over.
    fn ended(
        &mut self,
        step: Result<(Kind, Result<(), StoreError>), tokio::task::JoinError>,
    ) -> Result<(), StoreError> {
        match step {
            Ok((Kind::Pull, result)) => {
                self.pulls -= 1;
                result
            }
            Ok((Kind::Push, result)) => {
                self.pushes -= 1;
                result
            }
            Err(error) => {
                // What it held comes back when its lease runs out; so does its room,
                // once everything else is over.
                tracing::error!(panic = error.is_panic(), "a step of a sync broke off");
                if self.steps.is_empty() {
                    (self.pulls, self.pushes) = (0, 0);
                }
                Ok(())
            }
        }
    }
}

/// [`run_due`], until told to stop: then what is being done is finished, and
/// nothing else begun. One slow system holds up its own steps and no others.
async fn work(service: &Service, stop: &watch::Receiver<bool>) -> Result<usize, StoreError> {
    let (mut working, mut done) = (Working::default(), 0);
    let mut failed = Ok(());
    loop {
        let mut begun = 0;
        if !*stop.borrow() && failed.is_ok() && is_due(service).await? {
            begun = working.fill(service).await?;
            done += begun;
        }
        if working.steps.is_empty() {
            if begun == 0 {
                return failed.map(|()| done);
            }
            continue;
        }
        tokio::select! {
            Some(step) = working.steps.join_next() => {
                failed = failed.and(working.ended(step));
                while let Some(step) = working.steps.try_join_next() {
                    failed = failed.and(working.ended(step));
                }
            }
            () = service.0.wake_sync.notified() => {}
            () = tokio::time::sleep(GLANCE) => {}
        }
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
        if let Err(error) = work(&service, &stop).await {
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
        let pause = |n, chance| backoff(Pace::default(), n, chance);
        let at_most: i64 = (1..MAX_TRIES).map(|n| pause(n, u32::MAX)).sum();
        let at_least: i64 = (1..MAX_TRIES).map(|n| pause(n, 0)).sum();
        assert!((20 * 3_600..30 * 3_600).contains(&at_most), "{at_most}");
        assert!(at_least * 9 < at_most && at_least > 3_600, "{at_least}");
        assert_eq!(pause(1, u32::MAX), 60);
        assert_eq!(pause(40, u32::MAX), 8 * 3_600);
    }
}

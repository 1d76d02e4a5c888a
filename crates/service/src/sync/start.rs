//! Asking for a synchronisation, and how it stands.

use std::time::Duration;

use chartkey_domain::connections::Direction;
use chartkey_domain::ids::{ConnectionId, PatientId, SyncId};
use chartkey_domain::policy::{Action, Noun, Refusal};
use chartkey_domain::sessions::after;
use chartkey_domain::sync::{Counts, LinkState, RunState, Trigger};
use chartkey_store::StoreError;
use chartkey_store::connections;
use chartkey_store::sync::{self as rows, RunRow};
use jiff::Timestamp;

use super::{SyncError, SyncFailure, finish_all, lease_runs, pull, queue_in};
use crate::connections::name_of;
use crate::{Caller, Service, delivery, patients};

/// What of a patient's connections is to be synchronised.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Only from there, or only to there.
    pub direction: Option<Direction>,
    /// Only this connection.
    pub connection: Option<ConnectionId>,
    /// List everything anew, also what did not change.
    pub whole: bool,
}

/// A synchronisation that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// To look at it by. An older one where one waited or ran already; nil where
    /// the patient is connected to nothing that could be synchronised.
    pub sync: SyncId,
    /// How many runs it has.
    pub runs: usize,
    /// Not before then: one was asked for a moment ago.
    pub not_before: Option<Timestamp>,
}

/// One connection in a synchronisation.
#[derive(Debug, Clone)]
pub struct RunView {
    /// The connection.
    pub connection: ConnectionId,
    /// What people call it.
    pub name: String,
    /// From there, or to there.
    pub direction: Direction,
    /// Where it stands.
    pub state: RunState,
    /// What it brought.
    pub counts: Counts,
    /// What went wrong last, as a word.
    pub problem: Option<String>,
    /// When it is tried next, while it waits.
    pub run_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

/// How a synchronisation stands.
#[derive(Debug, Clone)]
pub struct SyncView {
    /// Its id.
    pub id: SyncId,
    /// Whose record.
    pub patient: PatientId,
    /// `Queued` while nothing ran, `Running` while something does or waits,
    /// else the worst of its runs.
    pub state: RunState,
    /// All together.
    pub counts: Counts,
    /// Connection by connection.
    pub runs: Vec<RunView>,
}

/// `POST /api/v1/patients/{id}/sync`: queues a run of everything that the patient
/// is connected to. What waits or runs already is not queued twice.
///
/// # Errors
/// The policy's, the database's.
pub async fn start_sync(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    asked: Asked,
) -> Result<Started, SyncFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    let cool_down = service.settings().pace.cool_down_secs();
    let started = service
        .store()
        .write("sync.start", move |tx| {
            let action = Action::StartSync;
            let (_, permit) = patients::permit::<SyncError>(tx, &asking, action, patient, now)?;
            let on = connections::list_of_patient(tx, patient, asked.direction)?;
            // What somebody asked for before, and is not over, is the same.
            let mut sync = SyncId::new(super::ms(now), &mut rng);
            for (connection, _) in &on {
                if let Some(active) = rows::lookup_active(tx, connection.id, patient)?
                    && active.trigger == Trigger::Manual
                {
                    sync = active.sync;
                }
            }
            let mut started = Started {
                sync: SyncId::NIL,
                runs: 0,
                not_before: None,
            };
            for (connection, attached) in on {
                let wanted = asked.connection.is_none_or(|id| id == connection.id);
                if !wanted
                    || connection.state == LinkState::Paused
                    || attached.state == LinkState::Paused
                {
                    continue;
                }
                let last = rows::lookup_last(tx, connection.id, patient)?;
                let cooled = last
                    .filter(|run| run.trigger == Trigger::Manual)
                    .and_then(|run| run.finished_at)
                    .map(|at| after(at, cool_down))
                    .filter(|at| *at > now);
                let about = (sync, Trigger::Manual, permit.account(), asked.whole);
                let run_at = cooled.unwrap_or(now);
                queue_in(tx, &connection, patient, about, run_at, now, &mut rng)?;
                if let Some(active) = rows::lookup_active(tx, connection.id, patient)?
                    && active.sync != sync
                {
                    rows::adopt(tx, active.id, sync, now)?;
                }
                started.sync = sync;
                started.runs += 1;
                started.not_before = started.not_before.max(cooled);
            }
            Ok::<_, SyncFailure>(started)
        })
        .await?;
    service.wake();
    Ok(started)
}

/// How a synchronisation stands.
///
/// # Errors
/// The policy's, [`SyncError::UnknownRun`], the database's.
pub async fn find_sync(
    service: &Service,
    caller: &Caller,
    sync: SyncId,
) -> Result<SyncView, SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let runs = service
        .store()
        .read("sync.find", move |db| {
            asking.account()?;
            let runs = rows::list_runs(db, sync)?;
            let patient = runs.first().ok_or(SyncError::UnknownRun)?.patient;
            let action = Action::FindSync;
            patients::permit::<SyncError>(db, &asking, action, patient, now)?;
            let mut named = Vec::with_capacity(runs.len());
            for run in runs {
                let connection = connections::lookup(db, run.connection)?
                    .ok_or(Refusal::Unknown(Noun::Connection))?;
                named.push((run, connection));
            }
            Ok::<_, SyncFailure>(named)
        })
        .await?;
    let state = state_of(runs.iter().map(|(run, _)| run.state));
    let counts = runs
        .iter()
        .fold(Counts::default(), |sum, (run, _)| sum.plus(run.counts));
    let patient = runs
        .first()
        .map_or(PatientId::NIL, |(run, _): &(RunRow, _)| run.patient);
    let runs = runs
        .into_iter()
        .map(|(run, connection)| {
            Ok(RunView {
                connection: run.connection,
                name: name_of(service, &connection)?,
                direction: connection.direction,
                state: run.state,
                counts: run.counts,
                problem: run.problem,
                run_at: run.run_at,
                finished_at: run.finished_at,
            })
        })
        .collect::<Result<_, SyncFailure>>()?;
    Ok(SyncView {
        id: sync,
        patient,
        state,
        counts,
        runs,
    })
}

fn state_of(states: impl Iterator<Item = RunState>) -> RunState {
    let states: Vec<RunState> = states.collect();
    let has = |state| states.contains(&state);
    if states.iter().all(|s| *s == RunState::Queued) {
        return RunState::Queued;
    }
    if has(RunState::Queued) || has(RunState::Running) {
        return RunState::Running;
    }
    if has(RunState::Failed) && states.iter().all(|s| *s == RunState::Failed) {
        return RunState::Failed;
    }
    if has(RunState::Failed) || has(RunState::Partial) {
        return RunState::Partial;
    }
    RunState::Done
}

/// Works on one sync, and on what it makes due for its patient, until nothing
/// of it can be done now or `most` has passed: for a request that waits. What
/// another node holds it waits for.
///
/// # Errors
/// The database's.
pub async fn drive(service: &Service, sync: SyncId, most: Duration) -> Result<(), StoreError> {
    // What is being done is not broken off: the ledger would count it as lost.
    let until = service
        .now()
        .checked_add(jiff::SignedDuration::try_from(most).unwrap_or_default())
        .unwrap_or(Timestamp::MAX);
    loop {
        let runs = service
            .store()
            .read("sync.find", move |db| rows::list_runs(db, sync))
            .await?;
        let Some(patient) = runs.first().map(|run| run.patient) else {
            return Ok(());
        };
        let leased = lease_runs(service, Some(sync), super::PORTION).await?;
        let pushes = delivery::lease(service, Some(patient), super::PORTION).await?;
        let idle = leased.is_empty() && pushes.is_empty();
        let mut working = tokio::task::JoinSet::new();
        for run in leased {
            working.spawn(pull::perform(service.clone(), run));
        }
        for push in pushes {
            working.spawn(delivery::perform(service.clone(), push));
        }
        finish_all(working).await?;
        let over = runs.iter().all(|run| run.state.is_over());
        let waits = runs
            .iter()
            .any(|run| run.state == RunState::Running || run.run_at <= until);
        if (idle && (over || !waits)) || service.now() >= until {
            return Ok(());
        }
        if idle {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The other end hinted that something changed, and the hint's signature was
/// checked: everybody on the connection, or the one it named, is looked at soon.
/// A hint is never taken as data.
///
/// # Errors
/// The database's.
pub async fn note_webhook(
    service: &Service,
    connection: ConnectionId,
    patient: Option<PatientId>,
) -> Result<usize, StoreError> {
    const MOST: u32 = 500;
    let now = service.now();
    let mut rng = service.rng();
    let queued = service
        .store()
        .write("sync.hint", move |tx| {
            let Some(row) = connections::lookup(tx, connection)? else {
                return Ok(0);
            };
            let on = match patient {
                Some(patient) => connections::lookup_attachment(tx, connection, patient)?
                    .into_iter()
                    .collect(),
                None => connections::list_attachments(tx, connection, PatientId::NIL, MOST)?,
            };
            let usable = on.iter().filter(|a| a.state == LinkState::Ok);
            let mut queued = 0;
            for attached in usable.filter(|_| row.state == LinkState::Ok) {
                let trigger = Trigger::Webhook;
                super::queue(tx, &row, attached.patient, trigger, None, now, &mut rng)?;
                queued += 1;
            }
            Ok::<_, StoreError>(queued)
        })
        .await?;
    service.wake();
    Ok(queued)
}

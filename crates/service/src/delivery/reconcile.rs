//! A destination compared with the record: what it lacks is queued, what is gone
//! here is removed there or told of, as its owner chose.

use chartkey_domain::ids::{DeliveryId, RecordId};
use chartkey_domain::sync::{
    Counts, DeliveryState, LogAction, Operation, RemovalPolicy, RunState, Step, Trigger,
};
use chartkey_store::deliveries::{self as rows, DeliveryRow};
use chartkey_store::sync::{self as runs, RunRow};
use chartkey_store::{StoreError, Tx, connections, records as record_rows};
use jiff::Timestamp;
use rand_core::CryptoRng;

use super::{Reach, Written, dedupe_key, queue_put};
use crate::connections::{Opened, SyncFailure};
use crate::records::record_facts;
use crate::sync::{Line, ms, write_line};
use crate::{Failure, Protect, Service};

/// Versions that are looked at in one write.
const PORTION: u32 = 500;

/// Compares a destination with a patient's record.
pub(crate) async fn reconcile(
    service: &Service,
    opened: &Opened,
    run: &RunRow,
) -> Result<(), SyncFailure> {
    let mut after = RecordId::NIL;
    let mut counts = Counts::default();
    let hands_off = opened.hands_off(service);
    let removal = opened.removal_policy();
    loop {
        let (now, mut rng) = (service.now(), service.rng());
        let protect = service.protect().clone();
        let about = run.clone();
        let step = service
            .store()
            .write("push.reconcile", move |tx| {
                if after == RecordId::NIL && change_hands(tx, &about, hands_off, now)? {
                    connections::update_hands_off(tx, about.connection, hands_off)?;
                }
                let Some(reach) = Reach::lookup(tx, about.connection, about.patient, now)? else {
                    return Ok((0, None));
                };
                queue_backlog(tx, &protect, &reach, after, now, &mut rng)
            })
            .await?;
        counts.created += step.0;
        match step.1 {
            Some(next) => after = next,
            None => break,
        }
    }
    finish(service, run, counts, removal).await
}

/// The platform's abilities changed.
fn change_hands(
    tx: &mut Tx,
    run: &RunRow,
    hands_off: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let known = connections::lookup(tx, run.connection)?;
    if known.is_none_or(|c| c.hands_off == hands_off) {
        return Ok(false);
    }
    rows::change_hands(tx, run.connection, hands_off, now)?;
    Ok(true)
}

fn queue_backlog(
    tx: &mut Tx,
    protect: &Protect,
    reach: &Reach,
    after: RecordId,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(u64, Option<RecordId>), SyncFailure> {
    let (connection, patient) = (reach.connection.id, reach.attachment.patient);
    let lacking = rows::list_backlog(tx, connection, patient, after, PORTION)?;
    let full = u32::try_from(lacking.len()).unwrap_or(0) == PORTION;
    let next = lacking.last().map(|(record, _)| *record).filter(|_| full);
    let mut queued = 0;
    for (record, version) in lacking {
        let Some(row) = record_rows::lookup(tx, record)? else {
            continue;
        };
        if !reach.covers(&record_facts(&row)) {
            continue;
        }
        let written = Written {
            record,
            version,
            compartment: row.compartment,
            supporting: false,
        };
        let put = queue_put(tx, protect, reach, &written, None, now, rng)?;
        queued += u64::from(put);
    }
    Ok((queued, next))
}

async fn finish(
    service: &Service,
    run: &RunRow,
    counts: Counts,
    removal: RemovalPolicy,
) -> Result<(), SyncFailure> {
    let (now, mut rng, node) = (service.now(), service.rng(), service.0.node);
    let protect = service.protect().clone();
    let run = run.clone();
    service
        .store()
        .write("push.reconcile", move |tx| {
            for gone in rows::list_orphans(tx, run.connection, run.patient, PORTION)? {
                let put = if removal == RemovalPolicy::Delete {
                    queue_remove(tx, &protect, &gone, now, &mut rng)?
                } else {
                    // Told of once: it counts as left there from now on.
                    rows::note_removed(tx, gone.connection, gone.record, gone.version, now)?;
                    let line = line(&run, Step::PushKept, Counts::default());
                    let record = Some((gone.record, gone.version));
                    write_line(tx, &Line { record, ..line }, now, &mut rng)?;
                    false
                };
                tracing::debug!(put, "a document that is gone here");
            }
            if run.trigger == Trigger::Manual || counts.created > 0 {
                write_line(tx, &line(&run, Step::PushQueued, counts), now, &mut rng)?;
            }
            let waiting = rows::count(tx, run.connection, run.patient)?;
            let owed = waiting
                .iter()
                .find(|(state, _)| *state == DeliveryState::Owed)
                .map_or(0, |(_, n)| *n);
            if owed > 0 {
                let counts = Counts {
                    created: owed,
                    ..Counts::default()
                };
                write_line(tx, &line(&run, Step::PushOwed, counts), now, &mut rng)?;
            }
            connections::update_walked(tx, run.connection, run.patient, "{}", false, now)?;
            runs::finish_run(tx, run.id, node, RunState::Done, &counts, None, now)
                .map(drop)
                .map_err(Failure::Store)
        })
        .await
}

fn line(run: &RunRow, step: Step, counts: Counts) -> Line<'static> {
    Line {
        patient: run.patient,
        connection: run.connection,
        sync: Some(run.sync),
        record: None,
        action: match run.trigger {
            Trigger::Manual => LogAction::ManualSync,
            Trigger::Schedule | Trigger::Webhook => LogAction::AutomaticUpdate,
        },
        step,
        why: None,
        counts,
    }
}

/// Queues the removal of what was put.
pub(super) fn queue_remove(
    tx: &mut Tx,
    protect: &Protect,
    put: &DeliveryRow,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<bool, StoreError> {
    let remove = Operation::Remove;
    let (connection, patient) = (put.connection, put.patient);
    let row = DeliveryRow {
        id: DeliveryId::new(ms(now), rng),
        operation: remove,
        dedupe_key: dedupe_key(
            protect,
            connection,
            patient,
            put.record,
            put.version,
            remove,
        ),
        state: DeliveryState::Ready,
        envelope: None,
        sealed_at: None,
        attempts: 0,
        next_at: now,
        unsure: false,
        resume_p: None,
        // The id there is protected in its own place: it is read from the row
        // of the put.
        remote_p: None,
        problem: None,
        created_at: now,
        updated_at: now,
        done_at: None,
        ..put.clone()
    };
    rows::insert(tx, &row)
}

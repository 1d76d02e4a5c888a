//! Delivery: versions on their way to destinations.
//!
//! One of the three modules through which open content passes on the server. A
//! destination is a principal whose private key the server keeps: it can open
//! exactly those versions whose keys somebody sealed to it, while they wait to
//! be pushed. An envelope is deleted when the version is there, when the
//! permission it rests on ends, and after seven days. What may go where is asked
//! again at the moment of sending, whatever was queued before.

mod decide;
mod owed;
mod reach;
mod reconcile;
mod send;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use chartkey_domain::ids::{ConnectionId, DeliveryId, PatientId, RecordId};
use chartkey_domain::records::RecordFacts;
use chartkey_domain::sessions::after;
use chartkey_domain::sync::{Counts, DeliveryState, LogAction, Operation, Step, Trigger};
use chartkey_fhir::Compartment;
use chartkey_store::deliveries::{self as rows, DeliveryRow};
use chartkey_store::records::RecordRow;
use chartkey_store::{StoreError, Tx, connections};
use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::sync::{Line, ms, queue, write_line};
use crate::{Protect, Service};

pub use decide::{
    DeliveryView, confirm_hand_off, dismiss_delivery, list_deliveries, retry_delivery,
};
pub(crate) use owed::is_owed;
pub use owed::{owed, seal_owed};
pub(crate) use reach::{Reach, may_act};
pub(crate) use reconcile::{queue_first, reconcile};
pub(crate) use send::perform;

/// How long a sealed version key may wait, in seconds: seven days.
pub const ENVELOPE_SECS: i64 = 7 * 24 * 60 * 60;
/// Envelopes that one sweep deletes in one write.
const LAPSE_PORTION: u32 = 500;

/// A version that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// Of which record.
    pub record: RecordId,
    /// Which.
    pub version: u32,
    /// Where it lies.
    pub compartment: Compartment,
    /// Hidden from counts: never pushed by itself.
    pub supporting: bool,
}

/// Names one delivery of one version to one destination: sixteen letters and
/// digits under the server's key, so that they say nothing and are the same
/// whoever queues it.
fn dedupe_key(
    protect: &Protect,
    connection: ConnectionId,
    patient: PatientId,
    record: RecordId,
    version: u32,
    operation: Operation,
) -> String {
    const LETTERS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD);
    let place = chartkey_crypto::encode::lp(&[
        connection.as_bytes(),
        patient.as_bytes(),
        record.as_bytes(),
        &version.to_be_bytes(),
        operation.word().as_bytes(),
    ]);
    let hash = protect.lookup_hash("sync/delivery", &place);
    let text = LETTERS.encode(hash).to_ascii_lowercase();
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(16)
        .collect()
}

/// Queues a version for a destination, with its sealed key where it is at hand.
/// A version that is queued, or was sent, is not queued again; one that was
/// cancelled is, when permission came back. Older ones that wait are superseded.
pub(crate) fn queue_put(
    tx: &mut Tx,
    protect: &Protect,
    reach: &Reach,
    written: &Written,
    envelope: Option<&[u8]>,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<bool, StoreError> {
    let (connection, patient) = (reach.connection.id, reach.attachment.patient);
    let state = match envelope {
        _ if reach.hands_off() => DeliveryState::HandedOff,
        Some(_) => DeliveryState::Ready,
        None => DeliveryState::Owed,
    };
    let put = Operation::Put;
    let key = dedupe_key(
        protect,
        connection,
        patient,
        written.record,
        written.version,
        put,
    );
    let row = DeliveryRow {
        id: DeliveryId::new(ms(now), rng),
        connection,
        patient,
        record: written.record,
        version: written.version,
        operation: put,
        dedupe_key: key.clone(),
        state,
        envelope: envelope
            .filter(|_| state == DeliveryState::Ready)
            .map(<[u8]>::to_vec),
        sealed_at: envelope.map(|_| now),
        attempts: 0,
        next_at: now,
        unsure: false,
        resume_p: None,
        remote_p: None,
        removed_at: None,
        problem: None,
        created_at: now,
        updated_at: now,
        done_at: None,
    };
    let queued = if rows::insert(tx, &row)? {
        true
    } else {
        match rows::lookup_by_key(tx, connection, &key)? {
            Some(known) => rows::revive(tx, known.id, state, row.envelope.as_deref(), now)?,
            None => false,
        }
    };
    if queued {
        rows::supersede(tx, connection, written.record, written.version, now)?;
    }
    Ok(queued)
}

/// Somebody other than a source wrote: what destinations are to have of it is
/// queued, and owed until its key is sealed.
pub(crate) fn note_written(
    tx: &mut Tx,
    service: &Service,
    patient: PatientId,
    written: &[Written],
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    for reach in Reach::list(tx, patient, now)? {
        let mut counts = Counts::default();
        for one in written.iter().filter(|w| !w.supporting) {
            let facts = RecordFacts {
                id: one.record,
                compartment: one.compartment,
                author: None,
                deleted: false,
                withheld: false,
            };
            if reach.covers(&facts)
                && queue_put(tx, service.protect(), &reach, one, None, now, rng)?
            {
                counts.created += 1;
            }
        }
        if counts.created > 0 {
            let step = if reach.hands_off() {
                Step::PushHandedOff
            } else {
                Step::PushOwed
            };
            let line = Line {
                patient,
                connection: reach.connection.id,
                sync: None,
                record: None,
                action: LogAction::Push,
                step,
                why: None,
                counts,
            };
            write_line(tx, &line, now, rng)?;
        }
    }
    Ok(())
}

/// A record was moved to another compartment, and its versions sealed anew: keys
/// that wait open nothing any more, and where it may go from there it is due. Where
/// it may no longer go is found at the moment of sending.
pub(crate) fn note_moved(
    tx: &mut Tx,
    service: &Service,
    moved: &RecordRow,
    to: Compartment,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    rows::owe_again(tx, moved.id, now)?;
    let written = Written {
        record: moved.id,
        version: moved.version,
        compartment: to,
        supporting: moved.supporting,
    };
    note_written(tx, service, moved.patient, &[written], now, rng)
}

/// A record was deleted: what waits of it is not sent, and destinations that
/// have it are looked at.
pub(crate) fn note_deleted(
    tx: &mut Tx,
    patient: PatientId,
    record: RecordId,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    use chartkey_domain::connections::Direction;
    let on = connections::list_of_patient(tx, patient, Some(Direction::Destination))?;
    for (connection, _) in on {
        rows::supersede(tx, connection.id, record, u32::MAX, now)?;
        let known = rows::list_of_record(tx, connection.id, record)?;
        let is_there = known
            .iter()
            .any(|d| d.state == DeliveryState::Done && d.removed_at.is_none());
        if is_there {
            queue(tx, &connection, patient, Trigger::Schedule, None, now, rng)?;
        }
    }
    Ok(())
}

/// Leases deliveries that are due.
pub(crate) async fn lease(
    service: &Service,
    only: Option<PatientId>,
    limit: u32,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let (node, now, mut rng) = (service.0.node, service.now(), service.rng());
    let until = after(now, service.settings().pace.lease_secs());
    service
        .store()
        .write("push.lease", move |tx| {
            for lost in rows::list_lost(tx, now)? {
                send::note_lost(tx, &lost, now, &mut rng)?;
            }
            rows::lease(tx, node, now, until, only, limit)
        })
        .await
}

/// Deletes sealed keys that waited for more than seven days: what they were for
/// is owed again, and the log says whom it waits for.
pub(crate) async fn lapse(service: &Service) -> Result<(), StoreError> {
    let now = service.now();
    let mut rng = service.rng();
    service
        .store()
        .write("push.lapse", move |tx| {
            let before = after(now, -ENVELOPE_SECS);
            for gone in rows::lapse(tx, before, now, LAPSE_PORTION)? {
                let line = Line {
                    patient: gone.patient,
                    connection: gone.connection,
                    sync: None,
                    record: Some((gone.record, gone.version)),
                    action: LogAction::Push,
                    step: Step::PushLapsed,
                    why: None,
                    counts: Counts::default(),
                };
                write_line(tx, &line, now, &mut rng)?;
            }
            Ok(())
        })
        .await
}

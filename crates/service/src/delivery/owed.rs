//! What is owed to destinations: listed to whoever can open it, a portion at a
//! time, and their envelopes taken in.

use std::collections::BTreeMap;

use chartkey_crypto::sign::Signature;
use chartkey_domain::ids::{ConnectionId, DeliveryId, PatientId, RecordId};
use chartkey_domain::policy::{Action, Permit, Scope};
use chartkey_domain::records::RecordFacts;
use chartkey_domain::sync::DeliveryState;
use chartkey_store::deliveries::{self as rows, DeliveryRow};
use chartkey_store::{Reader, StoreError, records as record_rows};
use chartkey_vault::delivery::{Owed, OwedDestination, OwedVersion, SealedOwed, SignedDestination};
use chartkey_vault::protocol::SealedPage;
use jiff::Timestamp;

use super::Reach;
use crate::connections::{SyncError, SyncFailure};
use crate::patients::{MAX_WRAP_BYTES, check_size, permit};
use crate::records::{current_page, record_facts};
use crate::{Caller, Service};

/// Versions of one portion.
pub const PORTION: u32 = 64;
/// Rows looked at to find a portion.
const LOOKED_AT: u32 = 512;

/// What of a patient's owed versions the caller can seal: managers all of it,
/// others what their own destinations are owed. Without bodies.
///
/// # Errors
/// The policy's, the database's.
pub async fn owed(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<Owed, SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("push.owed", move |db| {
            let action = Action::ListOwed;
            let (_, permit) = permit::<SyncError>(db, &asking, action, patient, now)?;
            list(db, &permit, patient, now)
        })
        .await
}

/// Whether the caller has anything to seal for a patient: one look, for requests
/// that did something else.
pub(crate) async fn is_owed(service: &Service, patient: PatientId) -> Result<bool, StoreError> {
    service
        .store()
        .read("push.owed", move |db| {
            let state = DeliveryState::Owed;
            let first = rows::list_of_patient(db, patient, state, DeliveryId::NIL, 1)?;
            Ok(!first.is_empty())
        })
        .await
}

fn list(
    db: &mut Reader,
    permit: &Permit,
    patient: PatientId,
    now: Timestamp,
) -> Result<Owed, SyncFailure> {
    let state = DeliveryState::Owed;
    let waiting = rows::list_of_patient(db, patient, state, DeliveryId::NIL, LOOKED_AT)?;
    let mut reaches: BTreeMap<ConnectionId, Reach> = BTreeMap::new();
    for reach in Reach::list(db, patient, now)? {
        reaches.insert(reach.connection.id, reach);
    }
    let most = usize::try_from(PORTION).unwrap_or(64);
    let mut owed = Owed {
        patient: patient.0,
        destinations: Vec::new(),
        page: SealedPage {
            items: Vec::new(),
            batches: Vec::new(),
            next: None,
        },
        items: Vec::new(),
        more: false,
    };
    let mut named = Vec::new();
    for row in waiting {
        let Some(reach) = reaches.get(&row.connection) else {
            continue;
        };
        if !is_callers(permit, reach) || !is_due(db, permit, reach, &row)? {
            continue;
        }
        if owed.items.len() == most {
            owed.more = true;
            break;
        }
        let known = owed
            .destinations
            .iter()
            .any(|d| d.connection == row.connection.0);
        if !known {
            let Some(statement) = statement(reach) else {
                continue;
            };
            owed.destinations.push(OwedDestination {
                connection: row.connection.0,
                statement,
            });
        }
        owed.items.push(OwedVersion {
            connection: row.connection.0,
            record: row.record.0,
            version: row.version,
        });
        named.push(row.record);
    }
    named.sort_unstable();
    named.dedup();
    if !named.is_empty() {
        owed.page = current_page(db, permit, named)?;
    }
    Ok(owed)
}

/// A manager seals for every destination, others for those that rest on a grant
/// of their own.
fn is_callers(permit: &Permit, reach: &Reach) -> bool {
    match permit.scope() {
        Scope::All => true,
        Scope::Within(_) => {
            permit.account() == Some(reach.attachment.attached_by)
                && reach
                    .attachment
                    .grant
                    .is_some_and(|grant| permit.grants().contains(&grant))
        }
        Scope::Nothing => false,
    }
}

fn is_due(
    db: &mut Reader,
    permit: &Permit,
    reach: &Reach,
    row: &DeliveryRow,
) -> Result<bool, StoreError> {
    let Some(record) = record_rows::lookup(db, row.record)? else {
        return Ok(false);
    };
    let facts: RecordFacts = record_facts(&record);
    Ok(record.version == row.version && reach.covers(&facts) && permit.reads(&facts))
}

fn statement(reach: &Reach) -> Option<SignedDestination> {
    let (body, signature) = reach.attachment.statement.clone()?;
    let signature = <[u8; 64]>::try_from(signature.as_slice()).ok()?;
    Some(SignedDestination {
        body,
        signature: Signature::from_bytes(signature),
    })
}

/// Takes version keys in that were sealed to destinations; how many were owed.
///
/// # Errors
/// The policy's, the input's, the database's.
pub async fn seal_owed(
    service: &Service,
    caller: &Caller,
    sealed: SealedOwed,
) -> Result<u64, SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let most = usize::try_from(LOOKED_AT).unwrap_or(512);
    if sealed.items.len() > most {
        return Err(SyncError::TooMany.into());
    }
    let count = service
        .store()
        .write("push.seal", move |tx| {
            let patient = PatientId(sealed.patient);
            let action = Action::SealOwed;
            let (_, permit) = permit::<SyncError>(tx, &asking, action, patient, now)?;
            let reaches = Reach::list(tx, patient, now)?;
            let mut count = 0;
            for item in &sealed.items {
                check_size(&item.sealed, MAX_WRAP_BYTES, "items.sealed")?;
                let connection = ConnectionId(item.owed.connection);
                let record = RecordId(item.owed.record);
                let reach = reaches.iter().find(|r| r.connection.id == connection);
                let Some(reach) = reach.filter(|r| is_callers(&permit, r)) else {
                    continue;
                };
                let facts = record_rows::lookup(tx, record)?
                    .filter(|r| r.patient == patient && r.version == item.owed.version)
                    .map(|r| record_facts(&r));
                if facts.is_some_and(|f| reach.covers(&f) && permit.reads(&f)) {
                    let version = item.owed.version;
                    let taken = rows::seal(tx, connection, record, version, &item.sealed.0, now)?;
                    count += u64::from(taken);
                }
            }
            Ok::<_, SyncFailure>(count)
        })
        .await?;
    if count > 0 {
        service.wake();
    }
    Ok(count)
}

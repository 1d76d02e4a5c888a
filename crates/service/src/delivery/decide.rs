//! What a person decides about deliveries: hand-offs to do, what was given up,
//! what nobody knows of whether it arrived.

use chartkey_domain::ids::{ConnectionId, DeliveryId, PatientId, RecordId};
use chartkey_domain::policy::{self, Action, Target};
use chartkey_domain::records::RecordTypes;
use chartkey_domain::sync::{Counts, DeliveryState, LogAction, Operation, Step};
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_fhir::{Header, RecordType};
use chartkey_store::deliveries::{self as rows, DeliveryRow};
use chartkey_store::{connections, records as record_rows};
use jiff::Timestamp;

use super::Reach;
use crate::connections::{SyncError, SyncFailure, facts, name_of, permit_own};
use crate::records::record_facts;
use crate::sync::{Line, write_line};
use crate::{Caller, Service, trail};

/// A delivery, to the owner of its connection. It holds no content: what to call
/// a document that is filed by hand is made by whoever may open it.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// Its id.
    pub id: DeliveryId,
    /// To which destination.
    pub connection: ConnectionId,
    /// What people call that.
    pub connection_name: String,
    /// Whose.
    pub patient: PatientId,
    /// Which document.
    pub record: RecordId,
    /// Which version.
    pub version: u32,
    /// Put or remove.
    pub operation: Operation,
    /// Its type, while the document is there.
    pub record_type: Option<RecordType>,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong, as a word.
    pub problem: Option<String>,
    /// Where it stands, in a sentence.
    pub sentence: String,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
}

/// Deliveries of one's own connections in one state, newest first, before
/// `before`: hand-offs to do (`HandedOff`), given up (`Dead`), to be looked at
/// (`NeedsReview`), owed, ready.
///
/// # Errors
/// The policy's, the database's.
pub async fn list_deliveries(
    service: &Service,
    caller: &Caller,
    state: DeliveryState,
    patient: Option<PatientId>,
    before: Option<DeliveryId>,
    limit: u32,
) -> Result<Vec<DeliveryView>, SyncFailure> {
    let permit = permit_own(service, caller, Action::ListDeliveries)?;
    let owner = permit.account().ok_or(policy::Refusal::Unauthenticated)?;
    let now = service.now();
    let listed = service
        .store()
        .read("push.list", move |db| {
            let mut found = Vec::new();
            for row in rows::list_of_owner(db, owner, state, patient, before, limit.clamp(1, 500))?
            {
                let reach = Reach::lookup(db, row.connection, row.patient, now)?;
                let record = record_rows::lookup(db, row.record)?;
                // Types are told while the permission lasts, and no longer.
                let told = record
                    .filter(|r| reach.is_some_and(|reach| reach.covers(&record_facts(r))))
                    .map(|r| r.compartment.record_type);
                let connection =
                    connections::lookup(db, row.connection)?.ok_or(SyncError::UnknownConnection)?;
                found.push((row, connection, told));
            }
            Ok::<_, SyncFailure>(found)
        })
        .await?;
    listed
        .into_iter()
        .map(|(row, connection, record_type)| {
            let name = name_of(service, &connection)?;
            Ok(view(row, name, record_type))
        })
        .collect()
}

fn view(
    row: DeliveryRow,
    connection_name: String,
    record_type: Option<RecordType>,
) -> DeliveryView {
    use DeliveryState as S;
    let step = match row.state {
        S::Owed => Step::PushOwed,
        S::Ready if row.unsure => Step::PushUnsure,
        S::Ready if row.problem.is_some() => Step::PushRetry,
        S::Ready | S::Sending => Step::PushAttempt,
        S::Done if row.operation == Operation::Remove => Step::PushRemoved,
        S::Done => Step::PushDone,
        S::NeedsReview => Step::PushReview,
        S::HandedOff => Step::PushHandedOff,
        S::Dead => Step::PushDead,
        S::Cancelled | S::Superseded => Step::PushCancelled,
    };
    let counts = Counts {
        created: 1,
        ..Counts::default()
    };
    let sentence = step.sentence(&connection_name, &counts, row.problem.as_deref());
    DeliveryView {
        id: row.id,
        connection: row.connection,
        connection_name,
        patient: row.patient,
        record: row.record,
        version: row.version,
        operation: row.operation,
        record_type,
        state: row.state,
        attempts: row.attempts,
        problem: row.problem,
        sentence,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// What to call a document in other systems: `YYYY-MM-DD_type_source_shortid.ext`.
/// Made from its header, so only by whoever opened that.
pub fn file_name(
    header: &Header,
    record_type: RecordType,
    source: &str,
    record: RecordId,
    content_type: &str,
) -> String {
    let date: String = header
        .date
        .as_deref()
        .and_then(|d| d.get(..10))
        .unwrap_or("undated")
        .to_owned();
    let source = match source {
        "upload" => "patient",
        "provider" => "practice",
        _ => "provider",
    };
    let id = record.to_string();
    let short: String = id
        .chars()
        .rev()
        .filter(char::is_ascii_alphanumeric)
        .take(8)
        .collect();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let extension = match kind {
        "application/pdf" => "pdf",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "text/plain" => "txt",
        "text/html" => "html",
        "application/fhir+json" | "application/json" => "json",
        kind if kind.contains("xml") => "xml",
        _ => "bin",
    };
    let safe = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let date: String = date.chars().filter(|c| safe(*c)).collect();
    format!("{date}_{record_type}_{source}_{short}.{extension}")
}

/// The document was filed by hand: the hand-off is done.
///
/// # Errors
/// The policy's, [`SyncError::State`] where it is none, the database's.
pub async fn confirm_hand_off(
    service: &Service,
    caller: &Caller,
    id: DeliveryId,
) -> Result<(), SyncFailure> {
    let from: &[DeliveryState] = &[DeliveryState::HandedOff];
    let to = (DeliveryState::Done, Step::PushConfirmed);
    decide(service, caller, id, from, to).await
}

/// Tries a delivery again that was given up, or of which somebody found out that
/// it did not arrive.
///
/// # Errors
/// The policy's, [`SyncError::State`], the database's.
pub async fn retry_delivery(
    service: &Service,
    caller: &Caller,
    id: DeliveryId,
) -> Result<(), SyncFailure> {
    let from: &[DeliveryState] = &[DeliveryState::Dead, DeliveryState::NeedsReview];
    let to = (DeliveryState::Ready, Step::PushAgain);
    decide(service, caller, id, from, to).await
}

/// Lets a delivery be: it is not sent, or (where nobody knew) it is there.
///
/// # Errors
/// The policy's, [`SyncError::State`], the database's.
pub async fn dismiss_delivery(
    service: &Service,
    caller: &Caller,
    id: DeliveryId,
) -> Result<(), SyncFailure> {
    use DeliveryState as S;
    let from: &[DeliveryState] = &[S::Dead, S::NeedsReview, S::HandedOff, S::Owed];
    let to = (S::Superseded, Step::PushDismissed);
    decide(service, caller, id, from, to).await
}

async fn decide(
    service: &Service,
    caller: &Caller,
    id: DeliveryId,
    from: &'static [DeliveryState],
    (to, step): (DeliveryState, Step),
) -> Result<(), SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let mut rng = service.rng();
    service
        .store()
        .write("push.decide", move |tx| {
            asking.account()?;
            let row = rows::lookup(tx, id)?.ok_or(SyncError::UnknownDelivery)?;
            let connection =
                connections::lookup(tx, row.connection)?.ok_or(SyncError::UnknownDelivery)?;
            let target = facts(&connection);
            let action = Action::UpdateDelivery;
            let permit = policy::permit(&asking.who, action, &Target::Connection(&target), now)?;
            if !rows::decide(tx, id, from, to, false, now)? {
                return Err(SyncError::State.into());
            }
            let line = Line {
                patient: row.patient,
                connection: row.connection,
                sync: None,
                record: Some((row.record, row.version)),
                action: LogAction::Push,
                step,
                why: None,
                counts: Counts::default(),
            };
            write_line(tx, &line, now, &mut rng)?;
            if step == Step::PushConfirmed {
                let types = record_rows::lookup(tx, row.record)?.map_or(RecordTypes::EMPTY, |r| {
                    RecordTypes::of(r.compartment.record_type)
                });
                let entry = NewEntry::under(TrailAction::RecordFile, now, &permit)
                    .patient(row.patient)
                    .record(row.record)
                    .types(types)
                    .detail("connection", Detail::Id(row.connection.0));
                trail::append_by(tx, entry, &asking, &mut rng)?;
            }
            Ok::<_, SyncFailure>(())
        })
        .await?;
    service.wake();
    Ok(())
}

//! Patients on connections: who put them there, on what terms.

use chartkey_crypto::sign::VerifyKey;
use chartkey_domain::connections::Direction;
use chartkey_domain::ids::{AccountId, ConnectionId, GrantId, PatientId};
use chartkey_domain::policy::{self, Action, Noun, Permit, Refusal, Target};
use chartkey_domain::sync::{Authorization, LinkState, Schedule, Trigger};
use chartkey_domain::text;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_fhir::{Kinds, RecordType};
use chartkey_store::connections::{self as rows, AttachmentRow, ConnectionRow};
use chartkey_store::{Reader, Tx, accounts, grants, patients as patient_rows};
use chartkey_vault::delivery::SignedDestination;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{SyncError, SyncFailure, columns, facts, name_of, pair, permit_connection};
use crate::patients::{facts as patient_facts, unauthenticated_first};
use crate::{Caller, Failure, Service, delivery, events, sync, trail};

/// Longest id of a patient at another system, in bytes.
const MAX_REMOTE: usize = 256;
/// Longest note of an authorization, in characters.
const MAX_NOTE: usize = 1_000;

/// A patient to be put on a connection.
#[derive(Debug)]
pub struct NewAttachment {
    /// Whom.
    pub patient: PatientId,
    /// Who they are there. A source needs it, unless its tokens say.
    pub remote_patient_id: Option<Zeroizing<String>>,
    /// Record types that pass; none: all.
    pub record_types: Vec<RecordType>,
    /// Kinds of sensitivity that pass to a destination, besides ordinary records.
    pub kinds: Kinds,
    /// Who authorised it: needed while nobody claimed the chart.
    pub authorization: Option<Authorization>,
    /// A destination's, signed by the caller's account.
    pub statement: Option<SignedDestination>,
}

/// A patient on a connection, to its owner.
#[derive(Debug, Clone)]
pub struct AttachmentView {
    /// The connection.
    pub connection: ConnectionId,
    /// Whom.
    pub patient: PatientId,
    /// Who they are there.
    pub remote_patient_id: Option<String>,
    /// Record types that pass; none: all.
    pub record_types: Vec<RecordType>,
    /// Kinds that pass.
    pub kinds: Kinds,
    /// Who authorised it.
    pub authorization: Option<Authorization>,
    /// Whether it may be used.
    pub state: LinkState,
    /// Why not, as a word.
    pub problem: Option<String>,
    /// When it is due.
    pub next_due: Option<Timestamp>,
    /// When it last went well.
    pub last_run_at: Option<Timestamp>,
    /// Since when.
    pub created_at: Timestamp,
}

/// What a patient is connected to, to whoever may see their synchronisation:
/// names and states.
#[derive(Debug, Clone)]
pub struct PatientConnection {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose.
    pub owner: AccountId,
    /// What people call it.
    pub name: String,
    /// From there, or to there.
    pub direction: Direction,
    /// Which system, as its word.
    pub kind: &'static str,
    /// Record types that pass; none: all.
    pub record_types: Vec<RecordType>,
    /// Who put the patient there.
    pub attached_by: AccountId,
    /// Under which grant; none for a manager.
    pub grant: Option<GrantId>,
    /// Whether it may be used.
    pub state: LinkState,
    /// Why not, as a word.
    pub problem: Option<String>,
    /// When it is due.
    pub next_due: Option<Timestamp>,
    /// When it last went well.
    pub last_run_at: Option<Timestamp>,
    /// Since when.
    pub created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    obtained_on: String,
    method: String,
    note: Option<String>,
}

/// `POST /api/v1/connections/{id}/patients`: puts a patient on one's connection,
/// or replaces the terms on which they are there.
///
/// # Errors
/// The policy's, the input's, [`SyncError::Statement`], the database's.
pub async fn attach_patient(
    service: &Service,
    caller: &Caller,
    connection: ConnectionId,
    new: NewAttachment,
) -> Result<AttachmentView, SyncFailure> {
    check(&new)?;
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    let inner = service.clone();
    let patient = new.patient;
    let attached = service
        .store()
        .write("connection.attach", move |tx| {
            let (row, permit) = permit_attach(tx, &asking, connection, patient, now)?;
            let grant = match row.direction {
                Direction::Source => permit.grant(),
                Direction::Destination => check_statement(tx, &row, &permit, &new)?,
            };
            let claimed = patient_rows::lookup(tx, patient)?.is_some_and(|p| p.owner.is_some());
            if new.authorization.is_none() && !claimed {
                return Err(SyncError::NeedsAuthorization.into());
            }
            let attached = attachment(&inner, &row, &permit, new, grant, now)?;
            rows::attach(tx, &attached)?;
            if row.direction == Direction::Destination {
                delivery::queue_first(tx, &inner, connection, patient, now, &mut rng)?;
            }
            if row.direction == Direction::Destination || row.schedule != "manual" {
                sync::queue(tx, &row, patient, Trigger::Schedule, None, now, &mut rng)?;
            }
            let entry = NewEntry::under(TrailAction::ConnectionAttach, now, &permit)
                .types(attached.types.iter().copied().collect())
                .detail("connection", Detail::Id(connection.0))
                .detail("direction", Detail::Word(row.direction.word()));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            events::tell_managers(tx, patient, "connection.attach", connection.0, now)?;
            Ok::<_, SyncFailure>(attached)
        })
        .await?;
    service.wake();
    view(service, attached)
}

fn check(new: &NewAttachment) -> Result<(), SyncFailure> {
    if let Some(remote) = &new.remote_patient_id
        && (remote.is_empty()
            || remote.len() > MAX_REMOTE
            || !remote.bytes().all(|b| b.is_ascii_graphic()))
    {
        return Err(Failure::field("remote_patient_id", "not an id"));
    }
    let Some(authorization) = &new.authorization else {
        return Ok(());
    };
    if text::parse_date(&authorization.obtained_on).is_none() {
        return Err(Failure::field("authorization.obtained_on", "YYYY-MM-DD"));
    }
    if text::line(&authorization.method, 100).is_err() {
        return Err(Failure::field(
            "authorization.method",
            "how it was obtained",
        ));
    }
    if let Some(note) = &authorization.note
        && text::lines(note, MAX_NOTE).is_err()
    {
        return Err(Failure::field("authorization.note", "too long"));
    }
    Ok(())
}

/// Asks the policy about a patient on a connection.
pub(super) fn permit_pair(
    db: &mut Reader,
    caller: &Caller,
    action: Action,
    row: &ConnectionRow,
    patient: PatientId,
    now: Timestamp,
) -> Result<Permit, SyncFailure> {
    let (_, about) = patient_facts(db, patient, caller.account_id())?
        .ok_or_else(|| unauthenticated_first(caller, Refusal::Unknown(Noun::Patient)))?;
    let target = Target::Attachment(&about, &facts(row));
    Ok(policy::permit(&caller.who, action, &target, now)?)
}

fn permit_attach(
    db: &mut Reader,
    caller: &Caller,
    connection: ConnectionId,
    patient: PatientId,
    now: Timestamp,
) -> Result<(ConnectionRow, Permit), SyncFailure> {
    caller.account()?;
    let row = rows::lookup(db, connection)?.ok_or(Refusal::Unknown(Noun::Connection))?;
    let action = match row.direction {
        Direction::Source => Action::AttachSource,
        Direction::Destination => Action::AttachDestination,
    };
    let permit = permit_pair(db, caller, action, &row, patient, now)?;
    Ok((row, permit))
}

/// Holds a destination's statement against what is asked and who asks; the
/// grant that it names.
fn check_statement(
    db: &mut Reader,
    row: &ConnectionRow,
    permit: &Permit,
    new: &NewAttachment,
) -> Result<Option<GrantId>, SyncFailure> {
    let signed = new.statement.as_ref().ok_or(SyncError::Statement)?;
    let account = permit.account().ok_or(Refusal::Unauthenticated)?;
    let key = accounts::lookup(db, account)?
        .and_then(|a| <[u8; 32]>::try_from(a.sign_public?.as_slice()).ok())
        .and_then(|bytes| VerifyKey::from_bytes(&bytes).ok())
        .ok_or(SyncError::Statement)?;
    let terms = signed.verify(&[key]).map_err(|_| SyncError::Statement)?;
    let grant = terms.grant.map(GrantId);
    let rests = match grant {
        None => permit.is_managers(),
        Some(grant) if permit.is_managers() => holds(db, grant, account, new.patient)?,
        Some(grant) => permit.grants().contains(&grant),
    };
    let says = terms.patient == new.patient.0
        && terms.connection == row.id.0
        && row.public_key.as_deref() == Some(terms.key.as_bytes().as_slice())
        && terms.types == new.record_types
        && terms.kinds == new.kinds
        && terms.account == account.0;
    if rests && says {
        Ok(grant)
    } else {
        Err(SyncError::Statement.into())
    }
}

/// Whether a grant of the patient's is this account's. Whether it lives and lets
/// documents be taken along is asked again whenever something is sent.
fn holds(
    db: &mut Reader,
    grant: GrantId,
    account: AccountId,
    patient: PatientId,
) -> Result<bool, SyncFailure> {
    let row = grants::lookup(db, grant)?;
    Ok(row.is_some_and(|g| g.patient == patient && g.holder == Some(account)))
}

fn attachment(
    service: &Service,
    row: &ConnectionRow,
    permit: &Permit,
    new: NewAttachment,
    grant: Option<GrantId>,
    now: Timestamp,
) -> Result<AttachmentRow, SyncFailure> {
    let protect = service.protect();
    let mut rng = service.rng();
    let place = pair(protect, row.id, new.patient);
    let remote_p = new
        .remote_patient_id
        .as_ref()
        .map(|remote| protect.seal(columns::REMOTE, place, remote.as_bytes(), &mut rng));
    // Who they are there is said by the tokens, once there are some.
    if row.direction == Direction::Source && remote_p.is_none() && row.auth != "smart" {
        return Err(Failure::field("remote_patient_id", "who they are there"));
    }
    let authorization_p = match new.authorization {
        None => None,
        Some(a) => {
            let kept = Kept {
                obtained_on: a.obtained_on,
                method: a.method,
                note: a.note,
            };
            let text =
                serde_json::to_vec(&kept).map_err(|_| Failure::Internal("an authorization"))?;
            Some(protect.seal(columns::AUTHORIZATION, place, &text, &mut rng))
        }
    };
    let schedule = Schedule::parse(&row.schedule, now).ok();
    Ok(AttachmentRow {
        connection: row.id,
        patient: new.patient,
        remote_p,
        types: new.record_types,
        kinds: new.kinds,
        authorization_p,
        attached_by: permit.account().ok_or(Refusal::Unauthenticated)?,
        grant,
        statement: new
            .statement
            .map(|s| (s.body, s.signature.as_bytes().to_vec())),
        state: LinkState::Ok,
        problem: None,
        next_due: schedule.and_then(|s| s.next(now)),
        last_run_at: None,
        last_full_at: None,
        cursors: "{}".to_owned(),
        created_at: now,
    })
}

/// Says who a patient is at the other end, after a person chose; what waited for
/// that goes on.
///
/// # Errors
/// The policy's, [`SyncError::NotAttached`], the database's.
pub async fn update_remote_patient(
    service: &Service,
    caller: &Caller,
    connection: ConnectionId,
    patient: PatientId,
    remote: Zeroizing<String>,
) -> Result<(), SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let inner = service.clone();
    let mut rng = service.rng();
    service
        .store()
        .write("connection.attach", move |tx| {
            let (_, permit) = permit_attach(tx, &asking, connection, patient, now)?;
            rows::lookup_attachment(tx, connection, patient)?.ok_or(SyncError::NotAttached)?;
            let place = pair(inner.protect(), connection, patient);
            let sealed = inner
                .protect()
                .seal(columns::REMOTE, place, remote.as_bytes(), &mut rng);
            rows::update_remote(tx, connection, patient, &sealed)?;
            rows::update_attachment_state(tx, connection, patient, LinkState::Ok, None)?;
            let entry = NewEntry::under(TrailAction::ConnectionAttach, now, &permit)
                .detail("connection", Detail::Id(connection.0));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok::<_, SyncFailure>(())
        })
        .await?;
    service.wake();
    Ok(())
}

/// Takes a patient off a connection: its owner may, and whoever manages the
/// record. What waits is cancelled; what was pulled or pushed stays where it is.
///
/// # Errors
/// The policy's, [`SyncError::NotAttached`], the database's.
pub async fn detach_patient(
    service: &Service,
    caller: &Caller,
    connection: ConnectionId,
    patient: PatientId,
) -> Result<(), SyncFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    service
        .store()
        .write("connection.detach", move |tx| {
            asking.account()?;
            let row = rows::lookup(tx, connection)?.ok_or(Refusal::Unknown(Noun::Connection))?;
            let permit = permit_pair(tx, &asking, Action::DetachPatient, &row, patient, now)?;
            if !rows::detach(tx, connection, patient)? {
                return Err(SyncError::NotAttached.into());
            }
            let entry = NewEntry::under(TrailAction::ConnectionDetach, now, &permit)
                .detail("connection", Detail::Id(connection.0));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            tell(tx, &row, patient, now)?;
            Ok(())
        })
        .await
}

fn tell(
    tx: &mut Tx,
    row: &ConnectionRow,
    patient: PatientId,
    now: Timestamp,
) -> Result<(), SyncFailure> {
    events::tell_managers(tx, patient, "connection.detach", row.id.0, now)?;
    events::tell(tx, [row.owner], "connection.detach", row.id.0, now)?;
    Ok(())
}

/// Who is on one's connection, in the order of their ids, behind `after`.
///
/// # Errors
/// The policy's, the database's.
pub async fn list_connection_patients(
    service: &Service,
    caller: &Caller,
    connection: ConnectionId,
    after: Option<PatientId>,
    limit: u32,
) -> Result<Vec<AttachmentView>, SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let listed = service
        .store()
        .read("connection.list", move |db| {
            permit_connection(db, &asking, Action::FindConnection, connection, now)?;
            let after = after.unwrap_or(PatientId::NIL);
            Ok::<_, SyncFailure>(rows::list_attachments(
                db,
                connection,
                after,
                limit.min(500),
            )?)
        })
        .await?;
    listed.into_iter().map(|row| view(service, row)).collect()
}

/// What a patient is connected to: their managers see all of it, and so does
/// whoever holds a grant that counts.
///
/// # Errors
/// The policy's, the database's.
pub async fn list_patient_connections(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<Vec<PatientConnection>, SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let listed = service
        .store()
        .read("connection.list", move |db| {
            let action = Action::ListPatientConnections;
            crate::patients::permit::<SyncError>(db, &asking, action, patient, now)?;
            Ok::<_, SyncFailure>(rows::list_of_patient(db, patient, None)?)
        })
        .await?;
    listed
        .into_iter()
        .map(|(connection, attached)| {
            let troubled = connection.state != LinkState::Ok;
            Ok(PatientConnection {
                connection: connection.id,
                owner: connection.owner,
                name: name_of(service, &connection)?,
                direction: connection.direction,
                kind: connection.kind.word(),
                record_types: attached.types,
                attached_by: attached.attached_by,
                grant: attached.grant,
                state: if troubled {
                    connection.state
                } else {
                    attached.state
                },
                problem: if troubled {
                    connection.problem
                } else {
                    attached.problem
                },
                next_due: attached.next_due,
                last_run_at: attached.last_run_at,
                created_at: attached.created_at,
            })
        })
        .collect()
}

fn view(service: &Service, row: AttachmentRow) -> Result<AttachmentView, SyncFailure> {
    let protect = service.protect();
    let place = pair(protect, row.connection, row.patient);
    let remote = protect.open_optional(columns::REMOTE, place, row.remote_p.as_deref())?;
    let authorization = match &row.authorization_p {
        None => None,
        Some(sealed) => {
            let text = protect.open(columns::AUTHORIZATION, place, sealed)?;
            let kept: Kept = serde_json::from_slice(text.as_bytes())
                .map_err(|_| Failure::Internal("an authorization"))?;
            Some(Authorization {
                obtained_on: kept.obtained_on,
                method: kept.method,
                note: kept.note,
            })
        }
    };
    Ok(AttachmentView {
        connection: row.connection,
        patient: row.patient,
        remote_patient_id: remote.map(|r| r.to_string()),
        record_types: row.types,
        kinds: row.kinds,
        authorization,
        state: row.state,
        problem: row.problem,
        next_due: row.next_due,
        last_run_at: row.last_run_at,
        created_at: row.created_at,
    })
}

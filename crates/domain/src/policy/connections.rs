//! Sources and destinations: whose they are, and who may put a patient on one.

use jiff::Timestamp;

use crate::accounts::AccountKind;
use crate::ids::AccountId;
use crate::policy::Action;
use crate::policy::facts::{AccountFacts, ConnectionFacts, PatientFacts, Target};
use crate::policy::permit::{Permit, Scope};
use crate::policy::refusal::{Noun, Refusal};
use crate::policy::rules::{by, take_along, write};
use crate::policy::standing::{Standing, may_use_grants, standing};

/// What somebody with a living session may do about one's own connections, one
/// connection, or a patient on one.
pub(super) fn decide(
    account: &AccountFacts,
    action: Action,
    target: Target<'_>,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    use Action as A;
    use Target as T;
    match (action, target) {
        (
            A::CreateConnection
            | A::ListConnections
            | A::ListDeliveries
            | A::ListDirectoryEndpoints,
            T::Account(owner),
        ) => owned(account, action, owner, Noun::Account),
        (
            A::FindConnection
            | A::UpdateConnection
            | A::DeleteConnection
            | A::VerifyConnection
            | A::UpdateDelivery,
            T::Connection(connection),
        ) => owned(account, action, connection.owner, Noun::Connection),
        (A::AttachSource | A::AttachDestination, T::Attachment(patient, connection)) => {
            attach(account, action, patient, connection, now)
        }
        (A::LaunchConnection, T::Attachment(patient, connection)) => {
            launch(account, action, patient, connection, now)
        }
        (A::DetachPatient, T::Attachment(patient, connection)) => {
            detach(account, action, patient, connection, now)
        }
        _ => Err(Refusal::Forbidden),
    }
}

/// What everybody does with their own connections; what changes where they
/// lead, only somebody who could be let into a record.
fn owned(
    account: &AccountFacts,
    action: Action,
    owner: AccountId,
    noun: Noun,
) -> Result<Permit, Refusal> {
    if account.kind == AccountKind::Admin {
        return Err(Refusal::Forbidden);
    }
    if owner != account.id {
        return Err(Refusal::Unknown(noun));
    }
    if matches!(
        action,
        Action::CreateConnection | Action::UpdateConnection | Action::VerifyConnection
    ) {
        may_use_grants(account)?;
    }
    Ok(by(account, action))
}

/// Putting a patient on one's own connection: on a source whoever may add to
/// the record, on a destination whoever may take along what they read there.
fn attach(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    connection: &ConnectionFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    owned(account, action, connection.owner, Noun::Connection)?;
    if action == Action::AttachSource {
        write(account, action, patient, now)
    } else {
        take_along(account, action, patient, now)
    }
}

/// Signing a patient in at a source: whoever manages the record, and whose
/// connection it is where they may add to the record.
fn launch(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    connection: &ConnectionFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    may_use_grants(account)?;
    if matches!(standing(account, patient, now)?, Standing::Manager) {
        return Ok(by(account, action).on(patient.id).within(Scope::Nothing));
    }
    owned(account, action, connection.owner, Noun::Connection)?;
    write(account, action, patient, now)
}

/// Taking a patient off: whose connection it is, and whoever manages the record.
fn detach(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    connection: &ConnectionFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let manages = matches!(standing(account, patient, now)?, Standing::Manager);
    if !manages && connection.owner != account.id {
        return Err(Refusal::Unknown(Noun::Connection));
    }
    Ok(by(account, action).on(patient.id).within(Scope::Nothing))
}

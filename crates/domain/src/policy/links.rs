//! What somebody with a link may do: things with that link, and nothing else.

use jiff::Timestamp;

use crate::grants::{GrantStatus, Holder};
use crate::policy::Action;
use crate::policy::facts::{LinkFacts, LinkProof, PatientFacts, Target};
use crate::policy::permit::{Actor, Permit, Scope, Within};
use crate::policy::refusal::{Noun, Refusal};

/// What `link` lets its holder do at `now`.
pub(super) fn decide(
    link: &LinkFacts,
    action: Action,
    target: Target<'_>,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    use Action as A;
    use Target as T;
    let patient = match (action, target) {
        (
            A::FindShareStatus
            | A::AskShare
            | A::OpenShare
            | A::DownloadShare
            | A::OpenShlManifest
            | A::OpenShlFile,
            T::Grant(patient, grant),
        ) if grant.id == link.grant.id && grant.patient == link.grant.patient => patient,
        (A::FindBlob, T::Record(patient, record)) => {
            if link.grant.coverage().covers_record(record) && !record.deleted && !record.withheld {
                patient
            } else {
                return Err(Refusal::Unknown(Noun::Record));
            }
        }
        (
            A::FindShareStatus
            | A::AskShare
            | A::OpenShare
            | A::DownloadShare
            | A::OpenShlManifest
            | A::OpenShlFile,
            T::Grant(..),
        ) => return Err(Refusal::Unknown(Noun::Share)),
        // A link is no sign-in.
        _ => return Err(Refusal::Unauthenticated),
    };
    if link.grant.holder != Holder::Link || link.grant.patient != patient.id {
        return Err(Refusal::Unknown(Noun::Share));
    }
    let permit = Permit::new(action, Actor::Link(link.grant.id)).on(patient.id);
    match action {
        // That a link lives or not, whoever has its token may know.
        A::FindShareStatus | A::AskShare => return Ok(permit),
        A::OpenShlManifest | A::OpenShlFile => other_viewers(link, now)?,
        _ => our_viewer(link, action, patient, now)?,
    }
    let permit = match target {
        T::Record(_, record) => permit.on_record(Some(record.id)),
        _ => permit,
    };
    Ok(permit.within(Scope::Within(Within {
        reads: vec![link.grant.coverage()],
        author: None,
        writes: Vec::new(),
    })))
}

/// Our own viewer: says why a link does not open.
fn our_viewer(
    link: &LinkFacts,
    action: Action,
    patient: &PatientFacts,
    now: Timestamp,
) -> Result<(), Refusal> {
    match link.grant.status(now) {
        GrantStatus::Active => {}
        // The last access goes on until its view ends.
        GrantStatus::UsedUp if link.proof == LinkProof::View && link.grant.expires_at > now => {}
        GrantStatus::UsedUp | GrantStatus::Expired => return Err(Refusal::ShareExpired),
        GrantStatus::Revoked => return Err(Refusal::ShareRevoked),
        GrantStatus::Suspended => return Err(Refusal::GrantSuspended),
        GrantStatus::Scheduled => return Err(Refusal::ShareScheduled),
    }
    match link.proof {
        LinkProof::Token => return Err(Refusal::ShareKey),
        LinkProof::Auth | LinkProof::Key | LinkProof::View => {}
    }
    if link.passcode_due {
        return Err(Refusal::SharePasscode);
    }
    if link.proof == LinkProof::Key && !patient.assisted_access {
        return Err(Refusal::AssistedOff);
    }
    if action == Action::DownloadShare && !link.grant.may_download {
        return Err(Refusal::NoDownload);
    }
    Ok(())
}

/// Other SMART Health Links viewers keep what they read, so the link must let
/// download; inactive for whatever reason is unknown to them (SHL, "404").
fn other_viewers(link: &LinkFacts, now: Timestamp) -> Result<(), Refusal> {
    if link.grant.status(now) != GrantStatus::Active || !link.grant.may_download {
        return Err(Refusal::Unknown(Noun::Share));
    }
    if link.passcode_due {
        return Err(Refusal::SharePasscode);
    }
    Ok(())
}

//! What an account is to a patient: manager, holder of grants, or nobody.

use jiff::Timestamp;

use crate::accounts::{AccountKind, Verification};
use crate::grants::{GrantFacts, GrantStatus, Holder};
use crate::policy::facts::{AccountFacts, PatientFacts};
use crate::policy::refusal::{Noun, Refusal};
use crate::policy::{Action, Within};

/// What an account is to a patient.
pub(super) enum Standing<'a> {
    /// Manages the record.
    Manager,
    /// Holds grants, or held some.
    Holder(Holdings<'a>),
    /// Has nothing to do with the patient.
    Stranger,
}

/// The grants that an account holds or held on one patient.
pub(super) struct Holdings<'a> {
    /// Those that count now.
    pub active: Vec<&'a GrantFacts>,
    /// The others: ended, withheld, still to come.
    pub idle: Vec<(&'a GrantFacts, GrantStatus)>,
}

/// What `account` is to `patient` at `now`.
///
/// # Errors
/// Admins are nothing to any patient, whatever the other facts say.
pub(super) fn standing<'a>(
    account: &AccountFacts,
    patient: &'a PatientFacts,
    now: Timestamp,
) -> Result<Standing<'a>, Refusal> {
    if account.kind == AccountKind::Admin {
        return Err(Refusal::Forbidden);
    }
    if patient.managers.contains(&account.id) {
        return Ok(Standing::Manager);
    }
    let mut holdings = Holdings {
        active: Vec::new(),
        idle: Vec::new(),
    };
    for grant in &patient.caller_grants {
        if grant.patient != patient.id || grant.holder != Holder::Account(account.id) {
            continue;
        }
        match grant.status(now) {
            GrantStatus::Active => holdings.active.push(grant),
            status => holdings.idle.push((grant, status)),
        }
    }
    if holdings.active.is_empty() && holdings.idle.is_empty() {
        return Ok(Standing::Stranger);
    }
    Ok(Standing::Holder(holdings))
}

impl Holdings<'_> {
    /// Why none of the grants that `concern` the matter counts now; `unknown`
    /// when none of them concerns it.
    pub(super) fn why_idle(&self, concern: impl Fn(&GrantFacts) -> bool, unknown: Noun) -> Refusal {
        let mut refusal = Refusal::Unknown(unknown);
        for (grant, status) in &self.idle {
            if !concern(grant) {
                continue;
            }
            refusal = match (status, refusal) {
                (GrantStatus::Suspended, _) | (_, Refusal::GrantSuspended) => {
                    Refusal::GrantSuspended
                }
                (GrantStatus::Scheduled, _) | (_, Refusal::GrantScheduled) => {
                    Refusal::GrantScheduled
                }
                _ => Refusal::GrantEnded,
            };
        }
        refusal
    }

    /// What the active grants let their holder read, and write.
    pub(super) fn within(&self, account: &AccountFacts) -> Within {
        Within {
            reads: self
                .active
                .iter()
                .map(|grant| grant.coverage())
                .filter(|coverage| !coverage.is_empty())
                .collect(),
            author: (!self.active.is_empty()).then_some(account.id),
            writes: self
                .active
                .iter()
                .filter(|grant| !grant.write_types.is_empty())
                .map(|grant| (grant.id, grant.write_types))
                .collect(),
        }
    }
}

/// Whether this account may use grants that it holds: a provider whom an admin
/// verified, anybody else with a verified address.
pub(super) fn may_use_grants(account: &AccountFacts) -> Result<(), Refusal> {
    match account.kind {
        AccountKind::Provider if account.verification != Verification::Verified => {
            Err(Refusal::ProviderUnverified)
        }
        AccountKind::Patient if !account.email_verified => Err(Refusal::Unverified),
        AccountKind::Admin => Err(Refusal::Forbidden),
        AccountKind::Provider | AccountKind::Patient => Ok(()),
    }
}

/// Whether a manager may do this: what an action asks of whoever does it.
pub(super) fn may_manage(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    now: Timestamp,
) -> Result<(), Refusal> {
    if account.kind == AccountKind::Provider {
        may_use_grants(account)?;
    }
    if action.shares() && !account.email_verified {
        return Err(Refusal::Unverified);
    }
    step_up(account, action, now)?;
    opening(account, action, patient)
}

/// Whether the sign-in is young enough for this.
pub(super) fn step_up(
    account: &AccountFacts,
    action: Action,
    now: Timestamp,
) -> Result<(), Refusal> {
    if action.needs_step_up() && !crate::sessions::is_fresh(account.auth_time, now) {
        return Err(Refusal::StepUp);
    }
    Ok(())
}

/// Whether the server may open for this request.
pub(super) fn opening(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
) -> Result<(), Refusal> {
    if account.assisted && action.opens() && !patient.assisted_access {
        return Err(Refusal::AssistedOff);
    }
    Ok(())
}

//! The proof that something was permitted. Only this folder can make one, so a
//! query that asks for a permit can't be reached without the policy.

use crate::grants::Coverage;
use crate::ids::{AccountId, GrantId, PatientId, RecordId};
use crate::policy::Action;
use crate::records::{Compartment, RecordFacts, RecordType, RecordTypes};

/// Who was permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Anybody.
    Nobody,
    /// An account.
    Account(AccountId),
    /// Whoever has this link.
    Link(GrantId),
}

/// How far into the patient's records a permit reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// No record at all.
    Nothing,
    /// Every record of the patient: a manager's.
    All,
    /// What grants cover.
    Within(Within),
}

/// What grants cover, put together. A record is within when any part says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Within {
    /// What may be read, grant by grant.
    pub reads: Vec<Coverage>,
    /// Records that this account wrote may be read too, whatever their type.
    pub author: Option<AccountId>,
    /// What may be written, grant by grant.
    pub writes: Vec<(GrantId, RecordTypes)>,
}

/// That `policy::permit` said yes: who may do what, for which patient, how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    action: Action,
    actor: Actor,
    patient: Option<PatientId>,
    record: Option<RecordId>,
    scope: Scope,
}

impl Permit {
    /// A permit that reaches no record.
    pub(super) const fn new(action: Action, actor: Actor) -> Self {
        Self {
            action,
            actor,
            patient: None,
            record: None,
            scope: Scope::Nothing,
        }
    }

    /// The same about a patient.
    pub(super) fn on(mut self, patient: PatientId) -> Self {
        self.patient = Some(patient);
        self
    }

    /// The same about one record of that patient.
    pub(super) fn on_record(mut self, record: Option<RecordId>) -> Self {
        self.record = record;
        self
    }

    /// The same, reaching so far.
    pub(super) fn within(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// What was permitted.
    pub const fn action(&self) -> Action {
        self.action
    }

    /// To whom.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// The account that was permitted, if one was.
    pub const fn account(&self) -> Option<AccountId> {
        match self.actor {
            Actor::Account(id) => Some(id),
            Actor::Nobody | Actor::Link(_) => None,
        }
    }

    /// Whose record, for the `WHERE` of a query. A permit that is about nobody's
    /// has the nil id here, which no patient has: such a query finds nothing.
    pub fn patient(&self) -> PatientId {
        self.patient.unwrap_or(PatientId::NIL)
    }

    /// Whose record, if anybody's.
    pub const fn patient_if_any(&self) -> Option<PatientId> {
        self.patient
    }

    /// The one record that it is about, if it is about one.
    pub const fn record(&self) -> Option<RecordId> {
        self.record
    }

    /// How far it reaches.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it is a manager's.
    pub const fn is_managers(&self) -> bool {
        matches!(self.scope, Scope::All)
    }

    /// The grants that it rests on; none for managers.
    pub fn grants(&self) -> Vec<GrantId> {
        let Scope::Within(within) = &self.scope else {
            return Vec::new();
        };
        let mut grants: Vec<GrantId> = within
            .reads
            .iter()
            .map(|coverage| coverage.grant)
            .chain(within.writes.iter().map(|(grant, _)| *grant))
            .collect();
        grants.sort_unstable();
        grants.dedup();
        grants
    }

    /// The grant to name in the trail: the oldest that it rests on.
    pub fn grant(&self) -> Option<GrantId> {
        self.grants().first().copied()
    }

    /// The grant under which this record may be read, if it is by a grant.
    pub fn grant_for(&self, record: &RecordFacts) -> Option<GrantId> {
        let Scope::Within(within) = &self.scope else {
            return None;
        };
        within
            .reads
            .iter()
            .find(|coverage| coverage.covers_record(record))
            .map(|coverage| coverage.grant)
    }

    /// Whether this record may be read under it. What is deleted may not, and
    /// what is withheld only by managers.
    pub fn reads(&self, record: &RecordFacts) -> bool {
        if record.deleted || self.record.is_some_and(|only| only != record.id) {
            return false;
        }
        match &self.scope {
            Scope::Nothing => false,
            Scope::All => true,
            Scope::Within(within) => {
                !record.withheld
                    && (within
                        .reads
                        .iter()
                        .any(|coverage| coverage.covers_record(record))
                        || (within.author.is_some() && within.author == record.author))
            }
        }
    }

    /// Whether a whole compartment may be read under it.
    pub fn reads_compartment(&self, compartment: Compartment) -> bool {
        match &self.scope {
            Scope::Nothing => false,
            Scope::All => true,
            Scope::Within(within) => within
                .reads
                .iter()
                .any(|coverage| coverage.covers(compartment)),
        }
    }

    /// Whether records of this type may be written under it, of whatever kinds:
    /// kinds are found by whoever seals, and hide a record rather than show it.
    pub fn writes(&self, record_type: RecordType) -> bool {
        match &self.scope {
            Scope::Nothing => false,
            Scope::All => true,
            Scope::Within(within) => within
                .writes
                .iter()
                .any(|(_, types)| types.contains(record_type)),
        }
    }
}

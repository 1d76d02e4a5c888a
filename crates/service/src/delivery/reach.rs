//! What a destination may have of a patient, now: what the signed statement
//! says, as far as whoever signed it may still say so.

use chartkey_crypto::seal::KemPublic;
use chartkey_domain::accounts::{AccountKind, Verification};
use chartkey_domain::connections::Direction;
use chartkey_domain::grants::{GrantFacts, GrantStatus, Holder};
use chartkey_domain::ids::{AccountId, ConnectionId, PatientId};
use chartkey_domain::records::RecordFacts;
use chartkey_store::connections::{self, AttachmentRow, ConnectionRow};
use chartkey_store::{Reader, StoreError, accounts, grants, patients};
use chartkey_vault::Id;
use jiff::Timestamp;

use crate::patients::grant_facts;

/// On what a destination's permission rests.
#[derive(Clone, Debug)]
enum Standing {
    /// Whoever attached it manages the record.
    Manager,
    /// Their grant counts.
    Grant(Box<GrantFacts>),
    /// Their grant will count, from then on.
    Later(Timestamp),
    /// Not any more.
    Ended,
}

/// A patient at a destination, and how far its permission reaches now.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// The destination.
    pub connection: ConnectionRow,
    /// The patient on it.
    pub attachment: AttachmentRow,
    standing: Standing,
}

/// Whether an account may be acted for: it is not switched off, and a provider
/// is verified.
pub(crate) fn may_act(db: &mut Reader, account: AccountId) -> Result<bool, StoreError> {
    let Some(row) = accounts::lookup(db, account)? else {
        return Ok(false);
    };
    let verified = Verification::parse(&row.verification) == Some(Verification::Verified);
    let is_provider = row.kind == AccountKind::Provider.as_str();
    Ok(row.status != "disabled" && (!is_provider || verified))
}

impl Reach {
    /// Every destination of a patient.
    pub fn list(
        db: &mut Reader,
        patient: PatientId,
        now: Timestamp,
    ) -> Result<Vec<Self>, StoreError> {
        let on = connections::list_of_patient(db, patient, Some(Direction::Destination))?;
        on.into_iter()
            .map(|(connection, attachment)| Self::of(db, connection, attachment, now))
            .collect()
    }

    /// One destination of a patient.
    pub fn lookup(
        db: &mut Reader,
        connection: ConnectionId,
        patient: PatientId,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let Some(row) = connections::lookup(db, connection)? else {
            return Ok(None);
        };
        let Some(attachment) = connections::lookup_attachment(db, connection, patient)? else {
            return Ok(None);
        };
        Self::of(db, row, attachment, now).map(Some)
    }

    fn of(
        db: &mut Reader,
        connection: ConnectionRow,
        attachment: AttachmentRow,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let standing = standing(db, &attachment, now)?;
        Ok(Self {
            connection,
            attachment,
            standing,
        })
    }

    /// Whether this record may go there now.
    pub fn covers(&self, record: &RecordFacts) -> bool {
        let compartment = record.compartment;
        let types = &self.attachment.types;
        let wanted = types.is_empty() || types.contains(&compartment.record_type);
        if record.deleted
            || record.withheld
            || !wanted
            || !compartment.kinds.is_subset_of(self.attachment.kinds)
        {
            return false;
        }
        match &self.standing {
            Standing::Manager => true,
            Standing::Grant(grant) => grant.coverage().covers_record(record),
            Standing::Later(_) | Standing::Ended => false,
        }
    }

    /// From when its permission counts, where that is still to come.
    pub const fn begins_at(&self) -> Option<Timestamp> {
        match self.standing {
            Standing::Later(at) => Some(at),
            _ => None,
        }
    }

    /// Whether its permission has ended for good.
    pub const fn is_over(&self) -> bool {
        matches!(self.standing, Standing::Ended)
    }

    /// Whether a person files what goes there.
    pub const fn hands_off(&self) -> bool {
        self.connection.hands_off
    }

    /// The destination's id, as the vault has it.
    pub const fn connection(&self) -> Id {
        self.connection.id.0
    }

    /// What version keys are sealed to.
    pub fn key(&self) -> Option<KemPublic> {
        let bytes = self.connection.public_key.as_ref()?;
        KemPublic::from_bytes(bytes).ok()
    }
}

fn standing(
    db: &mut Reader,
    attachment: &AttachmentRow,
    now: Timestamp,
) -> Result<Standing, StoreError> {
    if attachment.statement.is_none() || !may_act(db, attachment.attached_by)? {
        return Ok(Standing::Ended);
    }
    let Some(grant) = attachment.grant else {
        let managers = patients::list_managers(db, attachment.patient)?;
        return Ok(if managers.contains(&attachment.attached_by) {
            Standing::Manager
        } else {
            Standing::Ended
        });
    };
    let Some(row) = grants::lookup(db, grant)?.filter(|g| g.patient == attachment.patient) else {
        return Ok(Standing::Ended);
    };
    let facts = grant_facts(db, &row)?;
    let holds = facts.holder == Holder::Account(attachment.attached_by) && facts.may_download;
    Ok(match facts.status(now) {
        GrantStatus::Active if holds => Standing::Grant(Box::new(facts)),
        GrantStatus::Scheduled if holds => Standing::Later(facts.valid_from),
        GrantStatus::Suspended if holds => {
            let hour = jiff::SignedDuration::from_hours(1);
            Standing::Later(now.checked_add(hour).unwrap_or(now))
        }
        _ => Standing::Ended,
    })
}

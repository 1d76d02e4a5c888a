//! Records as the sealed protocol moves them: written, listed, read, deleted.
//! The server checks that whoever may read can (and nobody else), that
//! versions follow each other, and logs before anything leaves. It opens
//! nothing; assisted requests come through these same functions.

mod export;
mod known;
mod read;
mod write;

use chartkey_domain::ids::RecordId;
use chartkey_domain::policy::{self, Action, Permit, Refusal, Target};
use chartkey_domain::records::RecordFacts;
use chartkey_store::Reader;
use chartkey_store::records::{self, RecordRow};
use chartkey_vault::protocol::RecipientKind;
use jiff::Timestamp;

use crate::patients::facts;
use crate::{Caller, Failure, NounError};

pub(crate) use export::{ExportTerms, begin_export, read_export};
pub use known::{MAX_TAGS, find_known_record, find_known_tags};
pub use read::{HistoryItem, count_records, find_record, list_record_history, list_records};
pub(crate) use read::{
    Unlogged, current_page, cursor_at, list_named, read_list, read_record, read_version,
    sealed_page,
};
pub(crate) use write::sealed_hash;
pub use write::{MAX_INLINE_BYTES, create_records, delete_record, move_record, withdraw_record};

/// Errors of this noun.
pub use chartkey_domain::records::RecordError;

/// How a records use case fails.
pub type RecordFailure = Failure<RecordError>;

impl NounError for RecordError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }
}

pub(crate) fn record_facts(row: &RecordRow) -> RecordFacts {
    RecordFacts {
        id: row.id,
        compartment: row.compartment,
        author: row.author,
        deleted: row.deleted_at.is_some(),
        withheld: row.withdrawn_at.is_some(),
    }
}

/// Loads a record with its patient and asks the policy.
pub(crate) fn permit_record(
    db: &mut Reader,
    caller: &Caller,
    action: Action,
    record: RecordId,
    now: Timestamp,
) -> Result<Permit, RecordFailure> {
    let hidden =
        || crate::patients::unauthenticated_first(caller, Refusal::Unknown(policy::Noun::Record));
    let row = records::lookup(db, record)?.ok_or_else(hidden)?;
    let (_, patient) = facts(db, row.patient, caller.account_id())?.ok_or_else(hidden)?;
    let target = record_facts(&row);
    Ok(policy::permit(
        &caller.who,
        action,
        &Target::Record(&patient, &target),
        now,
    )?)
}

pub(crate) const fn to_kind(kind: RecipientKind) -> &'static str {
    match kind {
        RecipientKind::Inbox => "inbox",
        RecipientKind::Grant => "grant",
        RecipientKind::Account => "account",
    }
}

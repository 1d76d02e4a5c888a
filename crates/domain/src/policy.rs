//! Who may do what: one pure function.
//!
//! [`permit`] looks at who asks, for what, about whom, and when; it says no to
//! everything that `rules` does not name. It knows nothing of HTTP, SQL or keys,
//! and reads no clock. Who may *open* what is decided by keys alone; the policy
//! decides what the server hands out and takes in.

mod action;
mod connections;
mod facts;
mod links;
mod permit;
mod refusal;
mod rules;
mod standing;

pub use action::{Action, Group};
pub use facts::{
    AccountFacts, Caller, ChartFacts, ClaimFacts, ConnectionFacts, EntryFacts, LinkFacts,
    LinkProof, PatientFacts, RequestFacts, SessionFacts, Target,
};
pub use permit::{Actor, Permit, Scope, Within};
pub use refusal::{Noun, Refusal};

pub use crate::grants::{Coverage, GrantFacts, Holder};
pub use crate::records::RecordFacts;

use jiff::Timestamp;

/// Whether `caller` may do `action` to `target` at `now`.
///
/// # Errors
/// Why not. Where the caller may not know of the target, the refusal is
/// [`Refusal::Unknown`] and the same as for one that does not exist.
pub fn permit(
    caller: &Caller,
    action: Action,
    target: &Target<'_>,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    rules::decide(caller, action, *target, now)
}

//! Synchronisation from a provider, through the patient's record, into a
//! practice's platform: once each, whatever fails; nothing more than what was
//! permitted, at the moment of sending; and nothing that a thief could open but
//! what waits. The ends are fakes in memory, and what they received is what
//! counts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

mod fakes;
mod faults;
mod journey;
mod ledger;
mod load;
mod permission;
mod support;
mod thief;
mod tokens;

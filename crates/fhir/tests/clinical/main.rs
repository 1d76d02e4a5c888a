//! The clinical document: nothing of a record is lost, and nothing is invented.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its data has failed"
)]

mod patients;
mod rules;

//! The policy, walked whole: every operation, by everybody, about everything, in
//! every state. The tables under `policy/snapshots` are what it comes to, in
//! words that a doctor can read; a change of the rules is a change of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

#[path = "policy/cast.rs"]
mod cast;
#[path = "policy/matrix.rs"]
mod matrix;
#[path = "policy/properties.rs"]
mod properties;

//! Records from import to deletion: who reads exactly what, what a hostile
//! client may not write, and what the trail tells of it; over every engine.
//! Every test ends by verifying the ledger.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

mod bodies;
mod hostile;
mod journey;
mod support;

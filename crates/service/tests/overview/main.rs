//! What somebody sees of their record as a whole: taking it along, hearing of
//! changes, counting, accounting for disclosures, ending it; and what an admin
//! sees of the installation. Over every engine; every test ends by verifying
//! the ledger.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

mod admin;
mod ending;
mod events;
mod exports;
mod numbers;
mod support;

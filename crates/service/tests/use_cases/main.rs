//! Use cases, each over a whole service in memory, and over every engine where
//! what is stored matters. Every test ends by verifying the ledger.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

mod accounts;
mod admin;
mod audit;
mod rekey;
mod sessions;
mod support;

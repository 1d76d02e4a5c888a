//! Sharing, from granting and linking to visits, other viewers and what is
//! written by mail, each over a whole service in memory. Every test ends by
//! verifying the ledger.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

mod grants;
mod links;
mod mails;
mod shl;
mod support;

//! Sharing, from granting and linking to visits, other viewers and what is
//! written by mail, each over a whole service in memory. Every test ends by
//! verifying the ledger.

mod grants;
mod links;
mod mails;
mod shl;
mod support;

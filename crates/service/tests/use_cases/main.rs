//! Use cases, each over a whole service in memory, and over every engine where
//! what is stored matters. Every test ends by verifying the ledger.

mod accounts;
mod admin;
mod audit;
mod rekey;
mod sessions;
mod support;

//! All SQL, for SQLite and PostgreSQL.
//!
//! [`engine`] turns both databases into one small synchronous interface: a
//! read is a closure over a [`Reader`], a write is a closure over a [`Tx`],
//! and the writes that wait together are made durable together. Every other
//! module is one noun: free functions that take a `Reader` or a `Tx`.
//!
//! What this crate must not know: who may do what (it is told by a permit),
//! what time it is, and what any sealed column says. It can spell ciphertext
//! only.

pub mod accounts;
pub mod analytics;
pub mod batches;
pub mod blobs;
pub mod charts;
pub mod connections;
pub mod deliveries;
pub mod directory;
pub mod document_requests;
pub mod engine;
pub mod events;
pub mod grants;
pub mod jobs;
pub mod limits;
mod migrate;
pub mod patients;
pub mod records;
pub mod refusals;
pub mod requests;
pub mod sessions;
pub mod settings;
pub mod shares;
pub mod sync;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tokens;
pub mod trail;
mod values;

pub use engine::{
    FromValue, Place, Reader, Row, Store, StoreConfig, StoreError, ToValue, Tx, Value,
};

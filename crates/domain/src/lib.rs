//! Nouns, ids, rules, the policy, and the doors that the outside implements.
//!
//! No I/O, no clock, no chance: time and randomness come as arguments. Types here
//! are plain and not serialisable; what goes over the wire is copied in `server`,
//! what is stored in `store`. Nothing here can hold a key or open a record.

pub mod accounts;
pub mod blobs;
pub mod charts;
pub mod clock;
pub mod codes;
pub mod connections;
pub mod document_requests;
pub mod doors;
pub mod grants;
pub mod ids;
pub mod letters;
pub mod limits;
pub mod mail;
pub mod patients;
pub mod policy;
pub mod purposes;
pub mod quotas;
pub mod records;
pub mod requests;
pub mod sessions;
pub mod shares;
pub mod sync;
pub mod text;
pub mod trail;

//! All I/O that is not the database: mail, blobs, outgoing HTTP,
//! and how other systems are spoken to.

pub mod blobs;
pub mod connectors;
pub mod http;
pub mod mail;

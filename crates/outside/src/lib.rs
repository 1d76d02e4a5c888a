//! All I/O that is not the database: mail, blobs, outgoing HTTP.

pub mod blobs;
pub mod http;
pub mod mail;

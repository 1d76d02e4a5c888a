//! All I/O that is not the database: mail, blobs, PDF.

pub mod blobs;
pub mod http;
pub mod mail;
pub mod pdf;
pub mod qr;

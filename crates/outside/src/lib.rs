//! All I/O that is not the database: mail, blobs, PDF.

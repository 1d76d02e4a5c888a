//! The FHIR source against made-up servers: every quirk that was seen at a real
//! one is a switch there and a test here.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod files;
mod hostile;
mod plans;
mod searches;
mod tokens;
mod world;

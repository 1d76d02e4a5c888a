//! Every platform's adapter against a made-up platform of its shape: what all of
//! them must hold to, and what each does in its own way. What arrived is asked of
//! the platform, never of the adapter.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the bench is a test as much as what stands on it"
)]

mod bench;
mod carepatron;
mod cliniko;
mod contract;
mod faults;
mod fhir;
mod healthie;
mod page;
mod rest;

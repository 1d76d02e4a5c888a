//! Every platform's adapter against a made-up platform of its shape: what all of
//! them must hold to, and what each does in its own way. What arrived is asked of
//! the platform, never of the adapter.

mod bench;
mod carepatron;
mod cliniko;
mod contract;
mod faults;
mod fhir;
mod healthie;
mod rest;

//! FHIR R4 servers: what they declare, how they let one in, how their searches
//! are walked through, and what is wrong with them.
//!
//! Servers are read leniently: a resource is passed on as it was written, and
//! only what is needed to walk on is understood. It must not know what becomes of
//! a resource.

mod access;
mod assertion;
mod bundle;
mod destination;
mod discover;
mod file;
mod outcome;
mod paging;
mod plan;
mod settings;
mod source;
mod tokens;

pub mod directory;
pub mod launch;

pub use destination::FhirDestination;
pub use source::FhirSource;

#[cfg(test)]
mod tests;

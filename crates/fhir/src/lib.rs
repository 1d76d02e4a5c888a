//! FHIR R4 parsing, classification and presentation, without I/O.
//!
//! This crate reads medical content that is already open in the memory of a
//! key-holder. It knows nothing of keys, stores, accounts or the network: bytes
//! come in, decisions and views go out.
//!
//! [`plan_import`] is the whole way from bytes to what a writer seals; [`parse`]
//! is its first half. [`classify`] has the written rules.

mod canonical;
pub mod classify;
pub mod clinical;
mod envelope;
mod error;
mod graph;
mod header;
mod json;
mod kinds;
mod limits;
mod parse;
mod plan;
mod record_type;
mod search;

pub use envelope::Format;
pub use error::{Fault, Issue, Issues, ParseError, Rejected};
pub use header::{Coding, Header, header_for_file, header_for_text, is_date};
pub use json::Node;
pub use kinds::{Compartment, Kind, Kinds, KindsIter, ParseCompartmentError, UnknownKind};
pub use limits::Limits;
pub use parse::{Parsed, Resource, parse};
pub use plan::{ImportPlan, PlannedItem, plan_import};
pub use record_type::{RecordType, UnknownRecordType};
pub use search::{Query, QueryError, Search, matches};

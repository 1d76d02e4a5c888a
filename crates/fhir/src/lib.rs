//! FHIR R4 parsing, classification and presentation, without I/O.
//!
//! This crate reads medical content that is already open in the memory of a
//! key-holder. It knows nothing of keys, stores, accounts or the network: bytes
//! come in, decisions and views go out.

mod kinds;
mod record_type;

pub use kinds::{Compartment, Kind, Kinds, KindsIter, ParseCompartmentError, UnknownKind};
pub use record_type::{RecordType, UnknownRecordType};

//! FHIR R4 parsing, classification and presentation, without I/O.

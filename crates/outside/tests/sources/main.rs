//! The FHIR source against made-up servers: every quirk that was seen at a real
//! one is a switch there and a test here.

mod files;
mod hostile;
mod searches;
mod tokens;
mod world;

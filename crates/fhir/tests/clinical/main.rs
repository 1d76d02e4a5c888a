//! The clinical document: nothing of a record is lost, and nothing is invented.

mod patients;
mod rules;

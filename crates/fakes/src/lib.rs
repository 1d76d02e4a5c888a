//! Made-up systems at the other end of a connection, so that anyone can see the
//! whole way without an account anywhere: sources shaped like those of large
//! vendors, quirks included, and the platforms that documents are pushed to.
//!
//! Each is a router on a [`Stage`], which fails on cue and writes down what was
//! received, so that a test asserts on what arrived rather than on what the
//! sender believes. They run inside a test, inside the demo, or as the program
//! `chartkey-fakes`; wherever they run, `/_control` and `/_journal` steer them.
//!
//! They must not know how Chartkey calls them: what they do is written from the
//! vendors' own descriptions, and they hold no code that the callers share.

pub mod faults;
pub mod fhir;
pub mod journal;
pub mod platforms;
pub mod stage;

pub use faults::{Fault, Rule};
pub use journal::Entry;
pub use stage::{Named, Served, Stage, serve};

//! Drives the `chartkey` binary from outside, as its users and its enemies do:
//! over HTTP, with signals, and by reading and writing the database behind its
//! back. The tests over HTTP and the benches share it.
//!
//! It must not know how anything is done inside: it starts a process, and
//! speaks what the API's description says. Only [`Server::store`] looks at
//! tables, for those who play a thief or a forger.
//!
//! It reports by panicking, like every test does.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a harness reports by panicking, and says what it expected"
)]

mod http;
mod people;
mod server;
mod synthea;

pub use http::{Answer, Call, Connection};
pub use people::{PASSWORD, Person};
pub use server::{Engine, Output, Server, engines, until};
pub use synthea::{bundle, clinical_strings, strings_of};

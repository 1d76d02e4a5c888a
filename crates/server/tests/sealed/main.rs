//! The sealed client against the server, over HTTP and in process: the same
//! state machine that browsers and the command line drive. Everything that
//! crosses is kept, and searched for what must never cross.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that is wrong about its own world should stop there"
)]

#[path = "../api/conversation.rs"]
#[expect(dead_code, reason = "shared with the other conversations")]
mod conversation;

mod journey;
mod lying;
mod wire;

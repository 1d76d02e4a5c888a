//! The router in process: what every call answers, word for word, and what it
//! answers to nonsense. Each test is a conversation, kept as a snapshot in
//! which ids, tokens and other chance are replaced by their names.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

mod accounts;
mod audit;
mod conversation;
mod edge;
mod openapi;
mod sessions;

//! The vault against an honest server, a thief with the whole database, and a
//! server that lies. Each test is a sentence.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that is wrong about its own world should stop there"
)]

mod by_keys;
mod changing;
mod cold;
mod fake;
mod loot;
mod lying;
mod page;
mod passing_on;
mod world;

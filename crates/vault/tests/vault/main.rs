//! The vault against an honest server, a thief with the whole database, and a
//! server that lies. Each test is a sentence.

mod by_keys;
mod changing;
mod cold;
mod fake;
mod loot;
mod lying;
mod world;

//! What a key-holder does: write, open, grant, adopt, rotate.
//!
//! What it is for: everything that needs a key, in one place, driven alike by
//! the browser (as WebAssembly), the command line, assisted requests inside
//! the server, and tests. It speaks the sealed protocol's messages through a
//! [`transport::Transport`] that somebody else provides.
//!
//! What it must not know: HTTP, SQL, files, clocks, the operating system's
//! randomness. Time and chance are arguments.
//!
//! | module | |
//! |---|---|
//! | [`keys`] | which key derives from which |
//! | [`statement`], [`chain`] | what a patient and an account sign |
//! | [`account`], [`patient`] | making and opening |
//! | [`record`], [`write`](mod@write), [`read`] | content |
//! | [`grant`], [`granting`], [`settle`] | keyrings, grants, epochs, adoption |
//! | [`link`], [`bundle`], [`asking`] | links and their files, records handed over, requests for access |
//! | [`client`], [`transport`] | the state machine and its door |
//! | [`delivery`] | destinations, and version keys sealed to them |
//! | [`moving`], [`rekey`], [`claim`] | re-classified records; new keys for an account; charts taken over |
//! | [`import`], [`large`], [`reading`], [`contents`] | imports, large files; lists, contents, what they tell |
//! | [`http`], [`session`], [`sharing`], [`visit`] | the protocol over HTTP; ways in, grants and links over it; a link's reader |
//! | [`charts`], [`delivering`] | charts and claims, destinations, over it |
//! | [`protocol`] | the messages |

pub mod account;
pub mod asking;
pub mod bundle;
pub mod bytes;
pub mod chain;
pub mod charts;
pub mod claim;
pub mod client;
pub mod contents;
pub mod delivering;
pub mod delivery;
pub mod epoch;
pub mod error;
pub mod grant;
pub mod granting;
pub mod http;
pub mod id;
pub mod import;
pub mod keys;
pub mod large;
pub mod link;
pub mod moving;
pub mod patient;
pub mod protocol;
pub mod read;
pub mod reading;
pub mod record;
pub mod rekey;
pub mod session;
pub mod settle;
pub mod sharing;
pub mod statement;
pub mod transport;
#[cfg(any(feature = "vectors", test))]
pub mod vectors;
pub mod visit;
pub mod write;

pub use bytes::{Bytes, Bytes32};
pub use client::{Act, Authorship, Client, Memory};
pub use epoch::Epoch;
pub use error::VaultError;
pub use id::Id;
pub use transport::Transport;

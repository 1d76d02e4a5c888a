//! Suite 1: every cryptographic format of Chartkey, in one place.
//!
//! What it is for: deriving, wrapping, sealing, signing, passwords, recovery
//! codes, SMART Health Link files and the Merkle ledger, as pure functions.
//! It is compiled into the server, the command line and (as WebAssembly) the
//! browser, so there is one implementation of every byte.
//!
//! What it must not know: files, sockets, clocks, the operating system's
//! randomness (a generator is always an argument), patients, records, grants.
//! Callers say what a key is *for* with a purpose and with associated data.
//!
//! | module | format |
//! |---|---|
//! | [`encode`] | length-prefixed fields |
//! | [`derive`](mod@derive) | HKDF-SHA256 with purposes |
//! | [`wrap`](mod@wrap) | small things under a symmetric key |
//! | [`seal`] | HPKE with X-Wing, to a public key |
//! | [`stream`] | content of any length, padded, in chunks |
//! | [`sign`](mod@sign) | Ed25519 with domains |
//! | [`password`], [`recovery`] | the ways in that people type |
//! | [`jwe`] | files of SMART Health Links |
//! | [`ledger`] | RFC 6962 tree, proofs, signed checkpoints |

pub mod derive;
pub mod encode;
pub mod jwe;
pub mod ledger;
pub mod password;
pub mod recovery;
pub mod seal;
pub mod secret;
pub mod sign;
pub mod stream;
#[cfg(any(feature = "vectors", test))]
pub mod vectors;
pub mod wrap;

mod aead;

pub use derive::derive;
pub use secret::{Secret, SecretBytes};

/// The suite byte with which everything sealed begins, so that a later suite
/// can stand beside this one.
pub const SUITE: u8 = 1;

/// A sealed thing did not open.
///
/// It says no reason on purpose: a wrong key, a wrong context, a flipped bit
/// and a truncated input must look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed data could not be opened")]
pub struct OpenError;

impl OpenError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        "sealed.unopenable"
    }
}

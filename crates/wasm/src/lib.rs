//! The door from the browser to the vault: no logic, only spelling.
//!
//! | export | |
//! |---|---|
//! | `Vault` | somebody who signs in, and their keys |
//! | `Visit` | a link, opened by its URL |
//! | `HealthLink` | a SMART Health Link of another system |
//! | `passwordProblem` | the rule for new passwords |
//! | `isSignedBy` | whether a checkpoint is signed by a log's key |
//!
//! Without the feature `account` there is `Visit` alone: what a link's reader
//! fetches, who has neither an account nor much patience.
//!
//! Everything goes in and out as JSON text, content as `Uint8Array`. A call
//! that fails throws an `Error` with the members `code` (the stable dotted
//! word) and, where a server answered, `status`. One call at a time: whoever
//! holds a `Vault` waits for one before the next.

#[cfg(all(target_arch = "wasm32", feature = "account"))]
mod charts;
#[cfg(feature = "vectors")]
mod checks;
#[cfg(target_arch = "wasm32")]
mod fetch;
#[cfg(all(target_arch = "wasm32", feature = "account"))]
mod health_link;
#[cfg(all(target_arch = "wasm32", feature = "account"))]
mod ledger;
#[cfg(target_arch = "wasm32")]
mod said;
#[cfg(all(target_arch = "wasm32", feature = "account"))]
mod terms;
#[cfg(all(target_arch = "wasm32", feature = "account"))]
mod vault;
#[cfg(target_arch = "wasm32")]
mod views;
#[cfg(target_arch = "wasm32")]
mod visit;

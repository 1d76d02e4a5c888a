//! The door from the browser to the vault: no logic, only spelling.
//!
//! | export | |
//! |---|---|
//! | `Vault` | somebody who signs in, and their keys |
//! | `Visit` | a link, opened by its URL |
//! | `passwordProblem` | the rule for new passwords |
//!
//! Everything goes in and out as JSON text, content as `Uint8Array`. A call
//! that fails throws an `Error` with the members `code` (the stable dotted
//! word) and, where a server answered, `status`. One call at a time: whoever
//! holds a `Vault` waits for one before the next.

#[cfg(feature = "vectors")]
mod checks;
#[cfg(target_arch = "wasm32")]
mod fetch;
#[cfg(target_arch = "wasm32")]
mod said;
#[cfg(target_arch = "wasm32")]
mod vault;
#[cfg(target_arch = "wasm32")]
mod views;
#[cfg(target_arch = "wasm32")]
mod visit;

//! The door from the browser to the vault: no logic, only spelling.

#[cfg(feature = "vectors")]
mod checks;

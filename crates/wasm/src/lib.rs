//! The door from the browser to the vault.

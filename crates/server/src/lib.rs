//! Wiring, configuration, command line and HTTP.
//!
//! It names the store and the outside only where it wires them ([`wiring`],
//! [`press`]); everything that decides is in `service`.

pub mod alone;
pub mod api;
pub mod app;
pub mod chance;
pub mod cli;
pub mod config;
pub mod demo;
pub mod keyfile;
pub mod listen;
pub mod logs;
pub mod metrics;
pub mod paper;
pub mod press;
pub mod process;
pub mod shl;
pub mod tokens;
pub mod web;
pub mod wiring;

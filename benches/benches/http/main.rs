//! The release binary under load: HTTP/1.1 with keep-alive, a real disk, every
//! flush on. Each load fails the bench where the trail has not exactly one leaf
//! for each request that was served.
//!
//! `cargo bench -p chartkey-benches` prints one line per figure and writes
//! them to `docs/performance.md`; the binary is the one that `cargo build
//! --release --workspace` left, or `CHARTKEY_BINARY`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "a bench that cannot go on should stop, and rounds what it prints"
)]

mod load;
mod reads;
mod report;
mod sealed;
mod shares;
mod start;
mod writes;

use std::path::PathBuf;

use chartkey_benches::{Engine, Server};
use report::Report;

/// Clients at the same time.
const CLIENTS: usize = 32;

fn main() {
    // `cargo test` runs benches too, and only wants to know that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let mut report = Report::default();
    for (name, bench) in [
        ("start", start::measure as fn(&mut Report)),
        ("reads", reads::measure),
        ("lists", reads::lists),
        ("writes", writes::measure),
        ("shares", shares::measure),
    ] {
        if wants(name) {
            bench(&mut report);
        }
    }
    if wanted.is_empty() {
        report.write();
    }
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CHARTKEY_BINARY") {
        return path.into();
    }
    // Benches lie in target/release/deps.
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().join("chartkey")
}

/// A server that believes what a proxy says of addresses: limits per address
/// are for people, not for benches.
fn serve() -> Server {
    Server::start_with(
        binary(),
        Engine::Sqlite,
        &[
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("LOG_LEVEL", "warn,chartkey_server::cli=info"),
        ],
    )
}

/// Runs a load, and fails where the trail has not one leaf more for each
/// request that was served; where `portions`, it may have several.
fn with_leaves(server: &Server, portions: bool, load: impl FnOnce() -> load::Load) -> load::Load {
    let before = server.leaves();
    let done = load();
    let grown = server.leaves() - before;
    let right = grown == done.served || (portions && grown > done.served);
    assert!(
        right,
        "{grown} leaves of the trail for {} requests served",
        done.served
    );
    done
}

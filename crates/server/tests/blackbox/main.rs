//! The release binary from outside: over HTTP, on both engines.
//!
//! What takes long is `#[ignore]`d and runs in `make soak`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

mod forger;
mod hostile;
mod soak;
mod sources;
mod thief;
mod tour;

use std::path::Path;

use chartkey_benches::{Engine, Server, engines};

/// The binary that was built with these tests.
fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_chartkey"))
}

/// Runs a test against a fresh server on each engine.
fn on_each_engine(test: impl Fn(&mut Server)) {
    for engine in engines() {
        eprintln!("on {engine:?}");
        test(&mut Server::start(binary(), engine));
    }
}

#[test]
fn a_fresh_server_gets_ready_and_stops_when_asked() {
    let mut server = Server::start(binary(), Engine::Sqlite);
    let ready = server
        .send(&chartkey_benches::Call::get("/readyz"))
        .expect(200);
    assert_eq!(ready.text(), r#"{"status":"ok"}"#);
    server.stop();
    assert!(
        server.log().contains(r#""message":"stopped""#),
        "{}",
        server.log()
    );
}

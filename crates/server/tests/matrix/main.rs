//! The policy matrix over HTTP: every operation of the API's description, as
//! the binary serves it, asked by everybody there is, about one patient's
//! things. What is answered is a committed table that a doctor could read; an
//! operation without a row fails, and so does any "yes" to somebody whom the
//! row does not name.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking, also outside of its own function"
)]

mod cast;
mod rows;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use chartkey_benches::{Answer, Call, Engine, Server, engines};
use serde_json::Value;

use cast::{MARKER, Who, World};
use rows::{ROWS, Row};

/// The operations that the server describes.
fn operations(server: &Server) -> BTreeSet<String> {
    let document = server
        .send(&Call::get("/api/openapi.json"))
        .expect(200)
        .json();
    let paths = document["paths"].as_object().unwrap();
    let methods = paths
        .values()
        .flat_map(|path| path.as_object().unwrap().values());
    methods
        .filter_map(|method| method["operationId"].as_str().map(str::to_owned))
        .collect()
}

fn told(answer: &Answer) -> String {
    match answer.code() {
        code if code.is_empty() => answer.status.to_string(),
        code => format!("{} {code}", answer.status),
    }
}

/// Whether an answer lets do what was asked. Messages that only a key-holder
/// can make are sent malformed here: who gets as far as hearing that was let in.
fn is_yes(row: &Row, answer: &Answer) -> bool {
    (200..300).contains(&answer.status) || (row.sealed && matches!(answer.status, 400 | 409 | 422))
}

/// Asks one row's operation as everybody; its part of the table.
fn ask(world: &mut World, row: &Row, wrong: &mut Vec<String>) -> String {
    let mut by_answer: Vec<(String, Vec<&str>)> = Vec::new();
    for who in Who::ALL {
        let call = (row.call)(world, who);
        let answer = world.server.send(&world.signed(call, who));
        let said = told(&answer);
        let cell = format!(
            "{} by {}: {said}: {}",
            row.operation,
            who.name(),
            answer.text().chars().take(300).collect::<String>()
        );
        if answer.status >= 500 {
            wrong.push(format!("a failure: {cell}"));
        }
        if is_yes(row, &answer) != row.yes.contains(&who) {
            wrong.push(format!("not what the row says: {cell}"));
        }
        let theirs = matches!(who, Who::Owner) || row.public;
        if !theirs && answer.text().contains(MARKER) {
            wrong.push(format!("content: {cell}"));
        }
        if (400..500).contains(&answer.status) && !matches!(answer.status, 410) {
            let kind = answer.header("content-type");
            if kind != Some("application/problem+json") {
                wrong.push(format!("no problem document: {cell}"));
            }
        }
        match by_answer.iter_mut().find(|(known, _)| *known == said) {
            Some((_, names)) => names.push(who.name()),
            None => by_answer.push((said, vec![who.name()])),
        }
    }
    by_answer.sort();
    let mut text = format!("{}\n", row.operation);
    for (said, names) in by_answer {
        writeln!(text, "    {said:<28} {}", names.join(", ")).unwrap();
    }
    text
}

#[test]
fn everybody_is_answered_as_the_policy_says() {
    for engine in engines() {
        eprintln!("on {engine:?}");
        let server = Server::start(Path::new(env!("CARGO_BIN_EXE_chartkey")), engine);
        let described = operations(&server);
        let rows: BTreeSet<String> = ROWS.iter().map(|row| row.operation.to_owned()).collect();
        assert_eq!(rows.len(), ROWS.len(), "an operation has two rows");
        let missing: Vec<_> = described.difference(&rows).collect();
        assert!(missing.is_empty(), "operations without a row: {missing:?}");
        let gone: Vec<_> = rows.difference(&described).collect();
        assert!(gone.is_empty(), "rows without an operation: {gone:?}");

        let mut world = World::new(server);
        let mut wrong = Vec::new();
        let mut table = String::new();
        for row in ROWS {
            table.push_str(&ask(&mut world, row, &mut wrong));
        }
        assert!(wrong.is_empty(), "{}\n\n{table}", wrong.join("\n"));
        let verified = world.server.run(&["audit", "verify"]);
        assert_eq!(verified.code, Some(0), "{}", verified.stderr);
        // Both engines answer alike.
        insta::assert_snapshot!("matrix", table);
        assert!(matches!(engine, Engine::Sqlite | Engine::Postgres));
    }
}

/// A text of an answer.
fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

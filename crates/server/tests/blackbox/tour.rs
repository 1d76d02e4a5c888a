//! `docs/tour.md`, run as it is written: its `sh` blocks one after the other in
//! one shell, against a fresh server. What a block prints must be what the
//! `text` block behind it says, where `…` stands for anything.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::on_each_engine;

const TOUR: &str = include_str!("../../../../docs/tour.md");
/// Printed between two blocks; in no answer.
const BETWEEN: &str = "=-=-=-= next block =-=-=-=";

/// The blocks of a page: a command, and what it should print, if that is said.
fn blocks() -> Vec<(String, Option<String>)> {
    let mut blocks: Vec<(String, Option<String>)> = Vec::new();
    let mut inside: Option<(&str, String)> = None;
    for line in TOUR.lines() {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(language)) => inside = Some((language, String::new())),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (Some(_), Some(_)) => match inside.take() {
                Some(("sh", text)) => blocks.push((text, None)),
                Some(("text", text)) => {
                    let (_, expected) = blocks.last_mut().expect("output stands behind a command");
                    assert!(expected.is_none(), "two outputs of one command");
                    *expected = Some(text);
                }
                _ => {}
            },
            (None, None) => {}
        }
    }
    blocks
}

/// Whether a line is as expected; `…` stands for anything.
fn fits(line: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut open = false;
    for part in parts {
        open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    open || rest.is_empty()
}

#[test]
fn a_pattern_fits_what_it_describes_and_nothing_else() {
    for (line, expected, fit) in [
        ("200", "200", true),
        ("2000", "200", false),
        (r#"{"id":"x","n":3}"#, r#"{"id":"…","n":3}"#, true),
        (r#"{"id":"x","n":4}"#, r#"{"id":"…","n":3}"#, false),
        ("anything", "…", true),
        ("anything", "any…", true),
        ("any", "…thing", false),
    ] {
        assert_eq!(fits(line, expected), fit, "{line} / {expected}");
    }
}

#[test]
fn the_tour_does_what_it_says() {
    on_each_engine(|server| {
        let blocks = blocks();
        assert!(blocks.len() > 10, "the tour is a walk");
        let mut script = "set -u\n".to_owned();
        for (block, _) in &blocks {
            write!(script, "{block}\necho '{BETWEEN}'\n").unwrap();
        }
        let mut command = Command::new("bash");
        server.place(&mut command);
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let mut shell = command
            .env("CHARTKEY", server.url())
            .env("PROJECT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash");
        shell
            .stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        let output = shell.wait_with_output().unwrap();
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let printed: Vec<&str> = stdout.split(&format!("{BETWEEN}\n")).collect();
        for (n, (block, expected)) in blocks.iter().enumerate() {
            let printed = printed.get(n).copied().unwrap_or_default();
            let Some(expected) = expected else {
                continue;
            };
            let same = printed.lines().count() == expected.lines().count()
                && printed
                    .lines()
                    .zip(expected.lines())
                    .all(|(line, expected)| fits(line, expected));
            assert!(
                same,
                "this block:\n{block}\nshould print:\n{expected}\nand printed:\n{printed}\n{stderr}"
            );
        }
        assert!(stderr.is_empty(), "{stderr}");
    });
}

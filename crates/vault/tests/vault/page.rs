//! The page that says every byte names what the code derives and the vectors
//! freeze.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Purposes of `derive` and labels of encodings that a source spells.
fn labels(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("derive(") {
        let call: String = source[at..].chars().take(160).collect();
        // The second argument, where it is a text.
        let mut parts = call.splitn(2, ',');
        let (_, rest) = (parts.next(), parts.next().unwrap_or_default());
        if let Some(text) = rest.trim_start().strip_prefix('"') {
            found.extend(text.split('"').next().map(str::to_owned));
        }
    }
    for text in source.split("b\"").skip(1) {
        found.extend(text.split('"').next().map(str::to_owned));
    }
    found
}

#[test]
fn the_page_names_every_label_that_the_code_spells() {
    let page = fs::read_to_string(root().join("docs/vault-format.md")).unwrap();
    let mut seen = 0;
    for name in [
        "keys",
        "statement",
        "grant",
        "record",
        "account",
        "asking",
        "rekey",
        "link",
        "delivery",
        "claim",
    ] {
        let source = root().join(format!("crates/vault/src/{name}.rs"));
        let source = fs::read_to_string(source).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        for label in labels(code) {
            let quoted = [format!("`{label}`"), format!("\"{label}\"")];
            let named = quoted.iter().any(|q| page.contains(q.as_str()));
            assert!(named, "{name}.rs spells {label:?}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn the_page_names_every_list_of_vectors() {
    let page = fs::read_to_string(root().join("docs/vault-format.md")).unwrap();
    let readme = fs::read_to_string(root().join("crates/vault/vectors/README.md")).unwrap();
    for file in ["vault1", "delivery1", "claim1"] {
        let path = format!("crates/vault/vectors/{file}.json");
        let vectors = fs::read_to_string(root().join(path)).unwrap();
        let vectors: serde_json::Value = serde_json::from_str(&vectors).unwrap();
        for list in vectors.as_object().unwrap().keys() {
            let named = |text: &str| text.contains(&format!("`{list}`"));
            assert!(
                named(&page) || page.contains(&format!("{file}: {list}")),
                "{list}"
            );
            assert!(named(&readme), "{list} in the README");
        }
    }
}

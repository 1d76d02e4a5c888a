//! What must never be, read from the manifests and the sources: arrows
//! between crates, words that belong to one crate, module docs, documents
//! that list what there is.

#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by panicking, also outside of its own function"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no sources in {}", folder.display());
    found
}

/// The crates of the workspace, each with the dependencies of its manifest
/// outside tests.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let mut section = String::new();
        let mut dependencies = BTreeSet::new();
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']).to_owned();
                if let Some(name) = section.strip_prefix("dependencies.") {
                    dependencies.insert(name.to_owned());
                }
                continue;
            }
            if section == "dependencies"
                && let Some((name, _)) = line.split_once(['=', '.'])
            {
                dependencies.insert(name.trim().to_owned());
            }
        }
        found.insert(
            folder.file_name().unwrap().to_string_lossy().into_owned(),
            dependencies,
        );
    }
    found
}

#[test]
fn arrows_point_only_where_the_house_lets_them() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("crypto", &[] as &[&str]),
        ("fhir", &[]),
        ("vault", &["crypto", "fhir"]),
        ("domain", &["vault", "fhir"]),
        ("store", &["domain", "crypto", "fhir"]),
        ("outside", &["domain", "fhir"]),
        ("paper", &["fhir"]),
        ("press", &["paper"]),
        ("service", &["domain", "vault", "crypto", "fhir", "store"]),
        (
            "server",
            &[
                "service", "store", "outside", "paper", "fakes", "domain", "vault", "crypto",
                "fhir",
            ],
        ),
        ("wasm", &["vault", "crypto", "fhir"]),
        ("fakes", &["domain"]),
    ]);
    for (name, dependencies) in crates() {
        let allowed = allowed
            .get(name.as_str())
            .unwrap_or_else(|| panic!("{name} has no arrows here"));
        for dependency in &dependencies {
            if let Some(inside) = dependency.strip_prefix("chartkey-") {
                assert!(
                    allowed.contains(&inside),
                    "{name} must not depend on {inside}"
                );
            }
        }
    }
}

#[test]
fn each_door_to_the_world_is_named_by_one_crate() {
    let doors: [(&str, &[&str]); 8] = [
        ("rusqlite", &["store"]),
        ("postgres", &["store"]),
        // The made-up systems are servers too, and nothing else.
        ("axum", &["server", "fakes"]),
        ("reqwest", &["outside"]),
        ("lettre", &["outside"]),
        ("object_store", &["outside"]),
        ("typst", &["paper"]),
        ("wasm-bindgen", &["wasm", "press"]),
    ];
    for (name, dependencies) in crates() {
        for (door, owners) in doors {
            assert!(
                owners.contains(&name.as_str()) || !dependencies.contains(door),
                "{name} must not depend on {door}, which belongs to {owners:?}"
            );
        }
    }
}

#[test]
fn leaves_do_no_input_or_output() {
    let forbidden = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::process",
        "std::env::var",
        "tokio::",
        "SystemTime::now",
        "Instant::now",
    ];
    for name in ["crypto", "fhir", "vault", "domain"] {
        for path in sources(&root().join("crates").join(name).join("src")) {
            let text = fs::read_to_string(&path).unwrap();
            // Tests may read vectors and sources, and make them.
            let text = text.split("#[cfg(test)]").next().unwrap();
            if is_test(&path) {
                continue;
            }
            for word in forbidden {
                assert!(!text.contains(word), "{} says {word}", path.display());
            }
        }
    }
}

#[test]
fn nouns_of_the_domain_are_not_wire_formats() {
    for path in sources(&root().join("crates/domain/src")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            !text.contains("derive(Serialize")
                && !text.contains(", Serialize")
                && !text.contains("serde::Serialize"),
            "{} makes a noun Serialize",
            path.display()
        );
    }
}

#[test]
fn open_content_passes_through_named_modules_only() {
    // On the server a body is opened by `OpenRecord` alone.
    for name in ["service", "server", "store", "outside"] {
        for path in sources(&root().join("crates").join(name).join("src")) {
            let text = fs::read_to_string(&path).unwrap();
            let inside = path.components().any(|c| {
                let part = c.as_os_str();
                part == "assisted" || part == "assisted.rs"
            });
            assert!(
                inside || !(text.contains("OpenRecord::") || text.contains("open_content(")),
                "{} opens content",
                path.display()
            );
        }
    }
}

/// Whether a file under `src` is there for tests alone.
fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs")
        || path
            .components()
            .any(|c| c.as_os_str() == "tests" || c.as_os_str() == "vectors")
}

#[test]
fn every_module_says_what_it_is_for() {
    for name in crates().keys() {
        for path in sources(&root().join("crates").join(name).join("src")) {
            let text = fs::read_to_string(&path).unwrap();
            let first = text
                .lines()
                .find(|l| !l.trim().is_empty())
                .unwrap_or_default();
            let documented = is_test(&path)
                || first.starts_with("//!")
                || text.contains("\n//! ")
                || text.contains("#![doc");
            assert!(documented, "{} has no module documentation", path.display());
        }
    }
}

#[test]
fn the_architecture_lists_the_crates_there_are() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(
        text.lines().count() <= 200,
        "ARCHITECTURE.md is longer than 200 lines"
    );
    for name in crates().keys() {
        assert!(
            text.contains(&format!("`crates/{name}`")),
            "ARCHITECTURE.md lacks crates/{name}"
        );
    }
}

#[test]
fn documents_link_to_files_that_exist() {
    let mut checked = 0;
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/threat-model.md",
    ] {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            assert!(
                path.parent().unwrap().join(target).exists(),
                "{document} links to {target}"
            );
        }
    }
    assert!(checked > 10, "only {checked} links were found");
}

//! The layers import downwards only, and files stay small and plain.

use std::fs;
use std::path::{Path, PathBuf};

/// Each part of `src`, and what it must not name.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "rules",
        &[
            "crate::read",
            "crate::store",
            "crate::seed",
            "crate::graphql",
            "crate::http",
            "crate::error",
            "async_graphql",
            "sea_orm",
            "axum",
            "Utc::now",
        ],
    ),
    (
        "read",
        &[
            "crate::store",
            "crate::seed",
            "crate::graphql",
            "crate::http",
            "axum",
            "Utc::now",
        ],
    ),
    (
        "store",
        &[
            "crate::read",
            "crate::seed",
            "crate::graphql",
            "crate::http",
            "axum",
            "Utc::now",
        ],
    ),
    (
        "seed",
        &["crate::read", "crate::graphql", "crate::http", "Utc::now"],
    ),
    (
        "graphql",
        &[
            "crate::http",
            "crate::seed",
            "axum",
            "Utc::now",
            "ActiveModel",
        ],
    ),
    (
        "http",
        &[
            "crate::read",
            "crate::seed",
            "crate::store::topic",
            "crate::store::action_item",
            "crate::store::committee",
            "crate::store::organization",
            "ActiveModel",
            "Utc::now",
        ],
    ),
];

/// A room of more lines has more than one purpose, but for this: the table of forged tokens is one table.
const LINES_MAX: usize = 420;
const LONG: &[&str] = &["src/http/auth/tests.rs"];

#[test]
fn layers_import_downwards_only() {
    for (layer, forbidden) in LAYERS {
        let files = sources(&root().join("src").join(layer));
        assert!(!files.is_empty(), "{layer} is empty");
        for (path, text) in files {
            // Tests may look at what they test from anywhere; `table.rs` is how the rules' tests print theirs.
            if path.ends_with("tests.rs") || path.ends_with("rules/table.rs") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap();
            for name in *forbidden {
                assert!(!code.contains(name), "{path} must not name {name}");
            }
        }
    }
}

#[test]
fn every_file_is_introduced_and_small() {
    for folder in ["src", "entity/src", "migration/src", "tests"] {
        for (path, text) in sources(&root().join(folder)) {
            assert!(text.starts_with("//!"), "{path} must start with `//!`");
            let lines = text.lines().count();
            assert!(
                lines <= LINES_MAX || LONG.iter().any(|it| path.ends_with(it)),
                "{path} has {lines} lines: split it"
            );
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        "TO\u{44}O",
        "FIX\u{4d}E",
        "dbg!",
        "unimplemented!",
        "#[allow(",
    ];
    for folder in ["src", "entity/src", "migration/src", "tests"] {
        for (path, text) in sources(&root().join(folder)) {
            for mark in marks {
                let quoted = format!("\"{mark}");
                assert!(
                    !text.contains(mark) || text.contains(&quoted),
                    "{path} has {mark}"
                );
            }
            for name in ["util", "helper", "common", "manager", "misc"] {
                let file = Path::new(&path).file_stem().unwrap().to_string_lossy();
                assert!(!file.contains(name), "{path}: a file says what is in it");
            }
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files under `folder`, with their text.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.display().to_string(), text));
        }
    }
    found
}

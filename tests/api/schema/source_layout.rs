//! Rules for the source code: its files, and forbidden constructs.

use std::fs;
use std::path::{Path, PathBuf};

/// Files of more than 500 lines, and why.
const LONG: [(&str, &str); 1] = [(
    "src/http/auth/tests.rs",
    "every way to forge a token, each a few lines",
)];

pub struct Source {
    /// Path relative to the root of the repository.
    pub name: String,
    text: String,
}

impl Source {
    /// Returns the code without comments and tests.
    pub fn code(&self) -> String {
        let text = self
            .text
            .split("\n#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    }

    fn is_test(&self) -> bool {
        self.name.starts_with("tests/")
            || self.name.ends_with("tests.rs")
            || self.name.ends_with("test_keys.rs")
    }

    /// Returns the crate's module that the file belongs to.
    pub fn layer(&self) -> Option<&str> {
        let path = self.name.strip_prefix("src/")?;
        Some(path.split(['/', '.']).next().unwrap_or(path))
    }
}

pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for directory in ["src", "entity/src", "migration/src", "tests", "build.rs"] {
        collect(&root.join(directory), &mut |path| {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let text = fs::read_to_string(path).unwrap();
            sources.push(Source { name, text });
        });
    }
    assert!(sources.len() > 50, "{}", sources.len());
    sources
}

fn collect(path: &Path, found: &mut dyn FnMut(&Path)) {
    if path.is_dir() {
        let mut inner: Vec<PathBuf> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        inner.sort();
        for path in inner {
            collect(&path, found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found(path);
    }
}

#[test]
fn the_domain_layer_reads_no_clock() {
    for source in sources()
        .iter()
        .filter(|source| source.layer() == Some("domain"))
    {
        let code = source.code();
        for word in ["async ", "::now()", "today()", "SystemTime", "Instant"] {
            assert!(!code.contains(word), "{} has `{word}`", source.name);
        }
    }
}

#[test]
fn only_one_module_reads_the_clock() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        let reads = source.code().contains("Utc::now()");
        assert_eq!(reads, source.name == "src/main.rs", "{}", source.name);
    }
}

#[test]
fn every_file_begins_with_a_module_doc_comment() {
    for source in sources() {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{}: {first}", source.name);
    }
}

#[test]
fn no_file_is_long_without_a_reason() {
    for source in sources() {
        let length = source.text.lines().count();
        let reason = LONG.iter().any(|exception| exception.0 == source.name);
        assert_eq!(length > 500, reason, "{} has {length} lines", source.name);
    }
}

#[test]
fn no_file_has_a_catch_all_name() {
    for source in sources() {
        for part in source.name.trim_end_matches(".rs").split('/') {
            for drawer in [
                "utils", "util", "helpers", "helper", "common", "misc", "types", "manager",
            ] {
                assert_ne!(part, drawer, "{}", source.name);
            }
        }
    }
}

#[test]
fn no_todo_and_no_local_path_is_left() {
    for source in sources()
        .iter()
        .filter(|source| !source.name.ends_with("source_layout.rs"))
    {
        for word in [
            "TODO",
            "FIXME",
            "todo!(",
            "unimplemented!(",
            "dbg!(",
            "/home/",
            "/root/",
            "/Users/",
            "/work/",
            "../shared",
        ] {
            assert!(!source.text.contains(word), "{} has `{word}`", source.name);
        }
    }
}

/// Names and words that the field has better terms for.
const RETIRED: [&str; 9] = [
    "|it|",
    "|&it|",
    "|it:",
    "Asked::",
    "nobody ",
    "whoever ",
    "Whoever ",
    "somebody ",
    " is told",
];

#[test]
fn no_retired_word_is_used() {
    /// Rules and messages about people, who are meant literally.
    const LITERAL: [&str; 2] = [
        "nobody may speak for both sides",
        "nobody confirms its own work",
    ];
    for source in sources()
        .iter()
        .filter(|source| source.name.starts_with("src/"))
    {
        let text = LITERAL.iter().fold(source.text.clone(), |text, literal| {
            text.replace(literal, "")
        });
        for word in RETIRED {
            assert!(!text.contains(word), "{} has `{word}`", source.name);
        }
    }
}

#[test]
fn only_tests_unwrap_and_expect_messages_give_reasons() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        let code = source.code();
        for word in [".unwrap()", "panic!(", ".unwrap_err("] {
            assert!(!code.contains(word), "{} has `{word}`", source.name);
        }
        let claims = code.match_indices(".expect(");
        for (place, call) in claims.chain(code.match_indices("unreachable!(")) {
            let reason = code[place + call.len()..].trim_start();
            let reason = reason
                .strip_prefix('"')
                .and_then(|rest| rest.split('"').next());
            let says = reason.is_some_and(|reason| reason.split(' ').count() > 2);
            assert!(says, "{}: {reason:?}", source.name);
        }
    }
}

/// Methods away from their type, by the start of the file's name, and why.
const METHODS_ELSEWHERE: [(&str, &str, &str); 10] = [
    (
        "src/import_export/records/",
        "Importer",
        "a file for each type of record",
    ),
    ("src/seed/translations.rs", "Loader", "a part of the data"),
    (
        "src/planner/mod.rs",
        "Planner",
        "the entrance to the planner: what the schema calls",
    ),
    (
        "src/planner/composite.rs",
        "Planner",
        "composite values: their plan and their text",
    ),
    (
        "src/planner/",
        "ResponseWriter",
        "each kind of value stands beside its plan",
    ),
    (
        "src/planner/page.rs",
        "Connection",
        "the bounds of a page and its cursors",
    ),
    (
        "src/planner/plan.rs",
        "Relation",
        "what a relation adds to a statement",
    ),
    (
        "src/graphql/query.rs",
        "FieldResult",
        "the planner does not know the request of the schema",
    ),
    (
        "src/store/",
        "Database",
        "migrations, deliveries and the watchdog, each beside its state",
    ),
    (
        "src/db/sqlite/transaction.rs",
        "SqlitePool",
        "the connections of its transactions",
    ),
];

#[test]
fn impl_blocks_are_in_the_file_of_their_type() {
    let mut used = [false; METHODS_ELSEWHERE.len()];
    for source in sources().iter().filter(|source| !source.is_test()) {
        let code = source.code();
        let types = ["struct ", "enum "].map(|keyword| {
            let parts = code.split(keyword).skip(1);
            parts.map(first_word).collect::<Vec<_>>()
        });
        for start in code
            .match_indices("\nimpl")
            .map(|found| found.0 + "\nimpl".len())
        {
            let head = code[start..].split('{').next().unwrap_or_default();
            // The generic parameters of the block itself.
            let head = match head.strip_prefix('<') {
                Some(rest) => rest.split_once("> ").map_or("", |parts| parts.1),
                None => head,
            };
            let ty = first_word(head.trim_start().trim_start_matches("crate::"));
            if head.contains(" for ") || types.concat().contains(&ty) {
                continue;
            }
            let exception = METHODS_ELSEWHERE
                .iter()
                .position(|(file, exempt, _)| source.name.starts_with(file) && ty == *exempt);
            match exception {
                Some(place) => used[place] = true,
                None => panic!("{} has methods of {ty}", source.name),
            }
        }
    }
    let idle: Vec<_> = METHODS_ELSEWHERE
        .iter()
        .zip(used)
        .filter(|(_, used)| !used)
        .collect();
    assert!(idle.is_empty(), "no longer needed: {idle:#?}");
}

/// The identifier that a text starts with.
fn first_word(text: &str) -> &str {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.split(|character| !is_part(character))
        .next()
        .unwrap_or_default()
}

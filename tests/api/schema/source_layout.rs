//! Rules for the source code: layers and forbidden constructs.

use std::fs;
use std::path::{Path, PathBuf};

/// The allowed dependencies of each module within this crate, the workspace, and the libraries that make a layer. Its
/// own items, the standard library and other libraries are always allowed.
const LAYERS: [(&str, &[&str]); 14] = [
    ("domain", &["entity"]),
    ("metrics", &[]),
    ("error", &["domain", "sea_orm", "async_graphql"]),
    ("db", &["metrics", "sea_orm"]),
    (
        "planner",
        &["error", "db", "entity", "sea_orm", "async_graphql"],
    ),
    (
        "store",
        &[
            "metrics",
            "error",
            "domain",
            "db",
            "entity",
            "migration",
            "sea_orm",
            "async_graphql",
        ],
    ),
    (
        "seed",
        &[
            "error",
            "domain",
            "store",
            "entity",
            "sea_orm",
            "async_graphql",
        ],
    ),
    (
        "events",
        &["metrics", "error", "store", "planner", "entity", "sea_orm"],
    ),
    (
        "import_export",
        &[
            "error",
            "domain",
            "store",
            "entity",
            "sea_orm",
            "async_graphql",
        ],
    ),
    (
        "graphql",
        &[
            "error",
            "domain",
            "store",
            "planner",
            "events",
            "entity",
            "sea_orm",
            "async_graphql",
        ],
    ),
    (
        "webhooks",
        &[
            "metrics", "error", "domain", "store", "events", "graphql", "entity",
        ],
    ),
    (
        "http",
        &[
            "metrics",
            "error",
            "domain",
            "events",
            "graphql",
            "async_graphql",
            "axum",
        ],
    ),
    ("config", &["import_export", "http"]),
    (
        "main",
        &[
            "import_export",
            "config",
            "events",
            "graphql",
            "http",
            "metrics",
            "seed",
            "store",
            "webhooks",
        ],
    ),
];

/// What is named across the layers all the same, and why.
const EXCEPTIONS: [(&str, &str, &str); 23] = [
    (
        "src/error.rs",
        "crate::db::STATEMENT_TIMEOUT",
        "an error of the read path that is known by its text",
    ),
    (
        "src/domain/decision_table.rs",
        "sea_orm::ActiveEnum",
        "tells the table tests all values of an enum",
    ),
    (
        "src/http/mod.rs",
        "crate::store::Database",
        "the handle of the database, passed on to each request; nothing of it is called",
    ),
    (
        "src/http/auth/mod.rs",
        "entity::party::Role",
        "a token grants the roles that the API has",
    ),
    (
        "src/http/auth/claims.rs",
        "entity::party::Role",
        "a token grants the roles that the API has",
    ),
    (
        "src/http/auth/tests.rs",
        "entity::party::Role",
        "a token grants the roles that the API has",
    ),
    (
        "src/http/validation/trusted_documents.rs",
        "entity::party::Role",
        "a role may be exempt",
    ),
    (
        "src/http/graphql/response.rs",
        "sea_orm::DbErr",
        "logs what the database said",
    ),
    (
        "src/http/middleware/request_context.rs",
        "sea_orm::prelude::Uuid",
        "the id of a request",
    ),
    (
        "src/http/middleware/request_context.rs",
        "crate::store::query_counter::count_statements",
        "the number of a request's statements, for the log",
    ),
    (
        "src/http/graphql/handler.rs",
        "crate::db::REQUEST_BOUNDS",
        "a statement ends with its request, and those of a heavy one run one at a time",
    ),
    (
        "src/http/graphql/handler.rs",
        "crate::db::RequestBounds",
        "a statement ends with its request, and those of a heavy one run one at a time",
    ),
    (
        "src/http/graphql/event_stream.rs",
        "crate::db::REQUEST_BOUNDS",
        "the statements of heavy subscriptions leave connections to others",
    ),
    (
        "src/http/graphql/event_stream.rs",
        "crate::db::RequestBounds",
        "the statements of heavy subscriptions leave connections to others",
    ),
    (
        "src/http/graphql/handler.rs",
        "crate::store::query_counter::spawn_counted",
        "a mutation runs in a task of its own",
    ),
    (
        "src/webhooks/mod.rs",
        "sea_orm::prelude::Uuid",
        "the id of a process",
    ),
    (
        "src/webhooks/endpoint.rs",
        "sea_orm::prelude::Uuid",
        "chance, from the end of a key",
    ),
    (
        "src/config/tokens.rs",
        "entity::party::Role",
        "a setting maps words to roles",
    ),
    (
        "src/config/caches.rs",
        "entity::party::Role",
        "a setting names the role that trusted documents do not bind",
    ),
    (
        "src/config/mod.rs",
        "entity::party::Party",
        "a setting names the party that imports",
    ),
    (
        "src/config/mod.rs",
        "entity::party::Role",
        "a token is printed for a role",
    ),
    (
        "src/main.rs",
        "entity::party::Role",
        "a development run prints a token for each role",
    ),
    (
        "src/main/database.rs",
        "sea_orm::DbErr",
        "what is wrong with the database in a line",
    ),
];

/// Files of more than 500 lines, and why.
const LONG: [(&str, &str); 1] = [(
    "src/http/auth/tests.rs",
    "every way to forge a token, each a few lines",
)];

struct Source {
    /// Path relative to the root of the repository.
    name: String,
    text: String,
}

impl Source {
    /// Returns the code without comments and tests.
    fn code(&self) -> String {
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
    fn layer(&self) -> Option<&str> {
        let path = self.name.strip_prefix("src/")?;
        Some(path.split(['/', '.']).next().unwrap_or(path))
    }
}

fn sources() -> Vec<Source> {
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

/// Returns the paths that start with `root::`, with groups in braces expanded one level deep.
fn named(code: &str, root: &str) -> Vec<String> {
    let start = format!("{root}::");
    let mut paths = Vec::new();
    for (place, _) in code.match_indices(&start) {
        let before = code[..place].chars().next_back();
        if before.is_some_and(|before| {
            before.is_alphanumeric() || before == '_' || before == ':' || before == '$'
        }) {
            continue;
        }
        let rest = &code[place + start.len()..];
        let path: String = rest
            .chars()
            .take_while(|character| {
                character.is_alphanumeric() || *character == '_' || *character == ':'
            })
            .collect();
        let after = &rest[path.len()..];
        match after.strip_prefix('{') {
            Some(group) => {
                let group = group.split(['{', '}']).next().unwrap_or_default();
                for item in group
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                {
                    let item = item.split(' ').next().unwrap_or(item);
                    paths.push(format!("{start}{path}{item}"));
                }
            }
            None => paths.push(format!("{start}{path}")),
        }
    }
    paths
}

const FRAMEWORKS: [&str; 5] = ["entity", "migration", "sea_orm", "async_graphql", "axum"];

#[test]
fn layers_name_only_what_is_below_them() {
    let mut wrong = Vec::new();
    let mut used = vec![false; EXCEPTIONS.len()];
    for source in sources() {
        let Some((layer, allowed)) = source
            .layer()
            .and_then(|layer| LAYERS.iter().find(|known| known.0 == layer))
        else {
            continue;
        };
        let code = source.code();
        let within = if *layer == "main" { "liaison" } else { "crate" };
        let mut paths = named(&code, within);
        for framework in FRAMEWORKS {
            paths.extend(named(&code, framework));
        }
        for path in paths {
            let own = path.trim_start_matches(&format!("{within}::")).to_owned();
            let module = own.split(':').next().unwrap_or_default();
            if module == *layer || allowed.contains(&module) {
                continue;
            }
            let exception = EXCEPTIONS
                .iter()
                .position(|exception| exception.0 == source.name && exception.1 == path);
            match exception {
                Some(place) => used[place] = true,
                None => wrong.push(format!("{} names {path}", source.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let idle: Vec<_> = EXCEPTIONS
        .iter()
        .zip(used)
        .filter(|exception| !exception.1)
        .collect();
    assert!(idle.is_empty(), "no longer needed: {idle:#?}");
}

#[test]
fn the_rules_know_no_clock() {
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
fn one_place_alone_reads_the_clock() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        let reads = source.code().contains("Utc::now()");
        assert_eq!(reads, source.name == "src/main.rs", "{}", source.name);
    }
}

#[test]
fn every_file_says_first_what_is_in_it() {
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
fn no_file_is_a_drawer() {
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
fn nothing_is_left_for_later_or_for_one_machine() {
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
const RETIRED: [&str; 8] = [
    "|it|",
    "|&it|",
    "Asked::",
    "nobody ",
    "whoever ",
    "Whoever ",
    "somebody ",
    " is told",
];

#[test]
fn no_retired_word_comes_back() {
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
fn nothing_unwraps_but_tests_and_an_expectation_says_why() {
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

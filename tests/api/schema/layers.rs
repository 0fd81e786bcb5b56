//! The layers of the crate: each module names only what is below it.

use super::source_layout::sources;

/// The allowed dependencies of each module within this crate, the workspace, and the libraries that make a layer. Its
/// own items, the standard library and other libraries are always allowed.
const LAYERS: [(&str, &[&str]); 16] = [
    ("domain", &["entity"]),
    ("metrics", &[]),
    ("trace", &[]),
    ("error", &["domain", "sea_orm", "async_graphql"]),
    ("db", &["metrics", "trace", "sea_orm"]),
    (
        "planner",
        &["trace", "error", "db", "entity", "sea_orm", "async_graphql"],
    ),
    (
        "store",
        &[
            "trace",
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
        "search",
        &[
            "error",
            "domain",
            "store",
            "events",
            "entity",
            "sea_orm",
            "async_graphql",
        ],
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
            "trace",
            "error",
            "domain",
            "store",
            "planner",
            "events",
            "search",
            "entity",
            "sea_orm",
            "async_graphql",
        ],
    ),
    (
        "webhooks",
        &[
            "trace", "metrics", "error", "domain", "store", "events", "graphql", "entity",
        ],
    ),
    (
        "http",
        &[
            "trace",
            "metrics",
            "error",
            "domain",
            "events",
            "search",
            "graphql",
            "async_graphql",
            "axum",
        ],
    ),
    ("config", &["import_export", "http"]),
    (
        "main",
        &[
            "trace",
            "import_export",
            "config",
            "events",
            "graphql",
            "http",
            "metrics",
            "search",
            "seed",
            "store",
            "webhooks",
        ],
    ),
];

/// What is named across the layers all the same, and why.
const EXCEPTIONS: [(&str, &str, &str); 24] = [
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
        "crate::store::request_work::count_statements",
        "the number of a request's statements, for the log",
    ),
    (
        "src/http/middleware/request_context.rs",
        "crate::store::request_work::RequestWork",
        "the same, and its trace",
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
        "crate::store::request_work::spawn_counted",
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
fn layers_import_only_lower_layers() {
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

//! Every limit has its own name, and its error states the limit and the requested amount.

use std::collections::BTreeSet;
use std::sync::Arc;

use liaison::http::HttpState;
use liaison::http::limits::Limits;
use liaison::http::middleware::rate_limit::RateLimiter;
use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::http::limits::{aliases, deep, directives, mutations, roots};
use crate::support::harness::{Client, Server};
use crate::support::websocket_client::Socket;

on_both_databases! {
    each_limit_has_a_name_of_its_own_and_tells_what_was_asked
}

/// The expected rejection: status, code, limit, and a part of the message.
type Expected = ((u16, &'static str, &'static str), [&'static str; 2]);

/// The actual rejection: status, code, limit and message.
struct Told(u16, String, String, String);

impl Told {
    fn of(status: u16, error: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let extensions = &error["extensions"];
        let (code, limit) = (text(&extensions["code"]), text(&extensions["limit"]));
        Self(status, code, limit, text(&error["message"]))
    }
}

async fn ask(client: &Client<'_>, body: String) -> Told {
    let json = [("content-type", "application/json")];
    let answer = client.send(Method::POST, "/graphql", &json, body).await;
    Told::of(answer.status.as_u16(), &answer.json()["errors"][0])
}

fn asks(document: &str) -> String {
    json!({ "query": document }).to_string()
}

/// A mutation that waits for a lock longer than its timeout.
async fn too_slow(server: &Server) -> Told {
    let limits = Limits {
        request_timeout: std::time::Duration::from_secs(1),
        ..Limits::default()
    };
    let hasty = server.beside(|app| app.limits = limits).await;
    let writing = server.db.orm_write.begin().await.unwrap();
    let lock = "update counter set value = value";
    writing.execute_unprepared(lock).await.unwrap();
    let told = ask(&hasty.tsb(), asks(&mutations(1))).await;
    writing.rollback().await.unwrap();
    told
}

async fn too_often(server: &Server) -> Told {
    let http = HttpState {
        rate_limiter: RateLimiter::new(20, 0),
        ..HttpState::default()
    };
    let limited = server.beside(|app| app.http = Arc::new(http)).await;
    let document = asks("{ topics(first: 9) { nodes { id } } }");
    ask(&limited.anonymous(), document.clone()).await;
    ask(&limited.anonymous(), document).await
}

async fn too_many_at_once(strict: &Server) -> Told {
    let mut socket = Socket::anonymous(&strict.address).await;
    for id in ["a", "b"] {
        let document = "subscription { activity { id } }";
        socket.subscribe(id, document, json!({})).await;
    }
    let message = socket.hear().await;
    assert_eq!(message["type"], "error", "{message}");
    Told::of(0, &message["payload"][0])
}

/// Request bodies that each exceed one of the test's limits.
fn bodies() -> [(String, Expected); 12] {
    const COMPLEX: &str = "QUERY_TOO_COMPLEX";
    let large = format!("{}{}", asks("{ viewer { party } }"), " ".repeat(2_000));
    let listed = format!("[{}]", asks("{ viewer { party } }"));
    let many = format!("{{ viewer {{ {} }} }}", "party ".repeat(11));
    let pages = "{ topics(first: 50) { nodes { id } } }";
    let long = "{ topics(first: 9) { nodes { summary title } } }";
    let told = |code, limit, texts| ((200, code, limit), texts);
    [
        (
            large,
            ((413, "REQUEST_TOO_LARGE", "body"), ["2032", "2000"]),
        ),
        (
            listed,
            ((400, "BAD_USER_INPUT", "batch"), ["list", "one request"]),
        ),
        (
            asks(&" ,".repeat(60)),
            told(COMPLEX, "tokens", ["more than", "100"]),
        ),
        (asks(&deep(4)), told("QUERY_TOO_DEEP", "depth", ["4", "3"])),
        (asks(&many), told(COMPLEX, "selections", ["12", "10"])),
        (asks(&aliases(3)), told(COMPLEX, "aliases", ["3", "2"])),
        (
            asks(&directives(3)),
            told(COMPLEX, "directives", ["3", "2"]),
        ),
        (asks(&roots(3)), told(COMPLEX, "roots", ["3", "2"])),
        (asks(&mutations(2)), told(COMPLEX, "mutations", ["2", "1"])),
        (asks(pages), told(COMPLEX, "cost", ["102", "50"])),
        (asks(long), told(COMPLEX, "answer", ["more than", "100"])),
        (
            asks("{ __schema { description } }"),
            told(
                "GRAPHQL_VALIDATION_FAILED",
                "introspection",
                ["switched off", "__schema"],
            ),
        ),
    ]
}

/// Limits that need more than one document to be exceeded: `http/introspection.rs`, `security/response_memory.rs`,
/// `security/failures.rs` and `subscriptions/stream_limits.rs` exceed them.
const TESTED_ELSEWHERE: [&str; 5] = [
    "introspectionDepth",
    "memory",
    "failures",
    "streams",
    "subscriptions",
];

/// Returns the names in the table of limits in `docs/errors.md`.
fn documented() -> BTreeSet<&'static str> {
    let text = include_str!("../../../docs/errors.md");
    let table = text.split("| `extensions.limit` |").nth(1).unwrap();
    let table = table.split("\n\n").next().unwrap();
    let rows = table.lines().filter_map(|row| row.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap()).collect()
}

async fn each_limit_has_a_name_of_its_own_and_tells_what_was_asked(server: &Server) {
    let limits = Limits {
        body_bytes: 2_000,
        tokens: 100,
        depth: 3,
        selections: 10,
        aliases: 2,
        directives: 2,
        root_fields: 2,
        mutations: 1,
        cost: 50,
        answer: 100,
        operations: 1,
        no_introspection: true,
        ..Limits::default()
    };
    let strict = server.beside(|app| app.limits = limits).await;
    let mut table = Vec::new();
    for (body, expected) in bodies() {
        table.push((ask(&strict.anonymous(), body).await, expected));
    }
    table.push((
        too_slow(server).await,
        ((503, "TIMEOUT", "time"), ["longer than", "1 s"]),
    ));
    table.push((
        too_often(server).await,
        ((429, "RATE_LIMITED", "rate"), ["20 per minute", "costs 20"]),
    ));
    table.push((
        too_many_at_once(&strict).await,
        ((0, "RATE_LIMITED", "operations"), ["1 ", "the most"]),
    ));
    let mut names = BTreeSet::new();
    for (Told(status, code, limit, message), (expected, told)) in &table {
        assert_eq!((*status, &**code, &**limit), *expected, "{message}");
        for text in told {
            assert!(message.contains(text), "{limit}: {message}");
        }
        names.insert(limit.as_str());
    }
    assert_eq!(names.len(), table.len(), "two limits share a name");
    names.extend(TESTED_ELSEWHERE);
    assert_eq!(names, documented());
}

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
    each_limit_error_names_its_limit_and_the_requested_amount
}

/// The expected rejection: status, code, limit, and a part of the message.
type ExpectedRejection = ((u16, &'static str, &'static str), [&'static str; 2]);

/// The actual rejection: status, code, limit and message.
struct LimitError(u16, String, String, String);

impl LimitError {
    fn of(status: u16, error: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let extensions = &error["extensions"];
        let (code, limit) = (text(&extensions["code"]), text(&extensions["limit"]));
        Self(status, code, limit, text(&error["message"]))
    }
}

async fn send_request(client: &Client<'_>, body: String) -> LimitError {
    let json = [("content-type", "application/json")];
    let answer = client.send(Method::POST, "/graphql", &json, body).await;
    LimitError::of(answer.status.as_u16(), &answer.json()["errors"][0])
}

fn request_body(document: &str) -> String {
    json!({ "query": document }).to_string()
}

/// A mutation that waits for a lock longer than its timeout.
async fn too_slow(server: &Server) -> LimitError {
    let limits = Limits {
        request_timeout: std::time::Duration::from_secs(1),
        ..Limits::default()
    };
    let service = server.beside(|app| app.limits = limits).await;
    let writing = server.db.orm_write.begin().await.unwrap();
    let lock = "update counter set value = value";
    writing.execute_unprepared(lock).await.unwrap();
    let rejection = send_request(&service.tsb(), request_body(&mutations(1))).await;
    writing.rollback().await.unwrap();
    rejection
}

async fn too_often(server: &Server) -> LimitError {
    let http = HttpState {
        rate_limiter: RateLimiter::new(20, 0),
        ..HttpState::default()
    };
    let limited = server.beside(|app| app.http = Arc::new(http)).await;
    let document = request_body("{ topics(first: 9) { nodes { id } } }");
    send_request(&limited.anonymous(), document.clone()).await;
    send_request(&limited.anonymous(), document).await
}

async fn too_many_at_once(strict: &Server) -> LimitError {
    let mut socket = Socket::anonymous(&strict.address).await;
    for id in ["a", "b"] {
        let document = "subscription { activity { id } }";
        socket.subscribe(id, document, json!({})).await;
    }
    let message = socket.receive_json().await;
    assert_eq!(message["type"], "error", "{message}");
    LimitError::of(0, &message["payload"][0])
}

/// Request bodies that each exceed one of the test's limits.
fn bodies() -> [(String, ExpectedRejection); 12] {
    const COMPLEX: &str = "QUERY_TOO_COMPLEX";
    let large = format!(
        "{}{}",
        request_body("{ viewer { party } }"),
        " ".repeat(2_000)
    );
    let listed = format!("[{}]", request_body("{ viewer { party } }"));
    let many = format!("{{ viewer {{ {} }} }}", "party ".repeat(11));
    let pages = "{ topics(first: 50) { nodes { id } } }";
    let long = "{ topics(first: 9) { nodes { summary title } } }";
    let rejection = |code, limit, texts| ((200, code, limit), texts);
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
            request_body(&" ,".repeat(60)),
            rejection(COMPLEX, "tokens", ["more than", "100"]),
        ),
        (
            request_body(&deep(4)),
            rejection("QUERY_TOO_DEEP", "depth", ["4", "3"]),
        ),
        (
            request_body(&many),
            rejection(COMPLEX, "selections", ["12", "10"]),
        ),
        (
            request_body(&aliases(3)),
            rejection(COMPLEX, "aliases", ["3", "2"]),
        ),
        (
            request_body(&directives(3)),
            rejection(COMPLEX, "directives", ["3", "2"]),
        ),
        (
            request_body(&roots(3)),
            rejection(COMPLEX, "roots", ["3", "2"]),
        ),
        (
            request_body(&mutations(2)),
            rejection(COMPLEX, "mutations", ["2", "1"]),
        ),
        (
            request_body(pages),
            rejection(COMPLEX, "cost", ["102", "50"]),
        ),
        (
            request_body(long),
            rejection(COMPLEX, "answer", ["more than", "100"]),
        ),
        (
            request_body("{ __schema { description } }"),
            rejection(
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

async fn each_limit_error_names_its_limit_and_the_requested_amount(server: &Server) {
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
        response_bytes: 100,
        operations: 1,
        no_introspection: true,
        ..Limits::default()
    };
    let strict = server.beside(|app| app.limits = limits).await;
    let mut table = Vec::new();
    for (body, expected) in bodies() {
        table.push((send_request(&strict.anonymous(), body).await, expected));
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
    for (LimitError(status, code, limit, message), (expected, rejection)) in &table {
        assert_eq!((*status, &**code, &**limit), *expected, "{message}");
        for text in rejection {
            assert!(message.contains(text), "{limit}: {message}");
        }
        names.insert(limit.as_str());
    }
    assert_eq!(names.len(), table.len(), "two limits share a name");
    names.extend(TESTED_ELSEWHERE);
    assert_eq!(names, documented());
}

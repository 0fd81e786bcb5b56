//! Requests that are refused before they run: each client may send so many of them per minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::DateTime;
use liaison::http::HttpState;
use liaison::http::limits::Limits;
use liaison::http::middleware::rate_limit::Failures;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::harness::{Backend, Client, Server, TestResponse};
use crate::support::websocket_client::{PROTOCOL, Socket};

on_both_backends! {
    bad_tokens_are_limited_for_each_client
    invalid_documents_and_unknown_hashes_are_limited_for_each_client
    every_request_rejected_before_execution_counts_as_a_failure
    websocket_protocol_errors_count_as_failures
}

const LIMIT: usize = 6;

/// A service with this limit, and a clock that the test alone moves.
async fn limited(backend: Backend) -> (Server, Arc<AtomicI64>) {
    limited_with(backend, Limits::default()).await
}

async fn limited_with(backend: Backend, limits: Limits) -> (Server, Arc<AtomicI64>) {
    let http = HttpState {
        failures: Failures::new(u32::try_from(LIMIT).unwrap()),
        ..HttpState::default()
    };
    let clock = Arc::new(AtomicI64::new(1_800_000_000));
    let time = clock.clone();
    let server = Server::start_with(backend, |app| {
        app.http = Arc::new(http);
        app.limits = limits;
        app.clock =
            Arc::new(move || DateTime::from_timestamp(time.load(Ordering::Relaxed), 0).unwrap());
    });
    (server.await, clock)
}

fn is_limited(response: &TestResponse) {
    assert_eq!(response.status, 429, "{}", response.text);
    // Sixty seconds for all of them.
    assert_eq!(response.headers["retry-after"], "10");
    let extensions = &response.json()["errors"][0]["extensions"];
    assert_eq!(
        *extensions,
        json!({ "code": "RATE_LIMITED", "limit": "failures" })
    );
}

const KNOWN: &str = "{ viewer { roles } }";

async fn bad_tokens_are_limited_for_each_client(backend: Backend) {
    let (server, clock) = limited(backend).await;
    let forger = server.anonymous().with_token("a.b.c");
    for _ in 0..LIMIT {
        assert_eq!(forger.post(KNOWN, json!({})).await.status, 401);
    }
    is_limited(&forger.post(KNOWN, json!({})).await);
    let mut socket = Socket::connect_without_init(&server.address, Some(PROTOCOL), None).await;
    let payload = json!({ "token": "a.b.c" });
    socket
        .say(&json!({ "type": "connection_init", "payload": payload }))
        .await;
    assert_eq!(socket.end().await.0, 1013);
    // Who sends no token has none to check.
    server
        .anonymous()
        .post("{ topics { totalCount } }", json!({}))
        .await;
    clock.fetch_add(10, Ordering::Relaxed);
    assert_eq!(forger.post(KNOWN, json!({})).await.status, 401);
    is_limited(&forger.post(KNOWN, json!({})).await);
    // They are few enough for somebody else at the same address a little later.
    clock.fetch_add(10, Ordering::Relaxed);
    assert_eq!(server.itu().post(KNOWN, json!({})).await.status, 200);
}

async fn by_hash(client: &Client<'_>, hash: &str) -> TestResponse {
    let persisted = json!({ "version": 1, "sha256Hash": hash });
    let body = json!({ "extensions": { "persistedQuery": persisted } }).to_string();
    let json = [("content-type", "application/json")];
    client.send(Method::POST, "/graphql", &json, body).await
}

async fn invalid_documents_and_unknown_hashes_are_limited_for_each_client(backend: Backend) {
    let (server, clock) = limited(backend).await;
    let client = server.anonymous();
    client.data(KNOWN, json!({})).await;
    let checked = server.documents.validated();
    for number in 0..LIMIT {
        let response = match number % 3 {
            0 => client.post("{", json!({})).await,
            1 => {
                client
                    .post(&format!("{{ nothing{number} }}"), json!({}))
                    .await
            }
            _ => by_hash(&client, &"0".repeat(64)).await,
        };
        assert_eq!(response.status, 200, "{}", response.text);
        assert!(response.json()["errors"].is_array());
    }
    let after = server.documents.validated();
    assert!(after > checked);
    is_limited(&client.post("{ nothing }", json!({})).await);
    is_limited(&by_hash(&client, &"1".repeat(64)).await);
    assert_eq!(
        server.documents.validated(),
        after,
        "what is refused is not checked"
    );
    // A document that was checked before runs all the same.
    client.data(KNOWN, json!({})).await;
    let mut socket = Socket::anonymous(&server.address).await;
    socket.subscribe("a", "{ nothing }", json!({})).await;
    let error_message = socket.receive_json().await;
    assert_eq!(
        error_message["payload"][0]["extensions"]["limit"],
        "failures"
    );
    clock.fetch_add(60, Ordering::Relaxed);
    client.data("{ topics { totalCount } }", json!({})).await;
}

/// What is wrong with a request; its method, path, headers and body.
type Kind = (
    &'static str,
    Method,
    &'static str,
    Vec<(&'static str, &'static str)>,
    String,
);

async fn every_request_rejected_before_execution_counts_as_a_failure(backend: Backend) {
    let limits = Limits {
        cost: 1_000,
        body_bytes: 10_000,
        ..Limits::default()
    };
    let (server, clock) = limited_with(backend, limits).await;
    let client = server.anonymous();
    let json = ("content-type", "application/json");
    // Valid, and known after the first request, but too costly with these variables.
    let costly = "query($first: Int) { topics(first: $first) { nodes { id code title summary status createdAt updatedAt version reviewOn proposedBy } } }";
    let asks = |document: &str, variables: Value| {
        json!({ "query": document, "variables": variables }).to_string()
    };
    client.data(costly, json!({ "first": 1 })).await;
    client.data(KNOWN, json!({})).await;
    let mutation = "/graphql?query=mutation%7B__typename%7D";
    let kinds: [Kind; 9] = [
        (
            "a cost that is too high",
            Method::POST,
            "/graphql",
            vec![json],
            asks(costly, json!({ "first": 100 })),
        ),
        (
            "a variable of the wrong type",
            Method::POST,
            "/graphql",
            vec![json],
            asks(costly, json!({ "first": "one" })),
        ),
        (
            "a body that is no JSON",
            Method::POST,
            "/graphql",
            vec![json],
            "{".to_owned(),
        ),
        (
            "a list of requests",
            Method::POST,
            "/graphql",
            vec![json],
            "[]".to_owned(),
        ),
        (
            "a body that is too long",
            Method::POST,
            "/graphql",
            vec![json],
            asks(KNOWN, json!({ "unused": " ".repeat(10_000) })),
        ),
        (
            "another media type",
            Method::POST,
            "/graphql",
            vec![("content-type", "text/plain")],
            asks(KNOWN, json!({})),
        ),
        (
            "no media type that is offered",
            Method::POST,
            "/graphql",
            vec![json, ("accept", "text/html")],
            asks(KNOWN, json!({})),
        ),
        (
            "a mutation by GET",
            Method::GET,
            mutation,
            Vec::new(),
            String::new(),
        ),
        (
            "a handshake that is none",
            Method::GET,
            "/graphql/ws",
            Vec::new(),
            String::new(),
        ),
    ];
    for (what, method, path, headers, body) in kinds {
        for number in 0..=LIMIT {
            let response = client
                .send(method.clone(), path, &headers, body.clone())
                .await;
            let (is_limited, text) = (response.status == 429, response.text);
            assert_eq!(is_limited, number == LIMIT, "{what}: {text}");
        }
        // What is valid is answered all the same.
        client.data(KNOWN, json!({})).await;
        clock.fetch_add(60, Ordering::Relaxed);
    }
}

async fn websocket_protocol_errors_count_as_failures(backend: Backend) {
    let (server, clock) = limited(backend).await;
    let client = server.anonymous();
    let subscribe = json!({ "id": "a", "type": "subscribe", "payload": { "query": KNOWN } });
    for (message, code) in [(json!({ "type": "nothing" }), 4400), (subscribe, 4401)] {
        for _ in 0..LIMIT {
            let mut socket =
                Socket::connect_without_init(&server.address, Some(PROTOCOL), None).await;
            socket.say(&message).await;
            assert_eq!(socket.end().await.0, code);
        }
        is_limited(&client.post("{ nothing }", json!({})).await);
        clock.fetch_add(60, Ordering::Relaxed);
    }
}

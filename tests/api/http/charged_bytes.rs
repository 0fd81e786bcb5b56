//! The rate limit charges responses by what they hold, as far as that is more than their cost.

use std::sync::Arc;

use chrono::DateTime;
use liaison::http::HttpState;
use liaison::http::middleware::rate_limit::RateLimiter;
use serde_json::{Value, json};

use crate::support::databases::Backend;
use crate::support::harness::{Server, TestResponse};
use crate::support::websocket_client::Socket;

on_both_backends! {
    a_response_of_long_texts_is_charged_by_its_bytes
    a_nested_list_is_charged_by_its_records
    a_response_and_an_event_on_a_websocket_are_charged_by_their_bytes
}

const LIMIT: u64 = 10_000;
/// Characters of a note: its body alone costs a hundredth of that.
const LENGTH: usize = 20_000;

/// A service with a fixed clock: spent cost is not regained.
async fn limited(backend: Backend) -> Server {
    let http = HttpState {
        rate_limiter: RateLimiter::new(u32::try_from(LIMIT).unwrap(), 0),
        ..HttpState::default()
    };
    let server = Server::start_with(backend, |app| {
        app.http = Arc::new(http);
        app.clock = Arc::new(|| DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    });
    server.await
}

async fn add_note(server: &Server, topic: &Value) {
    let input = json!({ "subjectId": topic, "body": "x".repeat(LENGTH) });
    server.upu().change("noteAdd", input, "id").await;
}

/// The body of the newest note so many times.
fn bodies(count: usize) -> String {
    let bodies: Vec<_> = (0..count)
        .map(|number| format!("b{number}: body"))
        .collect();
    let bodies = bodies.join(" ");
    format!("{{ topic(by: {{ code: \"T-1\" }}) {{ notes(last: 1) {{ nodes {{ {bodies} }} }} }} }}")
}

/// What the client may still spend.
fn remaining(response: &TestResponse) -> u64 {
    let header = response.headers["ratelimit"].to_str().unwrap();
    let remaining = header.split("r=").nth(1).unwrap();
    remaining.split(';').next().unwrap().parse().unwrap()
}

async fn a_response_of_long_texts_is_charged_by_its_bytes(backend: Backend) {
    let server = limited(backend).await;
    let topic = json!(server.topic("T-1").await);
    add_note(&server, &topic).await;
    let client = server.anonymous();
    let before = remaining(&client.post("{ viewer { party } }", json!({})).await);
    let short = client
        .post("{ topics(first: 1) { nodes { code } } }", json!({}))
        .await;
    assert_eq!(before - remaining(&short), 4, "its cost alone");
    let before = remaining(&short);
    // The second response is a cached one.
    for number in 1..=2 {
        let long = client.post(&bodies(20), json!({})).await;
        let bytes = u64::try_from(long.text.len()).unwrap();
        assert_eq!(before - remaining(&long), number * (bytes / 100));
        let note = &long.json()["data"]["topic"]["notes"]["nodes"][0];
        let bodies = note.as_object().unwrap().values();
        assert_eq!(
            bodies.filter(|body| *body == &"x".repeat(LENGTH)).count(),
            20
        );
    }
    // The last response may cost more than is left.
    let long = client.post(&bodies(20), json!({})).await;
    assert_eq!((long.status.as_u16(), remaining(&long)), (200, 0));
    let refused = client.post("{ viewer { party } }", json!({})).await;
    assert_eq!(refused.status, 429);
}

async fn a_nested_list_is_charged_by_its_records(backend: Backend) {
    const CHILDREN: u64 = 50;
    let server = limited(backend).await;
    let tsb = server.tsb();
    let organization = |acronym: &str, parent: &Value| {
        let input = json!({ "acronym": acronym, "name": acronym, "kind": "SECTOR", "side": "ITU", "parentId": parent });
        async { tsb.change("organizationCreate", input, "id").await["id"].take() }
    };
    let parent = organization("AAA", &Value::Null).await;
    for number in 0..CHILDREN {
        organization(&format!("B{number}"), &parent).await;
    }
    let client = server.anonymous();
    let before = remaining(&client.post("{ viewer { party } }", json!({})).await);
    let document = "{ organizations(first: 1) { nodes { children { acronym kind side } } } }";
    let response = client.post(document, json!({})).await;
    let nodes = &response.json()["data"]["organizations"]["nodes"];
    let children = nodes[0]["children"].as_array().unwrap().len() as u64;
    assert_eq!(children, CHILDREN);
    // Each record and each of its fields is a value.
    let charged = before - remaining(&response);
    assert!(
        (4 * CHILDREN..4 * CHILDREN + 10).contains(&charged),
        "{charged}"
    );
}

async fn a_response_and_an_event_on_a_websocket_are_charged_by_their_bytes(backend: Backend) {
    let server = limited(backend).await;
    let topic = json!(server.topic("T-1").await);
    add_note(&server, &topic).await;
    let client = server.anonymous();
    let mut socket = Socket::anonymous(&server.address).await;
    let before = remaining(&client.post("{ viewer { party } }", json!({})).await);
    socket.subscribe("query", &bodies(20), json!({})).await;
    assert_eq!(socket.receive_json().await["type"], "next");
    assert_eq!(socket.receive_json().await["type"], "complete");
    let between = remaining(&client.post("{ viewer { party } }", json!({})).await);
    assert!(before - between > 4_000, "{before} {between}");

    let events = "subscription { activity { subject { ... on Note { body } } } }";
    socket.subscribe("events", events, json!({})).await;
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.receive_json().await["type"], "pong");
    for _ in 0..2 {
        add_note(&server, &topic).await;
        assert_eq!(socket.receive_json().await["type"], "next");
    }
    let after = remaining(&client.post("{ viewer { party } }", json!({})).await);
    assert!(between - after > 400, "{between} {after}");
}

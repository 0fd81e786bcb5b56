//! Heavy operations leave room for others.

use std::sync::Arc;
use std::time::Duration;

use liaison::http::HttpState;
use liaison::http::graphql::admission::{Admission, OperationPermit, heavy_limit, ordinary_limit};
use liaison::http::limits::Limits;
use liaison::http::server::stream_limit::LimitedClient;
use serde_json::{Value, json};

use crate::support::databases::Backend;
use crate::support::harness::Server;
use crate::support::websocket_client::Socket;

on_both_backends! {
    heavy_queries_queue_behind_each_other_and_delay_no_ordinary_query
    a_mutation_with_a_heavy_selection_waits_before_it_changes_anything
    heavy_subscription_events_queue_and_light_ones_do_not
    small_queries_and_mutations_do_not_wait_for_ordinary_queries
}

async fn short_timeouts(backend: Backend) -> (Server, Arc<HttpState>) {
    let http = Arc::new(HttpState::default());
    let server = Server::start_with(backend, |app| {
        app.http = http.clone();
        app.limits = Limits {
            request_timeout: Duration::from_secs(1),
            ..Limits::default()
        };
    });
    (server.await, http)
}

/// Takes all places for operations of a kind.
async fn occupy(admission: &Admission, limit: u32) -> Vec<OperationPermit> {
    let mut running = Vec::new();
    for number in 1..=limit {
        let other = LimitedClient::Subject(format!("client {number}"));
        running.push(admission.acquire(other, limit).await);
    }
    running
}

async fn occupy_heavy(server: &Server, http: &HttpState) -> Vec<OperationPermit> {
    occupy(&http.heavy, heavy_limit(server.db.read_pool.connections())).await
}

fn is_timeout(answer: &Value) {
    let code = &answer["errors"][0]["extensions"]["code"];
    assert_eq!(code, "TIMEOUT", "{answer}");
}

async fn heavy_queries_queue_behind_each_other_and_delay_no_ordinary_query(backend: Backend) {
    let (server, http) = short_timeouts(backend).await;
    let client = server.anonymous();
    let heavy = "{ topics(filter: { text: \"postal\" }) { nodes { code } } }";
    client.data(heavy, json!({})).await;

    let running = occupy_heavy(&server, &http).await;
    is_timeout(&client.post(heavy, json!({})).await.json());
    let ordinary = "{ topics(first: 100) { nodes { code title } } }";
    client.data(ordinary, json!({})).await;
    drop(running);
    client.data(heavy, json!({})).await;
}

/// What a heavy operation selects of a topic.
const HEAVY: &str = "code actionItems(filter: { text: \"postal\" }) { nodes { code } }";

async fn a_mutation_with_a_heavy_selection_waits_before_it_changes_anything(backend: Backend) {
    let (server, http) = short_timeouts(backend).await;
    let propose = |selection: &str| {
        format!(
            "mutation {{ topicPropose(input: {{ title: \"T\", summary: \"S\" }}) {{ topic {{ {selection} }} }} }}"
        )
    };
    let running = occupy_heavy(&server, &http).await;
    let stopped = server.tsb().post(&propose(HEAVY), json!({})).await.json();
    is_timeout(&stopped);
    let message = stopped["errors"][0]["message"].as_str().unwrap();
    assert!(!message.contains("changes"), "{message}");
    let ordinary = server.tsb().data(&propose("code"), json!({})).await;
    assert_eq!(ordinary["topicPropose"]["topic"]["code"], "T-9");
    drop(running);
    let heavy = server.tsb().data(&propose(HEAVY), json!({})).await;
    assert_eq!(heavy["topicPropose"]["topic"]["code"], "T-10");
}

async fn heavy_subscription_events_queue_and_light_ones_do_not(backend: Backend) {
    let (server, http) = short_timeouts(backend).await;
    let mut socket = Socket::anonymous(&server.address).await;
    let heavy =
        format!("subscription {{ activity {{ subject {{ ... on Topic {{ {HEAVY} }} }} }} }}");
    socket.subscribe("heavy", &heavy, json!({})).await;
    let ordinary = "subscription { activity { verb } }";
    socket.subscribe("ordinary", ordinary, json!({})).await;
    // Messages are handled in order: both have begun before the answer to this one.
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.receive_json().await["type"], "pong");
    let running = occupy_heavy(&server, &http).await;
    let input = json!({ "title": "T", "summary": "S" });
    for _ in 0..2 {
        server
            .tsb()
            .change("topicPropose", input.clone(), "id")
            .await;
        assert_eq!(socket.receive_json().await["id"], "ordinary");
    }
    drop(running);
    for _ in 0..2 {
        assert_eq!(socket.receive_json().await["id"], "heavy");
    }
}

async fn small_queries_and_mutations_do_not_wait_for_ordinary_queries(backend: Backend) {
    let (server, http) = short_timeouts(backend).await;
    let client = server.anonymous();
    let ordinary = "{ topics(first: 50) { nodes { code title } } }";
    let limit = ordinary_limit(server.db.read_pool.connections());
    let running = occupy(&http.ordinary, limit).await;
    is_timeout(&client.post(ordinary, json!({})).await.json());
    client
        .data("{ topics(first: 2) { nodes { code } } }", json!({}))
        .await;
    client
        .data("{ __schema { types { name } } }", json!({}))
        .await;
    let input = json!({ "title": "T", "summary": "S" });
    server.tsb().change("topicPropose", input, "id").await;
    drop(running);
    client.data(ordinary, json!({})).await;
}

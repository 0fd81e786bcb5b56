//! The start position of a subscription, which is taken before the response.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::subscriptions::activity::{FOLLOW, write_notes};
use crate::support::databases::Backend;
use crate::support::harness::{Server, id_and_cursor};
use crate::support::websocket_client::Socket;

on_both_databases! {
    a_stream_starts_before_its_response_is_sent
    a_change_right_after_subscribe_is_delivered
    an_idle_stream_starts_with_its_cursor
}

/// An event stream whose response head has arrived.
async fn stream(server: &Server, document: &str) -> reqwest::Response {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let body = json!({ "query": document }).to_string();
    let client = server.anonymous();
    let response = client.begin(reqwest::Method::POST, "/graphql", &headers, body);
    let response = response.await;
    assert_eq!(response.status(), 200);
    response
}

/// Reads a stream until it contains this text.
async fn read_until(mut response: reqwest::Response, text: &str) -> String {
    let mut read = String::new();
    let reading = async {
        while !read.contains(text) {
            let chunk = response.chunk().await.unwrap().expect("more");
            read.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(1), reading).await;
    assert!(in_time.is_ok(), "{text} does not come: {read}");
    read
}

async fn a_stream_starts_before_its_response_is_sent(server: &Server) {
    let document = "subscription { activity { subject { ... on Note { body } } } }";
    let subject = server.topic("T-1").await;
    for turn in 0..10 {
        let response = stream(server, document).await;
        let body = format!("Note {turn} right after the head.");
        let input = json!({ "subjectId": subject, "body": body });
        server.upu().change("noteAdd", input, "id").await;
        read_until(response, &body).await;
    }
}

async fn a_change_right_after_subscribe_is_delivered(server: &Server) {
    let subject = server.topic("T-1").await;
    let token = server.upu().token.unwrap();
    for turn in 0..10 {
        let payload = json!({ "Authorization": format!("Bearer {token}") });
        let mut socket = Socket::open(&server.address, payload).await;
        let follow = "subscription { activity { subject { ... on Note { body } } } }";
        socket.subscribe("follow", follow, json!({})).await;
        let body = format!("Note {turn} right after.");
        let add = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id } } }";
        let input = json!({ "subjectId": subject, "body": body });
        socket
            .subscribe("add", add, json!({ "input": input }))
            .await;
        loop {
            let message = socket.receive_json().await;
            if message["id"] == "follow" {
                let activity = &message["payload"]["data"]["activity"];
                assert_eq!(activity["subject"]["body"], body.as_str());
                break;
            }
        }
    }
}

async fn an_idle_stream_starts_with_its_cursor(server: &Server) {
    let response = stream(server, "subscription { activity { id } }").await;
    let newest = server.newest().await;
    let head = read_until(response, "\n\n").await;
    assert_eq!(head, format!("id: {newest}\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_database_delays_no_message_and_cursors_are_still_checked() {
    let server = Server::start(Backend::Postgres).await;
    write_notes(&server, "T-1", 1).await;
    let newest = server.newest().await;
    let other = Server::start(Backend::Postgres).await;
    write_notes(&other, "T-1", 2).await;
    let foreign = other.newest().await;
    let lock = server.db.orm_write.begin().await.unwrap();
    lock.execute_unprepared("lock table activity in access exclusive mode")
        .await
        .unwrap();
    let mut socket = Socket::anonymous(&server.address).await;
    socket.subscribe("now", FOLLOW, json!({})).await;
    for (id, after) in [("after", &newest), ("foreign", &foreign)] {
        let variables = json!({ "after": after });
        socket.subscribe(id, FOLLOW, variables).await;
    }
    let viewer_response = socket.run("{ viewer { roles } }", json!({})).await;
    assert_eq!(viewer_response["errors"], json!(null));
    lock.rollback().await.unwrap();
    write_notes(&server, "T-1", 1).await;
    let (mut seen, mut refused) = (Vec::new(), json!(null));
    while seen.len() < 2 || refused.is_null() {
        let message = socket.receive_json().await;
        if message["id"] == "foreign" {
            assert_eq!(message["type"], "error", "{message}");
            refused = message["payload"][0]["extensions"]["code"].clone();
        } else {
            seen.push(id_and_cursor(&message["payload"]["data"]["activity"]));
        }
    }
    assert_eq!(refused, "INVALID_CURSOR");
    let written = server.history(Some(&newest), json!({})).await;
    assert_eq!(seen, [written.clone(), written].concat());
}

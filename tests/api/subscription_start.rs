//! Where a subscription begins: before its client is told so, after a cursor of the same history.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::following::{FOLLOW, write_notes};
use crate::harness::Server;
use crate::socket::Socket;

on_both_databases! {
    from_now_on_begins_before_the_response
    a_message_after_subscribe_is_reported
    a_quiet_stream_begins_with_its_cursor
    a_cursor_of_a_history_that_was_replaced_is_refused
}

/// A stream of events that has begun: its head has come.
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

/// Reads a stream until it holds this text.
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

async fn from_now_on_begins_before_the_response(server: &Server) {
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

async fn a_message_after_subscribe_is_reported(server: &Server) {
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
            let message = socket.hear().await;
            if message["id"] == "follow" {
                let activity = &message["payload"]["data"]["activity"];
                assert_eq!(activity["subject"]["body"], body.as_str());
                break;
            }
        }
    }
}

async fn a_quiet_stream_begins_with_its_cursor(server: &Server) {
    let response = stream(server, "subscription { activity { id } }").await;
    let newest = server.newest().await;
    let head = read_until(response, "\n\n").await;
    assert_eq!(head, format!("id: {newest}\n\n"));
}

async fn a_cursor_of_a_history_that_was_replaced_is_refused(server: &Server) {
    write_notes(server, "T-1", 3).await;
    let lost = server.newest().await;
    let history = server.history(None, json!({})).await;
    let kept = &history[history.len() - 4].1;
    // An older backup, in which the last notes are missing, and others were written since.
    allow_changes(server).await;
    let last = history.len();
    server
        .sql(&format!(
            "delete from activity where position > {}",
            last - 3
        ))
        .await;
    server
        .sql(&format!(
            "update counter set value = {} where name = 'activity'",
            last - 3
        ))
        .await;
    let restored = server.beside(|_| {}).await;
    let list = "query($after: String) { activities(after: $after) { nodes { id } } }";
    for written in 0..2 {
        let response = restored
            .anonymous()
            .post(list, json!({ "after": lost }))
            .await;
        let error = &response.json()["errors"][0];
        assert_eq!(error["extensions"]["code"], "INVALID_CURSOR", "{written}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("history was replaced"), "{message}");
        let mut socket = Socket::anonymous(&restored.address).await;
        let variables = json!({ "after": lost });
        socket.subscribe("a", FOLLOW, variables).await;
        let refused = socket.hear().await;
        assert_eq!(refused["type"], "error", "{refused}");
        assert_eq!(
            refused["payload"][0]["extensions"]["code"],
            "INVALID_CURSOR"
        );
        write_notes(&restored, "T-1", 4).await;
    }
    let after = restored
        .anonymous()
        .data(list, json!({ "after": kept }))
        .await;
    assert_eq!(after["activities"]["nodes"].as_array().unwrap().len(), 8);
}

/// Removes what keeps the log append-only.
async fn allow_changes(server: &Server) {
    if server.db.is_shared() {
        return server
            .sql("alter table activity disable trigger user")
            .await;
    }
    let db = &server.db.write;
    let triggers =
        "select name from sqlite_schema where type = 'trigger' and tbl_name = 'activity'";
    let triggers = Statement::from_string(db.get_database_backend(), triggers);
    for row in db.query_all_raw(triggers).await.unwrap() {
        let name: String = row.try_get_by_index(0).unwrap();
        server.sql(&format!("drop trigger {name}")).await;
    }
}

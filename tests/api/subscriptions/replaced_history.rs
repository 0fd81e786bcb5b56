//! An older backup is put back under services that run: nothing is skipped, and nothing of the lost future is reported.

use std::time::Duration;

use liaison::http::graphql::response_cache::ResponseCache;
use liaison::webhooks::WebhookTargets;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::queries::overlaps::{pairs_of, publish};
use crate::queries::search::found;
use crate::subscriptions::activity::{FOLLOW, write_notes};
use crate::support::harness::{Server, id_and_cursor};
use crate::support::webhook_receiver::Endpoint;
use crate::support::websocket_client::Socket;
use crate::webhooks::endpoints::{create, until, update};

on_both_databases! {
    a_cursor_of_a_replaced_history_is_refused
    subscriptions_to_a_replaced_history_end
    a_cursor_that_is_still_in_the_history_is_accepted
    no_cached_response_survives_a_replaced_history
    search_finds_nothing_of_a_replaced_history
    a_webhook_with_a_lost_position_is_disabled
}

const LIST: &str = "query($after: String) { activities(after: $after) { nodes { id cursor } } }";
const LAST: &str = "{ activities(last: 2) { nodes { id } } }";

/// Removes the last activities.
async fn rewind_history(server: &Server, count: usize) {
    allow_changes(server, true).await;
    let left = server.history(None, json!({})).await.len() - count;
    for statement in [
        format!("delete from delivery where position > {left}"),
        format!("delete from activity where position > {left}"),
        format!("update counter set value = {left} where name = 'activity'"),
    ] {
        server.sql(&statement).await;
    }
    allow_changes(server, false).await;
}

/// Removes what keeps the log append-only, or puts it back where that can be done.
async fn allow_changes(server: &Server, allow: bool) {
    if server.db.is_shared() {
        let verb = if allow { "disable" } else { "enable" };
        return server
            .sql(&format!("alter table activity {verb} trigger user"))
            .await;
    }
    let db = &server.db.orm_write;
    let triggers =
        "select name from sqlite_schema where type = 'trigger' and tbl_name = 'activity'";
    let triggers = Statement::from_string(db.get_database_backend(), triggers);
    for row in db.query_all_raw(triggers).await.unwrap() {
        let name: String = row.try_get_by_index(0).unwrap();
        server.sql(&format!("drop trigger {name}")).await;
    }
}

fn assert_replaced(error: &Value) {
    assert_eq!(error["extensions"]["code"], "INVALID_CURSOR", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("history was replaced"), "{message}");
}

async fn a_cursor_of_a_replaced_history_is_refused(server: &Server) {
    write_notes(server, "T-1", 3).await;
    let lost = server.newest().await;
    let history = server.history(None, json!({})).await;
    let valid_cursor = &history[history.len() - 4].1;
    rewind_history(server, 3).await;
    let restored = server.beside(|_| {}).await;
    for _ in 0..2 {
        let response = restored.anonymous();
        let response = response.post(LIST, json!({ "after": lost })).await;
        assert_replaced(&response.json()["errors"][0]);
        let mut socket = Socket::anonymous(&restored.address).await;
        let variables = json!({ "after": lost });
        socket.subscribe("a", FOLLOW, variables).await;
        let refused = socket.receive_json().await;
        assert_eq!(refused["type"], "error", "{refused}");
        assert_replaced(&refused["payload"][0]);
        write_notes(&restored, "T-1", 4).await;
    }
    assert_eq!(
        restored.history(Some(valid_cursor), json!({})).await.len(),
        8
    );
}

/// Subscribes over WebSocket and Server-Sent Events to what happens from now on.
async fn subscribe(server: &Server) -> (Socket, reqwest::Response) {
    let mut socket = Socket::anonymous(&server.address).await;
    socket.subscribe("a", FOLLOW, json!({})).await;
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let body = json!({ "query": "subscription { activity { id } }" }).to_string();
    let client = server.anonymous();
    let stream = client.begin(reqwest::Method::POST, "/graphql", &headers, body);
    (socket, stream.await)
}

async fn subscriptions_to_a_replaced_history_end(server: &Server) {
    let other = server.beside(|_| {}).await;
    // Before the old position is reached again, and after.
    for written in [1, 5] {
        let mut followers = [subscribe(server).await, subscribe(&other).await];
        write_notes(server, "T-1", 3).await;
        for (socket, _) in &mut followers {
            for _ in 0..3 {
                socket.activity("a").await;
            }
        }
        rewind_history(server, 3).await;
        write_notes(server, "T-1", written).await;
        for (mut socket, stream) in followers {
            let end = socket.receive_json().await;
            assert_eq!(end["type"], "error", "{end}");
            assert_replaced(&end["payload"][0]);
            let text = stream.text().await.unwrap();
            let events: Vec<&str> = text.matches("\"data\":{\"activity\"").collect();
            assert_eq!(events.len(), 3, "{text}");
            assert!(text.contains("history was replaced"), "{text}");
            assert!(text.contains("event: complete"), "{text}");
        }
        // The new history is followed like any other.
        let newest = server.newest().await;
        let mut followers = [subscribe(server).await, subscribe(&other).await];
        write_notes(&other, "T-1", 2).await;
        let written = server.history(Some(&newest), json!({})).await;
        for (socket, _) in &mut followers {
            for expected in &written {
                assert_eq!(id_and_cursor(&socket.activity("a").await), *expected);
            }
        }
    }
}

async fn a_cursor_that_is_still_in_the_history_is_accepted(server: &Server) {
    write_notes(server, "T-1", 1).await;
    let valid_cursor = server.newest().await;
    write_notes(server, "T-1", 3).await;
    rewind_history(server, 3).await;
    write_notes(server, "T-1", 5).await;
    let expected = server.history(Some(&valid_cursor), json!({})).await;
    let mut socket = Socket::anonymous(&server.address).await;
    let variables = json!({ "after": valid_cursor });
    socket.subscribe("a", FOLLOW, variables.clone()).await;
    let mut received_events = Vec::new();
    while received_events.len() < expected.len() {
        let message = socket.receive_json().await;
        if message["type"] == "error" {
            // The service had not noticed yet: come back.
            assert_replaced(&message["payload"][0]);
            assert_eq!(received_events, []);
            socket.subscribe("a", FOLLOW, variables.clone()).await;
        } else {
            received_events.push(id_and_cursor(&message["payload"]["data"]["activity"]));
        }
    }
    assert_eq!(received_events, expected);
}

async fn no_cached_response_survives_a_replaced_history(server: &Server) {
    let memory = ResponseCache::new(1_000_000, Duration::from_mins(1));
    let cached = server.beside(|app| app.response_cache = Some(memory)).await;
    let reader = cached.anonymous();
    let last = async || reader.data(LAST, json!({})).await;
    // An answer of each position that comes again.
    for _ in 0..3 {
        write_notes(&cached, "T-1", 1).await;
        last().await;
    }
    let lost = last().await;
    rewind_history(server, 3).await;
    for _ in 0..4 {
        write_notes(&cached, "T-1", 1).await;
        let read = server.anonymous().data(LAST, json!({})).await;
        assert_eq!(last().await, read);
        assert_ne!(read, lost);
    }
}

async fn search_finds_nothing_of_a_replaced_history(server: &Server) {
    let title = "Zeppelin docking of certified balloon parcels";
    // Whether the new history is shorter than the index, as long or longer.
    for more in [0, 2, 3] {
        publish(server, "ITU-T Z.900", title).await;
        publish(server, "UPU Z90", title).await;
        assert_eq!(found(server, "zeppelin").await.len(), 2);
        assert_eq!(pairs_of(server, "ITU-T Z.900").await.len(), 1);
        rewind_history(server, 2).await;
        let title = format!("title = '{title}'");
        server
            .sql(&format!("delete from publication where {title}"))
            .await;
        write_notes(server, "T-1", more).await;
        assert_eq!(found(server, "zeppelin").await, [""; 0], "{more}");
        assert_eq!(pairs_of(server, "ITU-T Z.900").await, [], "{more}");
    }
}

async fn a_webhook_with_a_lost_position_is_disabled(server: &Server) {
    let endpoint = Endpoint::start().await;
    let itu = server.itu();
    let noted = json!({ "verb": ["NOTED"] });
    let made = create(&itu, json!({ "url": endpoint.url, "filter": noted })).await;
    let deliveries = server.deliver(WebhookTargets::Any);
    write_notes(server, "T-1", 3).await;
    endpoint.wait_for(3).await;
    until(&itu, &made, |webhook| {
        webhook["deliveries"]["totalCount"] == 3
    })
    .await;
    deliveries.stop().await;
    rewind_history(server, 3).await;
    write_notes(server, "T-1", 5).await;
    let _deliveries = server.deliver(WebhookTargets::Any);
    let off = until(&itu, &made, |webhook| webhook["enabled"] == false).await;
    assert_eq!(endpoint.received().len(), 3, "nothing is skipped");
    let document = "query($id: ID!) { activities(last: 1, filter: { subject: $id }) { nodes { cursor changes { field after } } } }";
    let activities = itu.data(document, json!({ "id": off["id"] })).await;
    let reason = &activities["activities"]["nodes"][0]["changes"][1];
    assert_eq!(reason["field"], "reason");
    let text = reason["after"].as_str().unwrap();
    assert!(text.contains("history was replaced"), "{text}");
    // Its owner says from where to go on.
    let history = server.history(None, json!({})).await;
    let valid_cursor = &history[history.len() - 6].1;
    let on =
        json!({ "id": off["id"], "version": 2, "enabled": true, "redeliverAfter": valid_cursor });
    assert_eq!(update(&itu, on).await["userErrors"], json!([]));
    let expected = server.history(Some(valid_cursor), noted).await;
    endpoint.wait_for(3 + expected.len()).await;
    let ids: Vec<String> = expected.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 5);
    assert_eq!(endpoint.ids()[3..], ids);
}

//! Fields with the same response key are merged, also across fragments.

use serde_json::{Value, json};

use crate::support::harness::Server;
use crate::support::websocket_client::Socket;

on_both_databases! {
    a_mutation_field_in_a_repeated_fragment_runs_once
    fields_of_a_query_without_sql_are_merged
    a_subscription_field_in_a_repeated_fragment_is_one_field
}

async fn a_mutation_field_in_a_repeated_fragment_runs_once(server: &Server) {
    let upu = server.upu();
    let topic = server.topic("T-1").await;
    let count = async || {
        let document = "{ topic(by: { code: \"T-1\" }) { notes { totalCount } } }";
        let data = server.anonymous().data(document, json!({})).await;
        data["topic"]["notes"]["totalCount"].as_u64().unwrap()
    };
    let fragment = "fragment F on Mutation { noteAdd(input: $input) { note { body } userErrors { message } } }";
    let nested = "fragment G on Mutation { ...F ... on Mutation { ...F } }";
    let documents = [
        "...F ...F".to_owned(),
        "...F ".repeat(10),
        "...F ... { ...F }".to_owned(),
        "...F noteAdd(input: $input) { note { id } }".to_owned(),
        "...G ...F".to_owned(),
    ];
    for (place, root) in documents.iter().enumerate() {
        let before = count().await;
        let nested = if root.contains("...G") { nested } else { "" };
        let document = format!("mutation($input: NoteAddInput!) {{ {root} }} {fragment} {nested}");
        let body = format!("Note {place}.");
        let variables = json!({ "input": { "subjectId": topic, "body": body } });
        let data = upu.data(&document, variables).await;
        assert_eq!(data["noteAdd"]["note"]["body"], body.as_str(), "{root}");
        assert_eq!(data["noteAdd"]["userErrors"], json!([]), "{root}");
        assert_eq!(count().await, before + 1, "{root}");
    }
}

async fn fields_of_a_query_without_sql_are_merged(server: &Server) {
    let document = "{ ...F ...F ... { viewer { party } } } fragment F on Query { viewer { roles } __typename }";
    let data = server.upu().data(document, json!({})).await;
    assert_eq!(
        data,
        json!({ "viewer": { "roles": ["UPU_EDITOR"], "party": "UPU" }, "__typename": "Query" })
    );
}

async fn a_subscription_field_in_a_repeated_fragment_is_one_field(server: &Server) {
    let mut socket = Socket::anonymous(&server.address).await;
    let document = "subscription { ...F ...F } fragment F on Subscription { activity { verb } }";
    socket.subscribe("a", document, json!({})).await;
    // A pong says that the subscription has its place in the history.
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.receive_json().await["type"], "pong");
    let input = json!({ "subjectId": server.topic("T-1").await, "body": "A note." });
    server.upu().change("noteAdd", input, "id").await;
    let message: Value = socket.receive_json().await;
    assert_eq!(
        message["payload"],
        json!({ "data": { "activity": { "verb": "NOTED" } } })
    );
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.receive_json().await["type"], "pong");
}

//! Lists without pages have 100 records at most, and the response says which have more.

use serde_json::{Value, json};

use crate::support::harness::Server;
use crate::support::websocket_client::Socket;

on_both_databases! {
    a_list_without_pages_has_a_hundred_records_and_a_longer_one_is_reported
}

const QUERY: &str = "query($sg17: ID!, $c5: ID!) {
    exchange(committee: $sg17, counterpart: $c5) { waiting: unansweredStatements { code } sharedTopics { code } }
    liaisonStatement(by: { code: \"LS-1\" }) { replies { code } } }";

/// What a mutation selects of a reply.
const REPLIES: &str = "liaisonStatement { code inReplyTo { replies { code } } }";

/// Sends liaison statements, all but the first of them replies to it.
async fn send(server: &Server, committees: &Value, numbers: std::ops::RangeInclusive<usize>) {
    let (sg17, c5) = (&committees["sg17"], &committees["c5"]);
    let input = format!(
        "{{ title: \"On payouts\", fromIds: [{sg17}], addressees: [{{ committeeId: {c5}, purpose: ACTION }}] }}"
    );
    let sends = numbers.map(|number| {
        format!("m{number}: liaisonStatementSend(input: {input}) {{ userErrors {{ message }} }}")
    });
    let sends: Vec<_> = sends.collect();
    for some in sends.chunks(10) {
        let document = format!("mutation {{ {} }}", some.join(" "));
        server.itu().data(&document, json!({})).await;
    }
    let reply = "update liaison_statement set in_reply_to_id = (select id from liaison_statement where number = 1) where number > 1";
    server.sql(reply).await;
}

fn codes(list: &Value) -> Vec<&str> {
    let records = list.as_array().unwrap().iter();
    records
        .map(|record| record["code"].as_str().unwrap())
        .collect()
}

async fn a_list_without_pages_has_a_hundred_records_and_a_longer_one_is_reported(server: &Server) {
    let committees = json!({
        "sg17": server.committee("ITU-T", "SG17").await,
        "c5": server.committee("POC", "C5").await,
    });
    let client = server.anonymous();
    send(server, &committees, 1..=100).await;
    let response = client.run(QUERY, committees.clone()).await;
    let list = &response["data"]["exchange"]["waiting"];
    assert_eq!(codes(list).len(), 100);
    assert_eq!(response.get("extensions"), None, "{response}");

    send(server, &committees, 101..=102).await;
    // The second response is a cached one.
    for _ in 0..2 {
        let response = client.run(QUERY, committees.clone()).await;
        let expected: Vec<_> = (1..=101).map(|number| format!("LS-{number}")).collect();
        let data = &response["data"];
        assert_eq!(codes(&data["exchange"]["waiting"]), expected[..100]);
        assert_eq!(codes(&data["liaisonStatement"]["replies"]), expected[1..]);
        let truncated = json!([["exchange", "waiting"], ["liaisonStatement", "replies"]]);
        assert_eq!(response["extensions"], json!({ "truncated": truncated }));
    }

    // Within a list, beside introspection, in the payload of a mutation and in an event.
    let nested = "{ __schema { queryType { name } } liaisonStatements(first: 2, filter: {}) { nodes { replies { code } inReplyTo { replies { code } } } } }";
    let response = client.run(nested, json!({})).await;
    let paths = response["extensions"]["truncated"].as_array().unwrap();
    let nodes = ["liaisonStatements", "nodes"];
    assert!(!paths.is_empty(), "{response}");
    for path in paths {
        assert_eq!(json!(path.as_array().unwrap()[..2]), json!(nodes));
        let value = response["data"].pointer(&pointer(path)).unwrap();
        assert_eq!(codes(value).len(), 100);
    }
    let mut socket = Socket::anonymous(&server.address).await;
    let events = "subscription { activity { subject { ... on LiaisonStatement { inReplyTo { replies { code } } } } } }";
    socket.subscribe("a", events, json!({})).await;
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.receive_json().await["type"], "pong");
    let first = client
        .data(
            "{ liaisonStatement(by: { code: \"LS-1\" }) { id } }",
            json!({}),
        )
        .await;
    let input = json!({
        "title": "On payouts",
        "fromIds": [committees["c5"]],
        "addressees": [{ "committeeId": committees["sg17"], "purpose": "INFORMATION" }],
        "inReplyToId": first["liaisonStatement"]["id"],
    });
    let document = format!(
        "mutation($input: LiaisonStatementSendInput!) {{ liaisonStatementSend(input: $input) {{ {REPLIES} userErrors {{ message }} }} }}"
    );
    let response = server.upu().run(&document, json!({ "input": input })).await;
    let path = [
        "liaisonStatementSend",
        "liaisonStatement",
        "inReplyTo",
        "replies",
    ];
    assert_eq!(
        response["extensions"]["truncated"],
        json!([path]),
        "{response}"
    );
    let error_message = socket.receive_json().await;
    let path = ["activity", "subject", "inReplyTo", "replies"];
    assert_eq!(
        error_message["payload"]["extensions"]["truncated"],
        json!([path])
    );
}

/// Returns a path of a response as a JSON pointer.
fn pointer(path: &Value) -> String {
    let segments = path.as_array().unwrap().iter();
    let segments = segments.map(|segment| {
        let name = segment.as_str().map(str::to_owned);
        format!("/{}", name.unwrap_or_else(|| segment.to_string()))
    });
    segments.collect()
}

//! The size limit of a response over all fields, while rows are read and while they are serialized.

use liaison::http::limits::Limits;
use serde_json::{Value, json};

use crate::security::hostile_requests::each;
use crate::support::binary::Workspace;
use crate::support::harness::Server;
use crate::support::raw_http;
use crate::support::websocket_client::Socket;

on_both_databases! {
    a_response_at_the_limit_succeeds_and_one_byte_more_fails
    the_fields_of_a_request_share_the_limit
    a_nullable_field_over_the_response_limit_is_null
    reading_stops_when_the_response_limit_is_exceeded
    a_mutation_is_stored_although_its_response_exceeds_the_limit
    events_over_the_response_limit_are_sent_one_by_one
}

const TOPICS: &str = "topics { nodes { code title summary } }";

/// Starts another instance with this response size limit.
async fn within(server: &Server, response_bytes: usize) -> Server {
    let limits = Limits {
        response_bytes,
        ..Limits::default()
    };
    server.beside(|app| app.limits = limits).await
}

/// Returns the size of the value of `{ topics … }` in bytes.
async fn length(server: &Server) -> usize {
    let document = format!("{{ {TOPICS} }}");
    let answer = server.anonymous().post(&document, json!({})).await;
    answer.text.len() - "{\"data\":{\"topics\":}}".len()
}

/// Checks that a response is short and has one error: it exceeds the size limit.
fn refused(answer: &Value, limit: usize) {
    assert!(answer.to_string().len() < 600, "{answer}");
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{answer}");
    assert_eq!(
        errors[0]["extensions"],
        json!({ "code": "QUERY_TOO_COMPLEX", "limit": "answer" })
    );
    let message = errors[0]["message"].as_str().unwrap();
    assert!(message.contains(&limit.to_string()), "{message}");
    assert!(message.contains("fewer records or fields"), "{message}");
}

async fn a_response_at_the_limit_succeeds_and_one_byte_more_fails(server: &Server) {
    let length = length(server).await;
    let document = format!("{{ {TOPICS} }}");
    let exact = within(server, length).await;
    exact.anonymous().data(&document, json!({})).await;
    let strict = within(server, length - 1).await;
    let answer = strict.anonymous().run(&document, json!({})).await;
    refused(&answer, length - 1);
    assert_eq!(answer["data"], Value::Null);
    assert_eq!(answer["errors"][0]["path"], json!(["topics"]));
    // The next response is not affected.
    strict
        .anonymous()
        .data("{ topics(first: 1) { nodes { summary } } }", json!({}))
        .await;
}

async fn the_fields_of_a_request_share_the_limit(server: &Server) {
    let length = length(server).await;
    let document = format!("{{ a: {TOPICS} b: {TOPICS} }}");
    let exact = within(server, 2 * length).await;
    exact.anonymous().data(&document, json!({})).await;
    let strict = within(server, 2 * length - 1).await;
    refused(
        &strict.anonymous().run(&document, json!({})).await,
        2 * length - 1,
    );
}

async fn a_nullable_field_over_the_response_limit_is_null(server: &Server) {
    let strict = within(server, 600).await;
    // The same text under many aliases.
    let many = each(45, |index| format!("a{index}: summary"));
    let document = format!(
        "{{ viewer {{ party }} topic(by: {{ code: \"T-1\" }}) {{ {many} }} again: topic(by: {{ code: \"T-1\" }}) {{ {many} }} }}"
    );
    // Both fields are nullable, so the failure of one does not affect the other.
    let answer = strict.anonymous().run(&document, json!({})).await;
    assert!(answer.to_string().len() < 1200, "{answer}");
    assert_eq!(answer["errors"].as_array().unwrap().len(), 2, "{answer}");
    let document = format!("{{ viewer {{ party }} topic(by: {{ code: \"T-1\" }}) {{ {many} }} }}");
    let answer = strict.anonymous().run(&document, json!({})).await;
    refused(&answer, 600);
    assert_eq!(
        answer["data"],
        json!({ "viewer": { "party": null }, "topic": null })
    );
}

async fn reading_stops_when_the_response_limit_is_exceeded(server: &Server) {
    let strict = within(server, 100).await;
    strict.statements.take();
    let document = "{ topics { nodes { summary actionItems { nodes { description } } } } }";
    let answer = strict.anonymous().run(document, json!({})).await;
    refused(&answer, 100);
    assert_eq!(strict.statements.take().len(), 1);
    // The connection whose rows were not read completely can be reused.
    for _ in 0..10 {
        strict
            .anonymous()
            .data("{ topics { totalCount } }", json!({}))
            .await;
    }
}

async fn a_mutation_is_stored_although_its_response_exceeds_the_limit(server: &Server) {
    let strict = within(server, 100).await;
    let document = "mutation($input: TopicProposeInput!) { topicPropose(input: $input) { topic { code summary } userErrors { code } } }";
    let input = json!({ "title": "Long", "summary": "long ".repeat(100) });
    let answer = strict.tsb().run(document, json!({ "input": input })).await;
    refused(&answer, 100);
    assert_eq!(
        answer["data"],
        json!({ "topicPropose": { "topic": null, "userErrors": [] } })
    );
    assert_eq!(
        answer["errors"][0]["path"],
        json!(["topicPropose", "topic"])
    );
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("The change itself is made"), "{message}");
    let data = server
        .anonymous()
        .data("{ topic(by: { code: \"T-9\" }) { title } }", json!({}))
        .await;
    assert_eq!(data["topic"]["title"], "Long");
}

async fn events_over_the_response_limit_are_sent_one_by_one(server: &Server) {
    let start = server.newest().await;
    let subject = server.topic("T-1").await;
    for number in 0..20 {
        let body = format!("{number} {}", "long ".repeat(200));
        let input = json!({ "subjectId": subject, "body": body });
        server.upu().change("noteAdd", input, "id").await;
    }
    let strict = within(server, 2_500).await;
    let mut socket = Socket::anonymous(&strict.address).await;
    let follow = "subscription($after: String) { activity(after: $after) { id cursor subject { ... on Note { body } } } }";
    socket
        .subscribe("a", follow, json!({ "after": start }))
        .await;
    for number in 0..20 {
        let event = socket.activity("a").await;
        let body = event["subject"]["body"].as_str().unwrap();
        assert!(body.starts_with(&format!("{number} ")), "{body}");
    }
    // A single response that is too large ends the stream with an error.
    let twice = "subscription($after: String) { activity(after: $after) { id a: subject { ... on Note { body x: body y: body } } } }";
    socket
        .subscribe("b", twice, json!({ "after": start }))
        .await;
    let message = socket.receive_json().await;
    assert_eq!(message["type"], "error", "{message}");
    assert_eq!(message["payload"][0]["extensions"]["limit"], "answer");
}

/// 100 notes of 20,000 characters, each a hundred times; and fifty times read again.
#[test]
fn memory_for_long_responses_is_bounded() {
    const MAX_MEGABYTES: u64 = 300; // MB
    let workspace = Workspace::new();
    let mut dev = workspace.start(&[
        "dev",
        "--database-url",
        "sqlite:memory.db",
        "--listen",
        "127.0.0.1:0",
    ]);
    let startup_lines = dev.startup_lines();
    let token = startup_lines
        .iter()
        .find_map(|startup_lines| startup_lines.strip_prefix("TSB_EDITOR "));
    let address = dev.dev_address();
    let find = json!({ "query": "{ topic(by: { code: \"T-1\" }) { id } }" });
    let topic =
        raw_http::post(&address, None, &find.to_string()).json()["data"]["topic"]["id"].take();
    let add =
        "mutation($input: NoteAddInput!) { noteAdd(input: $input) { userErrors { message } } }";
    for _ in 0..100 {
        let input = json!({ "subjectId": topic, "body": "x".repeat(20_000) });
        let body = json!({ "query": add, "variables": { "input": input } });
        let reply = raw_http::post(&address, token, &body.to_string());
        assert_eq!(reply.json()["data"]["noteAdd"]["userErrors"], json!([]));
    }
    let written = each(100, |index| format!("a{index}: body"));
    let written = format!("notes(first: 100) {{ nodes {{ {written} }} }}");
    let read = each(99, |index| {
        format!("a{index}: notes(first: 100) {{ nodes {{ body }} }}")
    });
    let responses = [written, read].map(|selection| {
        let document = format!("{{ topic(by: {{ code: \"T-1\" }}) {{ {selection} }} }}");
        let body = json!({ "query": document }).to_string();
        raw_http::post(&address, None, &body)
    });
    let most = dev.megabytes();
    println!("at most {most} MB of memory");
    assert!(most < MAX_MEGABYTES, "{most} MB");
    for answer in responses {
        let answer = answer.json();
        assert_eq!(answer["errors"][0]["extensions"]["limit"], "answer");
        assert_eq!(answer["data"], json!({ "topic": null }));
    }
    dev.stop();
}

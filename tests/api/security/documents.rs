//! Fuzzing: arbitrary input never causes a panic or an internal error.

use std::time::{Duration, Instant};

use entity::id::{Id, TopicId, push_base32, split};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use proptest::{prop_assert_eq, proptest};
use reqwest::Method;
use sea_orm::prelude::Uuid;
use serde_json::{Value, json};

use crate::support::harness::{Client, Server, TestResponse};

on_both_databases! {
    any_bytes_get_a_response
    any_graphql_tokens_get_a_response
    any_variables_get_a_response
    any_cursor_and_any_id_get_a_response
}

const CASES: usize = 200;
/// Timeout of a response on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the values of a strategy, the same in each run.
fn made<T>(strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    let made = (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    made.collect()
}

async fn send(client: &Client<'_>, headers: &[(&str, &str)], body: Vec<u8>) -> TestResponse {
    let started = Instant::now();
    let response = client.send(Method::POST, "/graphql", headers, body).await;
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
    response
}

/// Checks that it is a response without internal errors.
fn sound(response: &TestResponse, request: &str) {
    let json = response.json();
    let errors = json["errors"].as_array().cloned().unwrap_or_default();
    assert!(
        json.get("data").is_some() || !errors.is_empty(),
        "{request}: {json}"
    );
    for error in &errors {
        let code = error["extensions"]["code"].as_str();
        let ours = ["INTERNAL", "SERVICE_UNAVAILABLE", "TIMEOUT"];
        assert!(
            code.is_some_and(|code| !ours.contains(&code)),
            "{request}: {error}"
        );
    }
}

async fn any_bytes_get_a_response(server: &Server) {
    let client = server.anonymous();
    let headers = [("content-type", "application/json")];
    for bytes in made(&vec(any::<u8>(), 0..200)) {
        let shown = format!("{bytes:?}");
        sound(&send(&client, &headers, bytes).await, &shown);
    }
    for text in made(&".{0,80}") {
        let body =
            json!({ "query": text, "operationName": text, "variables": { text.clone(): text } });
        sound(
            &send(&client, &headers, body.to_string().into_bytes()).await,
            &text,
        );
        let mut address = url::form_urlencoded::Serializer::new(String::new());
        let address = address
            .append_pair("query", &text)
            .append_pair("variables", &text);
        let path = format!("/graphql?{}", address.finish());
        sound(&client.send(Method::GET, &path, &[], "").await, &text);
    }
    for (kind, accept) in made(&("[ -~]{0,40}", "[ -~]{0,40}")) {
        let headers = [("content-type", kind.as_str()), ("accept", accept.as_str())];
        let body = b"{\"query\":\"{ viewer { party } }\"}".to_vec();
        sound(
            &send(&client, &headers, body).await,
            &format!("{kind} {accept}"),
        );
    }
}

const WORDS: [&str; 60] = [
    "{",
    "}",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "$",
    "@",
    "...",
    "=",
    "|",
    "&",
    ",",
    "#",
    "\n",
    "\"",
    "\"\"\"",
    "\\u{1F600}",
    "\"x\"",
    "\"topic_01h455vb4pex5vsknk084sn02q\"",
    "1",
    "-7",
    "1.5e9",
    "null",
    "true",
    "ACTIVE",
    "query",
    "mutation",
    "subscription",
    "fragment",
    "F",
    "on",
    "Topic",
    "Query",
    "Node",
    "TopicFilter",
    "Int",
    "Boolean!",
    "if",
    "@skip(if: true)",
    "@include(if: $a)",
    "topics",
    "nodes",
    "edges",
    "node",
    "id",
    "first: 3",
    "filter: {",
    "status",
    "code",
    "actionItems",
    "__typename",
    "__schema",
    "types",
    "...F",
    "... on Topic {",
];

/// Queries that start valid and continue arbitrarily.
fn words() -> impl Strategy<Value = String> {
    let starts = select(vec![
        "",
        "{",
        "query($a: Boolean = true) {",
        "{ topics { nodes {",
        "{ node(id: \"x\") { ...F } } fragment F on Topic {",
        "mutation { topicPropose(input: {",
        "{ topics(",
        "{ topics(filter: {",
        "query Q(",
    ]);
    let ends = select(vec!["", "}", "} }", "} } }", "}) { topic { id } } }"]);
    (starts, vec(select(&WORDS[..]), 0..25), ends)
        .prop_map(|(start, words, end)| format!("{start} {} {end}", words.join(" ")))
}

async fn any_graphql_tokens_get_a_response(server: &Server) {
    for document in made(&words()) {
        let response = server.tsb().post(&document, json!({ "a": true })).await;
        sound(&response, &document);
    }
}

/// Arbitrary JSON, partly similar to valid input.
fn values() -> impl Strategy<Value = Value> {
    let keys = select(vec![
        "id", "code", "status", "text", "title", "summary", "reviewOn", "version", "x", "",
    ]);
    let leaf = select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("ACTIVE"),
        json!("2026-02-30"),
        json!("\u{0}"),
        json!("topic_01h455vb4pex5vsknk084sn02q"),
        json!("%_"),
        json!("x".repeat(9_000)),
    ]);
    leaf.prop_recursive(4, 20, 5, move |inner| {
        let list = vec(inner.clone(), 0..4).prop_map(Value::Array);
        let object = vec((keys.clone(), inner), 0..5);
        let object = object.prop_map(|object| {
            object
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()
        });
        proptest::prop_oneof![list, object]
    })
}

async fn any_variables_get_a_response(server: &Server) {
    let documents = [
        "query($v: TopicFilter) { topics(filter: $v) { totalCount } }",
        "query($v: TopicBy!) { topic(by: $v) { code } }",
        "query($v: [ID!]!) { nodes(ids: $v) { id } }",
        "query($v: Int) { topics(first: $v) { totalCount } }",
        "mutation($v: TopicProposeInput!) { topicPropose(input: $v) { topic { id } userErrors { code } } }",
        "mutation($v: TopicUpdateInput!) { topicUpdate(input: $v) { topic { id } userErrors { code } } }",
    ];
    for value in made(&values()) {
        for document in documents {
            let variables = json!({ "v": value });
            let response = server.tsb().post(document, variables).await;
            sound(&response, &format!("{document} {value}"));
        }
    }
}

async fn any_cursor_and_any_id_get_a_response(server: &Server) {
    let document = "query($text: String!, $id: ID!) { topics(after: $text) { totalCount } actionItems(last: 3, before: $text, orderBy: { field: DUE_ON }) { totalCount } node(id: $id) { id } }";
    let data = server
        .anonymous()
        .data(
            "{ topics { pageInfo { endCursor } nodes { id } } }",
            json!({}),
        )
        .await;
    let cursor = data["topics"]["pageInfo"]["endCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let id = data["topics"]["nodes"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // A valid one with a changed character, or anything.
    let spoilt = |text: String| {
        (0..text.len(), "[0-9A-Za-z_-]").prop_map(move |(place, letter)| {
            let mut text = text.clone();
            text.replace_range(place..=place, &letter);
            text
        })
    };
    let texts = proptest::prop_oneof![spoilt(cursor), spoilt(id), "[0-9A-Za-z_-]{0,80}", ".{0,40}"];
    for text in made(&texts) {
        let variables = json!({ "text": text, "id": text });
        let response = server.anonymous().post(document, variables).await;
        sound(&response, &text);
    }
}

proptest! {
    #[test]
    fn every_key_round_trips_through_its_id(key in any::<u128>()) {
        let id = TopicId(Uuid::from_u128(key));
        prop_assert_eq!(TopicId::parse(&id.to_global_id()), Ok(id));
    }

    #[test]
    fn every_valid_id_round_trips(text in "(topic|item|org|no)_?[0-9a-zA-Z]{0,28}") {
        if let Some((prefix, key)) = split(&text) {
            let mut written = format!("{prefix}_");
            push_base32(&mut written, key);
            prop_assert_eq!(written, text);
        }
    }
}

//! Limits of requests: each has a code and a name, and its message states the requested amount.

use std::fmt::Write;

use liaison::http::limits::Limits;
use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::harness::{Client, Server, TestResponse};

on_both_databases! {
    an_error_names_the_exceeded_limit_and_the_amount
    a_document_at_the_limit_succeeds
    every_limit_is_configurable
    the_complexity_multiplies_list_sizes
    the_complexity_is_reported_on_request
    batched_requests_are_refused
    introspection_can_be_switched_off
    a_request_that_exceeds_its_timeout_is_cancelled
    a_rejected_request_executes_nothing
}

async fn send(client: &Client<'_>, headers: &[(&str, &str)], body: &Value) -> TestResponse {
    let json = ("content-type", "application/json");
    let headers = [&[json], headers].concat();
    client
        .send(Method::POST, "/graphql", &headers, body.to_string())
        .await
}

/// Returns code, limit and message of a rejection.
async fn refusal(client: &Client<'_>, document: &str) -> (String, String, String) {
    let response = client.run(document, json!({})).await;
    let error = &response["errors"][0];
    assert_eq!(response.get("data"), None, "{response}");
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{response}"))
            .to_owned()
    };
    (
        text(&error["extensions"]["code"]),
        text(&error["extensions"]["limit"]),
        text(&error["message"]),
    )
}

/// `{ viewer { a0: party a1: party … } }`.
pub fn aliases(count: usize) -> String {
    let fields = (0..count).fold(String::new(), |mut text, number| {
        write!(text, " a{number}: party").unwrap();
        text
    });
    format!("{{ viewer {{{fields} }} }}")
}

/// Nested committees with this many levels of fields.
pub fn deep(levels: usize) -> String {
    let parents = levels - 2;
    format!(
        "{{ committee(by: {{ key: {{ organization: \"POC\", code: \"C4\" }} }}) {} id {} }}",
        "{ parent ".repeat(parents) + "{",
        "}".repeat(parents + 1)
    )
}

/// Fragments that each spread the next one this often.
fn fan(fragments: usize, times: usize) -> String {
    let mut text = "{ viewer { ...F0 } }".to_owned();
    for number in 0..fragments {
        let spreads = format!(" ...F{}", number + 1).repeat(times);
        write!(text, " fragment F{number} on Viewer {{{spreads} }}").unwrap();
    }
    write!(text, " fragment F{fragments} on Viewer {{ party }}").unwrap();
    text
}

pub fn roots(count: usize) -> String {
    format!("{{ {} }}", "viewer { party } ".repeat(count))
}

pub fn directives(count: usize) -> String {
    let field = "... @include(if: true) { party } ";
    format!("{{ viewer {{ {} }} }}", field.repeat(count))
}

pub fn mutations(count: usize) -> String {
    let mut text = "mutation {".to_owned();
    for number in 0..count {
        write!(text, " m{number}: topicPropose(input: {{ title: \"T\", summary: \"S\" }}) {{ topic {{ id }} }}").unwrap();
    }
    text + " }"
}

async fn an_error_names_the_exceeded_limit_and_the_amount(server: &Server) {
    let lists = "{ topics(first: 100) { nodes { actionItems(first: 100) { nodes { code title status priority dueOn ownedBy overdue version createdAt } } } } }";
    for (document, code, limit, reported) in [
        (
            "{ viewer { party } }".to_owned() + &" ,".repeat(10_000),
            "QUERY_TOO_COMPLEX",
            "tokens",
            &["10000"][..],
        ),
        (deep(21), "QUERY_TOO_DEEP", "depth", &["21", "20"]),
        (deep(500), "QUERY_TOO_DEEP", "depth", &["52"]),
        (
            fan(3, 20),
            "QUERY_TOO_COMPLEX",
            "selections",
            &["16422", "2000"],
        ),
        (fan(30, 4), "QUERY_TOO_COMPLEX", "selections", &["2000"]),
        (fan(60, 1), "QUERY_TOO_DEEP", "depth", &["52"]),
        (
            aliases(101),
            "QUERY_TOO_COMPLEX",
            "aliases",
            &["101", "100"],
        ),
        (
            directives(101),
            "QUERY_TOO_COMPLEX",
            "directives",
            &["101", "100"],
        ),
        (roots(21), "QUERY_TOO_COMPLEX", "roots", &["21", "20"]),
        (
            mutations(11),
            "QUERY_TOO_COMPLEX",
            "mutations",
            &["11", "10"],
        ),
        (
            lists.to_owned(),
            "QUERY_TOO_COMPLEX",
            "cost",
            &["100302", "100000"],
        ),
    ] {
        let (found, name, message) = refusal(&server.anonymous(), &document).await;
        assert_eq!((found.as_str(), name.as_str()), (code, limit), "{message}");
        for number in reported {
            assert!(message.contains(number), "{limit}: {message}");
        }
    }
}

async fn a_document_at_the_limit_succeeds(server: &Server) {
    for document in [
        aliases(100),
        directives(100),
        roots(20),
        deep(20),
        fan(2, 20),
    ] {
        server.anonymous().data(&document, json!({})).await;
    }
    server.tsb().data(&mutations(10), json!({})).await;
}

async fn every_limit_is_configurable(server: &Server) {
    let limits = Limits {
        body_bytes: 2_000,
        tokens: 100,
        depth: 3,
        selections: 10,
        aliases: 2,
        directives: 2,
        root_fields: 2,
        mutations: 1,
        cost: 50,
        ..Limits::default()
    };
    let strict = server.beside(|app| app.limits = limits).await;
    let client = strict.anonymous();
    client
        .data(
            "{ viewer { party } topics(first: 2) { nodes { code } } }",
            json!({}),
        )
        .await;
    for (document, limit) in [
        (" ,".repeat(60), "tokens"),
        (deep(4), "depth"),
        (
            "{ viewer { party party party party party party party party party party party } }"
                .to_owned(),
            "selections",
        ),
        (aliases(3), "aliases"),
        (directives(3), "directives"),
        (roots(3), "roots"),
        (mutations(2), "mutations"),
        ("{ topics(first: 50) { nodes { id } } }".to_owned(), "cost"),
    ] {
        assert_eq!(refusal(&client, &document).await.1, limit, "{document}");
    }
    let long =
        json!({ "query": "{ viewer { party } }", "variables": { "unused": " ".repeat(2_000) } });
    let response = send(&client, &[], &long).await;
    assert_eq!(response.status, 413);
    let error = &response.json()["errors"][0];
    assert_eq!(
        error["extensions"],
        json!({ "code": "REQUEST_TOO_LARGE", "limit": "body" })
    );
    let length = long.to_string().len().to_string();
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("2000") && message.contains(&length),
        "{message}"
    );
}

/// The prices of a text filter and of `totalCount`.
const TEXT: u64 = 10_000;
const COUNT: u64 = 1_000;

async fn cost(client: &Client<'_>, document: &str, variables: Value) -> u64 {
    let body = json!({ "query": document, "variables": variables });
    let response = send(client, &[("graphql-cost", "1")], &body).await.json();
    assert_eq!(
        response["extensions"]["cost"]["limit"], 100_000,
        "{response}"
    );
    response["extensions"]["cost"]["requested"]
        .as_u64()
        .unwrap()
}

async fn the_complexity_multiplies_list_sizes(server: &Server) {
    let client = server.anonymous();
    let sized =
        "query($first: Int, $last: Int) { topics(first: $first, last: $last) { nodes { code } } }";
    let preset = "query($first: Int = 7) { topics(first: $first) { nodes { code } } }";
    let filtered =
        "query($filter: TopicFilter) { topics(first: 5, filter: $filter) { nodes { code } } }";
    let by_text =
        "query($text: String) { topics(first: 5, filter: { text: $text }) { nodes { code } } }";
    let nested = "{ topics(first: 10) { nodes { code actionItems(first: 5) { edges { node { code } } } } } }";
    for (document, variables, expected) in [
        ("{ __typename }", json!({}), 1),
        ("{ viewer { party roles } }", json!({}), 3),
        // The field, its list, and per record the record itself and its selection.
        (
            "{ topics(first: 10) { nodes { code } } }",
            json!({}),
            2 + 10 * 2,
        ),
        ("{ topics { nodes { code } } }", json!({}), 2 + 20 * 2),
        (sized, json!({ "first": 30 }), 2 + 30 * 2),
        (sized, json!({ "last": 30 }), 2 + 30 * 2),
        (sized, json!({}), 2 + 20 * 2),
        (sized, json!({ "first": null }), 2 + 20 * 2),
        (preset, json!({}), 2 + 7 * 2),
        (preset, json!({ "first": 3 }), 2 + 3 * 2),
        // 101 is rejected when the argument is parsed, so it costs no more than 100.
        (sized, json!({ "first": 101 }), 2 + 100 * 2),
        (sized, json!({ "first": -1 }), 2),
        (nested, json!({}), 2 + 10 * (2 + 2 + 5 * 3)),
        (
            "{ topics(first: 10) { ...F } } fragment F on TopicConnection { nodes { code } totalCount }",
            json!({}),
            3 + 10 * 2 + COUNT,
        ),
        // A list without a size counts as ten, or as the hundred that it has at most if it may be long.
        ("{ mandates { code } }", json!({}), 1 + 10 * 2),
        (
            "{ publication(by: { number: \"UPU S52\" }) { related { number } } }",
            json!({}),
            2 + 100 * 2,
        ),
        (
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            json!({ "ids": ["x", "y", "z"] }),
            1 + 3 * 2,
        ),
        (
            "query($id: ID!) { nodes(ids: [$id, $id]) { id } }",
            json!({ "id": "x" }),
            1 + 2 * 2,
        ),
        (
            "{ topic(by: { code: \"T-1\" }) { committees { role } positions { side } } }",
            json!({}),
            3 + 10 * 2 + 2 * 2,
        ),
        (
            "{ topics(first: 5) { nodes { committees { role } } } }",
            json!({}),
            2 + 5 * (2 + 10 * 2),
        ),
        // What reads a whole table, once however often it is selected of records.
        (
            "{ topics(first: 5, filter: { text: \"post\", status: null }) { nodes { code } } }",
            json!({}),
            2 + 5 * 2 + TEXT,
        ),
        (
            filtered,
            json!({ "filter": { "text": "post" } }),
            2 + 5 * 2 + TEXT,
        ),
        (filtered, json!({ "filter": { "text": null } }), 2 + 5 * 2),
        (filtered, json!({}), 2 + 5 * 2),
        // Blank text is no condition, such as that of an empty search box.
        (filtered, json!({ "filter": { "text": " " } }), 2 + 5 * 2),
        (by_text, json!({ "text": "" }), 2 + 5 * 2),
        (
            "{ topics(first: 5, filter: { text: \"\" }) { nodes { code } } }",
            json!({}),
            2 + 5 * 2,
        ),
        (by_text, json!({ "text": "post" }), 2 + 5 * 2 + TEXT),
        (by_text, json!({}), 2 + 5 * 2),
        (
            "{ topics(first: 5) { nodes { actionItems(first: 2, filter: { text: \"post\" }) { totalCount } } } }",
            json!({}),
            2 + 5 * 3 + TEXT + COUNT,
        ),
    ] {
        assert_eq!(
            cost(&client, document, variables.clone()).await,
            expected,
            "{document} {variables}"
        );
    }
}

async fn the_complexity_is_reported_on_request(server: &Server) {
    let client = server.anonymous();
    let body = json!({ "query": "{ viewer { party } }" });
    let response = send(&client, &[("graphql-cost", "1")], &body).await;
    assert_eq!(
        response.text,
        "{\"data\":{\"viewer\":{\"party\":null}},\"extensions\":{\"cost\":{\"limit\":100000,\"requested\":2}}}"
    );
    let response = send(&client, &[], &body).await;
    assert_eq!(response.text, "{\"data\":{\"viewer\":{\"party\":null}}}");
    // A mutation costs more than reading the same.
    let change =
        "mutation { topicPropose(input: { title: \"T\", summary: \"S\" }) { topic { id } } }";
    assert_eq!(cost(&client, change, json!({})).await, 3 + 10);
}

async fn batched_requests_are_refused(server: &Server) {
    for body in [json!([]), json!([{ "query": "{ viewer { party } }" }])] {
        let response = send(&server.anonymous(), &[], &body).await;
        assert_eq!(response.status, 400);
        let error = &response.json()["errors"][0];
        assert_eq!(
            error["extensions"],
            json!({ "code": "BAD_USER_INPUT", "limit": "batch" })
        );
    }
}

async fn introspection_can_be_switched_off(server: &Server) {
    let limits = Limits {
        no_introspection: true,
        ..Limits::default()
    };
    let silent = server.beside(|app| app.limits = limits).await;
    let client = silent.anonymous();
    for document in [
        include_str!("../introspection.graphql"),
        "{ __type(name: \"Topic\") { name } }",
        "{ a: __schema { description } }",
        "{ ... { ...F } } fragment F on Query { __schema { description } }",
        "{ __schema @skip(if: true) { description } }",
    ] {
        let (code, limit, message) = refusal(&client, document).await;
        assert_eq!(
            (code.as_str(), limit.as_str()),
            ("GRAPHQL_VALIDATION_FAILED", "introspection")
        );
        assert!(message.contains("switched off"), "{message}");
    }
    let named = client
        .data("{ __typename viewer { __typename } }", json!({}))
        .await;
    assert_eq!(
        named,
        json!({ "__typename": "Query", "viewer": { "__typename": "Viewer" } })
    );
    let text = client.send(Method::GET, "/schema.graphql", &[], "").await;
    assert_eq!(text.status, 404);
    assert!(text.text.contains("switched off"), "{}", text.text);
}

async fn a_request_that_exceeds_its_timeout_is_cancelled(server: &Server) {
    let limits = Limits {
        request_timeout: std::time::Duration::from_secs(1),
        ..Limits::default()
    };
    let service = server.beside(|app| app.limits = limits).await;
    // A writer that does not finish blocks all others.
    let writing = server.db.orm_write.begin().await.unwrap();
    writing
        .execute_unprepared("update counter set value = value")
        .await
        .unwrap();
    let input = json!({ "title": "T", "summary": "S" });
    let document =
        "mutation($input: TopicProposeInput!) { topicPropose(input: $input) { topic { code } } }";
    let response = service
        .tsb()
        .post(document, json!({ "input": input }))
        .await;
    assert_eq!(response.status, 503, "{}", response.text);
    let json = response.json();
    assert_eq!(json.get("data"), None);
    assert_eq!(
        json["errors"][0]["extensions"],
        json!({ "code": "TIMEOUT", "limit": "time" })
    );
    // Readers are not blocked.
    service
        .anonymous()
        .data("{ topics { totalCount } }", json!({}))
        .await;
    writing.rollback().await.unwrap();
    let topic = service.tsb().change("topicPropose", input, "code").await;
    assert_eq!(topic["code"], "T-9", "what was stopped has changed nothing");
}

async fn a_rejected_request_executes_nothing(server: &Server) {
    server.statements.take();
    let two = "mutation($first: TopicProposeInput!, $second: TopicProposeInput!) { a: topicPropose(input: $first) { topic { id } } b: topicPropose(input: $second) { topic { id } } }";
    let right = json!({ "title": "T", "summary": "S" });
    for variables in [
        json!({ "first": right }),
        json!({ "first": right, "second": { "title": "T" } }),
        json!({ "first": right, "second": { "title": "T", "summary": "S", "reviewOn": "2026-02-30" } }),
        json!({ "first": right, "second": { "title": "T", "summary": "S", "nothing": 1 } }),
    ] {
        let response = server.tsb().run(two, variables.clone()).await;
        assert_eq!(response.get("data"), None, "{variables}");
        let error = &response["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
        // The position where the variable `$second` is used.
        assert_eq!(error["locations"][0]["column"], 140, "{error}");
        assert_eq!(error["extensions"]["inputPath"][0], "input", "{error}");
    }
    assert!(server.statements.take().is_empty());
}

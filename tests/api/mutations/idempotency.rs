//! Idempotency keys: a repeated request creates nothing twice.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::support::binary::Workspace;
use crate::support::harness::{Client, Server};
use crate::support::raw_http;

on_both_databases! {
    every_create_mutation_returns_the_same_record_for_a_repeated_key
    a_repeated_key_returns_the_current_record
    concurrent_requests_with_one_key_create_one_record
    idempotency_keys_are_scoped_by_party
    idempotency_keys_are_scoped_by_mutation
    an_idempotency_key_is_any_printable_text
    a_refused_request_stores_no_key
    absent_and_null_fields_are_equal
    an_idempotency_key_expires_after_a_week
    each_write_deletes_a_few_expired_keys
}

on_both_empty_databases! {
    an_interrupted_request_can_be_repeated
}

/// The create mutations, each with an input and the field to change for a different one.
async fn creations(server: &Server) -> [(&'static str, Value, &'static str); 8] {
    let topic = server.topic("T-2").await;
    let sg17 = server.committee("ITU-T", "SG17").await;
    let itu_t = server.organization("ITU-T").await;
    let text = server.publication("ITU-T X.1341 (09/2015)").await;
    [
        (
            "organizationCreate",
            json!({ "acronym": "ITU-D", "name": "N", "kind": "SECTOR", "side": "ITU" }),
            "name",
        ),
        (
            "committeeCreate",
            json!({ "organizationId": itu_t, "code": "SG99", "period": "2013-2016", "name": "N", "kind": "STUDY_GROUP" }),
            "name",
        ),
        (
            "topicPropose",
            json!({ "title": "T", "summary": "S", "leadCommitteeId": sg17 }),
            "summary",
        ),
        (
            "actionItemCreate",
            json!({ "topicId": topic, "committeeId": sg17, "title": "T" }),
            "title",
        ),
        (
            "publicationAdd",
            json!({ "number": "ITU-T Z.999", "title": "T", "kind": "RECOMMENDATION", "organizationId": itu_t }),
            "title",
        ),
        (
            "examinationRequest",
            json!({ "publicationId": text, "reason": "R" }),
            "reason",
        ),
        (
            "liaisonStatementSend",
            json!({ "title": "T", "fromIds": [sg17], "addressees": [{ "committeeId": sg17, "purpose": "ACTION" }], "topicIds": topic }),
            "title",
        ),
        (
            "noteAdd",
            json!({ "subjectId": topic, "body": "B" }),
            "body",
        ),
    ]
}

fn with(mut input: Value, field: &str, value: impl Into<Value>) -> Value {
    input[field] = value.into();
    input
}

fn proposal(key: &str) -> Value {
    json!({ "title": "T", "summary": "S", "idempotencyKey": key })
}

async fn logged(server: &Server) -> u64 {
    let log = entity::activity::Entity::find();
    log.count(&server.db.orm_read).await.unwrap()
}

async fn keys(server: &Server) -> u64 {
    let keys = entity::idempotency_key::Entity::find();
    keys.count(&server.db.orm_read).await.unwrap()
}

/// Returns code and field of the refusal.
async fn refusal(client: &Client<'_>, name: &str, input: Value) -> Value {
    let payload = client.attempt(name, input, "id").await;
    let errors = payload["userErrors"].as_array().unwrap().iter();
    errors
        .map(|error| json!([error["code"], error["field"]]))
        .collect::<Value>()
}

async fn every_create_mutation_returns_the_same_record_for_a_repeated_key(server: &Server) {
    let itu = server.itu();
    for (name, input, field) in creations(server).await {
        let input = with(input, "idempotencyKey", format!("key of {name}"));
        let first = itu.change(name, input.clone(), "id").await;
        let activities = logged(server).await;
        for _ in 0..2 {
            let again = itu.change(name, input.clone(), "id").await;
            assert_eq!(again, first, "{name}");
        }
        let other = with(input, field, "Other");
        assert_eq!(
            refusal(&itu, name, other).await,
            json!([["KEY_REUSED", ["idempotencyKey"]]]),
            "{name}"
        );
        assert_eq!(logged(server).await, activities, "{name}");
    }
}

async fn a_repeated_key_returns_the_current_record(server: &Server) {
    let tsb = server.tsb();
    let made = tsb.change("topicPropose", proposal("k"), "id").await;
    let update = json!({ "id": made["id"], "version": 1, "title": "Later" });
    tsb.change("topicUpdate", update, "id").await;
    let again = tsb
        .change("topicPropose", proposal("k"), "id title version")
        .await;
    assert_eq!(
        again,
        json!({ "id": made["id"], "title": "Later", "version": 2 })
    );
}

async fn concurrent_requests_with_one_key_create_one_record(server: &Server) {
    let before = logged(server).await;
    let clients: Vec<_> = (0..12).map(|_| server.tsb()).collect();
    let attempts = clients
        .iter()
        .map(|client| client.change("topicPropose", proposal("k"), "id code"));
    let made = join_all(attempts).await;
    assert!(made.iter().all(|id| *id == made[0]), "{made:?}");
    assert_eq!(made[0]["code"], "T-9");
    assert_eq!(logged(server).await, before + 1);
}

async fn idempotency_keys_are_scoped_by_party(server: &Server) {
    let note = |body: &str| json!({ "subjectId": null, "body": body, "idempotencyKey": "k" });
    let topic = server.topic("T-1").await;
    let mut made = Vec::new();
    for (client, body) in [
        (server.itu(), "A"),
        (server.upu(), "B"),
        (server.tsb(), "C"),
    ] {
        let input = with(note(body), "subjectId", topic.as_str());
        made.push(client.change("noteAdd", input, "body party").await);
    }
    assert_eq!(
        json!(made),
        json!([
            { "body": "A", "party": "ITU" },
            { "body": "B", "party": "UPU" },
            { "body": "C", "party": "TSB" },
        ])
    );
}

async fn idempotency_keys_are_scoped_by_mutation(server: &Server) {
    let tsb = server.tsb();
    tsb.change("topicPropose", proposal("k"), "id").await;
    let note =
        json!({ "subjectId": server.topic("T-1").await, "body": "B", "idempotencyKey": "k" });
    assert_eq!(tsb.verdict("noteAdd", note).await, "KEY_REUSED");
}

async fn an_idempotency_key_is_any_printable_text(server: &Server) {
    let tsb = server.tsb();
    let most = "é".repeat(255);
    for key in ["a", " a", "a ", "%_'", most.as_str()] {
        tsb.change("topicPropose", proposal(key), "id").await;
    }
    assert_eq!(keys(server).await, 5, "each is another key");
    let longer = "x".repeat(256);
    for key in ["", "  ", "a\0b", "a\nb", longer.as_str()] {
        let refused = refusal(&tsb, "topicPropose", proposal(key)).await;
        assert_eq!(refused, json!([["INVALID", ["idempotencyKey"]]]), "{key:?}");
    }
    let all_wrong = json!({ "title": " ", "summary": " ", "idempotencyKey": " " });
    let refused = refusal(&tsb, "topicPropose", all_wrong).await;
    assert_eq!(
        refused,
        json!([
            ["INVALID", ["idempotencyKey"]],
            ["INVALID", ["title"]],
            ["INVALID", ["summary"]]
        ])
    );
    assert_eq!(
        server
            .upu()
            .verdict(
                "organizationCreate",
                json!({ "acronym": "A", "name": "N", "kind": "SECTOR", "side": "ITU", "idempotencyKey": " " })
            )
            .await,
        "FORBIDDEN"
    );
    let data = server
        .anonymous()
        .data("{ topics { totalCount } }", json!({}))
        .await;
    assert_eq!(data["topics"]["totalCount"], 8 + 5);
}

async fn a_refused_request_stores_no_key(server: &Server) {
    let tsb = server.tsb();
    let blank = with(proposal("k"), "title", " ");
    assert_eq!(tsb.verdict("topicPropose", blank).await, "INVALID");
    assert_eq!(keys(server).await, 0);
    tsb.change("topicPropose", proposal("k"), "id").await;
    assert_eq!(keys(server).await, 1);
}

async fn absent_and_null_fields_are_equal(server: &Server) {
    let tsb = server.tsb();
    let made = tsb.change("topicPropose", proposal("k"), "id").await;
    let topic = json!({ "reviewOn": null, "language": null, "provisionIds": null,
        "summary": "S", "title": "T", "idempotencyKey": "k" });
    assert_eq!(tsb.change("topicPropose", topic, "id").await, made);
    // Also as literals in the document, and with a single value for a list.
    let provisions = server
        .anonymous()
        .data("{ mandates { provisions { id } } }", json!({}))
        .await;
    let provision = &provisions["mandates"][0]["provisions"][0]["id"];
    let one = with(proposal("l"), "provisionIds", provision.clone());
    let list = with(proposal("l"), "provisionIds", json!([provision]));
    let made = tsb.change("topicPropose", one, "id").await;
    assert_eq!(tsb.change("topicPropose", list, "id").await, made);
}

async fn an_idempotency_key_expires_after_a_week(server: &Server) {
    let tsb = server.tsb();
    let made = tsb.change("topicPropose", proposal("k"), "id").await;
    server.pass_days(6);
    assert_eq!(tsb.change("topicPropose", proposal("k"), "id").await, made);
    server.pass_days(1);
    let next = tsb.change("topicPropose", proposal("k"), "id").await;
    assert_ne!(next, made);
    assert_eq!(tsb.change("topicPropose", proposal("k"), "id").await, next);
    assert_eq!(keys(server).await, 1);
}

async fn each_write_deletes_a_few_expired_keys(server: &Server) {
    let tsb = server.tsb();
    for number in 0..50 {
        let key = format!("k{number}");
        tsb.change("topicPropose", proposal(&key), "id").await;
    }
    server.pass_days(8);
    let mut kept = Vec::new();
    for number in 50..54 {
        let key = format!("k{number}");
        tsb.change("topicPropose", proposal(&key), "id").await;
        kept.push(keys(server).await);
    }
    assert_eq!(kept, [31, 12, 3, 4]);
}

/// The service is killed at any instant of a request: repeating the request creates the record once.
async fn an_interrupted_request_can_be_repeated(url: &str) {
    const RUNS: u64 = 4;
    let workspace = Workspace::new();
    let arguments = ["dev", "--database-url", url, "--listen", "127.0.0.1:0"];
    let document =
        "mutation($input: TopicProposeInput!) { topicPropose(input: $input) { topic { code } } }";
    for run in 0..RUNS {
        let body =
            json!({ "query": document, "variables": { "input": proposal(&format!("k{run}")) } });
        let body = body.to_string();
        let mut service = workspace.start(&arguments);
        let startup_lines = service.startup_lines();
        let address = startup_lines[0].strip_suffix("/graphiql").unwrap();
        let token = startup_lines[3].split_once(' ').unwrap().1;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut cut_off = raw_http::connect(address);
        cut_off
            .write_all(format!("{head}{body}").as_bytes())
            .unwrap();
        sleep(Duration::from_millis(run * 4));
        // Dropping it kills it without a graceful shutdown.
        drop(service);

        let mut service = workspace.start(&arguments);
        let startup_lines = service.startup_lines();
        let address = startup_lines[0].strip_suffix("/graphiql").unwrap();
        let token = startup_lines[3].split_once(' ').unwrap().1;
        for _ in 0..2 {
            let response = raw_http::post(address, Some(token), &body).json();
            let code = &response["data"]["topicPropose"]["topic"]["code"];
            assert_eq!(*code, format!("T-{}", 9 + run), "{response}");
        }
        service.stop();
    }
}

//! Validation errors: all are reported at once, in the order of the input.

use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    all_errors_are_reported_at_once
    error_codes_have_an_order_of_precedence
    values_of_the_wrong_type_are_refused
}

async fn all_errors_are_reported_at_once(server: &Server) {
    let input = json!({ "organizationId": server.organization("ITU-T").await, "code": " ", "period": "x".repeat(33), "name": "a\u{0}b",
        "kind": "STUDY_GROUP", "parentId": server.topic("T-1").await, "startsOn": "2026-01-02", "endsOn": "2026-01-01",
        "predecessorIds": [server.committee("POC", "C5").await, "committee_01h455vb4pex5vsknk084sn02q"] });
    let payload = server.itu().attempt("committeeCreate", input, "id").await;
    assert_eq!(payload["committee"], Value::Null);
    let errors = payload["userErrors"].as_array().unwrap();
    let reported: Vec<String> = errors
        .iter()
        .map(|error| {
            let path: Vec<&str> = error["field"]
                .as_array()
                .unwrap()
                .iter()
                .map(|error| error.as_str().unwrap())
                .collect();
            format!("{} {}", path.join("."), error["code"].as_str().unwrap())
        })
        .collect();
    for expected in [
        "code INVALID",
        "period INVALID",
        "name INVALID",
        "parentId NOT_FOUND",
        "endsOn INVALID",
        "predecessorIds.1 NOT_FOUND",
    ] {
        assert!(
            reported.iter().any(|problem| problem == expected),
            "{expected} is missing: {reported:?}"
        );
    }
    for error in errors {
        let message = error["message"].as_str().unwrap();
        assert!(
            message.ends_with('.') && message.len() > 15,
            "a sentence for people: {message}"
        );
    }
    let wrong = errors
        .iter()
        .find(|error| error["field"] == json!(["parentId"]))
        .unwrap();
    let message = wrong["message"].as_str().unwrap();
    assert!(
        message.contains("Topic") && message.contains("committee_"),
        "it says what the id is: {message}"
    );
}

async fn error_codes_have_an_order_of_precedence(server: &Server) {
    let nothing = json!({ "id": "topic_01h455vb4pex5vsknk084sn02q", "version": 9, "title": " " });
    assert_eq!(
        server
            .anonymous()
            .verdict("topicUpdate", nothing.clone())
            .await,
        "UNAUTHENTICATED"
    );
    assert_eq!(
        server.itu().verdict("topicUpdate", nothing).await,
        "NOT_FOUND"
    );
    let stale = json!({ "id": server.topic("T-1").await, "version": 9, "title": " " });
    assert_eq!(
        server.upu().verdict("topicUpdate", stale.clone()).await,
        "FORBIDDEN"
    );
    assert_eq!(server.itu().verdict("topicUpdate", stale).await, "STALE");
    let data = server
        .anonymous()
        .data("{ actionItem(by: { code: \"A-7\" }) { id } }", json!({}))
        .await;
    let closed =
        json!({ "id": data["actionItem"]["id"], "version": 9, "to": "OPEN", "note": "\u{0}" });
    assert_eq!(
        server.itu().verdict("actionItemMove", closed).await,
        "STALE"
    );
}

async fn values_of_the_wrong_type_are_refused(server: &Server) {
    let reader = server.itu();
    for document in [
        "mutation { topicPropose(input: { title: \"T\", summary: \"S\", reviewOn: \"2027-02-30\" }) { topic { id } } }",
        "mutation { topicPropose(input: { title: \"T\", summary: \"S\", language: XX }) { topic { id } } }",
        "mutation { topicPropose(input: { title: 7, summary: \"S\" }) { topic { id } } }",
        "mutation { organizationUpdate(input: { id: \"x\", version: 3000000000 }) { organization { id } } }",
        "mutation { organizationUpdate(input: { id: \"x\", version: 1, website: \"javascript:alert(1)\" }) { organization { id } } }",
        "{ topics(filter: { updatedSince: \"yesterday\" }) { totalCount } }",
        "{ actionItem(by: { code: 7 }) { id } }",
        "{ actionItems(filter: { dueFrom: \"2026-13-01\" }) { totalCount } }",
        "{ topics(orderBy: { field: COLOUR }) { totalCount } }",
        "{ topic(by: { id: \"a\", code: \"T-1\" }) { id } }",
        "{ topic(by: {}) { id } }",
    ] {
        let response = reader.run(document, json!({})).await;
        let code = response["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap();
        assert!(
            ["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&code),
            "{document}: {response}"
        );
    }
}

//! Concurrent changes: the second is refused as STALE, with the current record.

use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    a_stale_update_returns_the_current_record
    a_stale_deletion_deletes_nothing
    other_errors_return_no_record
}

async fn a_stale_update_returns_the_current_record(server: &Server) {
    let itu = server.itu();
    let sg17 = server.committee("ITU-T", "SG17").await;
    let itu_t = server.organization("ITU-T").await;
    let topic = server.topic("T-3").await;
    let text = server.publication("ITU-T X.1341 (09/2015)").await;
    let item = json!({ "topicId": topic, "committeeId": sg17, "title": "Before" });
    let item = itu.change("actionItemCreate", item, "id").await["id"].clone();
    let webhook = json!({ "url": "https://example.com/hook" });
    let webhook = itu.change("webhookCreate", webhook, "id").await["id"].clone();
    for (mutation, record, id, change, selection) in [
        (
            "organizationUpdate",
            "organization",
            json!(itu_t),
            json!({ "name": "After" }),
            "name",
        ),
        (
            "committeeUpdate",
            "committee",
            json!(sg17),
            json!({ "name": "After" }),
            "name",
        ),
        (
            "topicUpdate",
            "topic",
            json!(topic),
            json!({ "title": "After" }),
            "title",
        ),
        (
            "actionItemUpdate",
            "actionItem",
            item.clone(),
            json!({ "title": "After" }),
            "title",
        ),
        (
            "actionItemMove",
            "actionItem",
            item,
            json!({ "to": "IN_PROGRESS" }),
            "status",
        ),
        (
            "publicationUpdate",
            "publication",
            json!(text),
            json!({ "title": "After" }),
            "title",
        ),
        (
            "webhookUpdate",
            "webhook",
            webhook,
            json!({ "enabled": false }),
            "enabled",
        ),
        (
            "committeeConclude",
            "committee",
            json!(sg17),
            json!({ "endsOn": "2030-01-01" }),
            "endsOn",
        ),
    ] {
        let read = format!(
            "query($id: ID!) {{ node(id: $id) {{ ... on {} {{ version {selection} }} }} }}",
            capitalized(record)
        );
        let variables = json!({ "id": id });
        let before = itu.data(&read, variables.clone()).await["node"].clone();
        let mut input = change.clone();
        input["id"] = id.clone();
        input["version"] = before["version"].clone();
        if mutation == "committeeConclude" {
            input["version"] = json!(99);
        } else {
            let done = itu.attempt(mutation, input.clone(), "id").await;
            assert_eq!(done["userErrors"], json!([]), "{mutation}");
        }
        let now = itu.data(&read, variables).await["node"].clone();
        let stale = itu
            .attempt(mutation, input, &format!("version {selection}"))
            .await;
        let error = &stale["userErrors"][0];
        assert_eq!(error["code"], "STALE", "{mutation}: {stale}");
        assert_eq!(error["field"], json!(["version"]));
        assert_eq!(stale[record], now, "{mutation}");
        let version = now["version"].to_string();
        assert!(error["message"].as_str().unwrap().contains(&version));
    }
}

fn capitalized(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

async fn a_stale_deletion_deletes_nothing(server: &Server) {
    let itu = server.itu();
    let webhook = json!({ "url": "https://example.com/hook" });
    let webhook = itu.change("webhookCreate", webhook, "id").await;
    let delete = "mutation($input: WebhookDeleteInput!) { webhookDelete(input: $input) { deletedId webhook { id version } userErrors { code } } }";
    for (version, deleted, shown, errors) in [
        (
            2,
            Value::Null,
            json!({ "id": webhook["id"], "version": 1 }),
            json!([{ "code": "STALE" }]),
        ),
        (1, webhook["id"].clone(), Value::Null, json!([])),
    ] {
        let input = json!({ "input": { "id": webhook["id"], "version": version } });
        let data = itu.data(delete, input).await;
        let expected = json!({ "deletedId": deleted, "webhook": shown, "userErrors": errors });
        assert_eq!(data["webhookDelete"], expected);
    }
}

async fn other_errors_return_no_record(server: &Server) {
    let topic = "{ topic(by: { code: \"T-3\" }) { id version } }";
    let topic = server.anonymous().data(topic, json!({})).await["topic"].clone();
    for input in [
        json!({ "id": topic["id"], "version": topic["version"], "title": " " }),
        json!({ "id": server.committee("ITU-T", "SG17").await, "version": 9 }),
    ] {
        let payload = server.itu().attempt("topicUpdate", input, "id").await;
        assert_eq!(payload["topic"], Value::Null);
        assert_eq!(payload["userErrors"].as_array().unwrap().len(), 1);
    }
    // Who may not act at all learns neither the version nor the record from it.
    let proposed = json!({ "id": server.topic("T-1").await, "version": 99, "title": "T" });
    assert_eq!(
        server.upu().verdict("topicUpdate", proposed).await,
        "FORBIDDEN"
    );
}

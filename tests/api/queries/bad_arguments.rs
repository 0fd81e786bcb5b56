//! Arguments that fit no list: what is wrong with them, and what would be right.

use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    invalid_list_arguments_report_valid_values
    list_arguments_accept_a_hundred_values
    nested_lists_accept_the_same_arguments
}

const TOPIC: &str = "topic_01h455vb4pex5vsknk084sn02q";

async fn invalid_list_arguments_report_valid_values(server: &Server) {
    server.fill().await;
    let reader = server.anonymous();
    let lists = [
        ("organizations", "Organization"),
        ("committees", "Committee"),
        ("topics", "Topic"),
        ("actionItems", "ActionItem"),
        ("publications", "Publication"),
        ("examinations", "Examination"),
        ("liaisonStatements", "LiaisonStatement"),
    ];
    for (list, ty) in lists {
        let document = format!("query($first: Int, $last: Int, $filter: {ty}Filter, $orderBy: {ty}Order) {{
            {list}(first: $first, last: $last, filter: $filter, orderBy: $orderBy) {{ totalCount nodes {{ id }} }} }}");
        let all = reader.data(&document, json!({})).await;
        let absent = json!({ "first": null, "last": null, "filter": null, "orderBy": null });
        assert_eq!(reader.data(&document, absent).await, all, "{list}");
        assert_eq!(reader.data(&document, json!({ "filter": {} })).await, all);
        let (field, since) = match list {
            "liaisonStatements" => ("SENT_AT", "sentSince"),
            _ => ("UPDATED_AT", "updatedSince"),
        };
        for (variables, right) in [
            (json!({ "first": -1 }), "0 to 100"),
            (json!({ "first": 101 }), "0 to 100"),
            (json!({ "last": 101 }), "0 to 100"),
            (json!({ "first": 1, "last": 1 }), "`last`"),
            (json!({ "first": "1" }), "Int"),
            (json!({ "orderBy": {} }), "`field`"),
            (json!({ "orderBy": [] }), "`orderBy`"),
            (json!({ "orderBy": { "field": null } }), "must not be null"),
            (json!({ "orderBy": { "field": "SIZE" } }), field),
            (
                json!({ "filter": { since: "2026" } }),
                "2026-11-24T09:30:00Z",
            ),
            (json!({ "filter": { "size": 1 } }), "`size`"),
            (json!({ "filter": TOPIC }), "`filter`"),
        ] {
            let response = reader.run(&document, variables.clone()).await;
            let error = &response["errors"][0];
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{response}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(right), "{list} {variables}: {message}");
        }
    }
}

async fn list_arguments_accept_a_hundred_values(server: &Server) {
    let reader = server.anonymous();
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let nodes = reader
        .data(document, json!({ "ids": vec![TOPIC; 100] }))
        .await;
    assert_eq!(nodes["nodes"], json!(vec![Value::Null; 100]));
}

async fn nested_lists_accept_the_same_arguments(server: &Server) {
    server.fill().await;
    let reader = server.anonymous();
    let topic = "topic(by: { code: \"T-2\" })";
    let committee = "committee(by: { key: { organization: \"ITU-T\", code: \"SG17\" } })";
    for (record, list, ty, part, prefix) in [
        (
            topic,
            "examinations",
            "Examination",
            "publication",
            "publication",
        ),
        (
            topic,
            "liaisonStatements",
            "LiaisonStatement",
            "from",
            "committee",
        ),
        (
            committee,
            "publications",
            "Publication",
            "committee",
            "committee",
        ),
        (
            committee,
            "liaisonStatements",
            "LiaisonStatement",
            "to",
            "committee",
        ),
    ] {
        let document = format!(
            "query($first: Int, $filter: {ty}Filter, $orderBy: {ty}Order) {{
                record: {record} {{ list: {list}(first: $first, filter: $filter, orderBy: $orderBy) {{ totalCount nodes {{ id }} }} }} }}"
        );
        let all = reader.data(&document, json!({})).await;
        let absent = json!({ "first": null, "filter": { part: null }, "orderBy": null });
        assert_eq!(reader.data(&document, absent).await, all, "{list}");
        let unknown = TOPIC.replace("topic", prefix);
        let unknown = json!({ "filter": { part: unknown } });
        let none = reader.data(&document, unknown).await;
        let nothing = json!({ "totalCount": 0, "nodes": [] });
        assert_eq!(none["record"]["list"], nothing, "{list}");
        let id = format!("starts with `{prefix}_`");
        for (variables, right) in [
            (json!({ "first": 101 }), "0 to 100"),
            (json!({ "orderBy": {} }), "`field`"),
            (json!({ "filter": { part: TOPIC } }), id.as_str()),
            (json!({ "filter": { part: "" } }), id.as_str()),
        ] {
            let response = reader.run(&document, variables.clone()).await;
            let message = response["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(right), "{list} {variables}: {message}");
        }
    }
}

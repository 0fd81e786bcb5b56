//! The format of responses: key order, null for failed fields, errors without internal details.

use serde_json::json;

use crate::support::harness::Server;

on_both_databases! {
    response_keys_follow_the_order_of_the_query
    fields_with_one_response_key_are_merged
    fragments_and_directives_select_fields
    variables_reach_nested_arguments
    failed_fields_are_null_and_propagate
    database_errors_reveal_no_details
    strings_round_trip_unchanged
}

async fn response_keys_follow_the_order_of_the_query(server: &Server) {
    let document = "{ z: topic(by: { code: \"T-2\" }) { __typename title b: code a: code status } viewer { party roles }
        topics(first: 1) { totalCount __typename edges { __typename cursor node { code } } pageInfo { hasNextPage __typename } nodes { code } } __typename }";
    let response = server.anonymous().post(document, json!({})).await;
    let cursor = response.json()["data"]["topics"]["edges"][0]["cursor"].clone();
    let expected = format!(
        "{{\"data\":{{\"z\":{{\"__typename\":\"Topic\",\"title\":\"Electronic services\",\"b\":\"T-2\",\"a\":\"T-2\",\"status\":\"ACTIVE\"}},\
         \"viewer\":{{\"party\":null,\"roles\":[]}},\
         \"topics\":{{\"totalCount\":8,\"__typename\":\"TopicConnection\",\"edges\":[{{\"__typename\":\"TopicEdge\",\"cursor\":{cursor},\"node\":{{\"code\":\"T-1\"}}}}],\
         \"pageInfo\":{{\"hasNextPage\":true,\"__typename\":\"PageInfo\"}},\"nodes\":[{{\"code\":\"T-1\"}}]}},\"__typename\":\"Query\"}}}}"
    );
    assert_eq!(response.text, expected);
}

async fn fields_with_one_response_key_are_merged(server: &Server) {
    let document = "{ topics(first: 1) { nodes { code } } ...More topics(first: 1) { nodes { committees { role } committees { committee { code } } } } }
        fragment More on Query { topics(first: 1) { pageInfo { hasNextPage } nodes { title } } }";
    server.statements.take();
    let data = server.anonymous().data(document, json!({})).await;
    assert_eq!(server.statements.take().len(), 2, "read once");
    assert_eq!(
        data.to_string(),
        json!({ "topics": { "nodes": [{ "code": "T-1", "title": "Quality of service", "committees": [{ "role": "LEAD", "committee": { "code": "SG12" } }] }],
            "pageInfo": { "hasNextPage": true } } })
        .to_string()
    );
}

async fn fragments_and_directives_select_fields(server: &Server) {
    let topic = server.topic("T-2").await;
    let committee = server.committee("ITU-T", "SG17").await;
    let document = "query($ids: [ID!]!, $yes: Boolean!, $no: Boolean = false) { nodes(ids: $ids) { __typename id
        ... on Topic { code status @skip(if: $yes) } ... on Committee @include(if: $yes) { code period } ... on Node { same: id } ...Never @include(if: $no) } }
        fragment Never on Topic { summary }";
    let unknown_id = "item_01h455vb4pex5vsknk084sn02q";
    let variables = json!({ "ids": [committee, topic, unknown_id, topic], "yes": true });
    let data = server.anonymous().data(document, variables).await;
    let a_topic = json!({ "__typename": "Topic", "id": topic, "code": "T-2", "same": topic });
    assert_eq!(
        data["nodes"],
        json!([{ "__typename": "Committee", "id": committee, "code": "SG17", "period": "2013-2016", "same": committee }, a_topic, null, a_topic])
    );
}

async fn variables_reach_nested_arguments(server: &Server) {
    let document = "query($status: TopicStatus!, $text: String, $size: Int = 1, $role: CommitteeRole) {
        topics(first: $size, filter: { status: [$status], text: $text }) { nodes { code committees(role: $role) { role } actionItems(first: $size) { nodes { code } } } } }";
    let reader = server.anonymous();
    let data = reader
        .data(
            document,
            json!({ "status": "ACTIVE", "role": "CONTRIBUTING" }),
        )
        .await;
    assert_eq!(
        data["topics"]["nodes"],
        json!([{ "code": "T-2", "committees": [], "actionItems": { "nodes": [{ "code": "A-1" }] } }])
    );
    let data = reader
        .data(
            document,
            json!({ "status": "ACTIVE", "text": "MÓBILE", "size": 5, "role": "LEAD" }),
        )
        .await;
    assert_eq!(data["topics"]["nodes"][0]["code"], "T-3");
    assert_eq!(
        data["topics"]["nodes"][0]["committees"],
        json!([{ "role": "LEAD" }, { "role": "LEAD" }])
    );
    let missing = reader.run(document, json!({})).await;
    assert_eq!(missing.get("data"), None, "{missing}");
}

async fn failed_fields_are_null_and_propagate(server: &Server) {
    let document = "{ good: topic(by: { code: \"T-1\" }) { code }
        bad: topic(by: { code: \"T-2\" }) { code items: actionItems(first: 101) { totalCount } }
        none: topic(by: { code: \"T-99\" }) { actionItems(first: 101) { totalCount } }
        wrong: topic(by: { id: \"org_01h455vb4pex5vsknk084sn02q\" }) { code } }";
    let response = server.anonymous().run(document, json!({})).await;
    assert_eq!(
        response["data"],
        json!({ "good": { "code": "T-1" }, "bad": null, "none": null, "wrong": null })
    );
    let errors = response["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2);
    let bad = errors
        .iter()
        .find(|error| error["path"] == json!(["bad", "items"]))
        .unwrap();
    assert_eq!(bad["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(bad["locations"][0]["line"], 2);
    let wrong = errors
        .iter()
        .find(|error| error["path"] == json!(["wrong"]))
        .unwrap();
    assert_eq!(
        wrong["message"],
        "`id`: This is the id of an Organization. The id of a Topic starts with `topic_`."
    );
    let whole = "{ topics { nodes { code actionItems(last: 101) { totalCount } } } }";
    let response = server.anonymous().run(whole, json!({})).await;
    assert_eq!(response["data"], json!(null));
    assert_eq!(
        response["errors"][0]["path"],
        json!(["topics", "nodes", 0, "actionItems"])
    );
}

async fn database_errors_reveal_no_details(server: &Server) {
    server.sql("drop table topic_provision").await;
    let document =
        "{ viewer { roles } topic(by: { code: \"T-1\" }) { code provisions { summary } } }";
    let response = server.anonymous().run(document, json!({})).await;
    assert_eq!(
        response["data"],
        json!({ "viewer": { "roles": [] }, "topic": null })
    );
    let error = &response["errors"][0];
    assert_eq!(error["extensions"]["code"], "INTERNAL");
    assert!(error["extensions"]["requestId"].is_string());
    let text = response.to_string().to_lowercase();
    for secret in [
        "topic_provision",
        "sql",
        "select",
        "no such",
        "relation",
        "dberr",
    ] {
        assert!(!text.contains(secret), "{secret}: {response}");
    }
    let input = json!({ "title": "T", "summary": "S" });
    let document = "mutation($input: TopicProposeInput!) { topicPropose(input: $input) { topic { id provisions { id } } userErrors { code } } }";
    let response = server.tsb().run(document, json!({ "input": input })).await;
    assert!(
        !response.to_string().to_lowercase().contains("sql"),
        "{response}"
    );
}

async fn strings_round_trip_unchanged(server: &Server) {
    let given = "Zeile 1\nline \"2\"\t\\ \u{1F600} 中文 العربية </script> \u{2028} é";
    let input = json!({ "title": "T", "summary": given });
    let topic = server.tsb().change("topicPropose", input, "summary").await;
    assert_eq!(topic["summary"], given);
    let windows = json!({ "title": "T", "summary": "a\r\nb" });
    assert_eq!(
        server
            .tsb()
            .change("topicPropose", windows, "summary")
            .await["summary"],
        "a\nb"
    );
}

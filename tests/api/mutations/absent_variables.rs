//! An omitted variable leaves the field unchanged, wherever it is used in the input.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};
use crate::webhooks::endpoints;

on_both_databases! {
    an_absent_variable_keeps_the_fields_of_an_action_item
    an_absent_variable_keeps_the_fields_of_a_topic
    an_absent_variable_keeps_the_filter_of_a_webhook
    an_absent_variable_keeps_the_default_of_an_argument
}

async fn run(client: &Client<'_>, document: &str, variables: Value) -> Value {
    let data = client.data(document, variables).await;
    let payload = data.as_object().unwrap().values().next().unwrap();
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload.clone()
}

async fn an_absent_variable_keeps_the_fields_of_an_action_item(server: &Server) {
    let itu = server.itu();
    let topic = server.topic("T-2").await;
    let committee = server.committee("ITU-T", "SG17").await;
    let counterpart = server.committee("POC", "C5").await;
    let input = json!({
        "topicId": topic, "committeeId": committee, "counterpartId": counterpart,
        "title": "before", "dueOn": "2030-05-06",
    });
    let item = itu.change("actionItemCreate", input, "id version").await;
    let update = |default: &str| {
        format!(
            "mutation($id: ID!, $v: Int!, $t: String, $due: Date{default}, $c: ID) {{
                actionItemUpdate(input: {{ id: $id, version: $v, title: $t, dueOn: $due, counterpartId: $c }}) {{
                    actionItem {{ version title dueOn counterpart {{ id }} }} userErrors {{ message }} }} }}"
        )
    };
    let updated = |title: &str, due: Value, version: i64| json!({ "version": version, "title": title, "dueOn": due, "counterpart": { "id": counterpart } });

    let variables = json!({ "id": item["id"], "v": 1, "t": "after" });
    let payload = run(&itu, &update(""), variables).await;
    assert_eq!(
        payload["actionItem"],
        updated("after", json!("2030-05-06"), 2)
    );

    let variables = json!({ "id": item["id"], "v": 2, "due": null });
    let payload = run(&itu, &update(""), variables).await;
    assert_eq!(payload["actionItem"], updated("after", Value::Null, 3));

    let variables = json!({ "id": item["id"], "v": 3 });
    let payload = run(&itu, &update(" = \"2031-01-01\""), variables).await;
    assert_eq!(
        payload["actionItem"],
        updated("after", json!("2031-01-01"), 4)
    );
}

async fn an_absent_variable_keeps_the_fields_of_a_topic(server: &Server) {
    let itu = server.itu();
    let read = "query { topic(by: { code: \"T-2\" }) { id version summary reviewOn provisions { id } publications { nodes { number } } } }";
    let topic = itu.data(read, json!({})).await["topic"].clone();
    let input = json!({ "id": topic["id"], "version": topic["version"], "reviewOn": "2030-01-01" });
    itu.change("topicUpdate", input, "id").await;
    let before = itu.data(read, json!({})).await["topic"].clone();
    assert_ne!(before["reviewOn"], Value::Null);
    assert_ne!(before["provisions"], json!([]));
    let document = "mutation($id: ID!, $v: Int!, $t: String, $s: String, $r: Date, $p: [ID!], $n: [ID!]) {
        topicUpdate(input: { id: $id, version: $v, title: $t, summary: $s, reviewOn: $r, provisionIds: $p, publicationIds: $n }) {
            topic { id version summary reviewOn provisions { id } publications { nodes { number } } } userErrors { message } } }";
    let variables = json!({ "id": before["id"], "v": before["version"], "t": "Another title" });
    let after = run(&itu, document, variables).await["topic"].clone();
    let mut expected = before.clone();
    expected["version"] = json!(before["version"].as_i64().unwrap() + 1);
    assert_eq!(after, expected);
}

async fn an_absent_variable_keeps_the_filter_of_a_webhook(server: &Server) {
    let upu = server.upu();
    let input = json!({ "url": "https://example.org/hook", "filter": { "verb": ["NOTED"] } });
    let webhook = endpoints::create(&upu, input).await["webhook"].clone();
    assert_ne!(webhook["filter"], Value::Null);
    let document = "mutation($id: ID!, $v: Int!, $u: URL, $f: ActivityFilter) {
        webhookUpdate(input: { id: $id, version: $v, url: $u, filter: $f }) { webhook { url filter { verb } } userErrors { message } } }";
    let variables = json!({ "id": webhook["id"], "v": 1, "u": "https://example.org/other" });
    let updated = run(&upu, document, variables).await["webhook"].clone();
    assert_eq!(
        updated,
        json!({ "url": "https://example.org/other", "filter": { "verb": ["NOTED"] } })
    );
}

async fn an_absent_variable_keeps_the_default_of_an_argument(server: &Server) {
    let anonymous = server.anonymous();
    let document = "query($d: Direction) { topics(first: 3, orderBy: { field: CODE, direction: $d }) { nodes { code } } }";
    let plain = "{ topics(first: 3, orderBy: { field: CODE }) { nodes { code } } }";
    let expected = anonymous.data(plain, json!({})).await;
    assert_eq!(anonymous.data(document, json!({})).await, expected);
    let refused = anonymous.run(document, json!({ "d": null })).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    let document = "query($first: Int) { topics(first: $first) { nodes { code } } }";
    let plain = "{ topics { nodes { code } } }";
    let expected = anonymous.data(plain, json!({})).await;
    assert_eq!(anonymous.data(document, json!({})).await, expected);
}

//! Variables: omitted ones, nulls, and invalid values.

use serde_json::json;

use crate::support::harness::Server;

on_both_databases! {
    the_default_direction_is_ascending
    a_condition_cannot_be_null
    an_invalid_variable_value_is_reported_with_its_field
    an_invalid_literal_is_reported_with_its_path
    a_filter_may_repeat_a_value_80_000_times
}

async fn the_default_direction_is_ascending(server: &Server) {
    let client = server.anonymous();
    let document = "query($d: Direction) { topics(first: 3, orderBy: { field: CODE, direction: $d }) { nodes { code } } }";
    let ascending = client.data(document, json!({ "d": "ASC" })).await;
    assert_eq!(client.data(document, json!({})).await, ascending);
    let refused = client.run(document, json!({ "d": null })).await;
    let error = &refused["errors"][0];
    let path = json!(["orderBy", "direction"]);
    assert_eq!(error["extensions"]["inputPath"], path, "{refused}");
    let expected = "`orderBy.direction`: it cannot be null, and the variable `$d` is.";
    assert_eq!(error["message"], expected);
    let nullable = "query($c: String!, $i: ID) { topic(by: { code: $c, id: $i }) { code } }";
    let refused = client.run(nullable, json!({ "c": "T-1" })).await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"],
        "GRAPHQL_VALIDATION_FAILED"
    );
}

async fn a_condition_cannot_be_null(server: &Server) {
    let client = server.anonymous();
    let skip = "query($s: Boolean = false) { a: __typename b: __typename @skip(if: $s) }";
    let refused = client.run(skip, json!({ "s": null })).await;
    let error = &refused["errors"][0];
    assert_eq!(refused.get("data"), None, "{refused}");
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(error["locations"], json!([{ "line": 1, "column": 68 }]));
    let both = json!({ "a": "Query", "b": "Query" });
    assert_eq!(client.data(skip, json!({})).await, both);
    let include =
        "query($s: Boolean = true) { a: __typename ... @include(if: $s) { b: __typename } }";
    assert_eq!(client.data(include, json!({})).await, both);
    let refused = client.run(include, json!({ "s": null })).await;
    assert_eq!(refused.get("data"), None, "{refused}");
}

async fn an_invalid_variable_value_is_reported_with_its_field(server: &Server) {
    let due = "mutation($due: Date) { actionItemUpdate(input: { id: \"x\", version: 1, dueOn: $due }) { userErrors { message } } }";
    let written = "mutation { actionItemUpdate(input: { id: \"x\", version: 1, dueOn: \"2026-02-31\" }) { userErrors { message } } }";
    let website = "mutation($input: OrganizationCreateInput!) { organizationCreate(input: $input) { userErrors { message } } }";
    let provisions = "mutation($ids: [ID!]) { topicPropose(input: { title: \"T\", summary: \"S\", provisionIds: $ids }) { userErrors { message } } }";
    let organization =
        json!({ "acronym": "A", "name": "N", "kind": "PARTNER", "website": "example.org" });
    for (document, variables, path, name) in [
        (
            due,
            json!({ "due": "2026-02-31" }),
            json!(["input", "dueOn"]),
            "`input.dueOn`: ",
        ),
        (
            due,
            json!({ "due": "" }),
            json!(["input", "dueOn"]),
            "`input.dueOn`: ",
        ),
        (
            written,
            json!({}),
            json!(["input", "dueOn"]),
            "`input.dueOn`: ",
        ),
        (
            website,
            json!({ "input": organization }),
            json!(["input", "website"]),
            "`input.website`: ",
        ),
        (
            provisions,
            json!({ "ids": ["x", 1.5] }),
            json!(["input", "provisionIds", 1]),
            "`input.provisionIds[1]`: ",
        ),
        (website, json!({}), json!(["input"]), "`input`: "),
    ] {
        let response = server.tsb().run(document, variables.clone()).await;
        let error = &response["errors"][0];
        assert_eq!(
            error["extensions"]["inputPath"], path,
            "{variables} {response}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(name), "{message}");
        assert!(error["locations"][0]["line"].is_u64(), "{response}");
    }
}

async fn an_invalid_literal_is_reported_with_its_path(server: &Server) {
    for (document, path) in [
        ("{ topics(first: \"x\") { totalCount } }", json!(["first"])),
        (
            "{ topics(first: 3000000000) { totalCount } }",
            json!(["first"]),
        ),
        (
            "{ topics(filter: { status: [ACTIVE, WRONG] }) { totalCount } }",
            json!(["filter", "status", 1]),
        ),
        (
            "{ topics(filter: { nonsense: 1 }) { totalCount } }",
            json!(["filter", "nonsense"]),
        ),
        (
            "mutation { topicPropose(input: { title: 5, summary: \"x\" }) { topic { id } } }",
            json!(["input", "title"]),
        ),
        (
            "mutation { topicPropose(input: { summary: \"x\" }) { topic { id } } }",
            json!(["input"]),
        ),
        ("{ viewer { roles @include(if: 3) } }", json!(["if"])),
        (
            "query($first: Int = true) { topics(first: $first) { totalCount } }",
            json!(["first"]),
        ),
        (
            "{ topics { nodes { ...F } } } fragment F on Topic { ... on Topic { notes(last: {}) { totalCount } } }",
            json!(["last"]),
        ),
    ] {
        let response = server.anonymous().run(document, json!({})).await;
        let error = &response["errors"][0];
        let code = &error["extensions"]["code"];
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{document} {response}");
        assert_eq!(
            error["extensions"]["inputPath"], path,
            "{document} {response}"
        );
        let message = error["message"].as_str().unwrap();
        let field = path[path.as_array().unwrap().len() - 1]
            .as_str()
            .unwrap_or("[1]");
        assert!(message.contains(field), "{message}");
        assert!(error["locations"][0]["line"].is_u64(), "{response}");
    }
}

async fn a_filter_may_repeat_a_value_80_000_times(server: &Server) {
    let client = server.anonymous();
    let topics =
        "query($status: [TopicStatus!]) { topics(filter: { status: $status }) { totalCount } }";
    let once = client.data(topics, json!({ "status": ["ACTIVE"] })).await;
    let often = client
        .data(topics, json!({ "status": vec!["ACTIVE"; 80_000] }))
        .await;
    assert_eq!(often, once);
    let activities = "query($types: [SubjectType!], $verbs: [ActivityVerb!]) { activities(filter: { subjectType: $types, verb: $verbs }) { totalCount } }";
    let once = client
        .data(
            activities,
            json!({ "types": ["TOPIC"], "verbs": ["CREATED"] }),
        )
        .await;
    let often = json!({ "types": vec!["TOPIC"; 40_000], "verbs": vec!["CREATED"; 40_000] });
    assert_eq!(client.data(activities, often).await, once);
}

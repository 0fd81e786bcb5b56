//! Each argument of each field: null, absent, empty and long lists, and values that fit not.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};
use crate::support::introspection::{OTHER_ID, Schema, TypeReference, list, name};

on_both_databases! {
    null_arguments_are_absent_and_errors_name_valid_values
}

/// A topic that does not exist.
const UNKNOWN: &str = "topic_01h455vb4pex5vsknk084sn02q";

/// What selects a record of each type that has fields with arguments.
const RECORDS: [(&str, &str, &str); 11] = [
    ("Query", "", ""),
    ("Viewer", "viewer {", "}"),
    (
        "Organization",
        "organization(by: { acronym: \"ITU-T\" }) {",
        "}",
    ),
    (
        "Committee",
        "committee(by: { key: { organization: \"ITU-T\", code: \"SG17\" } }) {",
        "}",
    ),
    ("Topic", "topic(by: { code: \"T-2\" }) {", "}"),
    ("ActionItem", "actionItem(by: { code: \"A-1\" }) {", "}"),
    (
        "Publication",
        "publication(by: { number: \"ITU-T X.1341 (09/2015)\" }) {",
        "}",
    ),
    ("Examination", "examinations(first: 1) { nodes {", "} }"),
    (
        "LiaisonStatement",
        "liaisonStatement(by: { code: \"LS-1\" }) {",
        "}",
    ),
    ("Provision", "mandates { provisions {", "} }"),
    ("Webhook", "webhooks {", "}"),
];

/// An argument of a field, and a document that reads the field with it.
struct Argument<'a> {
    place: String,
    name: &'a str,
    ty: TypeReference<'a>,
    with: String,
    without: String,
}

fn arguments<'a>(schema: &'a Schema, committee: &str) -> Vec<Argument<'a>> {
    let mut found = Vec::new();
    for ty in schema.types() {
        let own = name(ty);
        // Mutations have their inputs, and a subscription has the filter of the list.
        if own.starts_with("__") || ["Mutation", "Subscription"].contains(&own) {
            continue;
        }
        for field in schema.fields(own) {
            for argument in list(&field["args"]) {
                let record = RECORDS.iter().find(|record| record.0 == own);
                let (_, start, end) = record.unwrap_or_else(|| panic!("no record of {own}"));
                let others = list(&field["args"]).iter();
                let others = others.filter(|other| {
                    name(other) != name(argument) && TypeReference::of(other).is_required
                });
                let others: String = others
                    .map(|other| match TypeReference::of(other).name {
                        "ID" => format!("{}: \"{committee}\", ", name(other)),
                        of => format!("{}: {}, ", name(other), schema.value(of)),
                    })
                    .collect();
                let result = TypeReference::of(field).name;
                let selection = match schema.kind(result) {
                    "SCALAR" | "ENUM" => "",
                    _ if result.ends_with("Connection") => "{ totalCount }",
                    _ => "{ __typename }",
                };
                let (field, argument_name) = (name(field), name(argument));
                let ty = TypeReference::of(argument);
                let bare = if others.is_empty() {
                    String::new()
                } else {
                    format!("({others})")
                };
                found.push(Argument {
                    place: format!("{own}.{field}({argument_name})"),
                    name: argument_name,
                    with: format!(
                        "query($value: {}) {{ {start} {field}({others} {argument_name}: $value) {selection} {end} }}",
                        ty.text
                    ),
                    without: format!("{{ {start} {field}{bare} {selection} {end} }}"),
                    ty,
                });
            }
        }
    }
    assert!(found.len() > 150, "{}", found.len());
    found
}

/// Values of the wrong type, or out of range; each with a part of the message that says what would be right.
fn wrong_values(schema: &Schema, argument: &Argument<'_>) -> Vec<(Value, String)> {
    let ty = argument.ty.name;
    let cursor = "start again without it";
    let pairs: &[(Value, &str)] = match schema.kind(ty) {
        "ENUM" => &[
            (json!("NONSENSE"), "it must be one of the values of"),
            (json!(5), "it must be one of the values of"),
        ],
        "INPUT_OBJECT" if ty.ends_with("By") => &[
            (json!({}), "takes exactly one of its fields"),
            (json!({ "id": null }), "takes exactly one of its fields"),
            (json!({ "size": 1 }), "it has id"),
            (json!("T-2"), "an object with the fields of"),
        ],
        "INPUT_OBJECT" if ty.ends_with("Order") => &[
            (json!({}), "its field `field` is missing"),
            (
                json!({ "field": "SIZE" }),
                "it must be one of the values of",
            ),
            (json!([]), "an object with the fields of"),
        ],
        "INPUT_OBJECT" => &[
            (json!({ "size": 1 }), "it has "),
            (json!("T-2"), "an object with the fields of"),
            (json!([{}]), "an object with the fields of"),
        ],
        _ => match ty {
            "Int" => &[
                (json!(-1), "0 to 100"),
                (json!(101), "0 to 100"),
                (json!("1"), "it must be an Int"),
                (json!(1.5), "a whole number"),
            ],
            "Float" => &[
                (json!(-0.1), "scores are 0 to 1"),
                (json!(1.1), "scores are 0 to 1"),
                (json!("1"), "it must be a Float"),
            ],
            "Boolean" => &[(json!("yes"), "it must be a Boolean")],
            "Date" => &[
                (json!("2026-02-31"), "YYYY-MM-DD"),
                (json!(""), "YYYY-MM-DD"),
            ],
            "ID" if argument.ty.is_list => &[
                (json!([UNKNOWN, "T-2"]), "ids[1]`: This is not an id"),
                (json!([null]), "must not be null"),
                (json!("T-2"), "ids look like `"),
            ],
            "ID" if argument.name == "id" => &[
                (json!("T-2"), "ids look like `"),
                (json!(""), "ids look like `"),
            ],
            "ID" => &[
                (json!("T-2"), "starts with `committee_`"),
                (json!(""), "starts with `committee_`"),
                (json!(OTHER_ID), "starts with `committee_`"),
                (
                    json!("committee_01h455vb4pex5vsknk084sn02q"),
                    "no committee",
                ),
            ],
            "String" if argument.name == "code" => &[(json!(5), "it must be a String")],
            "String" if argument.name == "text" => &[
                (json!("…"), "has no word"),
                (json!(5), "it must be a String"),
            ],
            "String" => &[
                (json!("x"), cursor),
                (json!(""), cursor),
                (json!(5), "it must be a String"),
            ],
            other => panic!("no values of {other} for {}", argument.place),
        },
    };
    let pairs = pairs.iter().cloned();
    pairs
        .map(|(value, right)| (value, right.to_owned()))
        .collect()
}

async fn null_arguments_are_absent_and_errors_name_valid_values(server: &Server) {
    server.fill().await;
    let client = server.itu();
    let input = json!({ "url": "http://127.0.0.1:9/" });
    client.change("webhookCreate", input, "id").await;
    let schema = Schema::of(server).await;
    let committee = server.committee("ITU-T", "SG17").await;
    for argument in arguments(&schema, &committee) {
        let place = &argument.place;
        let null = json!({ "value": null });
        if argument.ty.is_required {
            let message = refusal(&client, &argument, null).await;
            assert!(
                message.contains("it must not be null"),
                "{place}: {message}"
            );
            let message = refusal(&client, &argument, json!({})).await;
            assert!(message.contains("is missing"), "{place}: {message}");
        } else {
            let without = client.data(&argument.without, json!({})).await;
            assert_eq!(client.data(&argument.with, null).await, without, "{place}");
            let absent = client.data(&argument.with, json!({})).await;
            assert_eq!(absent, without, "{place}");
        }
        if argument.ty.is_list && argument.ty.name != "ID" {
            let nothing = client.data(&argument.with, json!({ "value": [] })).await;
            assert_eq!(nothing["search"]["totalCount"], 0, "{place}");
        } else if argument.ty.is_list {
            for count in [0, 100] {
                let ids = json!({ "value": vec![UNKNOWN; count] });
                let data = client.data(&argument.with, ids).await;
                assert_eq!(data["nodes"], json!(vec![Value::Null; count]), "{place}");
            }
        }
        for (value, right) in wrong_values(&schema, &argument) {
            let message = refusal(&client, &argument, json!({ "value": value })).await;
            assert!(message.contains(&right), "{place} {value}: {message}");
        }
    }
}

async fn refusal(client: &Client<'_>, argument: &Argument<'_>, variables: Value) -> String {
    let response = client.run(&argument.with, variables.clone()).await;
    let place = &argument.place;
    let error = &response["errors"][0];
    let code = error["extensions"]["code"].as_str();
    let code = code.unwrap_or_else(|| panic!("{place} {variables}: {response}"));
    assert!(
        ["BAD_USER_INPUT", "INVALID_CURSOR"].contains(&code),
        "{place}: {response}"
    );
    error["message"].as_str().unwrap().to_owned()
}

//! Each condition of each filter: null, empty and long lists, and ids that fit nothing.

use serde_json::{Value, json};

use crate::support::harness::Server;
use crate::support::introspection::{Schema, TypeReference, name};

on_both_databases! {
    each_condition_accepts_null_and_lists_of_any_length
    an_invalid_id_in_a_filter_reports_the_expected_prefix
}

/// The random part of an id that names nothing.
const UNKNOWN: &str = "01h455vb4pex5vsknk084sn02q";

/// A condition of the filter of a list.
struct Condition {
    list: String,
    document: String,
    name: String,
    is_list: bool,
    is_id: bool,
    /// A value of its type.
    value: Value,
}

/// Returns the conditions of the filters of all root lists.
async fn conditions(server: &Server) -> Vec<Condition> {
    let schema = Schema::of(server).await;
    let mut found = Vec::new();
    for field in schema.fields("Query") {
        let mut arguments = field["args"].as_array().unwrap().iter();
        let Some(filter) = arguments.find(|argument| name(argument) == "filter") else {
            continue;
        };
        let (list, filter) = (name(field), name(&filter["type"]));
        for input in schema.inputs(filter) {
            let ty = TypeReference::of(input);
            found.push(Condition {
                list: list.to_owned(),
                document: format!(
                    "query($filter: {filter}) {{ {list}(first: 3, filter: $filter) {{ nodes {{ id }} }} }}"
                ),
                name: name(input).to_owned(),
                is_list: ty.is_list,
                is_id: ty.name == "ID",
                value: schema.value(ty.name),
            });
        }
    }
    assert!(found.len() > 50, "{}", found.len());
    found
}

async fn each_condition_accepts_null_and_lists_of_any_length(server: &Server) {
    server.fill().await;
    let reader = server.anonymous();
    for condition in conditions(server).await {
        let with = |value: Value| json!({ "filter": { &condition.name: value } });
        let all = reader.data(&condition.document, json!({})).await;
        let null = reader.data(&condition.document, with(Value::Null)).await;
        assert_eq!(null, all, "{} {}", condition.list, condition.name);
        if condition.is_list && !condition.is_id {
            let none = reader.data(&condition.document, with(json!([]))).await;
            let nodes = &none[&condition.list]["nodes"];
            assert_eq!(*nodes, json!([]), "{} {}", condition.list, condition.name);
            let one = with(json!([condition.value]));
            let many = with(json!(vec![condition.value.clone(); 100]));
            assert_eq!(
                reader.data(&condition.document, many).await,
                reader.data(&condition.document, one).await
            );
        } else if !condition.is_id {
            reader
                .data(&condition.document, with(condition.value.clone()))
                .await;
        }
    }
}

async fn an_invalid_id_in_a_filter_reports_the_expected_prefix(server: &Server) {
    server.fill().await;
    let reader = server.anonymous();
    let conditions = conditions(server).await;
    // The subject of an activity may be of any type.
    let ids = conditions
        .iter()
        .filter(|condition| condition.is_id && condition.name != "subject");
    for condition in ids {
        let place = format!("{} {}", condition.list, condition.name);
        let with = |id: &str| {
            let value = if condition.is_list {
                json!(vec![id; 100])
            } else {
                json!(id)
            };
            json!({ "filter": { &condition.name: value } })
        };
        let mut right = String::new();
        for wrong in ["", "42", condition.value.as_str().unwrap()] {
            let response = reader.run(&condition.document, with(wrong)).await;
            let error = &response["errors"][0];
            assert_eq!(
                error["extensions"]["code"], "BAD_USER_INPUT",
                "{place}: {response}"
            );
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(&condition.name), "{place}: {message}");
            let (_, prefix) = message.rsplit_once("starts with `").unwrap();
            prefix.split('`').next().unwrap().clone_into(&mut right);
        }
        let none = reader
            .data(&condition.document, with(&format!("{right}{UNKNOWN}")))
            .await;
        assert_eq!(none[&condition.list]["nodes"], json!([]), "{place}");
    }
}

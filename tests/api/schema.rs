//! `schema.graphql` is what the service serves, keeps what clients were promised, and says what everything means.

use std::collections::BTreeSet;

use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, ServiceDocument, TypeKind, TypeSystemDefinition,
};
use liaison::graphql;
use reqwest::Method;
use serde_json::json;

use crate::harness::{Backend, Server};

#[test]
fn schema_graphql_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        kept == graphql::sdl(&graphql::schema()),
        "schema.graphql is stale: run `cargo schema > schema.graphql` and read the diff"
    );
}

#[tokio::test]
async fn the_service_hands_out_its_schema() {
    let server = Server::start(Backend::Sqlite).await;
    let answer = server
        .anonymous()
        .send(Method::GET, "/schema.graphql", &[], "")
        .await;
    assert_eq!(answer.text, graphql::sdl(&graphql::schema()));
}

#[test]
fn the_schema_keeps_what_clients_were_promised() {
    let promised = parse_schema(include_str!("contract.graphql")).unwrap();
    let served = parse_schema(graphql::sdl(&graphql::schema())).unwrap();
    let (promised, served) = (entries(&promised), entries(&served));
    let missing: Vec<&String> = promised.difference(&served).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[tokio::test]
async fn everything_in_the_schema_is_described() {
    const ALL: &str = "{ __schema { types { name kind description
        fields { name description args { name description } }
        inputFields { name description } enumValues { name description } } } }";
    let server = Server::start(Backend::Sqlite).await;
    let data = server.anonymous().data(ALL, json!({})).await;
    let mut bare = Vec::new();
    for ty in data["__schema"]["types"].as_array().unwrap() {
        let name = ty["name"].as_str().unwrap();
        // GraphQL's own.
        if name.starts_with("__") || name == "ID" {
            continue;
        }
        let mut check = |path: String, it: &serde_json::Value| {
            if it["description"].as_str().is_none_or(str::is_empty) {
                bare.push(path);
            }
        };
        check(name.to_owned(), ty);
        for list in ["fields", "inputFields", "enumValues"] {
            for part in ty[list].as_array().into_iter().flatten() {
                let path = format!("{name}.{}", part["name"].as_str().unwrap());
                check(path.clone(), part);
                for arg in part["args"].as_array().into_iter().flatten() {
                    check(format!("{path}({})", arg["name"]), arg);
                }
            }
        }
    }
    assert_eq!(bare, Vec::<String>::new());
}

/// All that a schema says, a line each: types, fields, arguments, values, their types and defaults.
fn entries(document: &ServiceDocument) -> BTreeSet<String> {
    let mut entries = BTreeSet::new();
    for definition in &document.definitions {
        let TypeSystemDefinition::Type(ty) = definition else {
            continue;
        };
        let name = &ty.node.name.node;
        for directive in &ty.node.directives {
            if directive.node.name.node == "oneOf" {
                entries.insert(format!("{name} @oneOf"));
            }
        }
        match &ty.node.kind {
            TypeKind::Scalar => {
                entries.insert(format!("scalar {name}"));
            }
            TypeKind::Object(object) => {
                for interface in &object.implements {
                    entries.insert(format!("{name} implements {}", interface.node));
                }
                fields(&mut entries, name, &object.fields);
            }
            TypeKind::Interface(interface) => fields(&mut entries, name, &interface.fields),
            TypeKind::Union(union) => {
                let members = union.members.iter();
                entries.extend(members.map(|it| format!("union {name} = {}", it.node)));
            }
            TypeKind::Enum(values) => {
                let values = values.values.iter();
                entries.extend(values.map(|it| format!("enum {name} {}", it.node.value.node)));
            }
            TypeKind::InputObject(input) => inputs(&mut entries, name, &input.fields),
        }
    }
    entries
}

fn fields(entries: &mut BTreeSet<String>, name: &str, fields: &[Positioned<FieldDefinition>]) {
    for field in fields {
        let path = format!("{name}.{}", field.node.name.node);
        entries.insert(format!("{path}: {}", field.node.ty.node));
        inputs(entries, &path, &field.node.arguments);
    }
}

fn inputs(entries: &mut BTreeSet<String>, name: &str, inputs: &[Positioned<InputValueDefinition>]) {
    for input in inputs {
        let default = input.node.default_value.as_ref();
        let default = default
            .map(|it| format!(" = {}", it.node))
            .unwrap_or_default();
        let (field, ty) = (&input.node.name.node, &input.node.ty.node);
        entries.insert(format!("{name}({field}): {ty}{default}"));
    }
}

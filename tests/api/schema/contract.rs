//! The schema: committed, documented, and compatible with the contract.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::{env, fs};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, ServiceDocument, TypeDefinition, TypeKind,
    TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};
use serde_json::{Value, json};

use crate::support::harness::{Backend, Server};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
const CONTRACT: &str = include_str!("../contract.graphql");

fn served() -> String {
    liaison::graphql::sdl(&liaison::graphql::schema(
        liaison::webhooks::WebhookTargets::default(),
    ))
}

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let served = served();
    if env::var_os("UPDATE").is_some() {
        fs::write(COMMITTED, &served).unwrap();
    }
    let committed = fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == served,
        "schema.graphql is not what is served: run `cargo schema > schema.graphql`, and read the difference"
    );
}

#[test]
fn the_schema_has_all_that_the_contract_promises() {
    let served = Definitions::of(&served());
    let mut missing = String::new();
    let promised = Definitions::of(CONTRACT);
    assert!(promised.0.len() > 60, "{}", promised.0.len());
    for (name, promised) in &promised.0 {
        match served.0.get(name) {
            None => writeln!(missing, "{name}").unwrap(),
            Some(served) => {
                for (part, promised) in promised {
                    match served.get(part) {
                        Some(served) if served == promised => {}
                        found => {
                            writeln!(missing, "{name} {part}: {promised}, not {found:?}").unwrap();
                        }
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing}");
}

#[test]
fn no_field_of_an_input_is_required_beyond_the_contract() {
    let served = Definitions::of(&served());
    let promised = Definitions::of(CONTRACT);
    for (name, parts) in &served.0 {
        let Some(promised) = promised.0.get(name) else {
            continue;
        };
        for (part, definition) in parts {
            let required = definition.ends_with('!');
            let is_input = part.starts_with("input ") || part.contains('(');
            assert!(
                !(is_input && required && !promised.contains_key(part)),
                "{name} {part}: {definition}"
            );
        }
    }
}

/// Returns all types by name, each with its parts, such as `field name`, and their definitions.
struct Definitions(BTreeMap<String, BTreeMap<String, String>>);

impl Definitions {
    fn of(sdl: &str) -> Self {
        // async-graphql's parser takes no description of the schema itself, which is the last definition.
        let last = sdl.rsplit_once("\n\"\"\"\nThe register");
        let sdl = last.map_or(sdl, |(types, _)| types);
        let ServiceDocument { definitions } = parse_schema(sdl).unwrap();
        let types = definitions
            .into_iter()
            .filter_map(|definition| match definition {
                TypeSystemDefinition::Type(definition) => Some((
                    definition.node.name.node.to_string(),
                    parts(&definition.node),
                )),
                _ => None,
            });
        Self(types.collect())
    }
}

fn parts(definition: &TypeDefinition) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    let mut kind = |value: &str| parts.insert("kind".to_owned(), value.to_owned());
    match &definition.kind {
        TypeKind::Scalar => {
            kind("scalar");
        }
        TypeKind::Object(object) => {
            kind("type");
            interfaces(&mut parts, &object.implements);
            fields(&mut parts, &object.fields);
        }
        TypeKind::Interface(interface) => {
            kind("interface");
            interfaces(&mut parts, &interface.implements);
            fields(&mut parts, &interface.fields);
        }
        TypeKind::Union(union_type) => {
            kind("union");
            for member in &union_type.members {
                parts.insert(format!("member {}", member.node), String::new());
            }
        }
        TypeKind::Enum(enum_type) => {
            kind("enum");
            for value in &enum_type.values {
                parts.insert(format!("value {}", value.node.value.node), String::new());
            }
        }
        TypeKind::InputObject(input) => {
            let one_of = definition
                .directives
                .iter()
                .any(|directive| directive.node.name.node == "oneOf");
            kind(if one_of { "input @oneOf" } else { "input" });
            for field in &input.fields {
                let name = format!("input {}", field.node.name.node);
                parts.insert(name, value(&field.node));
            }
        }
    }
    parts
}

fn interfaces(parts: &mut BTreeMap<String, String>, implements: &[Positioned<Name>]) {
    for interface in implements {
        parts.insert(format!("implements {}", interface.node), String::new());
    }
}

fn fields(parts: &mut BTreeMap<String, String>, fields: &[Positioned<FieldDefinition>]) {
    for field in fields {
        let field = &field.node;
        let name = &field.name.node;
        parts.insert(format!("field {name}"), field.ty.node.to_string());
        for argument in &field.arguments {
            let argument = &argument.node;
            parts.insert(
                format!("field {name}({})", argument.name.node),
                value(argument),
            );
        }
    }
}

fn value(definition: &InputValueDefinition) -> String {
    let ty = definition.ty.node.to_string();
    match &definition.default_value {
        Some(default) => format!("{ty} = {}", default.node),
        None => ty,
    }
}

#[tokio::test]
async fn everything_is_described() {
    let server = Server::start(Backend::Sqlite).await;
    let data = server.anonymous().data(DESCRIPTIONS, json!({})).await;
    let mut bare = Vec::new();
    for ty in data["__schema"]["types"].as_array().unwrap() {
        let name = ty["name"].as_str().unwrap();
        // GraphQL's own scalars; `ID` has no description.
        if name.starts_with("__") || name == "ID" {
            continue;
        }
        look(&mut bare, name, ty);
        for part in parts_of(ty, &["fields", "inputFields", "enumValues"]) {
            let part_name = format!("{name}.{}", part["name"].as_str().unwrap());
            look(&mut bare, &part_name, part);
            for argument in parts_of(part, &["args"]) {
                let name = format!("{part_name}({})", argument["name"].as_str().unwrap());
                look(&mut bare, &name, argument);
            }
        }
    }
    assert!(bare.is_empty(), "no description: {bare:#?}");
}

/// Words of older descriptions that readers did not understand.
const PUZZLES: [&str; 31] = [
    "one's own",
    "leaves nothing",
    "unless told",
    "for good",
    " told",
    "narrows nothing",
    "answers to",
    "where there is none",
    "stands for itself",
    "says it all",
    "say it all",
    "is theirs",
    "match no list",
    "obody",
    "hoever",
    "written exactly so",
    " asked",
    " kept",
    "taken back",
    "takes back",
    "it is there in",
    "and its like",
    "follows from other",
    "what it asks",
    "; by code",
    "; by number",
    "also if ",
    "excludes nothing",
    "read it again",
    "all at once",
    "under way",
];

#[test]
fn descriptions_avoid_puzzling_words() {
    let sdl = served();
    for puzzle in PUZZLES {
        let found = sdl.lines().find(|line| line.contains(puzzle));
        assert_eq!(found, None, "{puzzle}");
    }
}

/// STALE is about the `version` of an input: it puzzles where there is none.
#[test]
fn only_payloads_of_inputs_with_a_version_mention_stale_records() {
    let served = served();
    for payload in served.split("\ntype ").skip(1) {
        let Some((mutation, fields)) = payload.split_once("Payload {") else {
            continue;
        };
        let fields = fields.split("\n}").next().unwrap();
        let input = served.split(&format!("\ninput {mutation}Input {{")).nth(1);
        let input = input.and_then(|input| input.split("\n}").next());
        let has_version = input.unwrap().contains("\tversion: Int!");
        assert_eq!(fields.contains("STALE"), has_version, "{mutation}");
    }
}

#[tokio::test]
async fn descriptions_state_nullability_and_defaults() {
    let document = "{ __schema { types { kind name fields { name description type { kind } }
        inputFields { name description defaultValue type { kind } } } } }";
    let server = Server::start(Backend::Sqlite).await;
    let data = server.anonymous().data(document, json!({})).await;
    let mut silent = Vec::new();
    for ty in data["__schema"]["types"].as_array().unwrap() {
        let name = ty["name"].as_str().unwrap();
        // What is null of these is a rule of them all.
        let rule = name.starts_with("__") || ["Mutation", "Subscription"].contains(&name);
        let creates = ["Create", "Propose", "Add", "Send", "Request"];
        let creates = creates.map(|verb| format!("{verb}Input"));
        let creates = creates.iter().any(|end| name.ends_with(end));
        for field in parts_of(ty, &["fields", "inputFields"]) {
            let description = field["description"].as_str().unwrap_or_default();
            let says = match ty["kind"].as_str() {
                Some("OBJECT") if !rule => description.to_lowercase().contains("null"),
                Some("INPUT_OBJECT") if creates && field["defaultValue"].is_null() => {
                    ["Default: ", "Required"]
                        .iter()
                        .any(|word| description.contains(word))
                }
                _ => true,
            };
            if field["type"]["kind"] != "NON_NULL" && !says {
                silent.push(format!("{name}.{}", field["name"]));
            }
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[tokio::test]
async fn the_schema_description_is_an_introduction() {
    let server = Server::start(Backend::Sqlite).await;
    let document = "{ __schema { about: description } }";
    let data = server.anonymous().data(document, json!({})).await;
    let about = data["__schema"]["about"].as_str().unwrap();
    for word in ["without a token", "TSB_EDITOR", "Acting-As", "cursor"] {
        assert!(about.contains(word), "{word}: {about}");
    }
    assert!(served().contains(about));
}

const DESCRIPTIONS: &str = "{ __schema { types { name description
    fields(includeDeprecated: true) { name description args { name description } }
    inputFields { name description }
    enumValues(includeDeprecated: true) { name description } } } }";

fn parts_of<'a>(of: &'a Value, keys: &[&str]) -> Vec<&'a Value> {
    keys.iter()
        .filter_map(|key| of[*key].as_array())
        .flatten()
        .collect()
}

fn look(bare: &mut Vec<String>, name: &str, described: &Value) {
    let description = described["description"].as_str().unwrap_or_default();
    if description.trim().is_empty() || description.contains("Rust") {
        bare.push(name.to_owned());
    }
}

//! Ids in the inputs of mutations that name nothing, or a record of another type.

use serde_json::{Map, Value, json};

use crate::support::harness::{Client, Server};
use crate::support::introspection::{OTHER_ID, Schema, TypeReference, name};

on_both_databases! {
    each_wrong_id_of_each_input_has_its_own_error
    each_id_of_each_input_may_be_null_absent_or_many
}

/// The random part of an id that names nothing.
const UNKNOWN: &str = "01h455vb4pex5vsknk084sn02q";

/// Records that a party may write, by the name of a field that takes their id; and the version of each.
struct Records(Vec<(&'static str, String, Value)>);

impl Records {
    async fn of(
        server: &Server,
        side: &str,
        organization: &str,
        committee: &str,
        publication: &str,
    ) -> Self {
        let reader = server.anonymous();
        let document = "query($side: Party!) { actionItems(first: 1, filter: { ownedBy: [$side], open: true }) { nodes { id } }
            examinations(last: 1) { nodes { id } } }";
        let data = reader.data(document, json!({ "side": side })).await;
        let first = |list: &str| data[list]["nodes"][0]["id"].as_str().unwrap().to_owned();
        let proposal = json!({ "title": "New", "summary": "S" });
        let proposed = server.tsb().change("topicPropose", proposal, "id").await;
        let ids = [
            (
                "topicTakePositionId",
                proposed["id"].as_str().unwrap().to_owned(),
            ),
            ("organizationId", server.organization(organization).await),
            ("publicationId", server.publication(publication).await),
            ("topicId", server.topic("T-3").await),
            ("subjectId", server.topic("T-3").await),
            ("actionItemId", first("actionItems")),
            ("examinationId", first("examinations")),
            ("relatedId", server.publication("UPU S42").await),
            (
                "committeeId",
                server.committee(organization, committee).await,
            ),
            ("fromIds", server.committee(organization, committee).await),
        ];
        let document = "query($id: ID!) { node(id: $id) { ... on Organization { version } ... on Committee { version }
            ... on Topic { version } ... on ActionItem { version } ... on Publication { version } } }";
        let mut records = Vec::new();
        for (field, id) in ids {
            let data = reader.data(document, json!({ "id": id })).await;
            records.push((field, id, data["node"]["version"].clone()));
        }
        Self(records)
    }

    /// The record that an input changes.
    fn target(&self, input: &str) -> Option<&(&'static str, String, Value)> {
        let input = input.to_ascii_lowercase();
        self.0.iter().find(|(field, ..)| {
            input.starts_with(&field.trim_end_matches("Id").to_ascii_lowercase())
        })
    }

    /// An id for a field of an input.
    fn id(&self, input: &str, field: &str) -> &str {
        let found = match field {
            "id" => self.target(input),
            _ => self.0.iter().find(|(name, ..)| field == *name),
        };
        found.map_or(OTHER_ID, |(_, id, _)| id)
    }
}

/// A value for a field of an input; an input object with all fields that are required.
fn value(schema: &Schema, records: &Records, input: &str, field: &Value) -> Value {
    let ty = TypeReference::of(field);
    let value = match ty.name {
        "Int" => records
            .target(input)
            .map_or(json!(1), |target| target.2.clone()),
        "ID" => json!(records.id(input, name(field))),
        "Position" => json!("AGREED"),
        object if schema.kind(object) == "INPUT_OBJECT" => required(schema, records, object),
        other => schema.value(other),
    };
    if ty.is_list { json!([value]) } else { value }
}

/// An input with all fields that are required.
fn required(schema: &Schema, records: &Records, input: &str) -> Value {
    let fields = schema.inputs(input).iter();
    let fields = fields.filter(|field| TypeReference::of(field).is_required);
    let values = fields.map(|field| {
        let value = value(schema, records, input, field);
        (name(field).to_owned(), value)
    });
    values.collect::<Map<_, _>>().into()
}

/// The error about a field of an input; `None` if something else is wrong before it.
async fn error(client: &Client<'_>, document: &str, input: &Value, field: &str) -> Option<Value> {
    let response = client.run(document, json!({ "input": input })).await;
    assert!(
        !response.to_string().contains("INTERNAL"),
        "{input}: {response}"
    );
    let errors = response["data"]["payload"]["userErrors"].as_array()?;
    let about = errors.iter().find(|error| error["field"][0] == field)?;
    Some(about.clone())
}

/// Returns the parties that write, each with records of its own.
async fn parties(server: &Server) -> [(&'static str, Client<'_>, Records); 2] {
    let itu = "ITU-T X.1341 (09/2015)";
    let itu = Records::of(server, "ITU", "ITU-T", "SG17", itu).await;
    let upu = Records::of(server, "UPU", "POC", "C5", "UPU S52").await;
    [("ITU", server.itu(), itu), ("UPU", server.upu(), upu)]
}

/// A field with an id, or several, of the input of a mutation.
struct IdField<'a> {
    input: &'a str,
    document: String,
    name: &'a str,
    ty: TypeReference<'a>,
}

fn id_fields(schema: &Schema) -> Vec<IdField<'_>> {
    let mut found = Vec::new();
    for mutation in schema.fields("Mutation") {
        let input = TypeReference::of(&mutation["args"][0]).name;
        for field in schema.inputs(input) {
            let ty = TypeReference::of(field);
            if ty.name == "ID" {
                found.push(IdField {
                    input,
                    document: format!(
                        "mutation($input: {input}!) {{ payload: {}(input: $input) {{ userErrors {{ code field message }} }} }}",
                        name(mutation)
                    ),
                    name: name(field),
                    ty,
                });
            }
        }
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}

async fn each_wrong_id_of_each_input_has_its_own_error(server: &Server) {
    server.fill().await;
    let schema = Schema::of(server).await;
    let parties = parties(server).await;
    let mut unseen = Vec::new();
    for field in id_fields(&schema) {
        let (input, name) = (field.input, field.name);
        let mut messages = Vec::new();
        for (side, party, records) in &parties {
            let mut wrong = required(&schema, records, input);
            if input == "OrganizationCreateInput" {
                wrong["side"] = json!(side);
            }
            let mut ids = vec![OTHER_ID.to_owned(), String::new(), "42".to_owned()];
            let mut next = 0;
            while let Some(id) = ids.get(next).cloned() {
                next += 1;
                wrong[name] = if field.ty.is_list {
                    json!([id])
                } else {
                    json!(id)
                };
                if let Some(error) = error(party, &field.document, &wrong, name).await {
                    assert_eq!(error["code"], "NOT_FOUND", "{wrong}: {error}");
                    let message = error["message"].as_str().unwrap().to_owned();
                    // An id that begins as the message says names nothing either.
                    let prefix = message.split_once("starts with `").map(|(_, rest)| rest);
                    let prefix = prefix.and_then(|rest| rest.split('`').next());
                    ids.extend(prefix.map(|prefix| format!("{prefix}{UNKNOWN}")));
                    ids.truncate(4);
                    messages.push((next, message));
                }
            }
        }
        if messages.iter().all(|(count, _)| *count != 4) && name != "subjectId" {
            unseen.push(format!("{input}.{name}"));
        }
        // Each says how an id begins that would be right, or what takes notes.
        for (count, message) in messages {
            let says = message.contains("starts with `") || message.contains("There is no");
            assert!(
                says || name == "subjectId",
                "{input}.{name} {count}: {message}"
            );
        }
    }
    assert_eq!(unseen, Vec::<String>::new());
}

async fn each_id_of_each_input_may_be_null_absent_or_many(server: &Server) {
    server.fill().await;
    let schema = Schema::of(server).await;
    let [(_, itu, records), _] = parties(server).await;
    let fields = id_fields(&schema);
    // First what is refused: the rest can change the versions of the records.
    for field in fields.iter().filter(|field| field.ty.is_list) {
        let (name, place) = (field.name, format!("{}.{}", field.input, field.name));
        let mut input = required(&schema, &records, field.input);
        input[name] = json!(vec![OTHER_ID; 100]);
        let error = error(&itu, &field.document, &input, name).await;
        let message = error.unwrap_or_else(|| panic!("{place}"))["message"].to_string();
        let says = message.contains("starts with `") || message.contains(" at most.");
        assert!(says, "{place}: {message}");
    }
    for field in &fields {
        let (name, place) = (field.name, format!("{}.{}", field.input, field.name));
        let mut input = required(&schema, &records, field.input);
        for value in [Value::Null, json!([])] {
            if !value.is_null() && !field.ty.is_list {
                continue;
            }
            input[name] = value.clone();
            let response = itu.run(&field.document, json!({ "input": input })).await;
            if value.is_null() && field.ty.is_required {
                let error = &response["errors"][0];
                let path = &error["extensions"]["inputPath"];
                assert_eq!(*path, json!(["input", name]), "{place}: {response}");
                let message = error["message"].as_str().unwrap();
                assert!(
                    message.contains("it must not be null"),
                    "{place}: {response}"
                );
                continue;
            }
            // It is made, or a rule refuses it in a sentence.
            let errors = response["data"]["payload"]["userErrors"].as_array();
            let errors = errors.or_else(|| response["errors"].as_array()).unwrap();
            for error in errors {
                let code = [&error["code"], &error["extensions"]["code"]];
                let is_rule = |code: &&Value| code.is_string() && **code != "INTERNAL";
                assert!(code.iter().any(is_rule), "{place} {value}: {response}");
                let message = error["message"].as_str().unwrap();
                assert!(message.ends_with('.'), "{place} {value}: {message}");
            }
        }
        if field.ty.is_required {
            input.as_object_mut().unwrap().remove(name);
            let response = itu.run(&field.document, json!({ "input": input })).await;
            let message = response["errors"][0]["message"].as_str().unwrap();
            let expected = format!("its field `{name}` is missing");
            assert!(message.contains(&expected), "{place}: {message}");
        }
    }
}

//! Ids in the inputs of mutations that name nothing, or a record of another type.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    each_id_of_each_input_says_what_is_wrong_with_it
}

const INPUTS: &str = "{ __schema {
    mutationType { fields { name args { name type { ofType { name } } } } }
    types { name kind enumValues { name } inputFields { name type { ...type } } } } }
    fragment type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// A well-formed id of a type that no input takes.
const OTHER: &str = "activity_01h455vb4pex5vsknk084sn02q";

/// The input objects and enums of the schema by name.
struct Schema(BTreeMap<String, Value>);

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
        found.map_or(OTHER, |(_, id, _)| id)
    }
}

impl Schema {
    fn fields(&self, input: &str) -> &[Value] {
        let fields = self.0[input]["inputFields"].as_array();
        fields.map_or(&[], Vec::as_slice)
    }

    /// A value of a type; of an input object with all fields that are required.
    fn value(&self, records: &Records, input: &str, field: &str, reference: &Value) -> Value {
        let inner = || self.value(records, input, field, &reference["ofType"]);
        match reference["kind"].as_str().unwrap() {
            "NON_NULL" => inner(),
            "LIST" => json!([inner()]),
            "ENUM" if field == "position" => json!("AGREED"),
            "ENUM" => self.0[name(reference)]["enumValues"][0]["name"].clone(),
            "INPUT_OBJECT" => {
                let input = name(reference);
                let fields = self.fields(input).iter();
                let required = fields.filter(|field| field["type"]["kind"] == "NON_NULL");
                let values = required.map(|field| {
                    let value = self.value(records, input, name(field), &field["type"]);
                    (name(field).to_owned(), value)
                });
                values.collect::<Map<_, _>>().into()
            }
            _ => match name(reference) {
                "Int" => records
                    .target(input)
                    .map_or(json!(1), |target| target.2.clone()),
                "Boolean" => json!(true),
                "ID" => json!(records.id(input, field)),
                "Date" => json!("2030-01-01"),
                "DateTime" => json!("2026-01-01T00:00:00Z"),
                "URL" => json!("https://example.org/"),
                _ => json!("Text"),
            },
        }
    }
}

fn name(of: &Value) -> &str {
    of["name"].as_str().unwrap()
}

/// Whether a type is an id or a list of ids, and which; `None` if it is neither.
fn is_list_of_ids(reference: &Value) -> Option<bool> {
    match reference["kind"].as_str()? {
        "NON_NULL" => is_list_of_ids(&reference["ofType"]),
        "LIST" => is_list_of_ids(&reference["ofType"]).map(|_| true),
        _ => (reference["name"] == "ID").then_some(false),
    }
}

/// The error about a field of an input; `None` if something else is wrong before it.
async fn error(client: &Client<'_>, document: &str, input: &Value, field: &str) -> Option<Value> {
    let answer = client.run(document, json!({ "input": input })).await;
    assert!(
        !answer.to_string().contains("INTERNAL"),
        "{input}: {answer}"
    );
    let errors = answer["data"]["payload"]["userErrors"].as_array()?;
    let about = errors.iter().find(|error| error["field"][0] == field)?;
    Some(about.clone())
}

async fn each_id_of_each_input_says_what_is_wrong_with_it(server: &Server) {
    server.fill().await;
    let data = server.anonymous().data(INPUTS, json!({})).await;
    let types = data["__schema"]["types"].as_array().unwrap();
    let types = types.iter().map(|ty| (name(ty).to_owned(), ty.clone()));
    let schema = Schema(types.collect());
    let itu = "ITU-T X.1341 (09/2015)";
    let itu = Records::of(server, "ITU", "ITU-T", "SG17", itu).await;
    let upu = Records::of(server, "UPU", "POC", "C5", "UPU S52").await;
    let parties = [("ITU", server.itu(), itu), ("UPU", server.upu(), upu)];
    let (mut tried, mut unseen) = (0, Vec::new());
    for mutation in data["__schema"]["mutationType"]["fields"]
        .as_array()
        .unwrap()
    {
        let input = name(&mutation["args"][0]["type"]["ofType"]);
        let document = format!(
            "mutation($input: {input}!) {{ payload: {}(input: $input) {{ userErrors {{ code field message }} }} }}",
            name(mutation)
        );
        for field in schema.fields(input) {
            let Some(is_list) = is_list_of_ids(&field["type"]) else {
                continue;
            };
            let field = name(field);
            let mut messages = Vec::new();
            for (side, party, records) in &parties {
                let object = json!({ "kind": "INPUT_OBJECT", "name": input });
                let mut wrong = schema.value(records, input, field, &object);
                if input == "OrganizationCreateInput" {
                    wrong["side"] = json!(side);
                }
                for id in [OTHER, "", "42", "T-2"] {
                    wrong[field] = if is_list { json!([id]) } else { json!(id) };
                    if let Some(error) = error(party, &document, &wrong, field).await {
                        assert_eq!(error["code"], "NOT_FOUND", "{wrong}: {error}");
                        messages.push(error["message"].as_str().unwrap().to_owned());
                    }
                }
            }
            if messages.is_empty() {
                unseen.push(format!("{input}.{field}"));
            }
            // Each says how an id begins that would be right, or what takes notes.
            for message in messages {
                assert!(
                    message.contains("starts with `") || field == "subjectId",
                    "{input}.{field}: {message}"
                );
            }
            tried += 1;
        }
    }
    assert_eq!(unseen, Vec::<String>::new());
    assert!(tried > 40, "{tried}");
}

//! Each field of each input that creates or updates a record is stored, can be read, and is in the history and in the
//! documentation of imports.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::support::harness::{Client, Server};
use crate::support::introspection::{Schema, TypeReference, list, name};

on_both_databases! {
    every_field_of_a_new_record_is_stored_and_logged
    every_field_of_an_update_is_stored_and_logged
}

/// Fields of inputs that are no fields of the record, and why.
const NOT_OF_THE_RECORD: [(&str, &str); 2] = [
    ("idempotencyKey", "says which request it was"),
    (
        "leadCommitteeId",
        "one of the topic's `committees`, with the role LEAD",
    ),
];

/// Fields of new records that their history does not have, and why.
const NOT_LOGGED: [(&str, &str); 5] = [
    (
        "language",
        "never changes: `originalLanguage` of the record",
    ),
    (
        "PublicationAddInput.topicIds",
        "the history of each topic has it",
    ),
    ("body", "is long, and can be retracted if it is a note's"),
    ("contact", "never changes"),
    ("attachments", "never change"),
];

/// Records that ITU may name in an input.
struct Records(Map<String, Value>);

impl Records {
    async fn of(server: &Server) -> Self {
        server.fill().await;
        let data = server
            .anonymous()
            .data(
                "{ mandates { provisions { id } } liaisonStatements(last: 1) { nodes { id } } }",
                json!({}),
            )
            .await;
        let provisions = &data["mandates"][0]["provisions"];
        let (itu, itu_t) = (
            server.organization("ITU").await,
            server.organization("ITU-T").await,
        );
        let sg17 = server.committee("ITU-T", "SG17").await;
        let sg16 = server.committee("ITU-T", "SG16").await;
        let c5 = server.committee("POC", "C5").await;
        let psi = server.committee("POC", "PSI").await;
        let topic = server.topic("T-3").await;
        let recommendation = server.publication("ITU-T X.1341 (09/2015)").await;
        let standard = server.publication("UPU S42").await;
        let numbered = json!({ "number": "ITU-T Z.1", "title": "T", "kind": "OTHER", "organizationId": itu_t });
        let other = server.itu().change("publicationAdd", numbered, "id").await;
        // After the statement that is replied to, and before now.
        server.pass_seconds(60);
        let sent_at = server.now() - Duration::from_secs(30);
        let sent_at = sent_at.format("%Y-%m-%dT%H:%M:%SZ");
        // Of each, the value of a new record, then that of an update.
        let records = json!({
            "OrganizationCreateInput.parentId": [itu],
            "CommitteeCreateInput.parentId": [sg17],
            "organizationId": [itu_t],
            "committeeId": [sg17, sg16],
            "leadCommitteeId": [sg17],
            "counterpartId": [c5, psi],
            "fromIds": [[sg17]],
            "predecessorIds": [[sg16], [sg17]],
            "topicId": [topic],
            "topicIds": [[topic]],
            "provisionIds": [[provisions[0]["id"]], [provisions[1]["id"]]],
            "publicationId": [standard],
            "publicationIds": [[], [standard]],
            "supersedesId": [recommendation, other["id"]],
            "subjectId": [topic],
            "inReplyToId": [data["liaisonStatements"]["nodes"][0]["id"]],
            "addressees": [[{ "committeeId": c5, "purpose": "ACTION", "replyBy": "2031-01-01" }]],
            "attachments": [[{ "name": "A", "url": "https://example.org/a" }]],
            "sentAt": [sent_at.to_string()],
        });
        Self(records.as_object().unwrap().clone())
    }

    /// A value for a field, another one for each `turn`.
    fn value(&self, schema: &Schema, input: &str, field: &Value, turn: usize) -> Value {
        let ty = TypeReference::of(field).name;
        let field = name(field);
        let known = self.0.get(&format!("{input}.{field}"));
        if let Some(values) = known.or_else(|| self.0.get(field)) {
            return values[turn].clone();
        }
        match ty {
            // What ends has begun before.
            "Date" if field.starts_with("end") => json!(format!("204{turn}-01-01")),
            "Date" => json!(format!("203{turn}-01-01")),
            "URL" => json!(format!("https://example.org/{turn}")),
            "String" if field == "idempotencyKey" => json!(input),
            "String" => json!(format!("{field} {turn}")),
            other => schema.values(other)[turn]["name"].clone(),
        }
    }
}

/// A mutation that creates or updates records.
struct Mutation<'a> {
    name: &'a str,
    input: &'a str,
    /// The type of the record.
    ty: &'a str,
}

/// The mutations whose names end so; those of webhooks have tests of their own.
fn mutations<'a>(schema: &'a Schema, ends: &[&str]) -> Vec<Mutation<'a>> {
    let mutations = schema.fields("Mutation").iter();
    let wanted = mutations.filter(|mutation| {
        let name = name(mutation);
        ends.iter().any(|end| name.ends_with(end)) && !name.starts_with("webhook")
    });
    let mutations = wanted.map(|mutation| {
        let payload = TypeReference::of(mutation).name;
        Mutation {
            name: name(mutation),
            input: TypeReference::of(&mutation["args"][0]).name,
            ty: TypeReference::of(&schema.fields(payload)[0]).name,
        }
    });
    mutations.collect()
}

impl Mutation<'_> {
    async fn create(
        &self,
        client: &Client<'_>,
        schema: &Schema,
        records: &Records,
    ) -> (Value, Map<String, Value>) {
        let fields = schema.inputs(self.input).iter();
        let input = fields.map(|field| {
            let value = records.value(schema, self.input, field, 0);
            (name(field).to_owned(), value)
        });
        let input: Map<_, _> = input.collect();
        let created = client.change(self.name, json!(input), "id").await;
        (created["id"].clone(), input)
    }

    /// The value that the record has in the field of an input.
    async fn read(&self, client: &Client<'_>, schema: &Schema, id: &Value, field: &str) -> Value {
        let field = of_record(field);
        let mut fields = schema.fields(self.ty).iter();
        let found = fields.find(|found| name(found) == field);
        let found = found.unwrap_or_else(|| panic!("{} has no field `{field}`", self.ty));
        let ty = TypeReference::of(found);
        let selection = match schema.kind(ty.name) {
            "OBJECT" if ty.name.ends_with("Connection") => "{ nodes { id } }",
            "OBJECT"
                if schema
                    .fields(ty.name)
                    .iter()
                    .any(|field| name(field) == "id") =>
            {
                "{ id }"
            }
            "OBJECT" => "{ __typename }",
            "INTERFACE" => "{ id }",
            _ => "",
        };
        let document = format!(
            "query($id: ID!) {{ node(id: $id) {{ ... on {} {{ value: {field} {selection} }} }} }}",
            self.ty
        );
        let data = client.data(&document, json!({ "id": id })).await;
        let value = &data["node"]["value"];
        match &value["nodes"] {
            Value::Null => value.clone(),
            nodes => nodes.clone(),
        }
    }
}

/// The name of the record's field that an input's field sets.
fn of_record(field: &str) -> String {
    match field {
        "language" => "originalLanguage".to_owned(),
        field => in_file(field),
    }
}

/// The name that the field of an input has in files.
fn in_file(field: &str) -> String {
    match field.strip_suffix("Ids") {
        Some("from") => "from".to_owned(),
        Some(stem) => format!("{stem}s"),
        None => field.strip_suffix("Id").unwrap_or(field).to_owned(),
    }
}

/// What the documentation says of the fields of a type in files.
fn importable(ty: &str) -> String {
    let document = include_str!("../../../docs/import-export.md");
    let start = format!("| `{ty}`");
    let rows = document.lines().filter(|line| line.starts_with(&start));
    rows.collect()
}

/// The fields that the newest activity of a record has a value for.
async fn logged(client: &Client<'_>, id: &Value) -> Vec<Value> {
    let document = "query($id: ID!) { activities(last: 1, filter: { subject: $id }) { nodes { changes { field after } } } }";
    let data = client.data(document, json!({ "id": id })).await;
    let changes = list(&data["activities"]["nodes"][0]["changes"]).iter();
    let set = changes.filter(|change| !change["after"].is_null());
    set.map(|change| change["field"].clone()).collect()
}

fn is_listed(exceptions: &[(&str, &str)], field: &str) -> bool {
    exceptions.iter().any(|exception| exception.0 == field)
}

async fn every_field_of_a_new_record_is_stored_and_logged(server: &Server) {
    let schema = Schema::of(server).await;
    let (itu, records) = (server.itu(), Records::of(server).await);
    let mutations = mutations(&schema, &["Create", "Add", "Propose", "Request", "Send"]);
    assert!(mutations.len() >= 8, "{}", mutations.len());
    for mutation in mutations {
        let (id, input) = mutation.create(&itu, &schema, &records).await;
        let logged = logged(&itu, &id).await;
        let importable = importable(mutation.ty);
        for (field, given) in input {
            let place = format!("{}.{field}", mutation.input);
            if is_listed(&NOT_OF_THE_RECORD, &field) {
                continue;
            }
            let is_importable = importable.contains(&format!("`{}`", in_file(&field)));
            assert!(
                is_importable || field == "subjectId",
                "{place}: {importable}"
            );
            let read = mutation.read(&itu, &schema, &id, &field).await;
            if given.is_string() && read.is_string() {
                assert_eq!(read, given, "{place}");
            }
            assert!(!read.is_null() && read != json!([]), "{place}: {read}");
            let is_logged = logged.contains(&json!(of_record(&field)));
            assert!(
                is_logged != (is_listed(&NOT_LOGGED, &field) || is_listed(&NOT_LOGGED, &place)),
                "{place}: {logged:?}"
            );
        }
    }
}

async fn every_field_of_an_update_is_stored_and_logged(server: &Server) {
    let schema = Schema::of(server).await;
    let (itu, records) = (server.itu(), Records::of(server).await);
    let creations = mutations(&schema, &["Create", "Add", "Propose"]);
    let updates = mutations(&schema, &["Update"]);
    assert!(updates.len() >= 5, "{}", updates.len());
    for update in updates {
        let creation = creations.iter().find(|creation| creation.ty == update.ty);
        let (id, _) = creation.unwrap().create(&itu, &schema, &records).await;
        let mut version = server.version(id.as_str().unwrap()).await;
        for field in schema.inputs(update.input) {
            if ["id", "version"].contains(&name(field)) {
                continue;
            }
            let value = records.value(&schema, update.input, field, 1);
            let field = name(field);
            let place = format!("{}.{field}", update.input);
            let before = update.read(&itu, &schema, &id, field).await;
            let input = json!({ "id": id, "version": version, field: value });
            let updated = itu.change(update.name, input, "version").await;
            assert_ne!(updated["version"], version, "{place} changes nothing");
            version = updated["version"].clone();
            let after = update.read(&itu, &schema, &id, field).await;
            assert!(!after.is_null() && after != before, "{place}: {after}");
            let logged = logged(&itu, &id).await;
            assert!(
                logged.contains(&json!(of_record(field))),
                "{place}: {logged:?}"
            );
        }
    }
}

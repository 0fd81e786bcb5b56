//! Mirrors: each change is reported by an activity of the record that changes, or as the description of the field says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use crate::queries::overlaps::dismiss;
use crate::support::harness::{Backend, Client, Server};

on_both_databases! {
    every_change_is_reported_as_the_descriptions_say
    every_change_of_a_webhook_is_reported_only_to_its_party
}

/// How the description of a field begins to say after which activities to read it again.
const FOLLOWS: &str = "reload it when the subscription `activity` sends one with `verb` ";
/// What is between the verbs and the type of the subject there.
const SUBJECT: &str = " and `subjectType` ";

const IDS: &str = "{ organizations(first: 100) { nodes { __typename id } } committees(first: 100) { nodes { __typename id } }
    topics(first: 100) { nodes { __typename id } } actionItems(first: 100) { nodes { __typename id } }
    publications(first: 100) { nodes { __typename id } } examinations(first: 100) { nodes { __typename id } }
    liaisonStatements(first: 100) { nodes { __typename id } } mandates { __typename id provisions { __typename id } }
    activities(last: 100, filter: { subjectType: [NOTE] }) { nodes { subject { __typename id } } } }";

const WEBHOOKS: &str = "{ webhooks { __typename id } }";

const TYPES: &str = "{ __schema { types { kind name interfaces { name } fields { name description
    type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// A field of a record.
struct Field {
    name: String,
    selection: String,
    /// The verbs and the type of the subject of the activities that its description names; `None` if each change of it
    /// is an activity of its record.
    follows: Option<(String, String)>,
}

/// The fields of each type of record that mirrors hold, by the name of the type. Webhooks are visible to their own party
/// only, which mirrors them apart.
async fn fields(server: &Server, webhooks: bool) -> BTreeMap<String, Vec<Field>> {
    let data = server.anonymous().data(TYPES, json!({})).await;
    let types = data["__schema"]["types"].as_array().unwrap();
    let records = types.iter().filter(|ty| {
        let name = ty["name"].as_str().unwrap();
        is_record(ty) && name != "Activity" && (name == "Webhook") == webhooks
    });
    let fields = records.map(|ty| {
        let fields = ty["fields"].as_array().unwrap().iter();
        let fields = fields.filter(|field| field["name"] != "activities");
        let fields = fields.map(|field| Field {
            name: field["name"].as_str().unwrap().to_owned(),
            selection: selection(types, &field["type"]),
            follows: follows(field["description"].as_str().unwrap()),
        });
        (ty["name"].as_str().unwrap().to_owned(), fields.collect())
    });
    fields.collect()
}

fn is_record(ty: &Value) -> bool {
    let interfaces = ty["interfaces"].as_array();
    interfaces.is_some_and(|interfaces| {
        interfaces
            .iter()
            .any(|interface| interface["name"] == "Node")
    })
}

/// Selects all of a value, of other records their ids.
fn selection(types: &[Value], reference: &Value) -> String {
    if reference["ofType"].is_object() {
        return selection(types, &reference["ofType"]);
    }
    let ty = types.iter().find(|ty| ty["name"] == reference["name"]);
    let ty = ty.unwrap();
    if ty["name"].as_str().unwrap().ends_with("Connection") {
        return "(first: 20) { totalCount nodes { id } }".to_owned();
    }
    if is_record(ty) || ty["name"] == "Node" {
        return "{ id }".to_owned();
    }
    let Some(fields) = ty["fields"].as_array() else {
        return String::new();
    };
    let fields = fields.iter().map(|field| {
        let name = field["name"].as_str().unwrap();
        format!("{name} {} ", selection(types, &field["type"]))
    });
    format!("{{ {}}}", fields.collect::<String>())
}

fn follows(description: &str) -> Option<(String, String)> {
    let (_, after) = description.split_once(FOLLOWS)?;
    let (verbs, subject) = after.strip_suffix('.')?.split_once(SUBJECT)?;
    Some((verbs.to_owned(), subject.to_owned()))
}

/// A copy of the register.
struct Mirror<'a> {
    server: &'a Server,
    reader: Client<'a>,
    /// Reads the ids of all records.
    ids: &'static str,
    fields: BTreeMap<String, Vec<Field>>,
    records: BTreeMap<String, Value>,
    mutations: BTreeSet<String>,
    /// The fields that changed because other records did.
    followed: BTreeSet<String>,
}

impl<'a> Mirror<'a> {
    async fn of(server: &'a Server, reader: Client<'a>, webhooks: bool) -> Self {
        let mut mirror = Self {
            server,
            reader,
            ids: if webhooks { WEBHOOKS } else { IDS },
            fields: fields(server, webhooks).await,
            records: BTreeMap::new(),
            mutations: BTreeSet::new(),
            followed: BTreeSet::new(),
        };
        mirror.records = mirror.read().await;
        mirror
    }

    async fn read(&self) -> BTreeMap<String, Value> {
        let reader = &self.reader;
        let mut ids = BTreeMap::new();
        collect(&reader.data(self.ids, json!({})).await, &mut ids);
        let mut records = BTreeMap::new();
        for (ty, fields) in &self.fields {
            let fields = fields.iter();
            let fields = fields.map(|field| format!("{} {} ", field.name, field.selection));
            let document = format!(
                "query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {ty} {{ __typename {}}} }} }}",
                fields.collect::<String>()
            );
            let ids = ids.iter().filter(|(_, name)| *name == ty);
            let ids: Vec<&String> = ids.map(|(id, _)| id).collect();
            for ids in ids.chunks(50) {
                let data = reader.data(&document, json!({ "ids": ids })).await;
                for record in data["nodes"].as_array().unwrap() {
                    let id = record["id"].as_str().unwrap().to_owned();
                    records.insert(id, record.clone());
                }
            }
        }
        records
    }

    /// Makes a change, and compares what changed with what the history reports.
    async fn change(&mut self, client: &Client<'_>, mutation: &str, input: Value) -> String {
        let cursor = self.newest().await;
        let record = client.change(mutation, input, "id").await;
        self.compare(mutation, &cursor).await;
        record["id"].as_str().unwrap().to_owned()
    }

    /// Returns the cursor of the newest activity that the reader sees.
    async fn newest(&self) -> String {
        let document = "{ activities(last: 1) { nodes { cursor } } }";
        let data = self.reader.data(document, json!({})).await;
        let cursor = data["activities"]["nodes"][0]["cursor"].as_str();
        cursor.unwrap().to_owned()
    }

    /// Compares what changed after a cursor with what the history reports.
    async fn compare(&mut self, mutation: &str, cursor: &str) {
        let document = "query($after: String) { activities(first: 100, after: $after) { nodes { verb subjectType subject { id } } } }";
        let variables = json!({ "after": cursor });
        let data = self.reader.data(document, variables).await;
        let activities = data["activities"]["nodes"].as_array().unwrap();
        let now = self.read().await;
        let is_reported = |id: &String| {
            activities
                .iter()
                .any(|activity| activity["subject"]["id"] == **id)
        };
        for id in self.records.keys().filter(|id| !now.contains_key(*id)) {
            assert!(is_reported(id), "{mutation} reports no end of {id}");
        }
        for (id, record) in &now {
            let own = is_reported(id);
            let Some(before) = self.records.get(id) else {
                assert!(own, "{mutation} reports nothing of the new {record}");
                continue;
            };
            let ty = record["__typename"].as_str().unwrap();
            for field in &self.fields[ty] {
                let name = &field.name;
                if before[name] == record[name] {
                    continue;
                }
                let reported = match &field.follows {
                    None => own,
                    Some(_) if own => true,
                    Some(follows) => {
                        self.followed.insert(format!("{ty}.{name}"));
                        activities
                            .iter()
                            .any(|activity| is_one_of(activity, follows))
                    }
                };
                assert!(
                    reported,
                    "{mutation}: {ty}.{name} of {id} changed to {}, reported are {activities:?}",
                    record[name]
                );
            }
        }
        self.records = now;
        self.mutations.insert(mutation.to_owned());
    }

    /// Asserts that all mutations were made that a mirror has to know.
    async fn assert_complete(&self, webhooks: bool) {
        let names = "{ __schema { mutationType { fields { name } } } }";
        let data = self.server.anonymous().data(names, json!({})).await;
        let names = data["__schema"]["mutationType"]["fields"].as_array();
        let names = names
            .unwrap()
            .iter()
            .map(|value| value["name"].as_str().unwrap());
        let names = names.filter(|name| name.starts_with("webhook") == webhooks);
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        assert_eq!(self.mutations, names);
        let following = self.fields.iter().flat_map(|(ty, fields)| {
            let following = fields.iter().filter(|field| field.follows.is_some());
            following.map(move |field| format!("{ty}.{}", field.name))
        });
        let following: BTreeSet<String> = following.collect();
        assert_eq!(self.followed, following);
    }

    fn version(&self, id: &str) -> &Value {
        &self.records[id]["version"]
    }
}

fn collect(value: &Value, ids: &mut BTreeMap<String, String>) {
    if let (Some(id), Some(ty)) = (value["id"].as_str(), value["__typename"].as_str()) {
        ids.insert(id.to_owned(), ty.to_owned());
    }
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, ids)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, ids)),
        _ => {}
    }
}

/// Whether an activity has one of the verbs, such as `CREATED or UPDATED`, and a subject of the type.
fn is_one_of(activity: &Value, (verbs, subject): &(String, String)) -> bool {
    let verb = activity["verb"].as_str().unwrap();
    verbs.split([' ', ',']).any(|word| word == verb) && activity["subjectType"] == *subject
}

async fn every_change_is_reported_as_the_descriptions_say(server: &Server) {
    let mut mirror = Mirror::of(server, server.anonymous(), false).await;
    let (itu, upu, tsb) = (server.itu(), server.upu(), server.tsb());
    let committees = bodies(&mut mirror).await;
    let topic = topic(&mut mirror, &committees).await;
    let item = action_item(&mut mirror, &topic, &committees).await;
    let (publication, examination) = publications(&mut mirror, &topic, &committees).await;
    let statement = statements(&mut mirror, &topic, &committees).await;
    let mut note = String::new();
    for subject in [&topic, &item, &publication, &examination, &statement] {
        let input = json!({ "subjectId": subject, "body": "B" });
        note = mirror.change(&upu, "noteAdd", input).await;
    }
    let input = json!({ "id": note });
    mirror.change(&upu, "noteRetract", input).await;
    for (client, subject, field) in [
        (&upu, &topic, "TITLE"),
        (&upu, &topic, "SUMMARY"),
        (&itu, &item, "TITLE"),
        (&itu, &publication, "TITLE"),
        (&itu, &committees.new, "NAME"),
    ] {
        let input = json!({ "subjectId": subject, "version": mirror.version(subject), "field": field,
            "language": "FR", "text": "T", "kind": "COURTESY" });
        mirror.change(client, "translationSet", input).await;
    }
    let cursor = mirror.newest().await;
    let s52 = server.publication("UPU S52").await;
    dismiss(&itu, &json!(publication), &json!(s52), "R").await;
    mirror.compare("overlapDismiss", &cursor).await;
    // The translation of the title becomes outdated.
    let input = json!({ "id": topic, "version": mirror.version(&topic), "title": "Another" });
    mirror.change(&upu, "topicUpdate", input).await;
    let input = json!({ "id": item, "message": "M" });
    mirror.change(&tsb, "actionItemRemind", input).await;
    let input = json!({ "id": committees.other, "version": mirror.version(&committees.other) });
    mirror.change(&itu, "committeeConclude", input).await;
    mirror.assert_complete(false).await;
}

async fn every_change_of_a_webhook_is_reported_only_to_its_party(server: &Server) {
    let itu = server.itu();
    let before = server.newest().await;
    let mut mirror = Mirror::of(server, server.itu(), true).await;
    let input = json!({ "url": "http://127.0.0.1:9/" });
    let webhook = mirror.change(&itu, "webhookCreate", input).await;
    for change in [
        json!({ "url": "http://127.0.0.1:9/other" }),
        json!({ "filter": { "party": ["UPU"] } }),
        json!({ "redeliverAfter": before }),
        json!({ "rotateSecret": true, "retryNow": true, "ping": true }),
        json!({ "enabled": false }),
    ] {
        let mut input = json!({ "id": webhook, "version": mirror.version(&webhook) });
        let fields = input.as_object_mut().unwrap();
        fields.extend(change.as_object().unwrap().clone());
        mirror.change(&itu, "webhookUpdate", input).await;
    }
    let mutation = "webhookDelete";
    let document =
        "mutation($input: WebhookDeleteInput!) { webhookDelete(input: $input) { deletedId } }";
    let cursor = mirror.newest().await;
    let input = json!({ "input": { "id": webhook, "version": mirror.version(&webhook) } });
    let data = itu.data(document, input).await;
    assert_eq!(data[mutation]["deletedId"], webhook);
    mirror.compare(mutation, &cursor).await;
    assert_eq!(mirror.records, BTreeMap::new());
    mirror.assert_complete(true).await;
    // Other parties see none of it.
    assert_eq!(server.newest().await, before);
}

struct Committees {
    sg17: String,
    c5: String,
    /// A new one of ITU-T, which is part of SG17.
    new: String,
    /// One that does nothing.
    other: String,
}

async fn bodies(mirror: &mut Mirror<'_>) -> Committees {
    let (server, itu) = (mirror.server, mirror.server.itu());
    let (union, sector) = (
        server.organization("ITU").await,
        server.organization("ITU-T").await,
    );
    let input = json!({ "acronym": "ITU-X", "name": "X", "kind": "SECTOR", "side": "ITU", "parentId": union });
    let organization = mirror.change(&itu, "organizationCreate", input).await;
    let version = mirror.version(&organization);
    let input = json!({ "id": organization, "version": version, "name": "Y" });
    mirror.change(&itu, "organizationUpdate", input).await;
    let sg17 = server.committee("ITU-T", "SG17").await;
    let sg16 = server.committee("ITU-T", "SG16").await;
    let input = json!({ "organizationId": sector, "code": "SG98", "period": "P", "name": "N", "kind": "STUDY_GROUP" });
    let other = mirror.change(&itu, "committeeCreate", input).await;
    let input = json!({ "organizationId": sector, "code": "SG99", "period": "P", "name": "N", "kind": "STUDY_GROUP",
        "parentId": sg17, "predecessorIds": [sg17] });
    let new = mirror.change(&itu, "committeeCreate", input).await;
    let version = mirror.version(&new);
    let input = json!({ "id": new, "version": version, "predecessorIds": [sg16] });
    mirror.change(&itu, "committeeUpdate", input).await;
    Committees {
        sg17,
        c5: server.committee("POC", "C5").await,
        new,
        other,
    }
}

async fn topic(mirror: &mut Mirror<'_>, committees: &Committees) -> String {
    let (server, itu, upu) = (mirror.server, mirror.server.itu(), mirror.server.upu());
    let document = "{ mandates { provisions { id } } }";
    let data = server.anonymous().data(document, json!({})).await;
    let provisions = &data["mandates"][0]["provisions"];
    let input = json!({ "title": "T", "summary": "S", "leadCommitteeId": committees.new, "provisionIds": [provisions[0]["id"]] });
    let topic = mirror.change(&itu, "topicPropose", input).await;
    let input = json!({ "id": topic, "position": "AGREED", "leadCommitteeId": committees.c5 });
    mirror.change(&upu, "topicTakePosition", input).await;
    let publication = server.publication("ITU-T X.1341 (09/2015)").await;
    let input = json!({ "id": topic, "version": mirror.version(&topic), "publicationIds": [publication],
        "provisionIds": [provisions[1]["id"]] });
    mirror.change(&upu, "topicUpdate", input).await;
    let input = json!({ "id": topic, "committeeId": committees.sg17, "role": "LEAD" });
    mirror.change(&itu, "topicLinkCommittee", input).await;
    let input = json!({ "id": topic, "committeeId": committees.new });
    mirror.change(&itu, "topicUnlinkCommittee", input).await;
    let input = json!({ "id": topic, "reviewOn": "2028-01-01" });
    mirror.change(&upu, "topicReaffirm", input).await;
    topic
}

async fn action_item(mirror: &mut Mirror<'_>, topic: &str, committees: &Committees) -> String {
    let (itu, upu) = (mirror.server.itu(), mirror.server.upu());
    let input = json!({ "topicId": topic, "committeeId": committees.new, "title": "T" });
    let item = mirror.change(&upu, "actionItemCreate", input).await;
    let input = json!({ "id": item, "version": mirror.version(&item), "priority": "HIGH" });
    mirror.change(&upu, "actionItemUpdate", input).await;
    // The owner committee is linked to the topic.
    let input = json!({ "id": item, "version": mirror.version(&item), "to": "OPEN" });
    mirror.change(&itu, "actionItemMove", input).await;
    item
}

async fn publications(
    mirror: &mut Mirror<'_>,
    topic: &str,
    committees: &Committees,
) -> (String, String) {
    let (server, itu, upu) = (mirror.server, mirror.server.itu(), mirror.server.upu());
    let sector = server.organization("ITU-T").await;
    let earlier = server.publication("ITU-T X.1341 (09/2015)").await;
    let input = json!({ "number": "ITU-T X.1341 (06/2026)", "title": "T", "kind": "RECOMMENDATION", "organizationId": sector,
        "committeeId": committees.sg17, "supersedesId": earlier, "topicIds": [topic] });
    let publication = mirror.change(&itu, "publicationAdd", input).await;
    let version = mirror.version(&publication);
    let input = json!({ "id": publication, "version": version, "committeeId": committees.new });
    mirror.change(&itu, "publicationUpdate", input).await;
    let related = server.publication("UPU S52").await;
    let input = json!({ "id": publication, "relatedId": related });
    mirror.change(&upu, "publicationRelate", input).await;
    let input = json!({ "publicationId": publication });
    let examination = mirror.change(&itu, "examinationRequest", input).await;
    for side in [&itu, &upu] {
        let input = json!({ "id": examination, "impact": "NONE", "statement": "S" });
        let mutation = "examinationRecordFinding";
        mirror.change(side, mutation, input).await;
    }
    (publication, examination)
}

async fn statements(mirror: &mut Mirror<'_>, topic: &str, committees: &Committees) -> String {
    let (itu, upu) = (mirror.server.itu(), mirror.server.upu());
    let mutation = "liaisonStatementSend";
    let input = json!({ "title": "T", "fromIds": [committees.sg17], "topicIds": [topic],
        "addressees": [{ "committeeId": committees.c5, "purpose": "ACTION" }] });
    let statement = mirror.change(&itu, mutation, input).await;
    let input = json!({ "title": "Re: T", "fromIds": [committees.c5], "inReplyToId": statement,
        "addressees": [{ "committeeId": committees.sg17, "purpose": "COMMENT" }] });
    mirror.change(&upu, mutation, input).await;
    statement
}

#[tokio::test]
async fn the_mirror_table_agrees_with_the_descriptions() {
    let server = Server::start(Backend::Sqlite).await;
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mirrors.md");
    let document = fs::read_to_string(document).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let rows: BTreeSet<String> = rows.map(str::to_owned).collect();
    let fields = fields(&server, false).await;
    let expected = fields.iter().flat_map(|(ty, fields)| {
        fields.iter().filter_map(move |field| {
            let (verbs, subject) = field.follows.as_ref()?;
            Some(format!("| `{ty}.{}` | {verbs} | {subject} |", field.name))
        })
    });
    assert_eq!(rows, expected.collect::<BTreeSet<_>>());
}

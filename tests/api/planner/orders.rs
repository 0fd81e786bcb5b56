//! Each list has one order, the same on both databases: it ends with a key that is unique.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::support::harness::{Backend, Client, Server};

on_both_databases! {
    ties_are_ordered_by_creation
}

/// Lists whose order is not the database's.
const OTHERWISE_ORDERED: [(&str, &str, &str); 7] = [
    ("Query", "nodes", "in the order asked"),
    (
        "Query",
        "search",
        "in the order of the index, not of the database",
    ),
    (
        "Query",
        "overlaps",
        "in the order of the index, not of the database",
    ),
    ("Topic", "positions", "always two parts of the topic's row"),
    ("Activity", "changes", "stored in their order, as JSON"),
    ("Change", "changes", "stored in their order, as JSON"),
    (
        "ActionItem",
        "nextMoves",
        "made of the row, in the order of the enum",
    ),
];

/// A field that leads to a record or to several.
struct Relation {
    owner: String,
    name: String,
    target: String,
    is_list: bool,
    /// The type of its argument `orderBy`.
    order: Option<String>,
}

impl Relation {
    fn is_page(&self) -> bool {
        self.target.ends_with("Connection")
    }
}

#[tokio::test]
async fn every_order_ends_with_a_unique_key() {
    let server = Server::start(Backend::Sqlite).await;
    server.fill().await;
    let reader = server.tsb();
    let webhook = "mutation { webhookCreate(input: { url: \"https://example.org/hook\" }) { webhook { id } userErrors { message } } }";
    reader.data(webhook, json!({})).await;
    let unique = unique_keys(&server).await;
    let (relations, enums) = relations(&reader).await;
    let routes = routes(&server, &relations).await;

    let mut lists = 0;
    for relation in &relations {
        let place = format!("{}.{}", relation.owner, relation.name);
        let known = OTHERWISE_ORDERED
            .iter()
            .any(|list| list.0 == relation.owner && list.1 == relation.name);
        // The lists of a connection are those of the field that leads to it.
        if !(relation.is_list || relation.is_page())
            || relation.owner.ends_with("Connection")
            || known
        {
            continue;
        }
        let Some((before, after)) = routes.get(&relation.owner) else {
            // Payloads and types of introspection.
            continue;
        };
        let mut orders = vec![String::new()];
        if let Some(order) = &relation.order {
            let fields = &enums[&format!("{order}Field")];
            orders.extend(
                fields
                    .iter()
                    .map(|field| format!("(orderBy: {{ field: {field} }})")),
            );
        }
        for order in orders {
            lists += 1;
            let selection = if relation.is_page() {
                "nodes { __typename }"
            } else {
                "__typename"
            };
            let list = format!("{}{order} {{ {selection} }}", relation.name);
            let list = if relation.owner == "Query" {
                with_arguments(&server, &list).await
            } else {
                list
            };
            let without =
                statements(&reader, &server, &format!("{before} __typename {after}")).await;
            let with = statements(&reader, &server, &format!("{before} {list} {after}")).await;
            assert!(
                with.len() > without.len(),
                "{place}: no parent has been found"
            );
            let sql = &with.last().unwrap().sql;
            assert!(is_unique(sql, &unique), "{place} {order}: {sql}");
        }
    }
    assert!(lists >= 60, "{lists}");
}

/// The statements of a document.
async fn statements(reader: &Client<'_>, server: &Server, document: &str) -> Vec<Statement> {
    server.statements.take();
    reader.data(document, json!({})).await;
    server.statements.take()
}

/// The relations of all types, and the values of all enums.
async fn relations(reader: &Client<'_>) -> (Vec<Relation>, BTreeMap<String, Vec<String>>) {
    let document = "{ __schema { types { name kind enumValues { name } fields {
        name args { name type { name } } type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";
    let data = reader.data(document, json!({})).await;
    let (mut relations, mut enums) = (Vec::new(), BTreeMap::new());
    for ty in data["__schema"]["types"].as_array().unwrap() {
        let owner = text(&ty["name"]);
        if let Some(values) = ty["enumValues"].as_array() {
            enums.insert(
                owner.clone(),
                values.iter().map(|value| text(&value["name"])).collect(),
            );
        }
        let fields = ty["fields"].as_array().filter(|_| ty["kind"] == "OBJECT");
        for field in fields.into_iter().flatten() {
            let (mut target, mut is_list) = (&field["type"], false);
            while !target["ofType"].is_null() {
                is_list |= target["kind"] == "LIST";
                target = &target["ofType"];
            }
            if target["kind"] == "OBJECT" || target["kind"] == "INTERFACE" {
                let mut args = field["args"].as_array().unwrap().iter();
                relations.push(Relation {
                    owner: owner.clone(),
                    name: text(&field["name"]),
                    target: text(&target["name"]),
                    is_list,
                    order: args
                        .find(|argument| argument["name"] == "orderBy")
                        .map(|argument| text(&argument["type"]["name"])),
                });
            }
        }
    }
    (relations, enums)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What stands before and after a field of each type in a document, by the shortest way.
async fn routes(server: &Server, relations: &[Relation]) -> BTreeMap<String, (String, String)> {
    let mut routes = BTreeMap::from([("Query".to_owned(), ("{".to_owned(), "}".to_owned()))]);
    let mut open = VecDeque::from(["Query".to_owned()]);
    while let Some(owner) = open.pop_front() {
        for relation in relations.iter().filter(|relation| relation.owner == owner) {
            let skipped = [
                "node",
                "nodes",
                "search",
                "__schema",
                "__type",
                "topic",
                "committee",
            ];
            if routes.contains_key(&relation.target)
                || (owner == "Query" && skipped.contains(&relation.name.as_str()))
            {
                continue;
            }
            let (before, after) = &routes[&owner];
            let mut field = format!("{} {{", relation.name);
            if owner == "Query" {
                field = with_arguments(server, &field).await;
            }
            let route = (format!("{before} {field}"), format!("}} {after}"));
            routes.insert(relation.target.clone(), route);
            open.push_back(relation.target.clone());
        }
    }
    routes
}

/// A field of the query with the arguments that it must have.
async fn with_arguments(server: &Server, field: &str) -> String {
    let arguments = match field.split(' ').next().unwrap() {
        "exchange" => {
            let committee = server.committee("ITU-T", "SG17").await;
            let counterpart = server.committee("POC", "C5").await;
            format!("(committee: \"{committee}\", counterpart: \"{counterpart}\")")
        }
        "report" => "(from: \"2026-01-01\", to: \"2026-06-30\")".to_owned(),
        "mandate" => "(code: \"RES-11-DUBAI-2012\")".to_owned(),
        "organization" => "(by: { acronym: \"ITU-T\" })".to_owned(),
        "publication" => "(by: { number: \"UPU S52\" })".to_owned(),
        "actionItem" => "(by: { code: \"A-1\" })".to_owned(),
        "liaisonStatement" => "(by: { code: \"LS-1\" })".to_owned(),
        _ => return field.to_owned(),
    };
    field.replacen(' ', &format!("{arguments} "), 1)
}

/// The columns of each unique index, by table.
async fn unique_keys(server: &Server) -> BTreeMap<String, Vec<BTreeSet<String>>> {
    let sql = "select m.name, i.name, c.name from sqlite_schema m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
        where m.type = 'table' and i.\"unique\" and not i.partial order by m.name, i.name";
    let statement = Statement::from_string(DbBackend::Sqlite, sql);
    let mut indexes: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for row in server.db.orm_read.query_all_raw(statement).await.unwrap() {
        let cell = |index| row.try_get_by_index::<String>(index).unwrap();
        indexes
            .entry((cell(0), cell(1)))
            .or_default()
            .insert(cell(2));
    }
    let mut tables: BTreeMap<String, Vec<BTreeSet<String>>> = BTreeMap::new();
    for ((table, _), columns) in indexes {
        tables.entry(table).or_default().push(columns);
    }
    tables
}

/// Whether no two rows of one parent are equal in all that a statement sorts by.
fn is_unique(sql: &str, unique: &BTreeMap<String, Vec<BTreeSet<String>>>) -> bool {
    let Some((_, order)) = sql.rsplit_once(" ORDER BY ") else {
        return false;
    };
    let order = order.split(" LIMIT ").next().unwrap();
    let sorted = order.split(", ").filter_map(|term| {
        let (column, direction) = term.rsplit_once(' ')?;
        ["ASC", "DESC"].contains(&direction).then_some(column)
    });
    // The rows of one parent are equal in the column that names it.
    let quoted = |column: &str| {
        column
            .rsplit(' ')
            .next()
            .unwrap()
            .trim_start_matches('(')
            .to_owned()
    };
    let parents = [" IN (SELECT unhex(", " = \"k\".\"k\""]
        .iter()
        .flat_map(|mark| sql.match_indices(mark))
        .map(|(place, _)| quoted(&sql[..place]));
    let columns: BTreeSet<String> = sorted.map(str::to_owned).chain(parents).collect();

    let aliases = columns.iter().filter_map(|column| column.split('.').next());
    let aliases: BTreeSet<&str> = aliases.collect();
    aliases.into_iter().any(|alias| {
        let of_alias: BTreeSet<String> = columns
            .iter()
            .filter_map(|column| column.strip_prefix(alias)?.strip_prefix('.'))
            .map(|column| column.trim_matches('"').to_owned())
            .collect();
        let (table, _) = sql
            .split_once(&format!("\" AS {alias}"))
            .unwrap_or_default();
        let table = table.rsplit('"').next().unwrap_or_default();
        match unique.get(table) {
            Some(keys) => keys.iter().any(|key| key.is_subset(&of_alias)),
            // Rows that the statement itself lists are numbered.
            None => of_alias.contains("ordinal"),
        }
    })
}

async fn ties_are_ordered_by_creation(server: &Server) {
    let (itu, tsb) = (server.itu(), server.tsb());
    // Made at one moment: two organizations of the data have committees of one code and period.
    let document = "query($code: String) { committees(filter: { code: $code, period: \"2022-2025\" }) { nodes { organization { acronym } } } }";
    for code in ["C1", "C2", "C3", "C4"] {
        let data = itu.data(document, json!({ "code": code })).await;
        let nodes = data["committees"]["nodes"].as_array().unwrap();
        let organizations: Vec<_> = nodes
            .iter()
            .map(|node| &node["organization"]["acronym"])
            .collect();
        assert_eq!(organizations, ["POC", "CA"], "{code}");
    }

    let mut committees = Vec::new();
    for partner in ["ONE", "TWO", "THREE", "FOUR", "FIVE"] {
        let input = json!({ "acronym": partner, "name": partner, "kind": "PARTNER" });
        let organization = tsb.change("organizationCreate", input, "id").await["id"].take();
        let input = json!({ "organizationId": organization, "code": "WG 1", "period": "2025-2028", "name": partner, "kind": "COMMITTEE" });
        committees.push(tsb.change("committeeCreate", input, "id").await["id"].take());
    }
    let topic = server.topic("T-3").await;
    for committee in committees.iter().rev() {
        let input = json!({ "id": topic, "committeeId": committee, "role": "INFORMED" });
        tsb.change("topicLinkCommittee", input, "id").await;
    }
    let document = "query($id: ID!) { node(id: $id) { ... on Topic { committees(role: INFORMED) { committee { id code } } } } }";
    let data = itu.data(document, json!({ "id": topic })).await;
    let listed = data["node"]["committees"].as_array().unwrap().iter();
    let listed: Vec<_> = listed
        .map(|link| &link["committee"])
        .filter(|committee| committee["code"] == "WG 1")
        .map(|committee| &committee["id"])
        .collect();
    assert_eq!(listed, committees.iter().collect::<Vec<_>>());
}

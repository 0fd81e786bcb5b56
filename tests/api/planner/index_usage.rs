//! Each order of each list is a range of one index, on both databases.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::support::harness::Server;
use crate::support::introspection::{Schema, TypeReference, list, name};

on_both_databases! {
    every_order_uses_an_index
    every_list_with_a_fixed_order_uses_an_index
    the_nested_lists_of_each_record_use_an_index
}

/// Lists whose records no single statement reads in order.
const NOT_READ_IN_ORDER: [(&str, &str); 2] = [
    ("search", "ranked in memory, then read by their ids"),
    ("overlaps", "ranked in memory, then read by their ids"),
];

/// The lists with pages among the fields of a type.
fn lists<'a>(schema: &'a Schema, ty: &str) -> impl Iterator<Item = &'a Value> {
    let fields = schema.fields(ty).iter();
    fields.filter(|field| {
        let is_read = !NOT_READ_IN_ORDER.iter().any(|list| list.0 == name(field));
        is_read && argument(field, "first").is_some()
    })
}

fn argument<'a>(field: &'a Value, argument: &str) -> Option<&'a Value> {
    list(&field["args"])
        .iter()
        .find(|arg| name(arg) == argument)
}

async fn every_order_uses_an_index(server: &Server) {
    server.fill().await;
    let schema = Schema::of(server).await;
    let mut orders = 0;
    for list in lists(&schema, "Query") {
        let Some(argument) = argument(list, "orderBy") else {
            continue;
        };
        let (list, order) = (name(list), TypeReference::of(argument).name);
        let fields = schema.inputs(order).iter();
        let field = fields.clone().find(|field| name(field) == "field").unwrap();
        for field in schema.values(TypeReference::of(field).name) {
            for direction in ["ASC", "DESC"] {
                let document = format!(
                    "query($after: String, $orderBy: {order}) {{ page: {list}(first: 2, after: $after, orderBy: $orderBy) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}"
                );
                let order = json!({ "field": name(field), "direction": direction });
                second_page_seeks(server, &document, json!({ "orderBy": order })).await;
                orders += 1;
            }
        }
    }
    assert!(orders > 50, "{orders}");
}

async fn every_list_with_a_fixed_order_uses_an_index(server: &Server) {
    server.fill().await;
    let schema = Schema::of(server).await;
    let of_one_order = lists(&schema, "Query").filter(|list| argument(list, "orderBy").is_none());
    for list in of_one_order {
        let document = format!(
            "query($after: String) {{ page: {}(first: 2, after: $after) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}",
            name(list)
        );
        second_page_seeks(server, &document, json!({})).await;
    }
}

/// Reads the second page, by a range of one index.
async fn second_page_seeks(server: &Server, document: &str, mut variables: Value) {
    let reader = server.anonymous();
    let first = reader.data(document, variables.clone()).await;
    let cursor = &first["page"]["pageInfo"]["endCursor"];
    assert_ne!(cursor, &Value::Null);
    variables["after"] = cursor.clone();
    server.statements.take();
    reader.data(document, variables.clone()).await;
    let statements = server.statements.take();
    // Another statement may check that the row of the cursor still exists.
    let mut pages = statements
        .iter()
        .filter(|statement| statement.sql.contains("ORDER BY"));
    let (Some(statement), None) = (pages.next(), pages.next()) else {
        panic!("{document} {variables}: {statements:?}");
    };
    let plan = explain(server, statement).await;
    let seeks = match server.db.orm_read.get_database_backend() {
        DbBackend::Postgres => plan.contains("Index Cond") && !plan.contains("Sort"),
        _ => plan.contains("SEARCH t USING") && !plan.contains("TEMP B-TREE"),
    };
    assert!(seeks, "{document} {variables}: {}\n{plan}", statement.sql);
}

async fn the_nested_lists_of_each_record_use_an_index(server: &Server) {
    server.fill().await;
    let schema = Schema::of(server).await;
    let mut documents = Vec::new();
    for records in lists(&schema, "Query") {
        let page = TypeReference::of(records).name;
        let nodes = schema.fields(page).iter();
        let node = nodes.clone().find(|field| name(field) == "nodes").unwrap();
        for list in lists(&schema, TypeReference::of(node).name) {
            documents.extend(["nodes { id }", "totalCount"].map(|selected| {
                let (records, list) = (name(records), name(list));
                format!("{{ {records} {{ nodes {{ {list}(first: 2) {{ {selected} }} }} }} }}")
            }));
        }
    }
    assert!(documents.len() > 40, "{documents:?}");
    let editions = "{ publications { nodes { editions { id } } } }".to_owned();
    let counted = "{ topics { nodes { actionItems { countsByStatus { count } } } } }".to_owned();
    for document in documents.into_iter().chain([editions, counted]) {
        server.statements.take();
        server.anonymous().data(&document, json!({})).await;
        let statements = server.statements.take();
        let [_, statement] = statements.as_slice() else {
            panic!("{document}: {statements:?}");
        };
        let plan = explain(server, statement).await;
        let reads_all = match server.db.orm_read.get_database_backend() {
            DbBackend::Postgres => plan.contains("Seq Scan") || !plan.contains("Index Cond"),
            // `k` are the records whose lists are read.
            _ => plan
                .lines()
                .any(|line| line.starts_with("SCAN ") && !line.starts_with("SCAN k")),
        };
        assert!(!reads_all, "{document}: {}\n{plan}", statement.sql);
    }
}

async fn explain(server: &Server, statement: &Statement) -> String {
    let backend = server.db.orm_read.get_database_backend();
    let mut lines = Vec::new();
    let transaction = server.db.orm_write.begin().await.unwrap();
    let (explain, column) = match backend {
        DbBackend::Postgres => {
            // The tables of a test are so small that a full scan would be cheapest.
            for setting in ["enable_seqscan", "enable_bitmapscan"] {
                let sql = format!("set local {setting} = off");
                transaction.execute_unprepared(&sql).await.unwrap();
            }
            ("explain ", 0)
        }
        _ => ("explain query plan ", 3),
    };
    let mut explained = statement.clone();
    explained.sql = format!("{explain}{}", statement.sql);
    for row in transaction.query_all_raw(explained).await.unwrap() {
        lines.push(row.try_get_by_index::<String>(column).unwrap());
    }
    lines.join("\n")
}

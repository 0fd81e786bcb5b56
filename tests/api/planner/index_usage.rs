//! Each order of each list is a range of one index, on both databases.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    every_order_seeks_an_index
    every_list_of_one_order_seeks_an_index
    the_lists_of_each_record_seek_an_index
}

const ORDERS: &[(&str, &str, &str)] = &[
    ("organizations", "Organization", "ACRONYM NAME UPDATED_AT"),
    ("committees", "Committee", "CODE NAME PERIOD UPDATED_AT"),
    (
        "topics",
        "Topic",
        "CODE TITLE STATUS REVIEW_ON CREATED_AT UPDATED_AT",
    ),
    (
        "actionItems",
        "ActionItem",
        "CODE TITLE STATUS DUE_ON PRIORITY CREATED_AT UPDATED_AT",
    ),
    (
        "publications",
        "Publication",
        "NUMBER TITLE STATUS APPROVED_ON UPDATED_AT",
    ),
    ("liaisonStatements", "LiaisonStatement", "CODE SENT_AT"),
    (
        "examinations",
        "Examination",
        "CREATED_AT DUE_ON UPDATED_AT",
    ),
];

/// The lists of one order.
const LISTS: &[&str] = &["activities"];

async fn every_order_seeks_an_index(server: &Server) {
    server.fill().await;
    for (list, ty, fields) in ORDERS {
        for field in fields.split(' ') {
            for direction in ["ASC", "DESC"] {
                let document = format!(
                    "query($after: String, $orderBy: {ty}Order) {{ page: {list}(first: 2, after: $after, orderBy: $orderBy) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}"
                );
                let order = json!({ "field": field, "direction": direction });
                second_page_seeks(server, &document, json!({ "orderBy": order })).await;
            }
        }
    }
}

async fn every_list_of_one_order_seeks_an_index(server: &Server) {
    server.fill().await;
    for list in LISTS {
        let document = format!(
            "query($after: String) {{ page: {list}(first: 2, after: $after) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}"
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

/// Lists of records, with the lists that each record has.
const NESTED: &[(&str, &str)] = &[
    ("organizations", "committees"),
    ("organizations", "activities"),
    ("committees", "topics"),
    ("committees", "actionItems"),
    ("committees", "publications"),
    ("committees", "liaisonStatements"),
    ("committees", "activities"),
    ("topics", "actionItems"),
    ("topics", "publications"),
    ("topics", "examinations"),
    ("topics", "liaisonStatements"),
    ("topics", "notes"),
    ("topics", "activities"),
    ("actionItems", "activities"),
    ("publications", "topics"),
    ("publications", "notes"),
    ("publications", "activities"),
    ("examinations", "notes"),
    ("examinations", "activities"),
    ("liaisonStatements", "notes"),
    ("liaisonStatements", "activities"),
];

async fn the_lists_of_each_record_seek_an_index(server: &Server) {
    server.fill().await;
    let lists = NESTED.iter().flat_map(|(records, list)| {
        ["nodes { id }", "totalCount"].map(|selected| {
            format!("{{ {records} {{ nodes {{ {list}(first: 2) {{ {selected} }} }} }} }}")
        })
    });
    let editions = "{ publications { nodes { editions { id } } } }".to_owned();
    let counted = "{ topics { nodes { actionItems { countsByStatus { count } } } } }".to_owned();
    for document in lists.chain([editions, counted]) {
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
    let transaction = sea_orm::TransactionTrait::begin(&server.db.orm_write)
        .await
        .unwrap();
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

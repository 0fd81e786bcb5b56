//! Each order of each list is one range of one index, on both databases.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::harness::Server;

on_both_databases! {
    every_order_seeks_an_index
}

const ORDERS: &[(&str, &str, &str)] = &[
    ("organizations", "Organization", "ACRONYM NAME UPDATED_AT"),
    ("committees", "Committee", "CODE NAME PERIOD UPDATED_AT"),
    (
        "topics",
        "Topic",
        "CODE TITLE REVIEW_ON CREATED_AT UPDATED_AT",
    ),
    (
        "actionItems",
        "ActionItem",
        "NUMBER DUE_ON PRIORITY CREATED_AT UPDATED_AT",
    ),
];

async fn every_order_seeks_an_index(server: &Server) {
    let reader = server.anonymous();
    for (list, ty, fields) in ORDERS {
        for field in fields.split(' ') {
            for direction in ["ASC", "DESC"] {
                let document = format!(
                    "query($after: String, $orderBy: {ty}Order) {{ page: {list}(first: 2, after: $after, orderBy: $orderBy) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}"
                );
                let order = json!({ "field": field, "direction": direction });
                let first = reader.data(&document, json!({ "orderBy": order })).await;
                let cursor = &first["page"]["pageInfo"]["endCursor"];
                assert_ne!(cursor, &Value::Null);
                server.statements.take();
                reader
                    .data(&document, json!({ "after": cursor, "orderBy": order }))
                    .await;
                let statements = server.statements.take();
                let [statement] = statements.as_slice() else {
                    panic!("{list} {order}: {statements:?}");
                };
                let plan = explain(server, statement).await;
                let backend = server.db.read.get_database_backend();
                let seeks = match backend {
                    DbBackend::Postgres => plan.contains("Index Cond") && !plan.contains("Sort"),
                    _ => plan.contains("SEARCH t USING") && !plan.contains("TEMP B-TREE"),
                };
                assert!(seeks, "{list} {order}: {}\n{plan}", statement.sql);
            }
        }
    }
}

async fn explain(server: &Server, statement: &Statement) -> String {
    let backend = server.db.read.get_database_backend();
    let mut lines = Vec::new();
    let transaction = sea_orm::TransactionTrait::begin(&server.db.write)
        .await
        .unwrap();
    let (explain, column) = match backend {
        DbBackend::Postgres => {
            // The tables of a test are so small that reading them whole is cheapest.
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

//! The number of statements of a request follows from its document, never from how many rows it returns.

use serde_json::json;

use crate::harness::Server;

on_both_databases! {
    every_relation_and_list_is_one_statement
    what_the_viewer_may_do_costs_no_statement
    long_chains_of_records_stay_few_statements
    nothing_is_counted_unless_asked
}

const DASHBOARD: &str = "{ topics(first: 20) { nodes { code title status
    committees { role committee { code organization { acronym } } }
    actionItems(first: 5, orderBy: { field: DUE_ON }) { nodes { number title dueOn committee { code } } } } } }";

/// Documents and their statements.
const COSTS: &[(&str, usize)] = &[
    ("{ __typename viewer { roles } }", 0),
    (
        "{ topic(by: { code: \"T-2\" }) { id code title summary status reviewOn needsReview } }",
        1,
    ),
    (
        "{ topic(by: { code: \"T-2\" }) { positions { side position } } }",
        1,
    ),
    (
        "{ topic(by: { code: \"T-2\" }) { committees { role } } }",
        2,
    ),
    (
        "{ topic(by: { code: \"T-2\" }) { provisions { summary mandate { code } } } }",
        2,
    ),
    (
        "{ topic(by: { code: \"T-2\" }) { actionItems { nodes { number } } } }",
        2,
    ),
    ("{ topics { nodes { actionItems { totalCount } } } }", 2),
    (
        "{ topics { nodes { actionItems { totalCount nodes { number } } } } }",
        3,
    ),
    (
        "{ topics { nodes { a: actionItems { nodes { number } } b: actionItems(first: 1) { nodes { title } } } } }",
        3,
    ),
    (DASHBOARD, 3),
    (
        "{ organizations { nodes { acronym parent { acronym } } } }",
        1,
    ),
    ("{ organizations { nodes { children { acronym } } } }", 2),
    (
        "{ organizations { nodes { committees { nodes { code } } } } }",
        2,
    ),
    (
        "{ organizations { nodes { committees { nodes { topics { nodes { code } } } } } } }",
        3,
    ),
    (
        "{ committees { nodes { code organization { acronym parent { acronym } } parent { code } } } }",
        1,
    ),
    (
        "{ committees { nodes { children { code } predecessors { code } successors { code } } } }",
        4,
    ),
    (
        "{ committees { nodes { actionItems { nodes { topic { code } counterpart { code organization { acronym } } } } } } }",
        2,
    ),
    (
        "{ mandates { code provisions { summary topics { nodes { code } } } } }",
        3,
    ),
    (
        "{ actionItems { nodes { committee { code organization { acronym } } topic { code committees { role } } } } }",
        2,
    ),
    (
        "{ actionItems { edges { cursor node { number } } nodes { title } pageInfo { endCursor } } }",
        1,
    ),
];

async fn every_relation_and_list_is_one_statement(server: &Server) {
    let reader = server.anonymous();
    for (document, cost) in COSTS {
        server.statements.take();
        reader.data(document, json!({})).await;
        let statements = server.statements.take();
        assert_eq!(statements.len(), *cost, "{document}: {statements:#?}");
    }
}

async fn what_the_viewer_may_do_costs_no_statement(server: &Server) {
    let permissions = "{ topics { nodes { viewerPermissions } } actionItems { nodes { viewerPermissions nextStatuses } }
        committees { nodes { viewerPermissions } } organizations { nodes { viewerPermissions } } }";
    server.statements.take();
    server.tsb().data(permissions, json!({})).await;
    assert_eq!(server.statements.take().len(), 4);
}

/// SQLite joins 64 tables at most: further records take statements of their own.
async fn long_chains_of_records_stay_few_statements(server: &Server) {
    let depth = 25;
    let chain = format!(
        "{{ committees {{ nodes {{ {} code {} }} }} }}",
        "parent { ".repeat(depth),
        "}".repeat(depth)
    );
    server.statements.take();
    server.anonymous().data(&chain, json!({})).await;
    let statements = server.statements.take();
    assert!(statements.len() <= 4, "{}", statements.len());
}

async fn nothing_is_counted_unless_asked(server: &Server) {
    server.statements.take();
    let reader = server.anonymous();
    reader.data("{ topics { totalCount } }", json!({})).await;
    let statements = server.statements.take();
    assert_eq!(statements.len(), 1);
    assert!(statements[0].sql.to_lowercase().contains("count("));

    reader
        .data("{ topics { nodes { code } } }", json!({}))
        .await;
    let statements = server.statements.take();
    assert_eq!(statements.len(), 1);
    assert!(!statements[0].sql.to_lowercase().contains("count("));
}

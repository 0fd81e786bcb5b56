//! The number of SQL statements depends on the document, not on the number of rows.

use serde_json::json;

use crate::support::harness::Server;

on_both_databases! {
    every_relation_and_list_is_one_statement
    viewer_permissions_cost_no_statement
    long_chains_of_relations_need_few_statements
    total_count_is_queried_only_when_selected
    a_write_has_a_constant_number_of_statements
}

const DASHBOARD: &str = "{ topics(first: 20) { nodes { code title status
    committees { role committee { code organization { acronym } } }
    actionItems(first: 5, orderBy: { field: DUE_ON }) { nodes { code title dueOn committee { code } } } } } }";

/// Documents with their numbers of statements.
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
        "{ topic(by: { code: \"T-2\" }) { actionItems { nodes { code } } } }",
        2,
    ),
    ("{ topics { nodes { actionItems { totalCount } } } }", 2),
    (
        "{ topics { nodes { actionItems { totalCount nodes { code } } } } }",
        3,
    ),
    (
        "{ topics { nodes { a: actionItems { nodes { code } } b: actionItems(first: 1) { nodes { title } } } } }",
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
        "{ actionItems { edges { cursor node { code } } nodes { title } pageInfo { endCursor } } }",
        1,
    ),
    (
        "{ publications { nodes { number organization { acronym } committee { code } supersedes { number } } } }",
        1,
    ),
    (
        "{ publications { nodes { supersededBy { number } related { number } topics { nodes { code } } } } }",
        4,
    ),
    (
        "{ publications(first: 100) { nodes { examinations { overdue complete findings { impact committee { code } } } } } }",
        3,
    ),
    (
        "{ topics { nodes { publications { totalCount nodes { number } } notes { nodes { body } } activities { nodes { verb } } } } }",
        5,
    ),
    (
        "{ actionItems { nodes { notes { totalCount } activities { nodes { cursor changes { field } } } } } }",
        3,
    ),
    (
        "{ liaisonStatements { nodes { code awaitingReply inReplyTo { code } } } }",
        1,
    ),
    (
        "{ liaisonStatements { nodes { from { code } addressees { overdue committee { code } } replies { code } topics { code } attachments { name } } } }",
        6,
    ),
    (
        "{ topics { nodes { awaiting } } examinations { nodes { awaiting complete } } }",
        2,
    ),
    (
        "{ examinations { totalCount nodes { overdue publication { number } findings { impact } notes { totalCount } activities { nodes { verb } } } } }",
        5,
    ),
    (
        "{ topics { nodes { examinations { totalCount nodes { complete } } liaisonStatements { totalCount nodes { title } } } } }",
        5,
    ),
    (
        "{ committees { nodes { publications { totalCount nodes { number } } liaisonStatements { totalCount nodes { title } } activities { nodes { verb } } } } }",
        6,
    ),
    (
        "{ organizations { nodes { activities { nodes { verb } } } } }",
        2,
    ),
    (
        "{ publications { nodes { editions { number } activities { totalCount } } } }",
        3,
    ),
    (
        "{ topics(first: 0) { totalCount countsByStatus { status count } nodes { code } } }",
        1,
    ),
    (
        "{ topics { nodes { actionItems(first: 0) { totalCount countsByStatus { status count } } } } }",
        2,
    ),
    (
        "{ activities { nodes { verb sides changes { field before after } subject { __typename id } } } }",
        1,
    ),
    // One statement per selected type, whatever types occur in the page.
    (
        "{ activities(last: 100) { nodes { subject { ... on Topic { title } ... on ActionItem { title topic { code } } ... on Note { body } } } } }",
        4,
    ),
    (
        "{ report(from: \"2026-01-01\", to: \"2026-12-31\") { from to topicsByStatus { status count } sides { side actionItemsDone medianDaysToDone } staleTopics { code } silentTopics { code } } }",
        5,
    ),
];

async fn every_relation_and_list_is_one_statement(server: &Server) {
    server.fill().await;
    let reader = server.anonymous();
    for (document, cost) in COSTS {
        server.statements.take();
        reader.data(document, json!({})).await;
        let statements = server.statements.take();
        assert_eq!(statements.len(), *cost, "{document}: {statements:#?}");
    }
}

async fn viewer_permissions_cost_no_statement(server: &Server) {
    let permissions = "{ topics { nodes { viewerPermissions } } actionItems { nodes { viewerPermissions nextMoves { to permission note } } }
        committees { nodes { viewerPermissions } } organizations { nodes { viewerPermissions } }
        publications { nodes { viewerPermissions } } liaisonStatements { nodes { viewerPermissions } } }";
    server.fill().await;
    server.statements.take();
    server.tsb().data(permissions, json!({})).await;
    assert_eq!(server.statements.take().len(), 6);
}

/// SQLite joins at most 64 tables: further records are fetched by statements of their own.
async fn long_chains_of_relations_need_few_statements(server: &Server) {
    let depth = 17; // with what is around it, as deep as a document may be
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

async fn total_count_is_queried_only_when_selected(server: &Server) {
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

async fn a_write_has_a_constant_number_of_statements(server: &Server) {
    let data = server
        .anonymous()
        .data(
            "{ itu: committees(filter: { side: [ITU], status: [ACTIVE] }) { nodes { id organization { acronym } } }
               upu: committees(filter: { side: [UPU] }) { nodes { id } } topics(filter: { status: [ACTIVE] }) { nodes { id } } }",
            json!({}),
        )
        .await;
    let ids = |list: &str| {
        let nodes = data[list]["nodes"].as_array().unwrap().iter();
        let own = nodes.filter(|node| node["organization"]["acronym"] != "TSB");
        own.map(|record| record["id"].clone()).collect::<Vec<_>>()
    };
    let (senders, receivers, topics) = (ids("itu"), ids("upu"), ids("topics"));
    assert!(senders.len() > 5 && receivers.len() > 5 && topics.len() > 1);
    let organization = server.organization("ITU-T").await;
    let mut counts = Vec::new();
    for (number, length) in [(1, 1), (2, 6)] {
        let to = receivers[..length].iter();
        let to = to.map(|committee| json!({ "committeeId": committee, "purpose": "INFORMATION" }));
        let attachments = (0..length)
            .map(|number| json!({ "name": number.to_string(), "url": "https://example.org/" }));
        let topics = &topics[..length.min(topics.len())];
        let statement = json!({ "title": "T", "fromIds": senders[..length], "addressees": to.collect::<Vec<_>>(),
            "topicIds": topics, "attachments": attachments.collect::<Vec<_>>() });
        let publication = json!({ "number": format!("ITU-T Z.{number}"), "title": "T", "kind": "RECOMMENDATION",
            "organizationId": organization, "topicIds": topics });
        for (mutation, input) in [
            ("liaisonStatementSend", statement),
            ("publicationAdd", publication),
        ] {
            server.statements.take();
            server.itu().change(mutation, input, "id").await;
            counts.push((mutation, server.statements.take().len()));
        }
    }
    let (few, many) = counts.split_at(2);
    assert_eq!(few, many);
}

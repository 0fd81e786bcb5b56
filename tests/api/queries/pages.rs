//! Pagination: reading all pages returns each record once, also during writes.

use std::collections::BTreeSet;

use proptest::prelude::{Strategy, any};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    every_order_pages_through_the_whole_list_in_both_directions
    pagination_skips_and_repeats_nothing_while_rows_are_added
    nested_lists_are_paginated
    page_info_reports_the_position_of_the_page
    invalid_page_sizes_are_refused
    a_cursor_is_valid_only_for_its_list_order_and_filter
    records_without_a_date_are_last_in_both_directions
}

/// The lists with their orders.
const LISTS: &[(&str, &str, &[&str])] = &[
    (
        "organizations",
        "Organization",
        &["ACRONYM", "NAME", "UPDATED_AT"],
    ),
    (
        "committees",
        "Committee",
        &["CODE", "NAME", "PERIOD", "UPDATED_AT"],
    ),
    (
        "topics",
        "Topic",
        &[
            "CODE",
            "TITLE",
            "STATUS",
            "REVIEW_ON",
            "CREATED_AT",
            "UPDATED_AT",
        ],
    ),
    (
        "actionItems",
        "ActionItem",
        &[
            "CODE",
            "TITLE",
            "STATUS",
            "DUE_ON",
            "PRIORITY",
            "CREATED_AT",
            "UPDATED_AT",
        ],
    ),
    (
        "publications",
        "Publication",
        &["NUMBER", "TITLE", "STATUS", "APPROVED_ON", "UPDATED_AT"],
    ),
    (
        "liaisonStatements",
        "LiaisonStatement",
        &["CODE", "SENT_AT"],
    ),
    (
        "examinations",
        "Examination",
        &["CREATED_AT", "DUE_ON", "UPDATED_AT"],
    ),
];

/// Returns the page of a list for these variables.
async fn page(client: &Client<'_>, list: &str, ty: &str, variables: Value) -> Value {
    let document = format!(
        "query($first: Int, $after: String, $last: Int, $before: String, $filter: {ty}Filter, $orderBy: {ty}Order) {{
            page: {list}(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {{
                nodes {{ id }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} totalCount }} }}"
    );
    client.data(&document, variables).await["page"].take()
}

fn ids(page: &Value) -> Vec<String> {
    let nodes = page["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Returns all ids in pages of `size`, from the start or from the end.
async fn walk(
    client: &Client<'_>,
    list: &str,
    ty: &str,
    order: &Value,
    size: u8,
    back: bool,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let variables = if back {
            json!({ "last": size, "before": cursor, "orderBy": order })
        } else {
            json!({ "first": size, "after": cursor, "orderBy": order })
        };
        let page = page(client, list, ty, variables).await;
        let info = &page["pageInfo"];
        if back {
            found.splice(0..0, ids(&page));
        } else {
            found.extend(ids(&page));
        }
        let more = if back {
            "hasPreviousPage"
        } else {
            "hasNextPage"
        };
        if info[more] == false {
            return found;
        }
        cursor = info[if back { "startCursor" } else { "endCursor" }].clone();
    }
}

/// Random values, the same in every run.
fn sample<S: Strategy>(runner: &mut TestRunner, strategy: &S) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

/// Adds copies of an item and a topic with other dates, priorities and times, and many equal keys.
async fn add_rows(server: &Server, runner: &mut TestRunner, from: i32, count: i32) {
    for number in from..from + count {
        let (key, day, priority, second) =
            sample(runner, &(any::<u128>(), 0..6_u8, 0..3_usize, 0..4_u8));
        let day = match day {
            0 => "null".to_owned(),
            day => format!("'2026-07-0{day}'"),
        };
        let priority = ["LOW", "NORMAL", "HIGH"][priority];
        let time = format!("'2026-06-15T12:00:0{second}+00:00'");
        let key = match server.db.orm_write.get_database_backend() {
            sea_orm::DbBackend::Postgres => format!("'{key:032x}'::uuid"),
            _ => format!("x'{key:032X}'"),
        };
        let cast = match server.db.orm_write.get_database_backend() {
            sea_orm::DbBackend::Postgres => ("::date", "::timestamptz"),
            _ => ("", ""),
        };
        let item = format!(
            "insert into action_item (id, number, topic_id, committee_id, counterpart_id, title, status, priority, due_on, side, owned_by,
                requested_by, illustrative, folded, original_language, version, created_at, updated_at)
             select {key}, {number}, topic_id, committee_id, counterpart_id, title, 'OPEN', '{priority}', {day}{}, side, owned_by,
                requested_by, illustrative, folded, original_language, 1, {time}{}, {time}{}
             from action_item where number = 1",
            cast.0, cast.1, cast.1
        );
        let topic = format!(
            "insert into topic (id, number, title, title_key, summary, proposed_by, itu_position, upu_position, review_on, illustrative,
                folded, original_language, version, created_at, updated_at)
             select {key}, {number}, title, title_key, summary, proposed_by, itu_position, upu_position, {day}{}, illustrative,
                folded, original_language, 1, {time}{}, {time}{}
             from topic where number = {}",
            cast.0, cast.1, cast.1, number % 3 + 1
        );
        let db = &server.db.orm_write;
        db.execute_unprepared(&item).await.unwrap();
        db.execute_unprepared(&topic).await.unwrap();
    }
}

async fn every_order_pages_through_the_whole_list_in_both_directions(server: &Server) {
    server.fill().await;
    let mut runner = TestRunner::deterministic();
    add_rows(server, &mut runner, 100, 60).await;
    let reader = server.anonymous();
    for (list, ty, orders) in LISTS {
        for field in *orders {
            for direction in ["ASC", "DESC"] {
                let order = json!({ "field": field, "direction": direction });
                let all = json!({ "first": 100, "orderBy": order });
                let all = page(&reader, list, ty, all).await;
                let scan = ids(&all);
                assert_eq!(json!(scan.len()), all["totalCount"], "{list} {order}");
                let (forward, backward) = sample(&mut runner, &(1..40_u8, 1..40_u8));
                for (size, back) in [(forward, false), (backward, true)] {
                    let walked = walk(&reader, list, ty, &order, size, back).await;
                    assert_eq!(walked, scan, "{list} {order} by {size}, back: {back}");
                }
            }
            let way = |direction| json!({ "first": 100, "orderBy": { "field": field, "direction": direction } });
            let up = ids(&page(&reader, list, ty, way("ASC")).await);
            let down = ids(&page(&reader, list, ty, way("DESC")).await);
            let up: BTreeSet<_> = up.into_iter().collect();
            assert_eq!(up, down.into_iter().collect(), "{list} {field}");
        }
    }
}

async fn pagination_skips_and_repeats_nothing_while_rows_are_added(server: &Server) {
    let mut runner = TestRunner::deterministic();
    let reader = server.anonymous();
    let mut next = 100;
    for (list, ty, field) in [
        ("actionItems", "ActionItem", "DUE_ON"),
        ("actionItems", "ActionItem", "PRIORITY"),
        ("topics", "Topic", "REVIEW_ON"),
        ("topics", "Topic", "TITLE"),
    ] {
        for direction in ["ASC", "DESC"] {
            add_rows(server, &mut runner, next, 5).await;
            next += 5;
            let order = json!({ "field": field, "direction": direction });
            let before = json!({ "first": 100, "orderBy": order });
            let before = ids(&page(&reader, list, ty, before).await);
            let (mut walked, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let variables = json!({ "first": 4, "after": cursor, "orderBy": order });
                let page = page(&reader, list, ty, variables).await;
                walked.extend(ids(&page));
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
                cursor = page["pageInfo"]["endCursor"].clone();
                add_rows(server, &mut runner, next, 1).await;
                next += 1;
            }
            let distinct: BTreeSet<&String> = walked.iter().collect();
            assert_eq!(distinct.len(), walked.len(), "{list} {order}: repeated");
            let kept: Vec<&String> = walked
                .iter()
                .filter(|walked| before.contains(walked))
                .collect();
            assert_eq!(
                kept,
                before.iter().collect::<Vec<_>>(),
                "{list} {order}: skipped"
            );
        }
        // Few enough for a single page.
        let tidy = format!(
            "delete from {} where number >= 100",
            if ty == "Topic" {
                "topic"
            } else {
                "action_item"
            }
        );
        server.db.orm_write.execute_unprepared(&tidy).await.unwrap();
        next += 100;
    }
}

async fn nested_lists_are_paginated(server: &Server) {
    let mut runner = TestRunner::deterministic();
    add_rows(server, &mut runner, 100, 15).await;
    let reader = server.anonymous();
    let lists = [
        (
            "topic(by: { code: \"T-2\" })",
            "actionItems",
            "ActionItem",
            "DUE_ON",
        ),
        (
            "committee(by: { key: { organization: \"ITU-T\", code: \"SG16\" } })",
            "actionItems",
            "ActionItem",
            "PRIORITY",
        ),
        (
            "committee(by: { key: { organization: \"ITU-T\", code: \"SG17\" } })",
            "topics",
            "Topic",
            "TITLE",
        ),
        (
            "organization(by: { acronym: \"POC\" })",
            "committees",
            "Committee",
            "NAME",
        ),
    ];
    for (parent, list, ty, field) in lists {
        for direction in ["ASC", "DESC"] {
            let document = format!(
                "query($first: Int, $after: String) {{ parent: {parent} {{ list: {list}(first: $first, after: $after, orderBy: {{ field: {field}, direction: {direction} }}) {{
                    totalCount edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
            );
            let ask = async |variables: Value| -> Value {
                reader.data(&document, variables).await["parent"]["list"].take()
            };
            let all = ask(json!({ "first": 100 })).await;
            let edges = |page: &Value| page["edges"].as_array().unwrap().clone();
            assert_eq!(json!(edges(&all).len()), all["totalCount"], "{parent} {ty}");
            assert!(edges(&all).len() > 1, "{parent} {list}");
            let (mut walked, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let page = ask(json!({ "first": 2, "after": cursor })).await;
                walked.extend(edges(&page));
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
                cursor = page["pageInfo"]["endCursor"].clone();
            }
            assert_eq!(walked, edges(&all), "{parent} {list} {direction}");
        }
    }
}

async fn page_info_reports_the_position_of_the_page(server: &Server) {
    let reader = server.anonymous();
    let info = async |variables: Value| -> (Vec<String>, Value) {
        let page = page(&reader, "topics", "Topic", variables).await;
        (ids(&page), page["pageInfo"].clone())
    };
    let (all, whole) = info(json!({})).await;
    assert_eq!(
        (&whole["hasNextPage"], &whole["hasPreviousPage"]),
        (&json!(false), &json!(false))
    );
    let (first, start) = info(json!({ "first": 3 })).await;
    assert_eq!(
        (&start["hasNextPage"], &start["hasPreviousPage"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(first, all[..3]);
    let (next, middle) = info(json!({ "first": 3, "after": start["endCursor"] })).await;
    assert_eq!(
        (&middle["hasNextPage"], &middle["hasPreviousPage"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(next, all[3..6]);
    let (back, _) = info(json!({ "last": 2, "before": middle["endCursor"] })).await;
    assert_eq!(back, all[3..5]);
    let (between, _) =
        info(json!({ "after": start["startCursor"], "before": middle["endCursor"] })).await;
    assert_eq!(between, all[1..5]);
    let (none, empty) = info(json!({ "filter": { "text": "nothing has this" } })).await;
    assert!(none.is_empty());
    assert_eq!(
        (&empty["startCursor"], &empty["endCursor"]),
        (&Value::Null, &Value::Null)
    );
}

async fn invalid_page_sizes_are_refused(server: &Server) {
    let reader = server.anonymous();
    for (size, limit) in [("first", 101), ("first", -1), ("last", 101)] {
        let response = reader
            .run(
                &format!("{{ topics({size}: {limit}) {{ totalCount }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{size} {limit}"
        );
        let message = response["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains(&limit.to_string()) && message.contains("0 to 100"),
            "{message}"
        );
    }
    let both = reader
        .run("{ topics(first: 1, last: 1) { totalCount } }", json!({}))
        .await;
    assert_eq!(both["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
}

async fn a_cursor_is_valid_only_for_its_list_order_and_filter(server: &Server) {
    let reader = server.anonymous();
    let own = page(&reader, "topics", "Topic", json!({ "first": 2 })).await;
    let own = own["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
    let damaged = format!("{}A", &own[..own.len() - 1]);
    let text = "query($after: String, $orderBy: TopicOrder, $filter: TopicFilter) {
        topics(after: $after, orderBy: $orderBy, filter: $filter) { nodes { code } } }";
    let by_title = json!({ "field": "TITLE" });
    let long = "A".repeat(10_000);
    for (what, variables) in [
        (
            "another order",
            json!({ "after": own, "orderBy": by_title }),
        ),
        (
            "another direction",
            json!({ "after": own, "orderBy": { "field": "CODE", "direction": "DESC" } }),
        ),
        (
            "another filter",
            json!({ "after": own, "filter": { "status": ["ACTIVE"] } }),
        ),
        ("a damaged one", json!({ "after": damaged })),
        ("a part of one", json!({ "after": own[..10] })),
        ("none at all", json!({ "after": "" })),
        ("words", json!({ "after": "the next page, please" })),
        ("a long one", json!({ "after": long })),
    ] {
        let response = reader.run(text, variables).await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"], "INVALID_CURSOR",
            "{what}: {response}"
        );
    }
    let other_list = reader
        .run(
            "query($after: String) { actionItems(after: $after) { totalCount } }",
            json!({ "after": own }),
        )
        .await;
    assert_eq!(
        other_list["errors"][0]["extensions"]["code"],
        "INVALID_CURSOR"
    );
}

async fn records_without_a_date_are_last_in_both_directions(server: &Server) {
    for direction in ["ASC", "DESC"] {
        let document = format!(
            "{{ actionItems(orderBy: {{ field: DUE_ON, direction: {direction} }}) {{ nodes {{ dueOn }} }} }}"
        );
        let data = server.anonymous().data(&document, json!({})).await;
        let due = data["actionItems"]["nodes"].as_array().unwrap();
        let due: Vec<Option<&str>> = due.iter().map(|due| due["dueOn"].as_str()).collect();
        let dated = due.iter().take_while(|due| due.is_some()).count();
        assert!(dated > 0 && dated < due.len(), "{due:?}");
        assert!(due[dated..].iter().all(Option::is_none), "{due:?}");
        let sorted = match direction {
            "ASC" => due[..dated].is_sorted(),
            _ => due[..dated].iter().rev().is_sorted(),
        };
        assert!(sorted, "{due:?}");
    }
}

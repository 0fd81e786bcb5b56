//! Several writers at once: one of two is STALE, and nothing is lost.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::harness::Server;

on_both_databases! {
    of_two_with_the_same_version_one_is_stale
    numbers_have_no_holes_and_no_repeats
    readers_see_what_was_acknowledged
    the_mutations_of_a_document_run_in_order
    what_a_document_says_twice_is_done_once
}

async fn of_two_with_the_same_version_one_is_stale(server: &Server) {
    let id = server.topic("T-1").await;
    for version in 1..=5 {
        let clients: Vec<_> = (0..6).map(|_| server.itu()).collect();
        let attempts = clients.iter().enumerate().map(|(writer, client)| {
            let input = json!({ "id": id, "version": version, "title": format!("Version {version} of {writer}") });
            client.verdict("topicUpdate", input)
        });
        let mut verdicts = join_all(attempts).await;
        verdicts.sort();
        assert_eq!(
            verdicts,
            ["OK", "STALE", "STALE", "STALE", "STALE", "STALE"]
        );
    }
    let data = server
        .anonymous()
        .data("{ topic(by: { code: \"T-1\" }) { version } }", json!({}))
        .await;
    assert_eq!(data["topic"]["version"], 6);
}

async fn numbers_have_no_holes_and_no_repeats(server: &Server) {
    let (tsb, upu) = (server.tsb(), server.upu());
    let refused = json!({ "title": " ", "summary": "S" });
    let writes = (0..20).map(|number| {
        let input = json!({ "title": format!("Topic {number}"), "summary": "S" });
        tsb.change("topicPropose", input, "code")
    });
    let refusals = (0..10).map(|_| upu.verdict("topicPropose", refused.clone()));
    let (made, _) = futures_util::future::join(join_all(writes), join_all(refusals)).await;
    let codes: BTreeSet<String> = made
        .iter()
        .map(|it| it["code"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes, (9..29).map(|it| format!("T-{it}")).collect());

    let log = entity::activity::Entity::find()
        .all(&server.db.read)
        .await
        .unwrap();
    let mut positions: Vec<i64> = log.iter().map(|it| it.position).collect();
    positions.sort_unstable();
    assert_eq!(
        positions,
        (1..=i64::try_from(log.len()).unwrap()).collect::<Vec<_>>()
    );
}

async fn readers_see_what_was_acknowledged(server: &Server) {
    let id = server.topic("T-1").await;
    for version in 1..=20 {
        let title = format!("Version {version}");
        let input = json!({ "id": id, "version": version, "title": title });
        server.itu().change("topicUpdate", input, "id").await;
        let data = server
            .anonymous()
            .data("{ topic(by: { code: \"T-1\" }) { title } }", json!({}))
            .await;
        assert_eq!(data["topic"]["title"], title);
    }
}

async fn the_mutations_of_a_document_run_in_order(server: &Server) {
    let document = "mutation($first: TopicProposeInput!, $bad: TopicTakePositionInput!) {
        first: topicPropose(input: $first) { topic { title } userErrors { code } }
        refused: topicTakePosition(input: $bad) { topic { id } }
        wrong: topicPropose(input: { title: \" \", summary: \"S\" }) { topic { id } userErrors { code field } }
        last: topicPropose(input: $first) { topic { title } } }";
    let variables = json!({ "first": { "title": "In order", "summary": "S" }, "bad": { "id": server.topic("T-1").await, "position": "AGREED" } });
    let answer = server.tsb().run(document, variables).await;
    assert_eq!(
        answer["data"],
        json!({
            "first": { "topic": { "title": "In order" }, "userErrors": [] },
            "refused": null,
            "wrong": { "topic": null, "userErrors": [{ "code": "INVALID", "field": ["title"] }] },
            "last": { "topic": { "title": "In order" } },
        })
    );
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
    assert_eq!(answer["errors"][0]["path"], json!(["refused"]));
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
}

async fn what_a_document_says_twice_is_done_once(server: &Server) {
    let document = "mutation($input: TopicProposeInput!, $no: Boolean!) {
        topicPropose(input: $input) { topic { code } }
        ...More
        topicPropose(input: $input) @include(if: $no) { topic { status } }
        ... on Mutation { topicPropose(input: $input) { topic { title } topic { proposedBy } } } }
        fragment More on Mutation { topicPropose(input: $input) { topic { version } userErrors { code } } }";
    let variables = json!({ "input": { "title": "Once", "summary": "S" }, "no": false });
    let data: Value = server.tsb().data(document, variables).await;
    assert_eq!(
        data["topicPropose"],
        json!({ "topic": { "code": "T-9", "version": 1, "title": "Once", "proposedBy": "TSB" }, "userErrors": [] })
    );
    let count = server
        .anonymous()
        .data("{ topics { totalCount } }", json!({}))
        .await;
    assert_eq!(count["topics"]["totalCount"], 9);
}

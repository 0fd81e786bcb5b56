//! Concurrent writers: one of two gets STALE, and nothing is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join, join_all};
use liaison::http::graphql::response_cache::ResponseCache;
use liaison::store::Database;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use serde_json::{Value, json};

use crate::support::harness::{Backend, Server};

on_both_databases! {
    the_second_of_two_concurrent_updates_is_stale
    topic_numbers_are_consecutive
    readers_see_acknowledged_writes
    the_mutations_of_a_document_run_in_order
    a_repeated_mutation_field_runs_once
}

async fn the_second_of_two_concurrent_updates_is_stale(server: &Server) {
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

async fn topic_numbers_are_consecutive(server: &Server) {
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
        .map(|topic| topic["code"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes, (9..29).map(|number| format!("T-{number}")).collect());

    let log = entity::activity::Entity::find()
        .all(&server.db.orm_read)
        .await
        .unwrap();
    let mut positions: Vec<i64> = log.iter().map(|activity| activity.position).collect();
    positions.sort_unstable();
    assert_eq!(
        positions,
        (1..=i64::try_from(log.len()).unwrap()).collect::<Vec<_>>()
    );
}

async fn readers_see_acknowledged_writes(server: &Server) {
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
    let response = server.tsb().run(document, variables).await;
    assert_eq!(
        response["data"],
        json!({
            "first": { "topic": { "title": "In order" }, "userErrors": [] },
            "refused": null,
            "wrong": { "topic": null, "userErrors": [{ "code": "INVALID", "field": ["title"] }] },
            "last": { "topic": { "title": "In order" } },
        })
    );
    assert_eq!(response["errors"].as_array().unwrap().len(), 1);
    assert_eq!(response["errors"][0]["path"], json!(["refused"]));
    assert_eq!(response["errors"][0]["extensions"]["code"], "FORBIDDEN");
}

async fn a_repeated_mutation_field_runs_once(server: &Server) {
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

/// The client of a probe gives up after two seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_writers_delay_neither_reads_nor_readiness() {
    let server = Server::start(Backend::Postgres).await;
    let memory = ResponseCache::new(1_000_000, Duration::from_millis(100));
    let remembering = server.beside(|app| app.response_cache = Some(memory)).await;
    let topic = server.topic("T-1").await;
    for service in [&server, &remembering] {
        let before = notes(&server).await;
        // An import holds the lock of all writers.
        let import = Database::connect(server.database_url(), 1).await.unwrap();
        let import = import.orm_write.begin().await.unwrap();
        let lock = "update counter set value = value where name = 'activity'";
        import.execute_unprepared(lock).await.unwrap();
        let itu = service.itu();
        let writers = join_all((0..12).map(|number| {
            let input = json!({ "subjectId": topic, "body": format!("Note {number}.") });
            itu.verdict("noteAdd", input)
        }));
        let probe = reqwest::Client::builder().timeout(Duration::from_secs(2));
        let probe = probe.build().unwrap();
        let others = async {
            // All writers wait: one of them for the lock in the database.
            while waiting(&server).await == 0 {}
            for _ in 0..5 {
                let ready = probe
                    .get(format!("{}/readyz", service.address))
                    .send()
                    .await;
                assert_eq!(ready.unwrap().status(), 200);
                let body = json!({ "query": NOTES }).to_string();
                let read = probe
                    .post(format!("{}/graphql", service.address))
                    .header("content-type", "application/json")
                    .body(body);
                let read = read.send().await.unwrap().text().await.unwrap();
                let read: Value = serde_json::from_str(&read).unwrap();
                assert_eq!(read["data"]["topic"]["notes"]["totalCount"], before);
            }
            import.rollback().await.unwrap();
        };
        let (verdicts, ()) = join(writers, others).await;
        // A writer that has waited for five seconds is told to try again.
        let (made, refused): (Vec<_>, Vec<_>) =
            verdicts.iter().partition(|verdict| *verdict == "OK");
        assert!(
            refused
                .iter()
                .all(|verdict| *verdict == "SERVICE_UNAVAILABLE")
        );
        let written = notes(&server).await - before;
        assert_eq!(usize::try_from(written), Ok(made.len()));
    }
}

const NOTES: &str = "{ topic(by: { code: \"T-1\" }) { notes { totalCount } } }";

async fn notes(server: &Server) -> i64 {
    let data = server.anonymous().data(NOTES, json!({})).await;
    data["topic"]["notes"]["totalCount"].as_i64().unwrap()
}

/// How many sessions wait for a lock.
async fn waiting(server: &Server) -> i64 {
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let waiting = Statement::from_string(DbBackend::Postgres, waiting);
    let row = server.db.orm_read.query_one_raw(waiting).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

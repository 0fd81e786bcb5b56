//! A table of searches in eight languages, each with the first results that people expect, on the data that comes with
//! the program.

use std::fmt::Write;

use liaison::seed;
use liaison::store::Database;
use serde_json::{Value, json};

use crate::queries::search::{label, search};
use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::Server;

on_both_backends! {
    each_search_ranks_the_expected_record_first
}

/// The text of each search, how many records it finds, and the first of them.
const TABLE: &str = include_str!("searches.tsv");

/// Names that the data does not have: no organization publishes them in German.
const GERMAN: [(&str, &str, &str); 4] = [
    ("upu", "NAME", "Weltpostverein"),
    ("itu", "NAME", "Internationale Fernmeldeunion"),
    ("quality", "TITLE", "Qualität der Dienste"),
    ("transfer", "TITLE", "Geldüberweisungen über Mobiltelefone"),
];

async fn start(backend: Backend) -> Server {
    let database = TestDatabase::empty(backend).await;
    let db = Database::connect(&database.url, 2).await.unwrap();
    db.migrate().await.unwrap();
    let now = chrono::DateTime::from_timestamp(1_781_524_800, 0).unwrap();
    seed::load(&db, now).await.unwrap();
    db.close().await.unwrap();
    let server = Server::start_on(database, |_| {}).await;
    let document = "{ upu: organization(by: { acronym: \"UPU\" }) { id version } itu: organization(by: { acronym: \"ITU\" }) { id version }
        quality: topic(by: { code: \"T-1\" }) { id version } transfer: topic(by: { code: \"T-7\" }) { id version } }";
    let records = server.anonymous().data(document, json!({})).await;
    for (record, field, text) in GERMAN {
        let client = if record == "itu" {
            server.itu()
        } else {
            server.upu()
        };
        let (id, version) = (&records[record]["id"], &records[record]["version"]);
        let input = json!({ "subjectId": id, "version": version, "field": field, "language": "DE", "text": text, "kind": "COURTESY" });
        let document = "mutation($input: TranslationSetInput!) { translationSet(input: $input) { userErrors { message } } }";
        let data = client.data(document, json!({ "input": input })).await;
        assert_eq!(data["translationSet"]["userErrors"], json!([]));
    }
    server
}

async fn each_search_ranks_the_expected_record_first(backend: Backend) {
    let server = start(backend).await;
    let (mut wrong, mut searches) = (String::new(), 0);
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [text, count, expected @ ..] = columns.as_slice() else {
            panic!("no search: {line}");
        };
        let results = search(&server.anonymous(), json!({ "text": text, "first": 5 })).await;
        let nodes = results["nodes"].as_array().unwrap();
        let first: Vec<String> = nodes.iter().take(expected.len()).map(label).collect();
        let total = results["totalCount"].to_string();
        if first != *expected || total != *count {
            writeln!(
                wrong,
                "{text}: {total} {first:?}, expected {count} {expected:?}"
            )
            .unwrap();
        }
        searches += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(searches >= 150, "{searches}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_databases_list_the_same_overlaps() {
    const OVERLAPS: &str = "{ overlaps(first: 100, minimum: 0.2) { totalCount nodes { score sharedTerms itu { ...Label } upu { ...Label } } } }
        fragment Label on SearchResult { ... on Publication { number title } ... on Topic { code title } }";
    let sqlite = start(Backend::Sqlite).await;
    let postgres = start(Backend::Postgres).await;
    let [one, other] = [&sqlite, &postgres].map(|server| async move {
        let data = server.anonymous().data(OVERLAPS, json!({})).await;
        data["overlaps"].clone()
    });
    let one = one.await;
    assert_eq!(one, other.await);
    assert!(one["totalCount"].as_u64().unwrap() > 10, "{one:#}");
}

/// Everything that a search returns but ids and cursors, which each database has of its own.
fn without_ids(mut results: Value) -> Value {
    results["pageInfo"] = Value::Null;
    for edge in results["edges"].as_array_mut().unwrap() {
        edge["cursor"] = Value::Null;
        edge["node"] = label(&edge["node"]).into();
    }
    results["nodes"] = Value::Null;
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn both_databases_give_the_same_results_scores_and_highlights() {
    let sqlite = start(Backend::Sqlite).await;
    let postgres = start(Backend::Postgres).await;
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let text = line.split('\t').next();
        let [one, other] = [&sqlite, &postgres].map(|server| async move {
            let variables = json!({ "text": text, "first": 100 });
            without_ids(search(&server.anonymous(), variables).await)
        });
        assert_eq!(one.await, other.await, "{text:?}");
    }
}

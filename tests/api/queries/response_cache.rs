//! The response cache: cached responses are as current as others.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use entity::party::Role;
use futures_util::future::{join, join_all};
use liaison::http::graphql::response_cache::ResponseCache;
use reqwest::Method;
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::harness::{Client, Server, token};

on_both_databases! {
    a_response_is_cached_until_the_data_changes
    no_stale_response_follows_an_acknowledged_write
    writes_of_another_instance_are_visible_within_the_staleness_limit
    cached_responses_are_not_shared_between_parties
    private_responses_are_not_cached
    cached_responses_are_keyed_by_day
    failed_responses_are_not_cached
    the_response_cache_is_bounded
    a_matching_etag_gets_304_not_modified
}

const LONG: Duration = Duration::from_hours(1);
const STALENESS_TIMEOUT: Duration = Duration::from_secs(10);
const NOTES: &str = "{ topic(by: { code: \"T-1\" }) { notes { totalCount } } }";

/// Starts another instance with a response cache.
async fn with_response_cache(server: &Server, unknown: Duration) -> Server {
    let memory = ResponseCache::new(1_000_000, unknown);
    server.beside(|app| app.response_cache = Some(memory)).await
}

async fn notes(client: &Client<'_>) -> i64 {
    let data = client.data(NOTES, json!({})).await;
    data["topic"]["notes"]["totalCount"].as_i64().unwrap()
}

async fn add_note(server: &Server) {
    let subject = server.topic("T-1").await;
    let input = json!({ "subjectId": subject, "body": "A note." });
    server.upu().change("noteAdd", input, "id").await;
}

/// Returns the number of statements of a request.
async fn statements(server: &Server, client: &Client<'_>, document: &str) -> usize {
    server.statements.take();
    client.run(document, json!({})).await;
    server.statements.take().len()
}

async fn a_response_is_cached_until_the_data_changes(server: &Server) {
    let server = with_response_cache(server, LONG).await;
    let reader = server.anonymous();
    let document =
        "query($first: Int) { topics(first: $first) { nodes { code notes { totalCount } } } }";
    let read = async |first: i64| {
        server.statements.take();
        let data = reader.data(document, json!({ "first": first })).await;
        (data, server.statements.take().len())
    };
    let (first, statements) = read(3).await;
    assert_eq!(statements, 2);
    assert_eq!(read(3).await, (first.clone(), 0));
    assert_eq!(read(2).await.1, 2, "other variables, another answer");
    assert_eq!(read(3).await, (first.clone(), 0));
    add_note(&server).await;
    let (second, statements) = read(3).await;
    assert_eq!(statements, 2);
    assert_ne!(second, first);
    assert_eq!(read(3).await, (second, 0));
}

async fn no_stale_response_follows_an_acknowledged_write(server: &Server) {
    let server = with_response_cache(server, LONG).await;
    let acknowledged = AtomicI64::new(notes(&server.anonymous()).await);
    let over = AtomicBool::new(false);
    let subject = server.topic("T-1").await;
    let told_of_all = async || {
        let known = acknowledged.load(Ordering::SeqCst);
        let told = notes(&server.anonymous()).await;
        assert!(
            told >= known,
            "told of {told} notes after {known} were acknowledged"
        );
    };
    let writers = async {
        join_all((0..4).map(async |_| {
            for _ in 0..50 {
                let input = json!({ "subjectId": subject, "body": "A note." });
                server.upu().change("noteAdd", input, "id").await;
                acknowledged.fetch_add(1, Ordering::SeqCst);
                told_of_all().await;
            }
        }))
        .await;
        over.store(true, Ordering::SeqCst);
    };
    let readers = join_all((0..4).map(async |_| {
        while !over.load(Ordering::SeqCst) {
            told_of_all().await;
        }
    }));
    join(writers, readers).await;
    assert_eq!(
        notes(&server.anonymous()).await,
        acknowledged.load(Ordering::SeqCst)
    );
}

async fn writes_of_another_instance_are_visible_within_the_staleness_limit(server: &Server) {
    let exact = with_response_cache(server, Duration::ZERO).await;
    let lax = with_response_cache(server, LONG).await;
    let postgres = server.db.orm_read.get_database_backend() == DbBackend::Postgres;
    for _ in 0..10 {
        let before = notes(&exact.anonymous()).await;
        notes(&lax.anonymous()).await;
        add_note(server).await;
        if postgres {
            assert_eq!(notes(&exact.anonymous()).await, before + 1);
        }
        let told = timeout(STALENESS_TIMEOUT, async {
            while notes(&lax.anonymous()).await == before {
                sleep(Duration::from_millis(5)).await;
            }
        });
        told.await.expect("the feed sees what others write");
    }
}

async fn cached_responses_are_not_shared_between_parties(server: &Server) {
    let with_response_cache = with_response_cache(server, LONG).await;
    let document = "{ topics(first: 5) { nodes { viewerPermissions } } }";
    let read = async |client: Client<'_>| client.data(document, json!({})).await;
    for _ in 0..2 {
        assert_eq!(
            read(with_response_cache.itu()).await,
            read(server.itu()).await
        );
        assert_eq!(
            read(with_response_cache.tsb()).await,
            read(server.tsb()).await
        );
        let anonymous = read(with_response_cache.anonymous()).await;
        assert_eq!(anonymous, read(server.anonymous()).await);
        assert_ne!(anonymous, read(server.itu()).await);
    }
}

async fn private_responses_are_not_cached(server: &Server) {
    let server = with_response_cache(server, LONG).await;
    let ends = async |seconds| {
        let token = token(&[Role::ItuEditor], seconds, server.now());
        let client = server.anonymous().with_token(&token);
        let document = "{ viewer { expiresAt } topics(first: 1) { nodes { code } } }";
        client.data(document, json!({})).await
    };
    assert_ne!(ends(100).await, ends(200).await);
    for document in [
        "{ webhooks { url cursor } }",
        "{ activities(first: 1) { nodes { subject { ...Hook } } } } fragment Hook on Webhook { cursor }",
    ] {
        let once = statements(&server, &server.itu(), document).await;
        assert!(once > 0, "{document}");
        let again = statements(&server, &server.itu(), document).await;
        assert_eq!(again, once, "{document}");
    }
}

async fn cached_responses_are_keyed_by_day(server: &Server) {
    let server = with_response_cache(server, LONG).await;
    let document = "{ actionItems(filter: { overdue: true }) { totalCount } }";
    let overdue = async || {
        let data = server.anonymous().data(document, json!({})).await;
        data["actionItems"]["totalCount"].as_i64().unwrap()
    };
    let today = overdue().await;
    server.pass_days(20_000);
    assert!(overdue().await > today);
}

async fn failed_responses_are_not_cached(server: &Server) {
    let server = with_response_cache(server, LONG).await;
    let document = "{ topics(first: 1) { nodes { code } } topic(by: { id: \"none\" }) { code } }";
    let reader = server.anonymous();
    for _ in 0..2 {
        assert_eq!(statements(&server, &reader, document).await, 1);
    }
}

async fn the_response_cache_is_bounded(server: &Server) {
    let server = server
        .beside(|app| app.response_cache = Some(ResponseCache::new(20_000, LONG)))
        .await;
    let reader = server.anonymous();
    let mut read = 0;
    for _ in 0..2 {
        for first in 1..=100 {
            let document = format!("{{ committees(first: {first}) {{ nodes {{ name }} }} }}");
            read += statements(&server, &reader, &document).await;
        }
    }
    assert!(read > 150, "of 200 answers {read} were read");
}

async fn a_matching_etag_gets_304_not_modified(server: &Server) {
    let server = with_response_cache(server, LONG).await;
    let path =
        "/graphql?query=%7Btopic(by%3A%7Bcode%3A%22T-1%22%7D)%7Bcode%20notes%7BtotalCount%7D%7D%7D";
    let reader = server.anonymous();
    let get = async |tag: Option<&str>| {
        let headers: Vec<_> = tag.map(|tag| ("if-none-match", tag)).into_iter().collect();
        reader.send(Method::GET, path, &headers, "").await
    };
    let first = get(None).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(first.headers["cache-control"], "no-cache");
    let more = format!("\"other\", {tag}");
    for known in [tag.as_str(), more.as_str(), "*"] {
        let again = get(Some(known)).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
        assert_eq!(again.headers["etag"], tag.as_str());
    }
    assert_eq!(get(Some("\"other\"")).await.text, first.text);
    add_note(&server).await;
    let changed = get(Some(&tag)).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.headers["etag"], tag.as_str());

    // Failed responses and responses to POST have no entity tag.
    let wrong = reader.send(
        Method::GET,
        "/graphql?query=%7Btopic(by%3A%7Bid%3A%22x%22%7D)%7Bcode%7D%7D",
        &[],
        "",
    );
    assert!(!wrong.await.headers.contains_key("etag"));
    let posted = reader.post(NOTES, Value::Null).await;
    assert!(!posted.headers.contains_key("etag"));
}

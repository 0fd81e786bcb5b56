//! A network that passes nothing any more, without closing a connection, does not stop the service for good.

use std::path::Path;
use std::time::{Duration, Instant};

use liaison::webhooks::Reach;
use serde_json::json;
use tokio::time::sleep;
use url::Url;

use crate::databases::{Backend, TestDatabase};
use crate::endpoint::Endpoint;
use crate::harness::{Server, prepare};
use crate::silent_proxy::SilentProxy;
use crate::socket::Socket;
use crate::webhooks::create;

/// More than a recovery takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A PostgreSQL database behind a proxy, which the tests' own server or another one on a Unix socket serves.
pub async fn behind_proxy() -> (SilentProxy, TestDatabase) {
    let mut database = TestDatabase::create(Backend::Postgres, prepare).await;
    let mut url = Url::parse(&database.url).unwrap();
    let host = url.query_pairs().find(|(name, _)| name == "host");
    let directory = host
        .expect("PostgreSQL listens on a Unix socket")
        .1
        .into_owned();
    let proxy = SilentProxy::start(Path::new(&directory)).await.unwrap();
    url.set_query(Some("sslmode=disable"));
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.port)).unwrap();
    database.url = url.into();
    (proxy, database)
}

/// Tries until it succeeds.
async fn eventually(what: &str, mut attempt: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !attempt().await {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come back");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_back_after_each_of_ten_silent_breaks() {
    let (proxy, database) = behind_proxy().await;
    let server = Server::start_on(database, |_| {}).await;
    let (anonymous, upu) = (server.anonymous(), server.upu());
    let topic = server.topic("T-1").await;
    let endpoint = Endpoint::start().await;
    create(
        &upu,
        json!({ "url": endpoint.url, "filter": { "verb": ["NOTED"] } }),
    )
    .await;
    let _deliveries = server.deliver(Reach::Anywhere);
    endpoint.wait_for_ping().await;
    let mut socket = Socket::anonymous(&server.address).await;
    let follow = "subscription { activity(filter: { verb: [NOTED] }) { verb } }";
    socket.subscribe("a", follow, json!({})).await;

    let mut notes = 0;
    let mut slowest = Duration::ZERO;
    for turn in 0..10 {
        proxy.break_connections();
        let begun = Instant::now();
        eventually("reading", async || {
            let response = anonymous.post("{ topics { totalCount } }", json!({})).await;
            response.json()["errors"].is_null()
        })
        .await;
        eventually("writing", async || {
            let document =
                "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id } } }";
            let key = format!("turn {turn}");
            let input = json!({ "subjectId": topic, "body": key, "idempotencyKey": key });
            let response = upu.post(document, json!({ "input": input })).await;
            response.json()["data"]["noteAdd"]["note"]["id"].is_string()
        })
        .await;
        notes += 1;
        eventually("readiness", async || {
            let ready = anonymous.send(reqwest::Method::GET, "/readyz", &[], "");
            ready.await.status == 200
        })
        .await;
        assert_eq!(socket.activity("a").await["verb"], "NOTED");
        endpoint.wait_for(notes).await;
        slowest = slowest.max(begun.elapsed());
    }
    eprintln!("the slowest recovery took {:.1} s", slowest.as_secs_f64());
}

#[tokio::test]
async fn a_write_whose_client_has_gone_leaves_no_transaction_open() {
    let server = Server::start(Backend::Postgres).await;
    let topic = server.topic("T-1").await;
    let upu = server.upu();
    let document = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id } } }";
    for turn in 0..40 {
        let input = json!({ "subjectId": topic, "body": "A note." });
        let request = upu.post(document, json!({ "input": input }));
        // At another moment each time: before, while and after the transaction begins.
        let _ = tokio::time::timeout(Duration::from_micros(500 + turn * 100), request).await;
    }
    let open = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'";
    eventually("an open transaction ends", async || {
        let count = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, open);
        let row = sea_orm::ConnectionTrait::query_one_raw(&server.db.read, count).await;
        let count: i64 = row.unwrap().unwrap().try_get_by_index(0).unwrap();
        count == 0
    })
    .await;
}

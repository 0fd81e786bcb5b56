//! The network to PostgreSQL fails silently: connections stay open but transmit nothing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use url::Url;

use crate::subscriptions::instances::ask;
use crate::support::binary::{RunningProcess, Workspace};
use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::{Server, prepare};
use crate::support::silent_proxy::SilentProxy;
use crate::support::webhook_receiver::Endpoint;
use crate::support::websocket_client::Socket;

/// Maximum time to recover from a failure.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(15);
const BREAKS: usize = 10;

const READ: &str = "{ topics(first: 5) { nodes { id code notes(first: 2) { nodes { id } } } } }";
const WRITE: &str = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id } } }";
const FOLLOW: &str = "subscription { activity { id subject { ... on Note { id } } } }";

/// A PostgreSQL database behind a proxy, which the tests' own server or another one on a Unix socket serves.
pub async fn behind_proxy() -> (SilentProxy, TestDatabase) {
    let (proxy, database, _) = behind_and_past_proxy().await;
    (proxy, database)
}

/// The same, with the URL that does not lead through the proxy.
pub async fn behind_and_past_proxy() -> (SilentProxy, TestDatabase, String) {
    let mut database = TestDatabase::create(Backend::Postgres, prepare).await;
    let past = database.url.clone();
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
    (proxy, database, past)
}

/// A service, and a token for writing.
pub fn serve(workspace: &Workspace, database_url: &str) -> (RunningProcess, String, String) {
    serve_with(workspace, database_url, &[])
}

/// The same with further arguments.
pub fn serve_with(
    workspace: &Workspace,
    database_url: &str,
    more: &[&str],
) -> (RunningProcess, String, String) {
    workspace.write("secret", "a secret that only this test knows, long enough");
    let token = ["token", "--role", "UPU_EDITOR", "--key", "secret"];
    let token = workspace.done(&token).trim().to_owned();
    let arguments = [
        "serve",
        "--database-url",
        database_url,
        "--listen",
        "127.0.0.1:0",
        "--token-key",
        "secret",
        "--token-algorithms",
        "HS256",
        "--allow-private-webhooks",
    ];
    let mut service = workspace.start(&[&arguments, more].concat());
    let address = service.address();
    (service, address, token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_recovers_soon_after_each_of_ten_silent_disconnects() {
    let (proxy, database) = behind_proxy().await;
    let workspace = Workspace::new();
    let (_service, address, token) = serve(&workspace, &database.url);
    let topic_response = ask(
        &address,
        None,
        "{ topic(by: { code: \"T-1\" }) { id } }",
        json!({}),
    )
    .await;
    let topic = &topic_response.unwrap()["data"]["topic"]["id"];
    let variables = json!({ "input": { "subjectId": topic, "body": "A note." } });
    let endpoint = Endpoint::start().await;
    let document =
        "mutation($input: WebhookCreateInput!) { webhookCreate(input: $input) { webhook { id } } }";
    let input = json!({ "url": endpoint.url, "filter": { "verb": ["NOTED"] } });
    ask(&address, Some(&token), document, json!({ "input": input }))
        .await
        .unwrap();
    let mut socket = Socket::anonymous(&address).await;
    socket.subscribe("a", FOLLOW, json!({})).await;

    let read = || ask(&address, None, READ, json!({}));
    let write = || ask(&address, Some(&token), WRITE, variables.clone());
    let done = AtomicBool::new(false);
    let load = join_all((0..6).map(async |number| {
        while !done.load(Ordering::Relaxed) {
            // A failure ends some of the connections.
            let _ = if number < 4 {
                read().await
            } else {
                write().await
            };
        }
    }));
    let breaks = async {
        for number in 0..BREAKS {
            sleep(Duration::from_millis(300)).await;
            proxy.break_connections();
            let started_at = Instant::now();
            let (mut reads, mut note) = (false, None);
            while !reads || note.is_none() || ready(&address).await != 200 {
                assert!(
                    started_at.elapsed() < RECOVERY_TIMEOUT,
                    "break {number}: reads {reads}, note {note:?}"
                );
                let (answer, written) = join(with_timeout(read()), with_timeout(write())).await;
                reads = reads || answer.is_some_and(|answer| answer["data"]["topics"].is_object());
                let written = written.and_then(|written| {
                    written["data"]["noteAdd"]["note"]["id"]
                        .as_str()
                        .map(str::to_owned)
                });
                note = note.or(written);
            }
            let note = note.unwrap();
            let activity = loop {
                assert!(
                    started_at.elapsed() < RECOVERY_TIMEOUT,
                    "break {number}: the feed"
                );
                if let Some(activity) = matching_activity_id(&mut socket, &note).await {
                    break activity;
                }
            };
            while !endpoint.ids().contains(&activity) {
                assert!(
                    started_at.elapsed() < RECOVERY_TIMEOUT,
                    "break {number}: the webhook"
                );
                sleep(Duration::from_millis(50)).await;
            }
            eprintln!(
                "break {number}: all is back after {:?}",
                started_at.elapsed()
            );
        }
        done.store(true, Ordering::Relaxed);
    };
    join(load, breaks).await;
}

/// Returns the response, or nothing if another attempt is better than waiting.
async fn with_timeout(answer: impl Future<Output = Option<Value>>) -> Option<Value> {
    timeout(Duration::from_secs(3), answer).await.ok().flatten()
}

async fn ready(address: &str) -> u16 {
    let answer = timeout(
        Duration::from_secs(3),
        reqwest::get(format!("{address}/readyz")),
    )
    .await;
    answer
        .ok()
        .and_then(Result::ok)
        .map_or(0, |response| response.status().as_u16())
}

/// Returns the id of the activity in the next message of a subscription, if it is about this note.
async fn matching_activity_id(socket: &mut Socket, note: &str) -> Option<String> {
    let message = timeout(Duration::from_secs(1), socket.receive_json())
        .await
        .ok()?;
    let activity = &message["payload"]["data"]["activity"];
    assert!(activity.is_object(), "{message}");
    (activity["subject"]["id"] == note).then(|| activity["id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_fails_within_two_seconds_when_the_database_hangs() {
    let (proxy, database) = behind_proxy().await;
    let workspace = Workspace::new();
    let (_service, address, _) = serve(&workspace, &database.url);
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2));
    let client = client.build().unwrap();
    let get = async |path: &str| {
        let answer = client.get(format!("{address}{path}")).send().await;
        let answer = answer.expect("an answer within two seconds");
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/readyz").await.0, 200);
    proxy.freeze(true);
    for _ in 0..3 {
        let (status, body) = get("/readyz").await;
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("the database does not answer"), "{body}");
        assert_eq!(get("/livez").await.0, 200);
    }
    proxy.freeze(false);
    let started_at = Instant::now();
    while get("/readyz").await.0 != 200 {
        assert!(started_at.elapsed() < RECOVERY_TIMEOUT);
    }
}

#[tokio::test]
async fn a_write_finishes_after_its_client_disconnects() {
    let server = Server::start(Backend::Postgres).await;
    let topic = server.topic("T-1").await;
    let count = async |what: &str| {
        let count = Statement::from_string(DbBackend::Postgres, format!("select count(*) {what}"));
        let row = server.db.orm_read.query_one_raw(count).await;
        row.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap()
    };
    let sessions = "from pg_stat_activity where datname = current_database() and";
    let lock = server.db.orm_write.begin().await.unwrap();
    let hold = "update counter set value = value where name = 'activity'";
    lock.execute_unprepared(hold).await.unwrap();
    let input = json!({ "subjectId": topic, "body": "Gone." });
    let upu = server.upu();
    let waiting =
        async { while count(&format!("{sessions} wait_event_type = 'Lock'")).await == 0 {} };
    tokio::select! {
        _ = upu.post(WRITE, json!({ "input": input })) => panic!("the lock is not waited for"),
        () = waiting => {}
    }
    // The service learns that its client has gone.
    sleep(Duration::from_millis(500)).await;
    lock.rollback().await.unwrap();
    let started_at = Instant::now();
    while count("from note where body = 'Gone.'").await == 0 {
        assert!(
            started_at.elapsed() < RECOVERY_TIMEOUT,
            "the write was dropped"
        );
    }
    while count(&format!("{sessions} state = 'idle in transaction'")).await > 0 {
        assert!(
            started_at.elapsed() < RECOVERY_TIMEOUT,
            "a transaction stays open"
        );
    }
}

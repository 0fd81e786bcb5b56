//! Several instances on one PostgreSQL: one is killed during all activities, and no event is lost.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use entity::activity;
use entity::id::Id;
use futures_util::future::{join_all, join3};
use liaison::store::Database;
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use crate::support::binary::Workspace;
use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::{id_and_cursor, prepare};
use crate::support::webhook_receiver::Endpoint;
use crate::support::websocket_client::Socket;

const FOLLOWERS: usize = 50;
const ENDPOINTS: usize = 3;
const WRITERS: usize = 3;
/// Number of writes per writer.
const WRITES: usize = 120;

/// A generous timeout, which only failing tests reach.
const PATIENCE: Duration = Duration::from_mins(5);

const FOLLOW: &str = "subscription($after: String) { activity(after: $after) { id cursor at } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_instance_loses_and_duplicates_no_event() {
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let workspace = Workspace::new();
    workspace.write("secret", "a secret that only this test knows, long enough");
    let token = ["token", "--role", "UPU_EDITOR", "--key", "secret"];
    let token = workspace.done(&token).trim().to_owned();
    let start = || {
        let mut running = workspace.start(&[
            "serve",
            "--database-url",
            &database.url,
            "--database-connections",
            "4",
            "--listen",
            "127.0.0.1:0",
            "--token-key",
            "secret",
            "--token-algorithms",
            "HS256",
            "--allow-private-webhooks",
        ]);
        (running.address(), running)
    };
    let (first, killed) = start();
    let (second, _kept) = start();
    let addresses = [first, second];

    let endpoints = endpoints(&addresses[1], &token).await;
    let initial_response = ask(
        &addresses[1],
        None,
        "{ activities(last: 1) { nodes { id cursor } } topic(by: { code: \"T-1\" }) { id } }",
        json!({}),
    )
    .await
    .unwrap();
    let (begin_id, begin) = id_and_cursor(&initial_response["data"]["activities"]["nodes"][0]);
    let topic = &initial_response["data"]["topic"]["id"];

    let written = AtomicUsize::new(0);
    let ready = AtomicBool::new(false);
    let killed = Mutex::new(Some(killed));
    let events = AtomicUsize::new(0);
    let started_at = Instant::now();

    let followers =
        join_all((0..FOLLOWERS).map(|place| follow(&addresses, place, &begin, &ready, &events)));
    let writers = async {
        while !ready.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(10)).await;
        }
        join_all((0..WRITERS).map(async |writer| {
            for number in 0..WRITES {
                let body = format!("Note {number} of {writer}.");
                let input = json!({ "subjectId": topic, "body": body });
                let document =
                    "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id } } }";
                // Without a response it is unknown whether the write was committed: the log shows it.
                let variables = json!({ "input": input });
                for turn in 0.. {
                    let address = &addresses[(writer + turn) % 2];
                    let response = ask(address, Some(&token), document, variables.clone()).await;
                    if response.is_some_and(|response| {
                        response["data"]["noteAdd"]["note"]["id"].is_string()
                    }) {
                        break;
                    }
                }
                written.fetch_add(1, Ordering::Relaxed);
            }
        }))
        .await;
        let log = log(&database.url, &begin_id).await;
        events.store(log.len(), Ordering::Relaxed);
    };
    let killer = async {
        while written.load(Ordering::Relaxed) < WRITERS * WRITES / 3 {
            sleep(Duration::from_millis(5)).await;
        }
        // Like `kill -9`.
        drop(killed.lock().unwrap().take());
    };
    let (received, (), ()) = join3(followers, writers, killer).await;

    let log = log(&database.url, &begin_id).await;
    assert!(log.len() >= WRITERS * WRITES, "{}", log.len());
    let (mut breaks, mut delays) = (0, Vec::new());
    for received in received {
        let ids: Vec<&String> = received.activities.iter().map(|event| &event.0).collect();
        assert_eq!(ids, log.iter().collect::<Vec<_>>());
        breaks += received.broken;
        delays.extend(received.delays);
    }
    let repeated = delivered(&endpoints, &log).await;
    assert!(repeated <= ENDPOINTS, "{repeated}");
    delays.sort_unstable();
    assert!(
        breaks >= FOLLOWERS / 2,
        "half of them were on the instance that was killed: {breaks}"
    );
    eprintln!(
        "{} events, {FOLLOWERS} followers, {breaks} came back; lost 0, doubled 0; {ENDPOINTS} endpoints, lost 0, sent again {repeated}; {:.1} s in all; events arrived after {:?} (median), {:?} (slowest)",
        log.len(),
        started_at.elapsed().as_secs_f64(),
        delays[delays.len() / 2],
        delays[delays.len() - 1],
    );
}

/// The endpoints that receive each note.
async fn endpoints(address: &str, token: &str) -> Vec<Endpoint> {
    let endpoints = join_all((0..ENDPOINTS).map(|_| Endpoint::start())).await;
    for endpoint in &endpoints {
        let document = "mutation($input: WebhookCreateInput!) { webhookCreate(input: $input) { webhook { id } } }";
        let input = json!({ "url": endpoint.url, "filter": { "verb": ["NOTED"] } });
        let made = ask(address, Some(token), document, json!({ "input": input })).await;
        assert!(made.unwrap()["data"]["webhookCreate"]["webhook"]["id"].is_string());
    }
    endpoints
}

/// Checks that each endpoint received the log in order, and returns how often messages were repeated. The lease of a
/// killed process must expire first.
async fn delivered(endpoints: &[Endpoint], log: &[String]) -> usize {
    let mut repeated = 0;
    for endpoint in endpoints {
        let mut ids = endpoint.ids();
        for _ in 0..900 {
            if ids.contains(&log[log.len() - 1]) {
                break;
            }
            sleep(Duration::from_millis(100)).await;
            ids = endpoint.ids();
        }
        repeated += ids.len().saturating_sub(log.len());
        // A delivery whose sender was killed is repeated, before any later one.
        ids.dedup();
        assert_eq!(ids, log);
    }
    repeated
}

/// What a subscriber received.
struct ReceivedEvents {
    activities: Vec<(String, String)>,
    /// How often its connection was lost.
    broken: usize,
    /// The delay between the request of a write and its event.
    delays: Vec<Duration>,
}

/// Subscribes until it has received the number of events that is stored at the end of all writes, resuming after its
/// last cursor with any available instance.
async fn follow(
    addresses: &[String; 2],
    place: usize,
    begin: &str,
    ready: &AtomicBool,
    events: &AtomicUsize,
) -> ReceivedEvents {
    let started_at = Instant::now();
    let mut activities: Vec<(String, String)> = Vec::new();
    let mut broken = 0;
    let mut delays = Vec::new();
    for turn in place.. {
        let address = &addresses[turn % 2];
        assert!(
            started_at.elapsed() < PATIENCE,
            "{} events",
            activities.len()
        );
        let cursor = activities
            .last()
            .map_or(begin, |event| event.1.as_str())
            .to_owned();
        // It panics if the instance is not there, or killed meanwhile.
        let address = address.clone();
        let opened = tokio::spawn(async move {
            let mut socket = Socket::anonymous(&address).await;
            let variables = json!({ "after": cursor });
            socket.subscribe("a", FOLLOW, variables).await;
            socket
        });
        let Ok(mut socket) = opened.await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        if place == FOLLOWERS - 1 {
            ready.store(true, Ordering::Relaxed);
        }
        loop {
            let message = socket.within(Duration::from_millis(1500)).await;
            match message {
                Some(Some(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["type"] == "next" {
                        let activity = &message["payload"]["data"]["activity"];
                        activities.push(id_and_cursor(activity));
                        delays.push(since(&activity["at"]));
                    }
                }
                Some(None) => break,
                _ => assert!(
                    started_at.elapsed() < PATIENCE,
                    "{} events",
                    activities.len()
                ),
            }
            let all = events.load(Ordering::Relaxed);
            if all > 0 && activities.len() >= all {
                return ReceivedEvents {
                    activities,
                    broken,
                    delays,
                };
            }
        }
        broken += 1;
    }
    unreachable!("there is always another turn")
}

/// Returns the age of a timestamp of a response.
fn since(moment: &Value) -> Duration {
    let moment: DateTime<Utc> = moment.as_str().unwrap().parse().unwrap();
    SystemTime::now()
        .duration_since(moment.into())
        .unwrap_or_default()
}

/// Sends an HTTP request; `None` without a response.
pub async fn ask(
    address: &str,
    token: Option<&str>,
    document: &str,
    variables: Value,
) -> Option<Value> {
    // No earlier test in this process may have installed one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let body = json!({ "query": document, "variables": variables });
    let mut request = reqwest::Client::new()
        .post(format!("{address}/graphql"))
        .header("content-type", "application/json")
        .body(body.to_string());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let text = request.send().await.ok()?.text().await.ok()?;
    serde_json::from_str(&text).ok()
}

/// Returns the ids of all activities after this id in the table.
async fn log(url: &str, begin: &str) -> Vec<String> {
    let db = Database::connect(url, 2).await.unwrap();
    let rows = activity::Entity::find().order_by_asc(activity::Column::Position);
    let rows = rows.all(&db.orm_read).await.unwrap();
    // Activities of webhooks are visible to their own party only.
    let rows = rows.into_iter().filter(|row| row.subject_type != "Webhook");
    let ids = rows.map(|row| row.id.to_global_id());
    ids.skip_while(|id| id != begin).skip(1).collect()
}

#[tokio::test]
async fn a_thousand_idle_websockets_need_little_memory() {
    let workspace = Workspace::new();
    let mut running = workspace.start(&[
        "dev",
        "--listen",
        "127.0.0.1:0",
        "--max-connections-per-ip",
        "0",
        "--max-connections",
        "5000",
        "--max-streams-per-client",
        "0",
        "--max-subscriptions-per-client",
        "0",
    ]);
    let address = running.dev_address();
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
        let (_, rest) = status.split_once("VmRSS:").unwrap();
        let kilobytes: usize = rest.split_whitespace().next().unwrap().parse().unwrap();
        kilobytes
    };
    let mut first = Socket::anonymous(&address).await;
    first.run("{ viewer { roles } }", json!({})).await;
    let before = memory();
    let mut sockets = Vec::new();
    for _ in 0..1000 {
        let mut socket = Socket::anonymous(&address).await;
        socket.subscribe("a", FOLLOW, json!({})).await;
        sockets.push(socket);
    }
    for socket in &mut sockets {
        socket.say(&json!({ "type": "ping" })).await;
        socket.receive_json().await;
    }
    let after = memory();
    eprintln!("{before} kB without sockets, {after} kB with 1000 that follow");
    assert!(after - before < 100_000, "{before} kB, then {after} kB");
}

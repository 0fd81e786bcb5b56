//! Each part of the service, and each command, ends its waits for a connection that transmits nothing any more.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, Statement,
    TransactionTrait,
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::database::broken_network::{behind_and_past_proxy, serve_with};
use crate::import_export::imports::{ITU, jsonl, publication};
use crate::subscriptions::instances::ask;
use crate::support::binary::{RunningProcess, Workspace};
use crate::support::databases::{TestDatabase, connect};
use crate::support::silent_proxy::SilentProxy;
use crate::support::webhook_receiver::Endpoint;

/// A wait without a bound takes longer.
const TIMEOUT: Duration = Duration::from_mins(1);

const READ: &str = "{ topic(by: { code: \"T-1\" }) { id } }";
const WRITE: &str = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id } } }";

/// A service with two connections of each kind behind a proxy, and a connection past the proxy.
struct BrokenConnections {
    proxy: SilentProxy,
    direct: DatabaseConnection,
    _service: RunningProcess,
    address: String,
    token: String,
    topic: Value,
    _database: TestDatabase,
    _workplace: Workspace,
}

impl BrokenConnections {
    async fn new() -> Self {
        let (proxy, database, past) = behind_and_past_proxy().await;
        let workspace = Workspace::new();
        let few = ["--database-connections", "2"];
        let (service, address, token) = serve_with(&workspace, &database.url, &few);
        let mut options = sea_orm::ConnectOptions::new(past);
        options.max_connections(3).sqlx_logging(false);
        let direct = sea_orm::Database::connect(options).await.unwrap();
        let topic = ask(&address, None, READ, json!({})).await.unwrap();
        Self {
            proxy,
            direct,
            _service: service,
            address,
            token,
            topic: topic["data"]["topic"]["id"].clone(),
            _database: database,
            _workplace: workspace,
        }
    }

    async fn read(&self) -> Option<Value> {
        let response = ask(&self.address, None, READ, json!({})).await?;
        Some(response["data"]["topic"]["id"].clone()).filter(Value::is_string)
    }

    async fn write(&self) -> Option<Value> {
        let input = json!({ "subjectId": self.topic, "body": "A note." });
        let token = Some(self.token.as_str());
        let response = ask(&self.address, token, WRITE, json!({ "input": input })).await?;
        Some(response["data"]["noteAdd"]["note"]["id"].clone()).filter(Value::is_string)
    }

    /// Repeats a request until it succeeds.
    async fn until(&self, request: impl AsyncFn(&Self) -> Option<Value>) -> Value {
        in_time(async {
            loop {
                if let Some(response) = request(self).await {
                    return response;
                }
            }
        })
        .await
    }

    /// Takes a lock past the proxy.
    async fn lock(&self, statement: &str) -> DatabaseTransaction {
        let lock = self.direct.begin().await.unwrap();
        lock.execute_unprepared(statement).await.unwrap();
        lock
    }

    /// Waits until this many sessions wait for a lock, breaks their connections, and releases the lock: they do their
    /// work, and nobody learns of it.
    async fn break_those_that_wait(&self, lock: DatabaseTransaction, sessions: i64) {
        let started_at = Instant::now();
        while waiting(&self.direct).await < sessions {
            assert!(started_at.elapsed() < TIMEOUT, "none waits");
        }
        self.proxy.break_connections();
        lock.rollback().await.unwrap();
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(TIMEOUT, work).await.expect("it does not end")
}

/// Returns how many sessions of a database wait for a lock.
async fn waiting(direct: &DatabaseConnection) -> i64 {
    let count = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    number(direct, count).await
}

/// Returns the number that a statement finds; 0 if there is none.
async fn number(direct: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = direct.query_one_raw(statement).await.unwrap();
    row.map_or(0, |row| row.try_get_by_index(0).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_with_broken_connections_return_their_permits() {
    let broken = BrokenConnections::new().await;
    let lock = broken
        .lock("lock table topic in access exclusive mode")
        .await;
    let reads = in_time(join_all([broken.read(), broken.read()]));
    join(reads, async {
        broken.break_those_that_wait(lock, 2).await;
        broken.until(BrokenConnections::read).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_idle_connections_are_discarded_without_delay() {
    let broken = BrokenConnections::new().await;
    broken.until(BrokenConnections::read).await;
    broken.until(BrokenConnections::write).await;
    // A connection that was used a moment ago is not checked.
    sleep(Duration::from_secs(2)).await;
    broken.proxy.break_connections();
    // Without a failure, although the idle connections are broken.
    assert!(in_time(broken.read()).await.is_some());
    assert!(in_time(broken.write()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_with_broken_connections_return_their_permits() {
    let broken = BrokenConnections::new().await;
    let lock = broken.lock("lock table note in exclusive mode").await;
    let writes = in_time(join_all([broken.write(), broken.write()]));
    join(writes, async {
        broken.break_those_that_wait(lock, 2).await;
        broken.until(BrokenConnections::write).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_reconnects_after_its_connection_broke() {
    let broken = BrokenConnections::new().await;
    let listening = "select pid::int8 from pg_stat_activity where datname = current_database() and query like 'LISTEN%' order by backend_start desc limit 1";
    let started_at = Instant::now();
    let first = loop {
        let first = number(&broken.direct, listening).await;
        if first != 0 {
            break first;
        }
        assert!(started_at.elapsed() < TIMEOUT, "it never listens");
    };
    broken.proxy.break_connections();
    let started_at = Instant::now();
    while [0, first].contains(&number(&broken.direct, listening).await) {
        assert!(started_at.elapsed() < TIMEOUT, "it does not listen again");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_with_a_broken_connection_does_not_stop_its_webhook() {
    let broken = BrokenConnections::new().await;
    let endpoint = Endpoint::start().await;
    let document =
        "mutation($input: WebhookCreateInput!) { webhookCreate(input: $input) { webhook { id } } }";
    let input = json!({ "url": endpoint.url, "filter": { "verb": ["NOTED"] } });
    let token = Some(broken.token.as_str());
    ask(&broken.address, token, document, json!({ "input": input }))
        .await
        .unwrap();
    let lock = broken.lock("lock table delivery in exclusive mode").await;
    broken.until(BrokenConnections::write).await;
    broken.break_those_that_wait(lock, 1).await;
    broken.until(BrokenConnections::write).await;
    let newest = "{ activities(last: 1) { nodes { id } } }";
    let activity = broken
        .until(async |broken| {
            let response = ask(&broken.address, None, newest, json!({})).await?;
            Some(response["data"]["activities"]["nodes"][0]["id"].clone()).filter(Value::is_string)
        })
        .await;
    let started_at = Instant::now();
    while !endpoint
        .ids()
        .contains(&activity.as_str().unwrap().to_owned())
    {
        assert!(
            started_at.elapsed() < TIMEOUT,
            "nothing is delivered any more"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// A command, and what has to last as long.
type BrokenCommand = (RunningProcess, (SilentProxy, TestDatabase, Workspace));

/// Runs a command on a database of its own, and breaks its connection while it waits for a lock.
async fn broken_command(command: &[&str], lock: &str) -> BrokenCommand {
    let (proxy, database, past) = behind_and_past_proxy().await;
    let direct = connect(&past).await.unwrap();
    let other = connect(&past).await.unwrap();
    let held = other.begin().await.unwrap();
    held.execute_unprepared(lock).await.unwrap();
    let workspace = Workspace::new();
    workspace.write("records.jsonl", jsonl(&[publication(1)]));
    let running = workspace.start(&[command, &["--database-url", &database.url]].concat());
    let started_at = Instant::now();
    while waiting(&direct).await == 0 {
        assert!(
            started_at.elapsed() < TIMEOUT,
            "{command:?}: it does not wait"
        );
        sleep(Duration::from_millis(10)).await;
    }
    proxy.break_connections();
    // The server does its work, and nobody learns of it.
    held.rollback().await.unwrap();
    (running, (proxy, database, workspace))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_with_broken_connections_exit_with_an_error() {
    let first = Migrator::migrations()[0].name().to_owned();
    // The lock of what is made as a whole; restoring is, as well as seeding.
    let exclusive = "select pg_advisory_xact_lock(295784465)";
    let cases: [(&[&str], &str); 5] = [
        (&["seed"], exclusive),
        (&["migrate", "--down", &first], exclusive),
        (
            &["import", "records.jsonl", "--party", ITU],
            "update counter set value = value",
        ),
        (
            &["import", "records.jsonl", "--party", ITU, "--dry-run"],
            "lock table note in access exclusive mode",
        ),
        (
            &["export", "records.jsonl"],
            "lock table note in access exclusive mode",
        ),
    ];
    let mut broken = Vec::new();
    for (command, lock) in cases {
        // Boxed, because the state of the future is large.
        broken.push(Box::pin(broken_command(command, lock)).await);
    }
    for ((command, _), (running, _rest)) in cases.iter().zip(broken) {
        let ended = running.ended();
        let is_error = matches!(ended.status.code(), Some(1 | 2));
        assert!(is_error, "{command:?}: {ended:?}");
        let last = ended.err.lines().last().unwrap();
        let why = "the connection to the database was lost";
        assert!(last.contains(why), "{command:?}: {ended:?}");
    }
}

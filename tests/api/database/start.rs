//! Starting while the database is unavailable, and behind a pooler.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use serde_json::json;
use url::Url;

use crate::database::broken_network::serve;
use crate::subscriptions::instances::ask;
use crate::support::binary::Workplace;
use crate::support::databases::{Backend, TestDatabase, other_user};
use crate::support::harness::prepare;

/// Returns the directory of the server's socket.
fn socket_directory(database_url: &str) -> String {
    let url = Url::parse(database_url).unwrap();
    let mut parameters = url.query_pairs();
    let directory = parameters.find(|(name, _)| name == "host");
    directory.expect("a server of our own").1.into_owned()
}

/// Returns the URL of the same database through a socket in another directory.
fn by_way_of(database_url: &str, directory: &str, port: u16) -> String {
    let mut url = Url::parse(database_url).unwrap();
    url.set_query(None);
    url.set_port(Some(port)).unwrap();
    url.query_pairs_mut()
        .append_pair("host", directory)
        .append_pair("sslmode", "disable");
    url.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_a_database_that_is_not_there_yet() {
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let workplace = Workplace::new();
    let directory = workplace.path("");
    let url = by_way_of(&database.url, directory.to_str().unwrap(), 5432);
    let arguments = [
        "serve",
        "--read-only",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &url,
    ];
    let mut service = workplace.start(&arguments);
    service.logged(|log| log.contains("waiting for the database"));
    let socket = format!("{}/.s.PGSQL.5432", socket_directory(&database.url));
    symlink(socket, workplace.path(".s.PGSQL.5432")).unwrap();
    let address = service.address();
    let answer = ask(&address, None, "{ topics { totalCount } }", json!({})).await;
    assert_eq!(answer.unwrap()["data"]["topics"]["totalCount"], 8);
    let log = service.logged(|_| true);
    assert_eq!(log.matches("waiting for the database").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_a_file_that_another_program_has_locked() {
    let workplace = Workplace::new();
    workplace.done(&["migrate", "--database-url", "sqlite:locked.db"]);
    let other = rusqlite::Connection::open(workplace.path("locked.db")).unwrap();
    // Without a write-ahead log, as in a copy that a backup has made, readers wait as well.
    other
        .execute_batch("pragma journal_mode = delete; begin exclusive")
        .unwrap();
    let arguments = [
        "serve",
        "--read-only",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "sqlite:locked.db",
    ];
    let mut service = workplace.start(&arguments);
    service.logged(|log| log.contains("waiting for the database"));
    other.execute_batch("commit").unwrap();
    service.address();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_says_why_it_has_no_database() {
    let workplace = Workplace::new();
    let refusal = |url: &str, wait: &str| {
        workplace.refusal(&[
            "serve",
            "--read-only",
            "--database-url",
            url,
            "--database-wait",
            wait,
        ])
    };
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("postgres://u:hidden@{}/d", free.local_addr().unwrap());
    drop(free);
    let why = refusal(&closed, "1s");
    let begin = "--database-url: the database did not answer within 1 s: Connection refused";
    assert!(why.starts_with(begin), "{why}");
    assert!(!why.contains("hidden"), "{why}");
    let why = refusal("postgres://u@nowhere.invalid/d", "0s");
    assert!(why.contains("failed to lookup address"), "{why}");

    // Waiting would not help, so the error is reported at once.
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let stranger = database.url.replace("postgres@", "stranger@");
    let why = refusal(&stranger, "3600s");
    assert!(why.contains("role \"stranger\" does not exist"), "{why}");
    let why = refusal(&stranger, "soon");
    assert!(why.contains("such as 500ms"), "{why}");
}

/// PgBouncer in front of the server; stopped on drop.
struct Pooler {
    child: Child,
    directory: tempfile::TempDir,
}

impl Pooler {
    const PORT: u16 = 6432;

    fn start(database_url: &str, mode: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        let settings = format!(
            "[databases]\n* = host={} port=5432 user=postgres\n[pgbouncer]\nlisten_addr =\nlisten_port = {}\nunix_socket_dir = {}\nauth_type = any\npool_mode = {mode}\n",
            socket_directory(database_url),
            Self::PORT,
            directory.path().display(),
        );
        let file = directory.path().join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new("pgbouncer");
        command
            .arg(&file)
            .env("PATH", "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // PgBouncer refuses to run as root, and only the server's user can access its socket.
        if let Some((uid, gid)) = other_user() {
            command.uid(uid).gid(gid);
        }
        let child = command.spawn();
        let child = child.expect("pgbouncer. On Debian and Ubuntu: apt-get install pgbouncer");
        let pooler = Self { child, directory };
        let begun = Instant::now();
        while UnixStream::connect(pooler.directory.path().join(".s.PGSQL.6432")).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "no pooler");
            thread::sleep(Duration::from_millis(20));
        }
        pooler
    }

    /// Changes the mode of a pooler that runs.
    fn switch(&self, mode: &str) {
        let file = self.directory.path().join("pgbouncer.ini");
        let settings = fs::read_to_string(&file).unwrap();
        let (rest, _) = settings.split_once("pool_mode").unwrap();
        fs::write(&file, format!("{rest}pool_mode = {mode}\n")).unwrap();
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-HUP", &id]).status();
        assert!(told.unwrap().success());
    }

    fn url(&self, database_url: &str) -> String {
        by_way_of(
            database_url,
            self.directory.path().to_str().unwrap(),
            Self::PORT,
        )
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_is_refused() {
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let pooler = Pooler::start(&database.url, "transaction");
    let workplace = Workplace::new();
    let url = pooler.url(&database.url);
    for command in ["serve", "migrate"] {
        let mut arguments = vec![command, "--database-url", &url];
        if command == "serve" {
            arguments.push("--read-only");
        }
        let why = workplace.refusal(&arguments);
        assert!(
            why.contains("a pooler in transaction mode stands between"),
            "{why}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_session_mode_serves() {
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let pooler = Pooler::start(&database.url, "session");
    let workplace = Workplace::new();
    let (_service, address, token) = serve(&workplace, &pooler.url(&database.url));
    let asked = ask(
        &address,
        None,
        "{ topic(by: { code: \"T-1\" }) { id } }",
        json!({}),
    )
    .await;
    let topic = &asked.unwrap()["data"]["topic"]["id"];
    let document = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { body } } }";
    let input = json!({ "subjectId": topic, "body": "By way of a pooler." });
    let written = ask(&address, Some(&token), document, json!({ "input": input })).await;
    assert_eq!(
        written.unwrap()["data"]["noteAdd"]["note"]["body"],
        "By way of a pooler."
    );
}

/// A pooler that is reloaded in another mode gives connections that are open the sessions of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_connections_are_dropped_when_their_pooler_is_switched_to_transaction_mode() {
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let pooler = Pooler::start(&database.url, "session");
    let workplace = Workplace::new();
    let (mut service, address, _) = serve(&workplace, &pooler.url(&database.url));
    let direct = sea_orm::Database::connect(&database.url).await.unwrap();
    // The readers wait for a lock, so that each has a connection of its own.
    let read_at_once = async || {
        let lock = direct.begin().await.unwrap();
        let hold = "lock table topic in access exclusive mode";
        lock.execute_unprepared(hold).await.unwrap();
        let document = "query($code: String!) { topic(by: { code: $code }) { code } }";
        let reads = join_all((1..=8).map(async |number| {
            let code = format!("T-{number}");
            let answer = ask(&address, None, document, json!({ "code": code })).await;
            answer.unwrap()["data"]["topic"]["code"] == code
        }));
        let release = async {
            let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
            let begun = Instant::now();
            // Connections that are dropped do not wait.
            while begun.elapsed() < Duration::from_millis(300) {
                let waiting = Statement::from_string(DbBackend::Postgres, waiting);
                let row = lock.query_one_raw(waiting).await.unwrap();
                if row.unwrap().try_get_by_index::<i64>(0).unwrap() == 8 {
                    break;
                }
            }
            lock.rollback().await.unwrap();
        };
        join(reads, release).await.0
    };
    assert_eq!(read_at_once().await, [true; 8]);
    pooler.switch("transaction");
    let begun = Instant::now();
    // Until a check finds the session of another connection.
    while !service.log().contains("database connection dropped") {
        assert!(begun.elapsed() < Duration::from_mins(1), "none is dropped");
        read_at_once().await;
    }
    service.logged(|log| log.contains("a pooler in transaction mode stands between"));
}

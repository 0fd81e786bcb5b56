//! Starting while the database is unavailable, and behind a pooler.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};
use serde_json::{Value, json};
use url::Url;

use crate::database::broken_network::serve;
use crate::subscriptions::instances::ask;
use crate::support::binary::Workspace;
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
async fn startup_waits_for_a_database_that_is_not_available_yet() {
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let workspace = Workspace::new();
    let directory = workspace.path("");
    let url = by_way_of(&database.url, directory.to_str().unwrap(), 5432);
    let arguments = [
        "serve",
        "--read-only",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &url,
    ];
    let mut service = workspace.start(&arguments);
    service.logged(|log| log.contains("waiting for the database"));
    let socket = format!("{}/.s.PGSQL.5432", socket_directory(&database.url));
    symlink(socket, workspace.path(".s.PGSQL.5432")).unwrap();
    let address = service.address();
    let answer = ask(&address, None, "{ topics { totalCount } }", json!({})).await;
    assert_eq!(answer.unwrap()["data"]["topics"]["totalCount"], 8);
    let log = service.logged(|_| true);
    assert_eq!(log.matches("waiting for the database").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn startup_waits_for_a_file_locked_by_another_process() {
    let workspace = Workspace::new();
    workspace.done(&["migrate", "--database-url", "sqlite:locked.db"]);
    let other = rusqlite::Connection::open(workspace.path("locked.db")).unwrap();
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
    let mut service = workspace.start(&arguments);
    service.logged(|log| log.contains("waiting for the database"));
    other.execute_batch("commit").unwrap();
    service.address();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn startup_reports_why_the_database_is_unavailable() {
    let workspace = Workspace::new();
    let refusal = |url: &str, wait: &str| {
        workspace.refusal(&[
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
    let serve = ["serve", "--read-only", "--database-url", &closed];
    let ended = workspace.run(&[&serve[..], &["--database-wait", "0s"]].concat());
    // A supervisor tries again, other than after a wrong setting.
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
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

#[test]
fn a_file_that_cannot_be_opened_is_named_with_the_reason() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("directory")).unwrap();
    workspace.write("file", "");
    let shown = |name: &str| workspace.path(name).display().to_string();
    for (url, named, reason) in [
        (
            "sqlite:no/such.db",
            shown("no"),
            "No such file or directory",
        ),
        ("sqlite:directory", shown("directory"), "Is a directory"),
        (
            "sqlite:file/such.db",
            shown("file/such.db"),
            "Not a directory",
        ),
    ] {
        let line = workspace.refusal(&["migrate", "--database-url", url]);
        assert!(line.contains(&named) && line.contains(reason), "{line}");
        let line = workspace.refusal(&["serve", "--read-only", "--database-url", url]);
        assert!(line.contains(&named), "{line}");
        let is_hint = line.contains("create it with `liaison migrate`");
        assert_eq!(is_hint, url == "sqlite:file/such.db", "{line}");
    }
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
        let started_at = Instant::now();
        while UnixStream::connect(pooler.directory.path().join(".s.PGSQL.6432")).is_err() {
            assert!(started_at.elapsed() < Duration::from_secs(30), "no pooler");
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
        let signal_sent = Command::new("kill").args(["-HUP", &id]).status();
        assert!(signal_sent.unwrap().success());
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
    let workspace = Workspace::new();
    let url = pooler.url(&database.url);
    for command in ["serve", "migrate"] {
        let mut arguments = vec![command, "--database-url", &url];
        if command == "serve" {
            arguments.push("--read-only");
        }
        let why = workspace.refusal(&arguments);
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
    let workspace = Workspace::new();
    let (_service, address, token) = serve(&workspace, &pooler.url(&database.url));
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

/// Arguments of lists whose statements differ, but have the same parameters and columns.
const LISTS: [&str; 8] = [
    "first: 3",
    "first: 3, orderBy: { field: CODE, direction: DESC }",
    "first: 3, orderBy: { field: TITLE }",
    "first: 3, orderBy: { field: TITLE, direction: DESC }",
    "first: 3, orderBy: { field: STATUS }",
    "first: 3, orderBy: { field: STATUS, direction: DESC }",
    "first: 3, orderBy: { field: CREATED_AT }",
    "first: 3, orderBy: { field: CREATED_AT, direction: DESC }",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_stay_correct_when_a_pooler_switches_to_transaction_mode() {
    let lists = LISTS.map(|list| format!("{{ topics({list}) {{ nodes {{ code }} }} }}"));
    switch_the_pooler_of_readers(lists).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_stay_correct_when_a_pooler_switches_to_transaction_mode() {
    let lists = LISTS.map(|list| {
        format!("{{ topics({list}) {{ nodes {{ code actionItems {{ nodes {{ code }} }} }} }} }}")
    });
    switch_the_pooler_of_readers(lists).await;
}

/// A pooler that is reloaded in another mode gives connections that are open the sessions of others, in which the names
/// of prepared statements stand for other ones.
async fn switch_the_pooler_of_readers(documents: [String; 8]) {
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let pooler = Pooler::start(&database.url, "session");
    let workspace = Workspace::new();
    let (mut service, address, token) = serve(&workspace, &pooler.url(&database.url));
    let direct = sea_orm::Database::connect(&database.url).await.unwrap();
    let document = "{ topic(by: { code: \"T-1\" }) { id } }";
    let topic = ask(&address, None, document, json!({})).await.unwrap();
    let topic = &topic["data"]["topic"]["id"];
    let read = async || {
        let asked = documents.iter();
        join_all(asked.map(|document| ask(&address, None, document, json!({})))).await
    };
    let write = async |body: &str| {
        let document =
            "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { body } } }";
        let input = json!({ "subjectId": topic, "body": body });
        ask(&address, Some(&token), document, json!({ "input": input }))
            .await
            .unwrap()
    };

    // The readers wait for a lock, so that each has a connection of its own, with its own first statement.
    let started_at = Instant::now();
    let expected = loop {
        let lock = direct.begin().await.unwrap();
        let hold = "lock table topic in access exclusive mode";
        lock.execute_unprepared(hold).await.unwrap();
        let is_over = AtomicBool::new(false);
        let reads = async {
            let responses = read().await;
            is_over.store(true, Ordering::Relaxed);
            responses
        };
        let release = async {
            let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
            let mut most = 0;
            // Reads that wait for too long fail.
            while most < 8 && !is_over.load(Ordering::Relaxed) {
                let waiting = Statement::from_string(DbBackend::Postgres, waiting);
                // Within a transaction the view does not change.
                let row = direct.query_one_raw(waiting).await.unwrap();
                most = most.max(row.unwrap().try_get_by_index::<i64>(0).unwrap());
            }
            lock.rollback().await.unwrap();
            most
        };
        let (responses, most) = join(reads, release).await;
        let is_right = |answer: &Option<Value>| {
            answer
                .as_ref()
                .is_some_and(|answer| answer["errors"].is_null())
        };
        if most == 8 && responses.iter().all(is_right) {
            break responses;
        }
        assert!(
            started_at.elapsed() < Duration::from_mins(1),
            "{most}: {responses:?}"
        );
    };
    assert_eq!(
        write("Before.").await["data"]["noteAdd"]["note"]["body"],
        "Before."
    );

    pooler.switch("transaction");
    let started_at = Instant::now();
    let unavailable =
        |answer: &Value| answer["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE";
    let mut stored = vec!["Before.".to_owned()];
    let (mut refused, mut is_ready) = (0, true);
    for round in 0.. {
        // In the end the service knows why it cannot work.
        if refused > 30 && !is_ready {
            break;
        }
        assert!(
            started_at.elapsed() < Duration::from_mins(2),
            "{refused}, ready: {is_ready}"
        );
        let body = format!("Note {round}.");
        let (responses, written) = join(read(), write(&body)).await;
        for (answer, expected) in responses.iter().zip(&expected) {
            let answer = answer.as_ref().unwrap();
            let is_refused = unavailable(answer);
            assert!(is_refused || Some(answer) == expected.as_ref(), "{answer}");
            refused += usize::from(is_refused);
        }
        if written["data"]["noteAdd"]["note"]["body"] == body {
            stored.push(body);
        } else {
            assert!(unavailable(&written), "{written}");
        }
        let ready = reqwest::get(format!("{address}/readyz")).await.unwrap();
        is_ready = !ready
            .text()
            .await
            .unwrap()
            .contains("a pooler in transaction mode");
    }
    service.logged(|log| log.contains("a pooler in transaction mode stands between"));
    assert_stored_once(&direct, &stored).await;
}

/// A note whose record could not be read after its commit is stored as well.
async fn assert_stored_once(direct: &DatabaseConnection, bodies: &[String]) {
    let notes = "select body from note where body like 'Note %.' or body = 'Before.'";
    let notes = Statement::from_string(DbBackend::Postgres, notes);
    let notes = direct.query_all_raw(notes).await.unwrap();
    let notes: Vec<String> = notes
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    for body in bodies {
        let times = notes.iter().filter(|note| *note == body).count();
        assert_eq!(times, 1, "{body}");
    }
}

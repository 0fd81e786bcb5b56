//! The program as it is started: its commands, settings, and how it stops.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

use crate::databases::{Backend, TestDatabase};

fn liaison(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liaison"));
    command.args(args).current_dir(directory).kill_on_drop(true);
    // Settings of whoever runs the tests are none of theirs.
    for name in [
        "DATABASE_URL",
        "LISTEN",
        "TOKEN_KEY",
        "TOKEN_ALGORITHMS",
        "CONFIG",
        "LOG",
    ] {
        command.env_remove(format!("LIAISON_{name}"));
    }
    command
}

async fn output(directory: &Path, args: &[&str]) -> Output {
    liaison(directory, args).output().await.unwrap()
}

/// Starts to serve and waits for the first line that `ready` finds an address in.
struct Service {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Service {
    async fn dev(directory: &Path, args: &[&str]) -> Self {
        let args = [&["dev", "--listen", "127.0.0.1:0"], args].concat();
        let mut process = liaison(directory, &args)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        let address = first.strip_suffix("/graphiql").unwrap().to_owned();
        Self {
            process,
            lines,
            address,
        }
    }

    async fn ask(&self, query: &str, token: Option<&str>) -> Value {
        let mut request = reqwest::Client::new()
            .post(format!("{}/graphql", self.address))
            .header("content-type", "application/json")
            .body(json!({ "query": query }).to_string());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let text = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn terminate(&mut self) -> Option<i32> {
        let id = self.process.id().unwrap().to_string();
        let done = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(done.unwrap().success());
        self.process.wait().await.unwrap().code()
    }
}

async fn dev_makes_loads_and_hands_out_tokens(directory: &TempDir, database: Option<&str>) {
    let url = database
        .map(|it| vec!["--database-url", it])
        .unwrap_or_default();
    let mut service = Service::dev(directory.path(), &url).await;
    for role in ["ITU_EDITOR", "UPU_EDITOR", "TSB_EDITOR"] {
        let line = service.lines.next_line().await.unwrap().unwrap();
        let token = line.strip_prefix(&format!("{role} ")).unwrap();
        let answer = service.ask("{ viewer { roles } }", Some(token)).await;
        assert_eq!(answer["data"]["viewer"]["roles"], json!([role]));
    }
    let count = "{ topics { totalCount } committees { totalCount } organizations { totalCount } actionItems { totalCount } }";
    let loaded = json!({ "topics": { "totalCount": 8 }, "committees": { "totalCount": 45 }, "organizations": { "totalCount": 11 }, "actionItems": { "totalCount": 10 } });
    assert_eq!(service.ask(count, None).await["data"], loaded);
    assert_eq!(service.terminate().await, Some(0));

    let mut again = Service::dev(directory.path(), &url).await;
    assert_eq!(again.ask(count, None).await["data"], loaded, "loaded once");
    assert_eq!(again.terminate().await, Some(0));
}

#[tokio::test]
async fn dev_starts_on_a_file_that_it_makes() {
    let directory = tempfile::tempdir().unwrap();
    dev_makes_loads_and_hands_out_tokens(&directory, None).await;
    assert!(directory.path().join("liaison.db").exists());
}

#[tokio::test]
async fn dev_starts_on_postgres() {
    // The harness makes databases with the data in them: an empty one is made from that.
    let database = empty(Backend::Postgres).await;
    let directory = tempfile::tempdir().unwrap();
    dev_makes_loads_and_hands_out_tokens(&directory, Some(&database.url)).await;
}

/// A database without tables.
async fn empty(backend: Backend) -> TestDatabase {
    use migration::{Migrator, MigratorTrait};
    let database = TestDatabase::create(backend, crate::harness::prepare).await;
    let db = sea_orm::Database::connect(&database.url).await.unwrap();
    Migrator::down(&db, None).await.unwrap();
    db.close().await.unwrap();
    database
}

#[tokio::test]
async fn several_instances_start_at_once_on_one_empty_database() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = empty(Backend::Postgres).await;
    let sqlite = format!("sqlite:{}", directory.path().join("shared.db").display());
    for url in [&postgres.url, &sqlite] {
        let args = ["migrate", "--database-url", url];
        let starts = (0..4).map(|_| output(directory.path(), &args));
        for output in futures_util::future::join_all(starts).await {
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{url}: {error}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_setting_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("secret"), "short").unwrap();
    std::fs::write(path.join("unknown.toml"), "colour = 'red'").unwrap();
    std::fs::write(path.join("wrong.toml"), "listen = 'somewhere'").unwrap();
    std::fs::write(path.join("broken.toml"), "listen = ").unwrap();
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = busy.local_addr().unwrap().to_string();
    let cases: &[(&[&str], &str)] = &[
        (&["serve"], "--token-key"),
        (
            &["serve", "--token-key", "nowhere.pem"],
            "--token-key nowhere.pem",
        ),
        (
            &[
                "serve",
                "--token-key",
                "secret",
                "--token-algorithms",
                "HS256",
            ],
            "--token-key secret",
        ),
        (
            &["serve", "--token-algorithms", "RS512"],
            "--token-algorithms",
        ),
        (&["serve", "--listen", "somewhere"], "--listen"),
        (&["serve", "--read-only", "--listen", &taken], "--listen"),
        (
            &["serve", "--read-only", "--database-url", "mysql://x"],
            "--database-url",
        ),
        (
            &[
                "serve",
                "--read-only",
                "--database-url",
                "postgres://127.0.0.1:1/x",
            ],
            "--database-url",
        ),
        (
            &["serve", "--config", "nowhere.toml"],
            "--config nowhere.toml",
        ),
        (&["serve", "--config", "unknown.toml"], "colour"),
        (&["serve", "--config", "wrong.toml"], "--listen"),
        (
            &["serve", "--config", "broken.toml"],
            "--config broken.toml",
        ),
        (&["serve", "--roles-map", "editors=KING"], "--roles-map"),
        (&["token", "--role", "KING", "--key", "secret"], "--role"),
        (
            &["token", "--role", "ITU_EDITOR", "--key", "secret"],
            "--key secret",
        ),
        (&["dance"], "dance"),
    ];
    for (args, named) in cases {
        let output = output(path, args).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
        assert!(error.contains(named), "{args:?}: {error}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    drop(busy);
}

#[tokio::test]
async fn flags_come_before_the_environment_and_that_before_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(
        path.join("secret"),
        "a secret of more than thirty-two bytes, as it should be",
    )
    .unwrap();
    std::fs::write(path.join("liaison.toml"), "listen = '127.0.0.1:0'\ntoken-key = 'secret'\ntoken-algorithms = ['HS256']\ntoken-audience = 'file'\ntoken-issuer = 'file'\nread-only = false\nbody-limit = 1000\n").unwrap();
    let token = |issuer: &'static str, audience: &'static str| async move {
        let args = [
            "token",
            "--role",
            "TSB_EDITOR",
            "--sub",
            "me",
            "--ttl",
            "60",
            "--key",
            "secret",
            "--issuer",
            issuer,
            "--audience",
            audience,
        ];
        let output = output(path, &args).await;
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 1, "the token alone: {text}");
        text.trim().to_owned()
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut process = liaison(
        path,
        &[
            "serve",
            "--config",
            "liaison.toml",
            "--token-issuer",
            "flag",
        ],
    )
    .env("LIAISON_TOKEN_ISSUER", "environment")
    .env("LIAISON_TOKEN_AUDIENCE", "environment")
    .env("LIAISON_LISTEN", &address)
    .spawn()
    .unwrap();
    let client = reqwest::Client::new();
    let ask = async |token: String| {
        let body = json!({ "query": "{ viewer { subject party } }" }).to_string();
        let request = client
            .post(format!("http://{address}/graphql"))
            .bearer_auth(token);
        request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
    };
    until(async || {
        client
            .get(format!("http://{address}/readyz"))
            .send()
            .await
            .is_ok()
    })
    .await;
    let right = ask(token("flag", "environment").await).await.unwrap();
    assert_eq!(right.status(), 200);
    assert_eq!(
        right.text().await.unwrap(),
        "{\"data\":{\"viewer\":{\"subject\":\"me\",\"party\":\"TSB\"}}}"
    );
    for (issuer, audience) in [
        ("environment", "environment"),
        ("flag", "file"),
        ("file", "file"),
    ] {
        assert_eq!(
            ask(token(issuer, audience).await).await.unwrap().status(),
            401,
            "{issuer} {audience}"
        );
    }
    let long = format!("{{ viewer {{ subject }} }} #{}", "x".repeat(1000));
    let body = json!({ "query": long }).to_string();
    let request = client
        .post(format!("http://{address}/graphql"))
        .header("content-type", "application/json");
    assert_eq!(
        request.body(body).send().await.unwrap().status(),
        413,
        "the file's limit"
    );
    process.kill().await.unwrap();
}

/// Waits, with a bound.
async fn until(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it took too long");
}

#[tokio::test]
async fn what_runs_is_finished_before_the_service_stops() {
    let directory = tempfile::tempdir().unwrap();
    let mut service = Service::dev(directory.path(), &[]).await;
    let address = service.address.strip_prefix("http://").unwrap();
    let body = json!({ "query": "{ topics { totalCount } }" }).to_string();
    let mut slow = TcpStream::connect(address).await.unwrap();
    let (start, rest) = body.split_at(10);
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{start}",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // The request is under way once another, sent later, is answered.
    service.ask("{ viewer { roles } }", None).await;

    let id = service.process.id().unwrap().to_string();
    Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .await
        .unwrap();
    let address = address.to_owned();
    until(async || TcpStream::connect(&address).await.is_err()).await;
    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.ends_with("{\"data\":{\"topics\":{\"totalCount\":8}}}"),
        "{answer}"
    );
    assert_eq!(service.process.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn the_data_is_loaded_once_and_the_schema_printed() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = output(directory.path(), &["seed", "--log", "off"]).await;
        assert!(output.status.success() && output.stderr.is_empty());
    }
    let url = format!("sqlite:{}", directory.path().join("liaison.db").display());
    let db = liaison::store::Database::connect(&url, 1).await.unwrap();
    let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let more = liaison::seed::load(&db, now).await.unwrap();
    assert_eq!(more, liaison::seed::Loaded::default());
    let schema = output(directory.path(), &["schema"]).await;
    assert_eq!(
        String::from_utf8(schema.stdout).unwrap(),
        include_str!("../../schema.graphql")
    );
}

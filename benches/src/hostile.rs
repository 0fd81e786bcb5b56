//! What others meet while a client tries to take the memory, the connections or the processor of the service.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::client::{Address, ask};
use crate::postgres::Postgres;
use crate::process::{Program, most_memory, run as run_program};

/// What to attack.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// A program built before, of this or another version.
    #[arg(long, default_value = "target/release/liaison")]
    program: PathBuf,
    /// Attacks whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
}

const ATTACKS: [&str; 6] = [
    "introspection: seven pairs of lists of types, 20 times",
    "introspection: the widest that is allowed, 20 times",
    "responses: 400 slow readers of 8 MB from two addresses",
    "sockets: 2,000 from 10 addresses",
    "subscriptions: 9,500 different ones from one address, then 5 writes",
    "failures: 20,000 bad tokens and invalid documents",
];

/// How long each attack lasts.
const TIME: Duration = Duration::from_secs(15);

/// A response that takes longer counts as none.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Attacks the service on both databases, and prints what others met as Markdown.
///
/// # Errors
/// Returns an error if the service cannot be started.
pub async fn run(options: &Options) -> Result<()> {
    println!(
        "| Database | Attack | `/livez` ms | `{{ __typename }}` ms | page ms | connect ms | refused | MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let postgres = Postgres::start()?;
    for (database, url) in [("SQLite", String::new()), ("PostgreSQL", postgres.url())] {
        for (number, name) in ATTACKS.iter().enumerate() {
            if name.contains(&options.only) {
                let row = attack(options, number, &url).await?;
                println!("| {database} | {name} | {row} |");
            }
        }
    }
    Ok(())
}

/// Runs one attack against a service of its own.
async fn attack(options: &Options, number: usize, url: &str) -> Result<String> {
    let directory = TempDir::new().map_err(|error| error.to_string())?;
    let secret = directory.path().join("secret");
    fs::write(&secret, "a secret in a file, of 32 bytes and more")
        .map_err(|error| error.to_string())?;
    let secret = secret.display().to_string();
    let url = if url.is_empty() {
        format!("sqlite:{}", directory.path().join("liaison.db").display())
    } else {
        url.to_owned()
    };
    let program = fs::canonicalize(&options.program).map_err(|error| error.to_string())?;
    run_program(
        &program,
        &["seed", "--database-url", &url],
        directory.path(),
    )
    .await?;
    let sign = ["token", "--role", "TSB_EDITOR", "--key", &secret];
    let token = run_program(&program, &sign, directory.path()).await?;
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:{port}",
        "--database-url",
        &url,
        "--token-key",
        &secret,
        "--token-algorithms",
        "HS256",
    ];
    let quiet = [("LIAISON_LOG_FILTER", "error")];
    let service = Program::start(&program, &serve, &quiet, directory.path()).await?;
    let editor = Address {
        port: service.port,
        path: "/graphql".to_owned(),
        token: Some(token.trim().to_owned()),
    };
    let topic = write_notes(&editor).await?;
    let others = Others::watch(service.port);
    let started_at = Instant::now();
    let held = timeout(TIME, attackers(number, service.port, &editor, &topic)).await;
    // What is open stays open to the end.
    sleep(TIME.saturating_sub(started_at.elapsed())).await;
    let row = format!("{} | {:.0}", others.summary(), most_memory(service.process));
    drop(held);
    service.stop().await?;
    Ok(row)
}

/// Adds 10 notes of 20,000 characters to a topic.
async fn write_notes(editor: &Address) -> Result<String> {
    let find = json!({ "query": "{ topic(by: { code: \"T-1\" }) { id } }" });
    let found = ask(editor, &find.to_string()).await?;
    let topic = found["data"]["topic"]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for _ in 0..10 {
        add_note(editor, &topic, 20_000).await?;
    }
    Ok(topic)
}

async fn add_note(editor: &Address, topic: &str, length: usize) -> Result<Value> {
    let add =
        "mutation($input: NoteAddInput!) { noteAdd(input: $input) { userErrors { message } } }";
    let input = json!({ "subjectId": topic, "body": "x".repeat(length) });
    ask(
        editor,
        &json!({ "query": add, "variables": { "input": input } }).to_string(),
    )
    .await
}

/// Does what the attack of this number does; what it returns is held open.
async fn attackers(number: usize, port: u16, editor: &Address, topic: &str) -> Vec<TcpStream> {
    match number {
        0 => {
            let pairs = format!(
                "{}{{name}}{}",
                "{possibleTypes{interfaces".repeat(7),
                "}}".repeat(7)
            );
            repeat(port, &format!("{{__type(name:\"Node\"){pairs}}}"), 20).await
        }
        1 => {
            let fields = "name description isDeprecated deprecationReason";
            let inner = format!(
                "args {{ {fields} type {{ name kind ofType {{ name }} }} }} type {{ name kind description ofType {{ name kind }} }}"
            );
            repeat(port, &format!("{{ __schema {{ types {{ name description fields {{ {fields} {inner} }} inputFields {{ {fields} type {{ name }} }} enumValues {{ {fields} }} interfaces {{ name }} possibleTypes {{ name }} }} }} }}"), 20).await
        }
        2 => join_all((0..400).map(|number| slow_reader(port, number)))
            .await
            .into_iter()
            .flatten()
            .collect(),
        3 => join_all(
            (0..2000).map(|number| socket(port, u8::try_from(number % 10).unwrap_or_default())),
        )
        .await
        .into_iter()
        .flatten()
        .collect(),
        4 => {
            let mut open = Vec::new();
            for index in 0..190 {
                let Some(mut socket) = socket(port, 0).await else {
                    continue;
                };
                for operation in 0..50 {
                    let number = index * 50 + operation;
                    let query = format!(
                        "subscription {{ activity {{ a{number}: id subject {{ ... on Note {{ body subject {{ __typename }} }} }} }} }}"
                    );
                    let message = json!({ "id": number.to_string(), "type": "subscribe", "payload": { "query": query } });
                    if socket
                        .write_all(&frame(&message.to_string()))
                        .await
                        .is_err()
                    {
                        break;
                    }
                }
                open.push(socket);
            }
            for _ in 0..5 {
                // A failure shows in what others meet.
                let _ = add_note(editor, topic, 2000).await;
            }
            open
        }
        _ => {
            let clients = (0..20).map(async |client| {
                let mut connection = connect(port, 0).await?;
                for number in 0..1000 {
                    let (token, query) = if number % 2 == 0 {
                        (
                            "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA\r\n",
                            "{ viewer { roles } }".to_owned(),
                        )
                    } else {
                        (
                            "",
                            format!("{{ topics {{ nodes {{ nothing{client}x{number} }} }} }}"),
                        )
                    };
                    connection
                        .write_all(post(&query, token).as_bytes())
                        .await
                        .ok()?;
                    read_head(&mut connection).await?;
                }
                Some(connection)
            });
            join_all(clients).await.into_iter().flatten().collect()
        }
    }
}

async fn repeat(port: u16, query: &str, times: usize) -> Vec<TcpStream> {
    let sent = (0..times).map(async |_| {
        let mut connection = connect(port, 0).await?;
        connection
            .write_all(post(query, "").as_bytes())
            .await
            .ok()?;
        read_head(&mut connection).await?;
        Some(connection)
    });
    join_all(sent).await.into_iter().flatten().collect()
}

/// Asks for 8 MB, under a name of its own so that nothing is cached, and reads nothing.
async fn slow_reader(port: u16, number: u16) -> Option<TcpStream> {
    let bodies: Vec<String> = (0..40).map(|number| format!("b{number}: body")).collect();
    let bodies = bodies.join(" ");
    let query = format!(
        "query Q{number} {{ topic(by: {{ code: \"T-1\" }}) {{ notes(first: 10) {{ nodes {{ {bodies} }} }} }} }}"
    );
    let mut connection = connect(port, u8::try_from(number % 2).ok()?).await?;
    connection
        .write_all(post(&query, "").as_bytes())
        .await
        .ok()?;
    Some(connection)
}

/// Opens a WebSocket that is initialised.
async fn socket(port: u16, address: u8) -> Option<TcpStream> {
    let mut connection = connect(port, address).await?;
    let upgrade = "GET /graphql/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
    connection.write_all(upgrade.as_bytes()).await.ok()?;
    let status = read_head(&mut connection).await?;
    if status != 101 {
        return None;
    }
    let init = frame("{\"type\":\"connection_init\"}");
    connection.write_all(&init).await.ok()?;
    Some(connection)
}

/// A frame of text, with a mask of zeros.
fn frame(text: &str) -> Vec<u8> {
    let mut head = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length) if length < 126 => head.push(0x80 + length),
        _ => {
            head.push(0x80 + 126);
            head.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    head.extend([0; 4]);
    [&head[..], text.as_bytes()].concat()
}

fn post(query: &str, header: &str) -> String {
    let body = json!({ "query": query }).to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{header}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Connects from one of the addresses of this machine, with a small buffer for what is received.
async fn connect(port: u16, address: u8) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_recv_buffer_size(4096).ok()?;
    socket
        .bind(SocketAddr::from(([127, 0, 1, address], 0)))
        .ok()?;
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    timeout(TIMEOUT, socket.connect(to)).await.ok()?.ok()
}

/// Reads what comes first, and the body if it is short; returns the status.
async fn read_head(connection: &mut TcpStream) -> Option<u16> {
    let mut bytes = vec![0; 64 * 1024];
    let read = timeout(TIMEOUT, connection.read(&mut bytes))
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8_lossy(&bytes[..read]);
    text.split(' ').nth(1)?.parse().ok()
}

/// The slowest responses that others got so far, in microseconds, and how many got none.
#[derive(Default)]
struct Measurements {
    slowest: [AtomicU32; 4],
    refused: AtomicU32,
    is_over: AtomicBool,
}

/// Ordinary clients that measure response times during an attack.
pub struct Others(Arc<Measurements>);

impl Others {
    /// Has others ask from now on, each time on a new connection.
    pub fn watch(port: u16) -> Self {
        let measurements = Arc::new(Measurements::default());
        let requests = [
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
            post("{ __typename }", "Connection: close\r\n"),
            post(
                "{ topics(first: 20) { nodes { code title committees { role } } } }",
                "Connection: close\r\n",
            ),
        ];
        for (index, request) in requests.into_iter().enumerate() {
            let measurements = measurements.clone();
            tokio::spawn(async move {
                while !measurements.is_over.load(Ordering::Relaxed) {
                    let started_at = Instant::now();
                    let answered = async {
                        let mut connection = connect(port, 200).await?;
                        note(&measurements.slowest[3], started_at);
                        connection.write_all(request.as_bytes()).await.ok()?;
                        read_head(&mut connection).await
                    };
                    if answered.await != Some(200) {
                        measurements.refused.fetch_add(1, Ordering::Relaxed);
                    }
                    note(&measurements.slowest[index], started_at);
                    sleep(Duration::from_millis(50)).await;
                }
            });
        }
        Self(measurements)
    }

    /// The slowest responses that they got in milliseconds, and how many got none.
    pub fn summary(&self) -> String {
        self.0.is_over.store(true, Ordering::Relaxed);
        let slowest = self.0.slowest.iter().map(|microseconds| {
            let milliseconds = f64::from(microseconds.load(Ordering::Relaxed)) / 1000.0;
            format!("{milliseconds:.0}")
        });
        let slowest: Vec<String> = slowest.collect();
        format!(
            "{} | {}",
            slowest.join(" | "),
            self.0.refused.load(Ordering::Relaxed)
        )
    }
}

fn note(slowest: &AtomicU32, started_at: Instant) {
    let microseconds = u32::try_from(started_at.elapsed().as_micros()).unwrap_or(u32::MAX);
    slowest.fetch_max(microseconds, Ordering::Relaxed);
}

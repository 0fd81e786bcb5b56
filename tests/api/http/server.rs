//! The server with slow clients, many clients, and clients that are connected during shutdown.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::DateTime;
use serde_json::json;

use crate::support::binary::{RunningProcess, Workspace};
use crate::support::harness::{Backend, Server};
use crate::support::raw_http;

on_both_empty_databases! {
    slow_connections_are_closed_and_others_are_served
    bodies_beyond_the_memory_budget_are_refused_and_others_are_served
    a_client_that_does_not_read_its_response_is_disconnected
    new_connections_wait_while_the_connection_limit_is_reached
    connections_per_client_address_are_limited
    a_request_of_a_disconnected_client_is_cancelled_and_logged
    a_shutdown_under_load_loses_no_request
}

on_both_backends! {
    a_panic_gets_a_500_response_and_the_service_continues
}

pub fn serve(workspace: &Workspace, url: &str, settings: &[&str]) -> (RunningProcess, String) {
    workspace.done(&["seed", "--database-url", url]);
    let common = [
        "serve",
        "--read-only",
        "--database-url",
        url,
        "--listen",
        "127.0.0.1:0",
    ];
    let mut service = workspace.start(&[&common[..], settings].concat());
    let address = service.address();
    (service, address)
}

const QUERY: &str = r#"{"query":"{ topics { totalCount } }"}"#;

/// Checks that another client's query is answered in time.
fn assert_response_within_two_seconds(address: &str) {
    let started_at = Instant::now();
    let reply = raw_http::post(address, None, QUERY);
    assert_eq!(reply.json()["data"]["topics"]["totalCount"], 8, "{reply:?}");
    assert!(
        started_at.elapsed() < Duration::from_secs(2),
        "{:?}",
        started_at.elapsed()
    );
}

/// Reads available bytes without blocking; `None` once the connection is closed.
fn peek(connection: &mut TcpStream) -> Option<Vec<u8>> {
    connection.set_nonblocking(true).unwrap();
    let mut bytes = vec![0; 4096];
    match connection.read(&mut bytes) {
        Ok(0) => None,
        Ok(read) => Some(bytes[..read].to_vec()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Vec::new()),
        Err(_) => None,
    }
}

async fn slow_connections_are_closed_and_others_are_served(url: &str) {
    let workspace = Workspace::new();
    let (service, address) = serve(
        &workspace,
        url,
        &["--header-read-timeout", "2s", "--body-timeout", "2s"],
    );
    let head = "POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
    // What each client sends at once, and then byte by byte.
    let silent = ("", "");
    let heads = ("POST /graphql HTTP/1.1\r\n", "X-Slow: and so on, and so on");
    let partial_body = format!("{head}Content-Length: 100000\r\n\r\n{{");
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    let bodies = (&*partial_body, " ");
    let chunks = (&*chunked, "1\r\n \r\n");
    let kinds = [silent, heads, bodies, chunks];
    let mut slow: Vec<_> = (0..100)
        .map(|number| {
            let (first, rest) = kinds[number % kinds.len()];
            let mut connection = raw_http::connect(&address);
            connection.write_all(first.as_bytes()).unwrap();
            (connection, rest.bytes().cycle(), Vec::new())
        })
        .collect();
    let started_at = Instant::now();
    let mut ended = 0;
    while !slow.is_empty() {
        assert_response_within_two_seconds(&address);
        slow.retain_mut(|(connection, rest, read)| {
            if let Some(byte) = rest.next() {
                let _ = connection.write(&[byte]);
            }
            if let Some(bytes) = peek(connection) {
                read.extend(bytes);
                return true;
            }
            ended += 1;
            let response = String::from_utf8_lossy(read);
            assert!(
                response.is_empty() || response.starts_with("HTTP/1.1 408"),
                "{response}"
            );
            false
        });
        assert!(
            started_at.elapsed() < Duration::from_secs(10),
            "{} are open",
            slow.len()
        );
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ended, 100);
    let megabytes = service.megabytes();
    assert!(megabytes < 300, "{megabytes} MB");
}

async fn bodies_beyond_the_memory_budget_are_refused_and_others_are_served(url: &str) {
    let workspace = Workspace::new();
    let (service, address) = serve(&workspace, url, &["--body-timeout", "5s"]);
    let head = "POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n";
    let body = vec![b' '; 990_000];
    let mut connections: Vec<TcpStream> = (0..150)
        .map(|_| {
            let mut connection = raw_http::connect(&address);
            connection.write_all(head.as_bytes()).unwrap();
            // A client whose body is rejected is disconnected.
            let _ = connection.write_all(&body);
            connection
        })
        .collect();
    assert_response_within_two_seconds(&address);
    let mut refused = 0;
    let started_at = Instant::now();
    while refused == 0 && started_at.elapsed() < Duration::from_secs(3) {
        for connection in &mut connections {
            let read = peek(connection).unwrap_or_default();
            let response = String::from_utf8_lossy(&read).into_owned();
            if response.starts_with("HTTP/1.1 503") {
                assert!(response.contains("SERVICE_UNAVAILABLE"), "{response}");
                assert!(response.contains("Retry-After: 1"), "{response}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    drop(connections);
    assert_response_within_two_seconds(&address);
    // After they have disconnected, memory is available again.
    let mut large = QUERY.to_owned();
    large.push_str(&" ".repeat(900_000));
    let mut reply = raw_http::post(&address, None, &large);
    let started_at = Instant::now();
    // Disconnects are noticed after a moment; clients that are rejected meanwhile retry as instructed.
    while reply.status == 503 && started_at.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        reply = raw_http::post(&address, None, &large);
    }
    assert_eq!(reply.status, 200, "{reply:?}");
    let megabytes = service.megabytes();
    assert!(megabytes < 300, "{megabytes} MB");
}

async fn a_client_that_does_not_read_its_response_is_disconnected(url: &str) {
    let workspace = Workspace::new();
    let (_service, address) = serve(&workspace, url, &["--body-timeout", "1s"]);
    let mut connection = raw_http::connect(&address);
    let request = "GET /schema.graphql HTTP/1.1\r\nHost: test\r\n\r\n";
    let sent = 500;
    connection
        .write_all(request.repeat(sent).as_bytes())
        .unwrap();
    thread::sleep(Duration::from_secs(3));
    let mut bytes = Vec::new();
    // Data in transit still arrives, then the end of the stream.
    let _ = connection.read_to_end(&mut bytes);
    let responses = String::from_utf8_lossy(&bytes)
        .matches("HTTP/1.1 200")
        .count();
    assert!(0 < responses && responses < sent, "{responses}");
    assert_response_within_two_seconds(&address);
}

async fn new_connections_wait_while_the_connection_limit_is_reached(url: &str) {
    let workspace = Workspace::new();
    let (_service, address) = serve(
        &workspace,
        url,
        &["--max-connections", "2", "--header-read-timeout", "1s"],
    );
    let started_at = Instant::now();
    let idle = [raw_http::connect(&address), raw_http::connect(&address)];
    let reply = raw_http::post(&address, None, QUERY);
    assert_eq!(reply.status, 200);
    assert!(
        started_at.elapsed() > Duration::from_millis(900),
        "{:?}",
        started_at.elapsed()
    );
    drop(idle);
    // A head that is too large gets a response before it is read completely.
    let long = format!("X-Long: {}", "x".repeat(100_000));
    let reply = raw_http::exchange(&address, &["GET /livez HTTP/1.1", &long], b"");
    assert_eq!(reply.status, 431);
}

async fn connections_per_client_address_are_limited(url: &str) {
    let workspace = Workspace::new();
    let (service, address) = serve(&workspace, url, &["--max-connections-per-ip", "3"]);
    let idle = [(); 3].map(|()| raw_http::connect(&address));
    let mut refused = raw_http::connect(&address);
    let mut bytes = Vec::new();
    // Closed without a response.
    assert_eq!(refused.read_to_end(&mut bytes).unwrap_or_default(), 0);
    drop(idle);
    let started_at = Instant::now();
    while peek(&mut raw_http::connect(&address)).is_none() {
        assert!(started_at.elapsed() < Duration::from_secs(5));
    }
    drop(service);

    let trusted = [
        "--max-connections-per-ip",
        "3",
        "--trusted-proxies",
        "127.0.0.1",
    ];
    let (_service, address) = serve(&workspace, url, &trusted);
    let _many = [(); 10].map(|()| raw_http::connect(&address));
    assert_response_within_two_seconds(&address);
}

async fn a_request_of_a_disconnected_client_is_cancelled_and_logged(url: &str) {
    let workspace = Workspace::new();
    workspace.write("secret", "a secret in a file, of 32 bytes and more");
    let token = workspace.done(&["token", "--role", "TSB_EDITOR", "--key", "secret"]);
    workspace.done(&["seed", "--database-url", url]);
    let mut service = workspace.start(&[
        "serve",
        "--token-key",
        "secret",
        "--token-algorithms",
        "HS256",
        "--database-url",
        url,
        "--listen",
        "127.0.0.1:0",
    ]);
    let address = service.address();
    let create = "mutation Enter { organizationCreate(input: { acronym: \"GONE\", name: \"Gone\", kind: PARTNER }) { userErrors { message } } }";
    let body = json!({ "query": create }).to_string();
    // Another writer blocks the write for longer than the client waits.
    let db = liaison::store::Database::connect(url, 1).await.unwrap();
    let meanwhile = db.in_transaction(async |_, transaction| {
        let lock = "update counter set value = value";
        sea_orm::ConnectionTrait::execute_unprepared(transaction, lock).await?;
        let mut connection = raw_http::connect(&address);
        let request = format!(
            "POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
            token.trim(),
            body.len()
        );
        connection.write_all(request.as_bytes()).unwrap();
        // The request has arrived once a later one has been answered.
        assert_response_within_two_seconds(&address);
        thread::sleep(Duration::from_millis(200));
        drop(connection);
        let log = service.logged(|log| log.contains("client disconnected"));
        let line = log.lines().find(|line| line.contains("client disconnected")).unwrap();
        assert!(line.contains("graphql.operation.name=\"Enter\""), "{line}");
        assert!(line.contains("enduser.id=\"somebody\""), "{line}");
        assert!(!line.contains("http.response.status_code="), "{line}");
        Ok(())
    });
    assert!(meanwhile.await.is_ok());
    // The write itself continues and releases its lock: the same request again is refused, or it was first and the
    // other one is.
    raw_http::post(&address, Some(token.trim()), &body);
    let read = "{ organizations(filter: { text: \"Gone\" }) { totalCount } }";
    let read = json!({ "query": read }).to_string();
    let reply = raw_http::post(&address, None, &read);
    assert!(reply.body.contains("\"totalCount\":1"), "{reply:?}");
}

/// Sends a request; returns whether it was answered completely, and whether another may follow. An error before any
/// byte was sent is not a loss.
pub fn one(connection: &mut TcpStream, close: bool) -> Result<bool, String> {
    let close = if close { "Connection: close\r\n" } else { "" };
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{close}Content-Length: {}\r\n\r\n{QUERY}",
        QUERY.len()
    );
    connection
        .write_all(request.as_bytes())
        .map_err(|error| format!("not sent: {error}"))?;
    let mut read = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() >= length {
                assert!(head.starts_with("http/1.1 200"), "{text}");
                assert!(body.contains("\"totalCount\":8"), "{text}");
                return Ok(!head.contains("connection: close"));
            }
        }
        match connection.read(&mut bytes) {
            Ok(0) => return Err(format!("the end after {text:?}")),
            Ok(more) => read.extend_from_slice(&bytes[..more]),
            Err(error) => return Err(format!("{error} after {text:?}")),
        }
    }
}

async fn a_shutdown_under_load_loses_no_request(url: &str) {
    let workspace = Workspace::new();
    let (service, address) = serve(&workspace, url, &[]);
    let answered = Arc::new(AtomicUsize::new(0));
    let stopped = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..12)
        .map(|number| {
            let (address, answered, stopped) = (address.clone(), answered.clone(), stopped.clone());
            thread::spawn(move || {
                let host = address.trim_start_matches("http://").to_owned();
                let keeps = number < 8;
                let mut lost = Vec::new();
                // Until it stops listening.
                while let Ok(mut connection) = TcpStream::connect(&host) {
                    let read_timeout = Some(Duration::from_secs(20));
                    connection.set_read_timeout(read_timeout).unwrap();
                    loop {
                        match one(&mut connection, !keeps) {
                            Ok(more) => {
                                answered.fetch_add(1, Ordering::Relaxed);
                                if !more {
                                    break;
                                }
                            }
                            Err(why) => {
                                lost.push((keeps, why));
                                break;
                            }
                        }
                    }
                    if keeps {
                        // The response announced that it is the last one, which only happens during shutdown.
                        assert!(stopped.load(Ordering::Relaxed) || !lost.is_empty());
                    }
                }
                lost
            })
        })
        .collect();
    while answered.load(Ordering::Relaxed) < 200 {
        thread::sleep(Duration::from_millis(5));
    }
    stopped.store(true, Ordering::Relaxed);
    let started_at = Instant::now();
    let ended = service.stop();
    assert!(
        started_at.elapsed() < Duration::from_secs(8),
        "{:?}",
        started_at.elapsed()
    );
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let lost: Vec<_> = clients
        .into_iter()
        .flat_map(|client| client.join().unwrap())
        .collect();
    let (kept, fresh): (Vec<_>, Vec<_>) = lost.into_iter().partition(|lost| lost.0);
    assert!(kept.is_empty(), "{kept:?}");
    // Between the last accepted connection and the close of the listener, the system may accept one and drop it.
    assert!(fresh.len() <= 1, "{fresh:?}");
    assert!(
        fresh
            .iter()
            .all(|reply| reply.1.ends_with("\"\"") || reply.1.starts_with("not sent")),
        "{fresh:?}"
    );
}

async fn a_panic_gets_a_500_response_and_the_service_continues(backend: Backend) {
    let faulty = Arc::new(AtomicBool::new(false));
    let fault = faulty.clone();
    let server = Server::start_with(backend, |app| {
        app.clock = Arc::new(move || {
            assert!(
                !fault.load(Ordering::Relaxed),
                "the clock of {} is broken",
                "src/clock.rs"
            );
            DateTime::from_timestamp(1_800_000_000, 0).unwrap()
        });
    })
    .await;
    let client = server.anonymous();
    let query = "{ topics { totalCount } }";
    client.data(query, json!({})).await;
    faulty.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let headers = [
            ("content-type", "application/json"),
            ("x-request-id", "of-the-client"),
        ];
        let body = json!({ "query": query }).to_string();
        let response = client
            .send(reqwest::Method::POST, "/graphql", &headers, body)
            .await;
        assert_eq!(response.status, 500);
        assert_eq!(response.headers["x-request-id"], "of-the-client");
        let error = &response.json()["errors"][0];
        assert_eq!(
            error["extensions"],
            json!({ "code": "INTERNAL", "requestId": "of-the-client" })
        );
        assert!(!response.text.contains("clock"), "{}", response.text);
    }
    faulty.store(false, Ordering::Relaxed);
    client.data(query, json!({})).await;
}

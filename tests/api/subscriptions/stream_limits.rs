//! Connections that stay open: how many there may be for each client and in all, and that requests and health checks
//! go on when all are taken.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use entity::party::Role;
use liaison::http::limits::Limits;
use liaison::http::middleware::client_ip::TrustedProxies;
use liaison::http::server::shutdown::StreamTimeouts;
use liaison::http::server::stream_limit::ConcurrencyLimiter;
use liaison::http::{HttpState, STREAMS, SUBSCRIPTIONS};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::security::hostile_requests::each;
use crate::support::binary::Workspace;
use crate::support::harness::{Backend, Server, token};
use crate::support::raw_http;
use crate::support::websocket_client::{PROTOCOL, Socket};

on_both_backends! {
    stream_limits_apply_per_client_behind_a_proxy
    subscriptions_per_client_are_limited
}

on_both_empty_databases! {
    websockets_leave_connections_for_requests
    health_checks_succeed_at_the_connection_limit
}

const FOLLOW: &str = "subscription { activity { id } }";

/// A service behind a trusted proxy, with these bounds.
async fn bounded(
    backend: Backend,
    streams: ConcurrencyLimiter,
    subscriptions: ConcurrencyLimiter,
) -> Server {
    let http = HttpState {
        streams,
        subscriptions,
        trusted_proxies: TrustedProxies {
            trusted: vec!["127.0.0.0/8".parse().unwrap()],
            ..TrustedProxies::default()
        },
        ..HttpState::default()
    };
    Server::start_with(backend, |app| app.http = Arc::new(http)).await
}

/// Asks for a WebSocket, and does not speak over it.
async fn handshake(server: &Server, client: &str) -> Response {
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", PROTOCOL),
        ("x-forwarded-for", client),
    ];
    let anonymous = server.anonymous();
    anonymous
        .begin(Method::GET, "/graphql/ws", &headers, "")
        .await
}

async fn open(server: &Server, client: &'static str, payload: Value) -> Socket {
    let header = Some(("x-forwarded-for", client));
    let mut socket = Socket::connect_without_init(&server.address, Some(PROTOCOL), header).await;
    let init = json!({ "type": "connection_init", "payload": payload });
    socket.say(&init).await;
    socket
}

async fn event_stream(server: &Server, client: &str) -> Response {
    let headers = [
        ("accept", "text/event-stream"),
        ("content-type", "application/json"),
        ("x-forwarded-for", client),
    ];
    let body = json!({ "query": FOLLOW }).to_string();
    let anonymous = server.anonymous();
    anonymous
        .begin(Method::POST, "/graphql", &headers, body)
        .await
}

async fn stream_limits_apply_per_client_behind_a_proxy(backend: Backend) {
    let streams = ConcurrencyLimiter::new(STREAMS, 100, 8);
    let server = bounded(
        backend,
        streams,
        ConcurrencyLimiter::new(SUBSCRIPTIONS, 100, 0),
    )
    .await;
    let one = "198.51.100.1";
    let mut first = open(&server, one, json!({})).await;
    assert_eq!(first.receive_json().await["type"], "connection_ack");
    let stream = event_stream(&server, one).await;
    assert_eq!(stream.status(), 200);
    // Both kinds count together.
    let refused = event_stream(&server, one).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let body: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    let error = &body["errors"][0];
    assert_eq!(
        error["extensions"],
        json!({ "code": "RATE_LIMITED", "limit": "streams" })
    );
    let mut third = open(&server, one, json!({})).await;
    assert_eq!(third.end().await.0, 1013);
    // Whoever says nothing is counted apart.
    let silent = [handshake(&server, one).await, handshake(&server, one).await];
    assert!(silent.iter().all(|response| response.status() == 101));
    assert_eq!(handshake(&server, one).await.status(), 429);
    // Another client of the same proxy has its own, and so has a token wherever it is.
    let mut other = open(&server, "198.51.100.2", json!({})).await;
    assert_eq!(other.receive_json().await["type"], "connection_ack");
    drop(silent);
    let bearer = token(&[Role::UpuEditor], 3600, server.now());
    let mut editors = Vec::new();
    for _ in 0..8 {
        let mut editor = open(&server, "198.51.100.3", json!({ "token": bearer })).await;
        assert_eq!(editor.receive_json().await["type"], "connection_ack");
        editors.push(editor);
    }
    let mut more = open(&server, "198.51.100.3", json!({ "token": bearer })).await;
    assert_eq!(more.end().await.0, 1013);
    // What has ended is free again.
    drop((first, stream));
    let mut again = open(&server, one, json!({})).await;
    for _ in 0..50 {
        if again
            .within(Duration::from_secs(10))
            .await
            .flatten()
            .is_some_and(|message| message.is_text())
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        again = open(&server, one, json!({})).await;
    }
    panic!("the streams that have ended are still counted");
}

async fn subscriptions_per_client_are_limited(backend: Backend) {
    let subscriptions = ConcurrencyLimiter::new(SUBSCRIPTIONS, 100, 20);
    let server = bounded(
        backend,
        ConcurrencyLimiter::new(STREAMS, 100, 0),
        subscriptions,
    )
    .await;
    let one = "198.51.100.1";
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let mut socket = open(&server, one, json!({})).await;
        assert_eq!(socket.receive_json().await["type"], "connection_ack");
        sockets.push(socket);
    }
    for id in ["a", "b", "c"] {
        sockets[0].subscribe(id, FOLLOW, json!({})).await;
        sockets[0].run("{ viewer { roles } }", json!({})).await;
    }
    // One with a large document counts as several.
    let fields = each(90, |number| format!("a{number}: id"));
    let large = format!("subscription {{ activity {{ {fields} }} }}");
    sockets[1].subscribe("large", &large, json!({})).await;
    let error_message = sockets[1].receive_json().await;
    assert_eq!(
        error_message["payload"][0]["extensions"]["limit"],
        "subscriptions"
    );
    sockets[1].subscribe("d", FOLLOW, json!({})).await;
    sockets[1].run("{ viewer { roles } }", json!({})).await;
    sockets[1].subscribe("e", FOLLOW, json!({})).await;
    sockets[1].subscribe("f", FOLLOW, json!({})).await;
    let error_message = sockets[1].receive_json().await;
    assert_eq!(error_message["id"], "f", "{error_message}");
    assert_eq!(
        error_message["payload"][0]["extensions"]["code"],
        "RATE_LIMITED"
    );
    let refused = event_stream(&server, one).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(event_stream(&server, "198.51.100.2").await.status(), 200);
    // What is complete counts no more.
    sockets[0]
        .say(&json!({ "id": "a", "type": "complete" }))
        .await;
    sockets[0].run("{ viewer { roles } }", json!({})).await;
    sockets[1].subscribe("f", FOLLOW, json!({})).await;
    sockets[1].run("{ viewer { roles } }", json!({})).await;
}

fn service(
    workspace: &Workspace,
    url: &str,
    settings: &[&str],
) -> (crate::support::binary::RunningProcess, String) {
    crate::http::server::serve(workspace, url, settings)
}

const QUERY: &str = r#"{"query":"{ topics { totalCount } }"}"#;

async fn websockets_leave_connections_for_requests(url: &str) {
    let workspace = Workspace::new();
    let (_service, address) = service(&workspace, url, &["--max-connections", "8"]);
    let mut sockets = Vec::new();
    for _ in 0..2 {
        sockets.push(Socket::anonymous(&address).await);
    }
    // Half of all places are for streams, and half of these for clients without a token.
    let upgrade = [
        "GET /graphql/ws HTTP/1.1",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
    ];
    let mut connection = raw_http::connect(&address);
    let head = format!(
        "{}\r\nHost: test\r\nConnection: Upgrade\r\n\r\n",
        upgrade.join("\r\n")
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut bytes = [0; 400];
    let length = std::io::Read::read(&mut connection, &mut bytes).unwrap();
    let reply = String::from_utf8_lossy(&bytes[..length]);
    assert!(reply.starts_with("HTTP/1.1 503"), "{reply}");
    let reply = raw_http::post(&address, None, QUERY);
    assert_eq!(reply.status, 200, "{reply:?}");
    drop(sockets);
}

async fn health_checks_succeed_at_the_connection_limit(url: &str) {
    let workspace = Workspace::new();
    let settings = ["--max-connections", "2", "--header-read-timeout", "60s"];
    let (_service, address) = service(&workspace, url, &settings);
    let mut idle = [raw_http::connect(&address), raw_http::connect(&address)];
    for path in ["/livez", "/readyz"] {
        for _ in 0..100 {
            assert_eq!(raw_http::get(&address, path).status, 200, "{path}");
        }
    }
    // Many that wait for a place do not keep health checks from theirs.
    let waiting: Vec<_> = (0..6)
        .map(|_| {
            let address = address.clone();
            std::thread::spawn(move || raw_http::post(&address, None, QUERY).status)
        })
        .collect();
    assert_eq!(raw_http::get(&address, "/readyz").status, 200);
    // As soon as places are free they are answered.
    for connection in &mut idle {
        connection.shutdown(std::net::Shutdown::Both).unwrap();
    }
    for answered in waiting {
        assert_eq!(answered.join().unwrap(), 200);
    }
}

#[tokio::test]
async fn an_idle_websocket_without_operations_is_closed() {
    let stream_timeouts = StreamTimeouts {
        idle: Duration::from_millis(300),
        ..StreamTimeouts::default()
    };
    let limits = Limits {
        stream_timeouts,
        ..Limits::default()
    };
    let server = Server::start_with(Backend::Sqlite, |app| app.limits = limits).await;
    let mut busy = Socket::anonymous(&server.address).await;
    busy.subscribe("a", FOLLOW, json!({})).await;
    let idle = (1000, "Idle: no operation for a minute".to_owned());
    let mut socket = Socket::anonymous(&server.address).await;
    assert_eq!(socket.end().await, idle);
    // One that has an operation stays, until that has ended.
    let response = busy.run("{ viewer { roles } }", json!({})).await;
    assert_eq!(response["data"]["viewer"]["roles"], json!([]));
    busy.say(&json!({ "id": "a", "type": "complete" })).await;
    assert_eq!(busy.end().await, idle);
}

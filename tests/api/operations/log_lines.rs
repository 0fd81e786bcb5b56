//! Log events: those of a request have its id, and none contains a password.

use std::time::{Duration, Instant};

use liaison::store::Database;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::binary::Workspace;
use crate::support::raw_http;
use crate::support::websocket_client::{PROTOCOL, Socket};

on_both_empty_databases! {
    websocket_log_events_have_the_request_id_of_the_handshake
    a_persistent_error_is_logged_at_its_start_and_its_end
}

const ID: &str = "handshake-17";

async fn websocket_log_events_have_the_request_id_of_the_handshake(url: &str) {
    let workspace = Workspace::new();
    let dev = ["dev", "--database-url", url, "--listen", "127.0.0.1:0"];
    let mut service = workspace.start(&[&dev[..], &["--log-format", "json"]].concat());
    let address = service.dev_address();
    let db = Database::connect(url, 1).await.unwrap();
    let rename = "alter table mandate rename to elsewhere";
    db.orm_write.execute_unprepared(rename).await.unwrap();
    db.close().await.unwrap();

    let header = Some(("x-request-id", ID));
    let mut socket = Socket::connect_without_init(&address, Some(PROTOCOL), header).await;
    socket.say(&json!({ "type": "connection_init" })).await;
    assert_eq!(socket.receive_json().await["type"], "connection_ack");
    let response = socket.run("{ mandates { code } }", json!({})).await;
    let id = &response["errors"][0]["extensions"]["requestId"];
    assert_eq!(id, ID, "{response}");
    let log = service.logged(|log| log.contains("request failed"));
    let line = log.lines().find(|line| line.contains("request failed"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(line["span"]["name"], "request", "{line}");
    assert_eq!(line["span"]["request_id"], ID, "{line}");
}

/// Runs SQL beside the service.
async fn sql(url: &str, statement: &str) {
    let db = Database::connect(url, 1).await.unwrap();
    db.orm_write.execute_unprepared(statement).await.unwrap();
    db.close().await.unwrap();
}

async fn a_persistent_error_is_logged_at_its_start_and_its_end(url: &str) {
    let workspace = Workspace::new();
    let dev = ["dev", "--database-url", url, "--listen", "127.0.0.1:0"];
    let mut service = workspace.start(&dev);
    let address = service.dev_address();
    let ready = |status| {
        let started_at = Instant::now();
        while raw_http::get(&address, "/readyz").status != status {
            assert!(started_at.elapsed() < Duration::from_mins(1), "{status}");
        }
    };
    ready(200);
    // Both are needed by each poll of the deliveries.
    sql(url, "alter table webhook rename to elsewhere").await;
    sql(url, "alter table counter rename to nowhere").await;
    service.logged(|log| log.contains("cannot load due deliveries"));
    for _ in 0..3 {
        ready(503);
    }
    sql(url, "alter table nowhere rename to counter").await;
    sql(url, "alter table elsewhere rename to webhook").await;
    service.logged(|log| log.contains("due deliveries can be loaded again"));
    for _ in 0..3 {
        ready(200);
    }
    let log = service.logged(|log| log.contains("ready again"));
    for pair in [
        [" cannot load due", " can be loaded again"],
        [" not ready failed=\"database", " ready again"],
    ] {
        let mut lines = log.lines();
        let events = |line: &str| pair.into_iter().find(|event| line.contains(event));
        let events: Vec<&str> = lines.by_ref().filter_map(events).collect();
        // A slow machine may fail a check once more.
        assert!(events.chunks(2).all(|events| events == pair), "{log}");
    }
    // Neither debug text of the program nor health checks that succeed.
    assert!(!log.contains("Database("), "{log}");
    assert!(!log.contains("status_code=200"), "{log}");
}

#[tokio::test]
async fn a_failed_index_build_logs_its_reason() {
    let workspace = Workspace::new();
    workspace.done(&["migrate"]);
    let url = format!("sqlite:{}", workspace.path("liaison.db").display());
    sql(&url, "alter table translation rename to elsewhere").await;
    let mut service = workspace.start(&["serve", "--read-only", "--listen", "127.0.0.1:0"]);
    let log = service.logged(|log| log.contains("the index cannot be built"));
    let mut lines = log.lines();
    let line = lines.find(|line| line.contains("the index cannot be built"));
    assert!(
        line.unwrap().contains("no such table: translation"),
        "{log}"
    );
}

#[test]
fn a_request_is_logged_with_the_address_and_the_user_agent_of_its_client() {
    let workspace = Workspace::new();
    workspace.done(&["migrate"]);
    let serve = ["serve", "--read-only", "--listen", "127.0.0.1:0"];
    let json = ["--log-format", "json", "--trusted-proxies", "127.0.0.1"];
    let mut service = workspace.start(&[&serve[..], &json].concat());
    let log = service.logged(|log| log.contains("\"serving\""));
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let address = format!("http://{}", line["address"].as_str().unwrap());
    let agent = format!("User-Agent: partner/1.0 {}", "x".repeat(300));
    let client = "X-Forwarded-For: 203.0.113.7";
    raw_http::exchange(
        &address,
        &["GET /schema.graphql HTTP/1.1", &agent, client],
        b"",
    );
    let log = service.logged(|log| log.contains("/schema.graphql"));
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(line["client.address"], "203.0.113.7", "{line}");
    let logged = line["user_agent.original"].as_str().unwrap();
    assert!(logged.starts_with("partner/1.0 xxx"), "{line}");
    assert_eq!(logged.len(), 256, "{line}");
}

#[test]
fn a_warning_never_prints_the_password_of_a_url() {
    let workspace = Workspace::new();
    let key = "https://user:hunter2@127.0.0.1:1/keys?key=hunter2";
    let mut service = workspace.start(&["serve", "--listen", "127.0.0.1:0", "--token-key", key]);
    service.address();
    let log = service.logged(|log| log.contains("127.0.0.1:1/keys"));
    assert!(!log.contains("hunter2"), "{log}");
}

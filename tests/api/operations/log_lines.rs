//! Log events: those of a request have its id, and none contains a password.

use liaison::store::Database;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::binary::Workplace;
use crate::support::raw_http;
use crate::support::websocket_client::{PROTOCOL, Socket};

on_both_empty_databases! {
    what_a_socket_logs_has_the_id_of_its_handshake
}

const ID: &str = "handshake-17";

async fn what_a_socket_logs_has_the_id_of_its_handshake(url: &str) {
    let workplace = Workplace::new();
    let dev = ["dev", "--database-url", url, "--listen", "127.0.0.1:0"];
    let mut service = workplace.start(&[&dev[..], &["--log-format", "json"]].concat());
    let address = service.dev_address();
    let db = Database::connect(url, 1).await.unwrap();
    let rename = "alter table mandate rename to elsewhere";
    db.orm_write.execute_unprepared(rename).await.unwrap();
    db.close().await.unwrap();

    let header = Some(("x-request-id", ID));
    let mut socket = Socket::mute(&address, Some(PROTOCOL), header).await;
    socket.say(&json!({ "type": "connection_init" })).await;
    assert_eq!(socket.hear().await["type"], "connection_ack");
    let answer = socket.run("{ mandates { code } }", json!({})).await;
    let id = &answer["errors"][0]["extensions"]["requestId"];
    assert_eq!(id, ID, "{answer}");
    let log = service.logged(|log| log.contains("request failed"));
    let line = log.lines().find(|it| it.contains("request failed"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(line["span"]["name"], "request", "{line}");
    assert_eq!(line["span"]["id"], ID, "{line}");
}

#[test]
fn a_request_is_logged_with_the_address_and_the_user_agent_of_its_client() {
    let workplace = Workplace::new();
    workplace.done(&["migrate"]);
    let serve = ["serve", "--read-only", "--listen", "127.0.0.1:0"];
    let json = ["--log-format", "json", "--trusted-proxies", "127.0.0.1"];
    let mut service = workplace.start(&[&serve[..], &json].concat());
    let log = service.logged(|log| log.contains("\"serving\""));
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let address = format!("http://{}", line["address"].as_str().unwrap());
    let agent = format!("User-Agent: partner/1.0 {}", "x".repeat(300));
    let client = "X-Forwarded-For: 203.0.113.7";
    raw_http::exchange(&address, &["GET /livez HTTP/1.1", &agent, client], b"");
    let log = service.logged(|log| log.contains("/livez"));
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(line["client.address"], "203.0.113.7", "{line}");
    let logged = line["user_agent.original"].as_str().unwrap();
    assert!(logged.starts_with("partner/1.0 xxx"), "{line}");
    assert_eq!(logged.len(), 256, "{line}");
}

#[test]
fn a_warning_never_prints_the_password_of_an_address() {
    let workplace = Workplace::new();
    let key = "https://user:hunter2@127.0.0.1:1/keys?key=hunter2";
    let mut service = workplace.start(&["serve", "--listen", "127.0.0.1:0", "--token-key", key]);
    service.address();
    let log = service.logged(|log| log.contains("127.0.0.1:1/keys"));
    assert!(!log.contains("hunter2"), "{log}");
}

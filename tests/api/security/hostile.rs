//! Abusive requests: each gets a response, and other clients are not delayed.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::security::hostile_requests::{Hostile, hostile};
use crate::support::binary::Workspace;
use crate::support::harness::{Client, Server};
use crate::support::raw_http;

on_both_databases! {
    hostile_requests_do_not_delay_other_clients
}

/// Maximum time of an ordinary query meanwhile.
const TIMEOUT: Duration = Duration::from_secs(2);

async fn hostile_requests_do_not_delay_other_clients(server: &Server) {
    let (attacker, other) = (server.anonymous(), server.anonymous());
    let mut times = Vec::new();
    for hostile in hostile() {
        let name = hostile.name;
        let started = Instant::now();
        let attack = async {
            let answered = attack(&attacker, hostile).await;
            (answered, started.elapsed())
        };
        let ordinary = async {
            let data = other
                .data("{ topics(first: 2) { nodes { code } } }", json!({}))
                .await;
            assert_eq!(data["topics"]["nodes"][0]["code"], "T-1");
            started.elapsed()
        };
        let (((), took), waited) = futures_util::future::join(attack, ordinary).await;
        assert!(waited < TIMEOUT, "{name}: the other waited {waited:?}");
        assert!(took < TIMEOUT, "{name}: answered after {took:?}");
        times.push((took, name));
    }
    times.sort_unstable();
    let slowest = times.iter().rev().take(3).collect::<Vec<_>>();
    println!(
        "{} hostile requests, the slowest answered after {slowest:?}",
        times.len()
    );
    assert!(times.len() > 60, "{}", times.len());
}

/// Sends an abusive request; a response that is not the service's own fails the test.
async fn attack(client: &Client<'_>, hostile: Hostile) {
    let name = hostile.name;
    let response = client
        .send(Method::POST, "/graphql", &hostile.headers, hostile.body)
        .await;
    let status = response.status.as_u16();
    assert!([200, 400, 413, 415].contains(&status), "{name}: {status}");
    let json = response.json();
    let refused = json["errors"]
        .as_array()
        .is_some_and(|error| !error.is_empty() && error.len() <= 20);
    assert!(refused || json.get("data").is_some(), "{name}: {json}");
    for error in json["errors"].as_array().into_iter().flatten() {
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        assert!(!["", "INTERNAL"].contains(&code), "{name}: {error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(
            message.len() < 2_000,
            "{name}: {} bytes of a message",
            message.len()
        );
    }
}

#[test]
fn memory_stays_bounded_under_hostile_requests() {
    const MAX_MEGABYTES: u64 = 300; // MB
    let workspace = Workspace::new();
    let mut dev = workspace.start(&[
        "dev",
        "--database-url",
        "sqlite:memory.db",
        "--listen",
        "127.0.0.1:0",
    ]);
    let address = dev.dev_address();
    for hostile in hostile() {
        let length = format!("Content-Length: {}", hostile.body.len());
        let mut head = vec!["POST /graphql HTTP/1.1".to_owned(), length];
        head.extend(
            hostile
                .headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let reply = raw_http::exchange(&address, &head, &hostile.body);
        assert!(reply.status < 500, "{}: {reply:?}", hostile.name);
    }
    // More documents than the cache holds, each valid and different.
    for number in 0..3_000 {
        let fields = "code title ".repeat(20);
        let document =
            format!("query Q{number} {{ topic(by: {{ code: \"T-1\" }}) {{ {fields} }} }}");
        let body = json!({ "query": document }).to_string();
        assert_eq!(raw_http::post(&address, None, &body).status, 200);
    }
    let most = dev.megabytes();
    println!("at most {most} MB of memory");
    assert!(most < MAX_MEGABYTES, "{most} MB");
    dev.stop();
}

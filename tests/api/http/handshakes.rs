//! The WebSocket handshake: allowed origins and header names.

use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;

use liaison::http::HttpState;
use liaison::http::middleware::cors::origin;
use reqwest::Method;

use crate::support::harness::Server;
use crate::support::raw_http;
use crate::support::websocket_client::PROTOCOL;

on_both_databases! {
    a_plain_get_of_the_websocket_path_is_refused
    a_cross_origin_page_cannot_open_a_websocket
    handshake_header_names_keep_their_usual_case
}

/// The header lines of a WebSocket handshake.
const HANDSHAKE: [(&str, &str); 5] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", PROTOCOL),
];

async fn a_plain_get_of_the_websocket_path_is_refused(server: &Server) {
    let client = server.anonymous();
    for path in ["/graphql/ws", "/graphql/ws/"] {
        let answer = client.send(Method::GET, path, &[], "").await;
        assert_eq!(answer.status, 400);
        let error = &answer.json()["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("graphql-transport-ws"), "{message}");
    }
}

async fn a_cross_origin_page_cannot_open_a_websocket(server: &Server) {
    let listed = "https://app.example.org";
    let other_origin = "https://evil.example";
    let local = "http://localhost:5173";
    let own = server.address.as_str();
    for (allowed, origins) in [
        (
            None,
            &[
                (None, 101),
                (Some(own), 101),
                (Some(listed), 403),
                (Some(local), 403),
            ][..],
        ),
        (
            Some(listed),
            &[
                (None, 101),
                (Some(listed), 101),
                (Some(other_origin), 403),
                (Some("null"), 403),
            ],
        ),
        (
            Some("localhost"),
            &[
                (Some(local), 101),
                (Some("http://127.0.0.1:3000"), 101),
                (Some(other_origin), 403),
            ],
        ),
        (Some("*"), &[(Some(other_origin), 101), (Some("null"), 101)]),
    ] {
        let http = HttpState {
            allowed_origins: allowed
                .map(|text| origin(text).unwrap())
                .into_iter()
                .collect(),
            ..HttpState::default()
        };
        let instance = server.beside(|app| app.http = Arc::new(http)).await;
        for (origin, status) in origins {
            let origin = origin.map(|origin| origin.replace(own, &instance.address));
            let mut headers = HANDSHAKE.to_vec();
            headers.extend(origin.as_deref().map(|origin| ("Origin", origin)));
            let client = instance.anonymous();
            let response = client.begin(Method::GET, "/graphql/ws", &headers, "").await;
            assert_eq!(response.status(), *status, "{allowed:?} {origin:?}");
            if *status == 403 {
                let text = response.text().await.unwrap();
                assert!(
                    text.contains("FORBIDDEN") && text.contains("allowed-origins"),
                    "{text}"
                );
            }
        }
    }
}

async fn handshake_header_names_keep_their_usual_case(server: &Server) {
    let address = server.address.clone();
    let lines = HANDSHAKE.map(|(name, value)| format!("{name}: {value}\r\n"));
    let handshake = lines.concat();
    let heads = tokio::task::spawn_blocking(move || {
        ["/graphql/ws", "/schema.graphql"].map(|path| {
            let mut connection = raw_http::connect(&address);
            let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{handshake}\r\n");
            connection.write_all(request.as_bytes()).unwrap();
            let lines = BufReader::new(connection).lines();
            let head = lines
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty());
            head.collect::<Vec<_>>()
        })
    });
    let [socket, schema] = heads.await.unwrap();
    let protocol = format!("Sec-WebSocket-Protocol: {PROTOCOL}");
    assert!(socket.contains(&protocol), "{socket:?}");
    let kind = "Content-Type: application/graphql; charset=utf-8".to_owned();
    assert!(schema.contains(&kind), "{schema:?}");
}

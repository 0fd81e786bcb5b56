//! The bytes of all responses in memory have a bound, and small responses go on when it is reached.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use liaison::http::{HttpState, ResponseBudget};
use liaison::store::request_work::StatementObserver;
use serde_json::json;
use tokio::net::TcpSocket;

use crate::security::hostile_requests::each;
use crate::support::binary::Workspace;
use crate::support::harness::Server;
use crate::support::raw_http;
use crate::support::websocket_client::Socket;

on_both_databases! {
    rows_and_output_are_charged_before_the_response_is_complete
    slow_clients_use_up_the_budget_and_not_the_memory
    subscription_messages_are_charged_until_they_are_sent
}

async fn rows_and_output_are_charged_before_the_response_is_complete(server: &Server) {
    const BUDGET: usize = 1_000_000;
    write_long_notes(server).await;
    let responses = ResponseBudget::new(BUDGET);
    // What the budget has left before each statement.
    let left = Arc::new(Mutex::new(Vec::new()));
    let (budget, before) = (responses.clone(), left.clone());
    let service = server.beside(|app| {
        let http = HttpState {
            responses,
            ..HttpState::default()
        };
        app.http = Arc::new(http);
        app.db.on_statement = StatementObserver(Arc::new(move |_| {
            before.lock().unwrap().push(budget.request().available());
        }));
    });
    let service = service.await;
    let used_at_last = async |document: &str| {
        service.anonymous().data(document, json!({})).await;
        let left = std::mem::take(&mut *left.lock().unwrap());
        left[0] - left[left.len() - 1]
    };
    // The last statement is for the subjects of the notes, whose rows have 200 KB. 32 KB are free for each response.
    let read = "{ topic(by: { code: \"T-1\" }) { notes(first: 10) { nodes { body subject { ... on Topic { title } } } } } }";
    let used = used_at_last(read).await;
    assert!((150_000..300_000).contains(&used), "{used}");
    // The first field is written when the last statement of the second runs.
    let written = "{ topic(by: { code: \"T-1\" }) { notes(first: 10) { nodes { b1: body b2: body b3: body } } }
        organizations(first: 1) { nodes { committees(first: 1) { nodes { children { children { code } } } } } } }";
    let used = used_at_last(written).await;
    assert!((700_000..BUDGET).contains(&used), "{used}");
}

/// A query whose response has about 8 MB once [`write_long_notes`] has run, under a name of its own: none is cached.
fn large(number: usize) -> String {
    let bodies = each(40, |number| format!("b{number}: body"));
    let query = format!(
        "query Q{number} {{ topic(by: {{ code: \"T-1\" }}) {{ notes(first: 10) {{ nodes {{ {bodies} }} }} }} }}"
    );
    json!({ "query": query }).to_string()
}

async fn write_long_notes(server: &Server) {
    let subject = server.topic("T-1").await;
    for _ in 0..10 {
        let input = json!({ "subjectId": subject, "body": "x".repeat(20_000) });
        server.upu().change("noteAdd", input, "id").await;
    }
}

/// Sends a query from a client that takes a few bytes of the response and no more.
async fn read_slowly(address: &str, body: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address: SocketAddr = address.trim_start_matches("http://").parse().unwrap();
    let stream = socket.connect(address).await.unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// The start of the response, which has the status line and the first headers.
fn start_of(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 1500];
    let length = stream.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).to_lowercase()
}

async fn slow_clients_use_up_the_budget_and_not_the_memory(server: &Server) {
    const BUDGET: u64 = 60; // MB
    write_long_notes(server).await;
    let workspace = Workspace::new();
    let budget = format!("{}", BUDGET * 1_000_000);
    let mut service = workspace.start(&[
        "serve",
        "--read-only",
        "--database-url",
        server.database_url(),
        "--listen",
        "127.0.0.1:0",
        "--response-memory-bytes",
        &budget,
        "--response-cache-bytes",
        "0",
        // On a busy machine, too, no reader is cut off before the last one has come.
        "--body-timeout",
        "10m",
        "--request-timeout",
        "10m",
    ]);
    let address = service.address();
    let small = json!({ "query": "{ topics { totalCount } }" }).to_string();
    let before = service.megabytes();
    let mut readers = Vec::new();
    let mut refused = 0;
    for number in 0..40 {
        let mut reader = read_slowly(&address, &large(number)).await;
        let start = start_of(&mut reader);
        if start.starts_with("http/1.1 503") {
            assert!(start.contains("\r\nretry-after: "), "{start}");
            assert!(start.contains("service_unavailable"), "{start}");
            refused += 1;
        } else {
            assert!(start.starts_with("http/1.1 200"), "{start}");
        }
        readers.push(reader);
        let reply = raw_http::post(&address, None, &small);
        assert_eq!(reply.json()["data"]["topics"]["totalCount"], 8, "{reply:?}");
    }
    assert!((20..40).contains(&refused), "{refused} refused");
    let used = service.megabytes() - before;
    // All of them would be 320 MB.
    assert!(used < 3 * BUDGET, "{used} MB");
    drop(readers);
    // That they have gone is noticed in a moment.
    let mut reply = raw_http::post(&address, None, &large(100));
    for _ in 0..300 {
        if reply.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        reply = raw_http::post(&address, None, &large(100));
    }
    assert_eq!(reply.status, 200, "{}", reply.head);
}

/// Another instance whose responses share this number of bytes.
async fn with_budget(server: &Server, bytes: usize) -> Server {
    let http = HttpState {
        responses: ResponseBudget::new(bytes),
        ..HttpState::default()
    };
    server.beside(|app| app.http = Arc::new(http)).await
}

async fn subscription_messages_are_charged_until_they_are_sent(server: &Server) {
    let tight = with_budget(server, 1_000_000).await;
    let bodies = each(10, |number| format!("b{number}: body"));
    let follow =
        format!("subscription {{ activity {{ subject {{ ... on Note {{ {bodies} }} }} }} }}");
    let mut socket = Socket::anonymous(&tight.address).await;
    socket.subscribe("a", &follow, json!({})).await;
    socket
        .subscribe("b", "{ viewer { roles } }", json!({}))
        .await;
    // The subscription before it has begun.
    socket.next("b").await;
    socket.receive_json().await;
    write_long_notes(server).await;
    // Each message is a fifth of the budget and more: they come one after the other, and none is lost.
    for _ in 0..10 {
        let event = socket.activity("a").await;
        assert_eq!(event["subject"]["b9"].as_str().unwrap().len(), 20_000);
    }
}

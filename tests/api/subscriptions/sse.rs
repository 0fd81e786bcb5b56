//! GraphQL over Server-Sent Events in distinct connections mode.

use std::time::Duration;

use entity::party::Role;
use liaison::http::limits::Limits;
use liaison::http::server::shutdown::StreamTimeouts;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::subscriptions::activity::heavy;
use crate::support::harness::{Backend, Client, Server, id_and_cursor, token};

on_both_databases! {
    a_subscription_is_an_event_stream
    last_event_id_resumes_the_stream
    queries_and_mutations_can_be_event_streams
    errors_are_sent_in_the_accepted_media_type
    a_subscription_requires_an_event_stream
}

const STREAM: (&str, &str) = ("accept", "text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");
const FOLLOW: &str = "subscription($after: String) { activity(after: $after) { id cursor } }";

/// An event as a browser would dispatch it.
#[derive(Debug, Default, PartialEq)]
struct Event {
    kind: String,
    id: String,
    data: String,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn activity(&self) -> (String, String) {
        assert_eq!(self.kind, "next", "{self:?}");
        let reported = id_and_cursor(&self.json()["data"]["activity"]);
        assert_eq!(self.id, reported.1, "the id of an event is the cursor");
        reported
    }
}

/// The event stream of a response.
struct Events {
    response: Response,
    text: String,
    comments: usize,
}

impl Events {
    fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        Self {
            response,
            text: String::new(),
            comments: 0,
        }
    }

    /// Returns the next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        let next = timeout(Duration::from_mins(1), self.read()).await;
        next.expect("an event before the timeout")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut event = Event::default();
                for line in block.lines() {
                    match line.split_once(':').unwrap() {
                        ("", _) => self.comments += 1,
                        ("event", value) => value.trim().clone_into(&mut event.kind),
                        ("id", value) => value.trim().clone_into(&mut event.id),
                        ("data", value) => event.data.push_str(value.trim()),
                        other => panic!("{other:?}"),
                    }
                }
                self.text = rest.into();
                // An event without data is not dispatched; its id is where a browser resumes.
                if !event.data.is_empty() {
                    return Some(event);
                }
            }
            let chunk = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn some(&mut self) -> Event {
        self.next()
            .await
            .expect("an event before the end of the stream")
    }

    /// Checks that the stream ends with `complete`.
    async fn complete(&mut self) {
        assert_eq!(self.some().await.kind, "complete");
        assert_eq!(self.next().await, None);
    }
}

async fn post(client: &Client<'_>, headers: &[(&str, &str)], body: &Value) -> Response {
    let mut all = vec![STREAM, JSON];
    all.extend(headers);
    client
        .begin(Method::POST, "/graphql", &all, body.to_string())
        .await
}

async fn get(
    client: &Client<'_>,
    headers: &[(&str, &str)],
    document: &str,
    variables: &Value,
) -> Response {
    let variables = variables.to_string();
    let pairs = [("query", document), ("variables", &variables)];
    let mut address = url::form_urlencoded::Serializer::new(String::new());
    let address = format!("/graphql?{}", address.extend_pairs(pairs).finish());
    let mut all = vec![STREAM];
    all.extend(headers);
    client.begin(Method::GET, &address, &all, "").await
}

async fn follow(client: &Client<'_>, after: &str) -> Events {
    let body = json!({ "query": FOLLOW, "variables": { "after": after } });
    Events::of(post(client, &[], &body).await)
}

async fn write_notes(server: &Server, count: usize, body: &str) {
    let subject = server.topic("T-1").await;
    for _ in 0..count {
        let input = json!({ "subjectId": subject, "body": body });
        server.upu().change("noteAdd", input, "id").await;
    }
}

async fn a_subscription_is_an_event_stream(server: &Server) {
    let before = server.history(None, json!({})).await;
    let after = &before[before.len() - 60].1;
    let client = server.anonymous();
    let mut by_post = follow(&client, after).await;
    let variables = json!({ "after": after });
    let mut by_get = Events::of(get(&client, &[], FOLLOW, &variables).await);
    write_notes(server, 10, "Live.").await;
    let history = server.history(Some(after), json!({})).await;
    for events in [&mut by_post, &mut by_get] {
        for expected in &history {
            assert_eq!(events.some().await.activity(), *expected);
        }
    }
}

async fn last_event_id_resumes_the_stream(server: &Server) {
    let start = server.newest().await;
    write_notes(server, 5, "Told.").await;
    let history = server.history(Some(&start), json!({})).await;
    let client = server.anonymous();
    let mut events = follow(&client, &start).await;
    events.some().await;
    let last = events.some().await.id;
    drop(events);
    // As a browser reconnects: with the same URL, and the id of the last event.
    let variables = json!({ "after": start });
    let headers = [("last-event-id", last.as_str())];
    let mut events = Events::of(get(&client, &headers, FOLLOW, &variables).await);
    for expected in &history[2..] {
        assert_eq!(events.some().await.activity(), *expected);
    }
    let headers = [("last-event-id", "AAAA")];
    let mut events = Events::of(get(&client, &headers, FOLLOW, &variables).await);
    let code = &events.some().await.json()["errors"][0]["extensions"]["code"];
    assert_eq!(code, "INVALID_CURSOR");
    events.complete().await;
}

async fn queries_and_mutations_can_be_event_streams(server: &Server) {
    let client = server.upu();
    let body = json!({ "query": "{ viewer { party } }" });
    let mut events = Events::of(post(&client, &[], &body).await);
    let answer = json!({ "data": { "viewer": { "party": "UPU" } } });
    assert_eq!(events.some().await.json(), answer);
    events.complete().await;

    let mutation = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { body } } }";
    let input = json!({ "subjectId": server.topic("T-1").await, "body": "By a stream." });
    let body = json!({ "query": mutation, "variables": { "input": input } });
    let mut events = Events::of(post(&client, &[], &body).await);
    let note = &events.some().await.json()["data"]["noteAdd"]["note"]["body"];
    assert_eq!(note, "By a stream.");
    events.complete().await;

    // A client that accepts several media types gets a stream only for subscriptions.
    let both = [("accept", "application/json, text/event-stream"), JSON];
    let query = json!({ "query": "{ viewer { party } }" }).to_string();
    let answer = client.send(Method::POST, "/graphql", &both, query).await;
    let kind = &answer.headers["content-type"];
    assert_eq!(kind, "application/json; charset=utf-8");
    let follow = json!({ "query": FOLLOW }).to_string();
    let stream = client.begin(Method::POST, "/graphql", &both, follow).await;
    Events::of(stream);
}

async fn errors_are_sent_in_the_accepted_media_type(server: &Server) {
    let client = server.anonymous();
    for (document, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { activity { nothing } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "subscription { activity(after: \"AAAA\") { id } }",
            "INVALID_CURSOR",
        ),
        (
            "subscription($after: String!) { activity(after: $after) { id } }",
            "BAD_USER_INPUT",
        ),
    ] {
        let body = json!({ "query": document });
        let mut events = Events::of(post(&client, &[], &body).await);
        let answer = events.some().await.json();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], code,
            "{document}"
        );
        assert_eq!(answer.get("data"), None);
        events.complete().await;
    }
    // A malformed request gets an HTTP response.
    let answer = client
        .send(Method::POST, "/graphql", &[STREAM, JSON], "{")
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let bad = client.clone().with_token("nonsense");
    let answer = bad
        .send(Method::POST, "/graphql", &[STREAM, JSON], "{}")
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let mutation = "mutation { noteRetract(input: { id: \"\" }) { note { id } } }";
    let answer = get(&server.upu(), &[], mutation, &json!({})).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

async fn a_subscription_requires_an_event_stream(server: &Server) {
    let answer = server.anonymous().post(FOLLOW, json!({})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let message = answer.json()["errors"][0]["message"].clone();
    let message = message.as_str().unwrap();
    assert!(
        message.contains("text/event-stream") && message.contains("/graphql/ws"),
        "{message}"
    );
}

fn with_stream_timeouts(timeouts: StreamTimeouts) -> Limits {
    Limits {
        stream_timeouts: timeouts,
        ..Limits::default()
    }
}

#[tokio::test]
async fn an_idle_stream_is_kept_alive() {
    let limits = with_stream_timeouts(StreamTimeouts {
        keep_alive: Duration::from_millis(100),
        ..StreamTimeouts::default()
    });
    let server = Server::start_with(Backend::Sqlite, |app| app.limits = limits).await;
    let mut events = follow(&server.anonymous(), &server.newest().await).await;
    sleep(Duration::from_millis(500)).await;
    write_notes(&server, 1, "At last.").await;
    events.some().await.activity();
    assert!(events.comments >= 2, "{}", events.comments);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let server = Server::start(Backend::Sqlite).await;
    let brief = token(&[Role::UpuEditor], 3, server.now());
    let client = server.anonymous().with_token(&brief);
    let mut events = follow(&client, &server.newest().await).await;
    server.pass_days(1);
    let code = &events.some().await.json()["errors"][0]["extensions"]["code"];
    assert_eq!(code, "UNAUTHENTICATED");
    events.complete().await;
}

#[tokio::test]
async fn a_stream_is_closed_at_shutdown() {
    let server = Server::start(Backend::Sqlite).await;
    let mut events = follow(&server.anonymous(), &server.newest().await).await;
    server.stop();
    // Without `complete`, so that the client reconnects.
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn slow_consumers_of_events_are_disconnected_with_a_cursor() {
    let limits = with_stream_timeouts(StreamTimeouts {
        write_timeout: Duration::from_millis(500),
        ..StreamTimeouts::default()
    });
    let server = Server::start_with(Backend::Sqlite, |app| app.limits = limits).await;
    let start = server.newest().await;
    write_notes(&server, 30, &"long ".repeat(3999)).await;
    let history = server.history(Some(&start), json!({})).await;
    let body = json!({ "query": heavy(), "variables": { "after": start } });
    let mut events = Events::of(post(&server.anonymous(), &[], &body).await);
    // Many more events follow at once while the client does not read.
    let mut received_events = vec![events.some().await.activity()];
    sleep(Duration::from_secs(2)).await;
    let error = loop {
        let event = events.some().await;
        if event.id.is_empty() {
            break event.json();
        }
        received_events.push(event.activity());
    };
    assert!(
        received_events.len() < history.len(),
        "{}",
        received_events.len()
    );
    let reported = &error["errors"][0]["extensions"];
    assert_eq!(reported["code"], "RATE_LIMITED");
    assert_eq!(reported["cursor"], received_events.last().unwrap().1);
    events.complete().await;
    let mut events = follow(&server.anonymous(), reported["cursor"].as_str().unwrap()).await;
    while received_events.len() < history.len() {
        received_events.push(events.some().await.activity());
    }
    assert_eq!(received_events, history);
}

//! Traces: the W3C trace context of clients, and the spans that a collector receives over OTLP.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AttributeValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use crate::support::binary::{RunningProcess, Workspace};
use crate::support::raw_http::{self, Reply};
use crate::support::webhook_receiver::{Endpoint, Received};

on_both_empty_databases! {
    a_webhook_continues_the_trace_of_the_request_that_made_the_change
    a_collector_receives_the_spans_of_reads_writes_and_deliveries
    a_trace_that_is_not_sampled_is_passed_on_and_not_exported
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// `liaison dev`, its token, and a webhook.
struct Traced {
    service: RunningProcess,
    address: String,
    token: String,
    endpoint: Endpoint,
}

impl Traced {
    async fn start(workspace: &Workspace, url: &str, environment: &[(&str, &str)]) -> Self {
        let dev = ["dev", "--database-url", url, "--listen", "127.0.0.1:0"];
        let dev = [&dev[..], &["--log-format", "json"]].concat();
        let mut service = workspace.start_with(&dev, environment);
        let startup_lines = service.startup_lines();
        let traced = Self {
            address: service.dev_address(),
            service,
            token: startup_lines[1].split(' ').nth(1).unwrap().to_owned(),
            endpoint: Endpoint::start().await,
        };
        let create = format!(
            "mutation {{ webhookCreate(input: {{ url: \"{}\" }}) {{ userErrors {{ message }} }} }}",
            traced.endpoint.url
        );
        let created = traced.post(&create, None).json();
        let errors = &created["data"]["webhookCreate"]["userErrors"];
        assert_eq!(errors, &json!([]), "{created}");
        traced.endpoint.wait_for_ping().await;
        traced
    }

    /// Sends a document as part of a trace.
    fn post(&self, document: &str, trace_parent: Option<&str>) -> Reply {
        let body = json!({ "query": document }).to_string();
        let length = format!("Content-Length: {}", body.len());
        let token = format!("Authorization: Bearer {}", self.token);
        let trace = trace_parent.map(|trace| format!("traceparent: {trace}"));
        let mut head = vec![
            "POST /graphql HTTP/1.1",
            "Content-Type: application/json",
            &length,
            &token,
        ];
        head.extend(trace.as_deref());
        raw_http::exchange(&self.address, &head, body.as_bytes())
    }

    /// Adds a note as part of a trace, and returns its delivery, which is the one of this number.
    async fn add_note(&self, trace_parent: &str, number: usize) -> Received {
        let topics = "{ topics(first: 1) { nodes { id } } }";
        let topics = self.post(topics, None).json();
        let topic = &topics["data"]["topics"]["nodes"][0]["id"];
        let note = format!(
            "mutation {{ noteAdd(input: {{ subjectId: {topic}, body: \"Seen.\" }}) {{ note {{ id }} }} }}"
        );
        let added = self.post(&note, Some(trace_parent)).json();
        assert!(
            added["data"]["noteAdd"]["note"]["id"].is_string(),
            "{added}"
        );
        self.endpoint.wait_for(number).await.pop().unwrap()
    }
}

async fn a_webhook_continues_the_trace_of_the_request_that_made_the_change(url: &str) {
    let workspace = Workspace::new();
    let mut traced = Traced::start(&workspace, url, &[]).await;
    let given = format!("00-{TRACE}-{PARENT}-01");
    let received = traced.add_note(&given, 1).await;
    assert_eq!(received.headers["traceparent"], given.as_str());
    assert_eq!(received.json()["traceparent"], given.as_str());
    let log = traced.service.logged(|log| log.contains(TRACE));
    let lines = log.lines().filter(|line| line.contains(TRACE));
    for line in lines {
        let line: Value = serde_json::from_str(line).unwrap();
        let fields = if line["target"] == "liaison::request" {
            &line
        } else {
            &line["span"]
        };
        assert_eq!(fields["trace_id"], TRACE, "{line}");
        assert_eq!(fields["client.address"], "127.0.0.1", "{line}");
        assert!(fields["request_id"].is_string(), "{line}");
    }
    // The specification has invalid ones ignored.
    for invalid in [
        "",
        "00-1-2-01",
        &format!("00-{}-{PARENT}-01", "0".repeat(32)),
    ] {
        let number = traced.endpoint.ids().len() + 1;
        let received = traced.add_note(invalid, number).await;
        assert!(!received.headers.contains_key("traceparent"), "{invalid}");
        assert_eq!(received.json()["traceparent"], Value::Null, "{invalid}");
    }
}

/// A collector of traces. It stops on drop.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
    _serves: JoinSet<()>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::default();
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .with_state(Arc::clone(&spans));
        let mut serves = JoinSet::new();
        serves.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            spans,
            _serves: serves,
        }
    }

    /// Waits until the spans of the trace satisfy a condition, and returns them.
    async fn wait_for(&self, holds: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let started_at = Instant::now();
        loop {
            let mut spans = self.spans.lock().unwrap().clone();
            spans.retain(|span| hex(&span.trace_id) == TRACE);
            if holds(&spans) {
                return spans;
            }
            let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
            assert!(started_at.elapsed() < Duration::from_mins(1), "{names:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn receive(State(spans): State<Arc<Mutex<Vec<Span>>>>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap().attributes;
        let is_ours = |value: Option<AttributeValue>| {
            value == Some(AttributeValue::StringValue("liaison".to_owned()))
        };
        assert!(attributes.into_iter().any(|attribute| {
            attribute.key == "service.name"
                && is_ours(attribute.value.and_then(|value| value.value))
        }));
        for scope in resource.scope_spans {
            spans.lock().unwrap().extend(scope.spans);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a AttributeValue> {
    let attribute = span.attributes.iter().find(|known| known.key == key)?;
    attribute.value.as_ref()?.value.as_ref()
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

async fn a_collector_receives_the_spans_of_reads_writes_and_deliveries(url: &str) {
    let collector = Collector::start().await;
    let workspace = Workspace::new();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let traced = Traced::start(&workspace, url, &environment).await;
    let given = format!("00-{TRACE}-{PARENT}-01");
    let document = "query Newest { topics(first: 1) { nodes { notes(first: 1) { totalCount } } } }";
    assert_eq!(traced.post(document, Some(&given)).status, 200);
    let received = traced.add_note(&given, 1).await;
    // The last spans are exported at the end, which the collector must be able to answer meanwhile.
    let ended = spawn_blocking(|| traced.service.stop()).await.unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let spans = collector
        .wait_for(|spans| {
            named(spans, "POST").len() == 1 && named(spans, "POST /graphql").len() == 2
        })
        .await;

    let requests = named(&spans, "POST /graphql");
    for request in &requests {
        assert_eq!(hex(&request.parent_span_id), PARENT);
        assert_eq!(request.kind(), SpanKind::Server);
        let status = attribute(request, "http.response.status_code");
        assert_eq!(status, Some(&AttributeValue::IntValue(200)), "{request:?}");
    }
    let newest = AttributeValue::StringValue("Newest".to_owned());
    let is_query = |span: &&&Span| attribute(span, "graphql.operation.name") == Some(&newest);
    let query = requests.iter().find(is_query).unwrap();
    let of_query = |span: &&Span| span.parent_span_id == query.span_id;
    for name in ["validate", "plan", "SELECT", "serialize"] {
        assert!(
            spans.iter().filter(of_query).any(|span| span.name == name),
            "{name}"
        );
    }
    let database = if url.starts_with("sqlite:") {
        "sqlite"
    } else {
        "postgresql"
    };
    for statement in named(&spans, "SELECT") {
        assert_eq!(statement.kind(), SpanKind::Client);
        let system = attribute(statement, "db.system.name");
        assert_eq!(
            system,
            Some(&AttributeValue::StringValue(database.to_owned()))
        );
    }
    let [write] = named(&spans, "write")[..] else {
        panic!("{spans:?}");
    };
    let of_write = |span: &&Span| span.parent_span_id == write.span_id;
    assert!(
        spans
            .iter()
            .filter(of_write)
            .any(|span| span.name.starts_with("sea_orm."))
    );

    // The delivery names its own span, whose parent is the request that made the change.
    let [delivery] = named(&spans, "POST")[..] else {
        panic!("{spans:?}");
    };
    let sent = format!("00-{TRACE}-{}-01", hex(&delivery.span_id));
    assert_eq!(received.headers["traceparent"], sent.as_str());
    assert_eq!(delivery.kind(), SpanKind::Client);
    assert!(
        requests
            .iter()
            .any(|request| request.span_id == delivery.parent_span_id)
    );
}

async fn a_trace_that_is_not_sampled_is_passed_on_and_not_exported(url: &str) {
    let collector = Collector::start().await;
    let workspace = Workspace::new();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    let traced = Traced::start(&workspace, url, &environment).await;
    let received = traced.add_note(&format!("00-{TRACE}-{PARENT}-00"), 1).await;
    let sent = received.headers["traceparent"].to_str().unwrap();
    assert!(sent.starts_with(&format!("00-{TRACE}-")), "{sent}");
    assert!(sent.ends_with("-00"), "{sent}");
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    let document = "query Sampled { mandates { code } }";
    assert_eq!(traced.post(document, Some(&sampled)).status, 200);
    // At its end the service exports all that it has.
    let ended = spawn_blocking(|| traced.service.stop()).await.unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let spans = collector
        .wait_for(|spans| !named(spans, "POST /graphql").is_empty())
        .await;
    let [request] = named(&spans, "POST /graphql")[..] else {
        panic!("{spans:?}");
    };
    let name = AttributeValue::StringValue("Sampled".to_owned());
    assert_eq!(attribute(request, "graphql.operation.name"), Some(&name));
    let others = spans.iter().filter(|span| span.span_id != request.span_id);
    for span in others {
        assert_eq!(span.parent_span_id, request.span_id, "{span:?}");
    }
}

#[test]
fn an_unresponsive_collector_blocks_nothing() {
    let workspace = Workspace::new();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")];
    let dev = ["dev", "--listen", "127.0.0.1:0"];
    let mut service = workspace.start_with(&dev, &environment);
    let address = service.dev_address();
    let query = json!({ "query": "{ mandates { code } }" }).to_string();
    assert_eq!(raw_http::post(&address, None, &query).status, 200);
    let ended = service.stop();
    assert!(ended.status.success(), "{ended:?}");
}

//! Metrics: what they count, and that clients cannot make them grow.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use liaison::metrics::catalogue::{CATALOGUE, MAX_SERIES, reference};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::binary::{RunningProcess, Workspace};
use crate::support::metrics::Scrape;
use crate::support::raw_http;
use crate::support::webhook_receiver::Endpoint;
use crate::support::websocket_client::Socket;

on_both_empty_databases! {
    metrics_count_client_requests
    metrics_show_the_lag_of_subscribers_and_webhooks
}

const FREE: &str = "127.0.0.1:0";

fn start(workspace: &Workspace, url: &str, more: &[&str]) -> RunningProcess {
    let dev = [
        "dev",
        "--database-url",
        url,
        "--listen",
        FREE,
        "--metrics-listen",
        FREE,
    ];
    workspace.start(&[&dev[..], more].concat())
}

fn query(address: &str, token: Option<&str>, document: &str) -> Value {
    let body = json!({ "query": document }).to_string();
    raw_http::post(address, token, &body).json()
}

/// Adds a note to a topic.
fn write(address: &str, token: &str) {
    let topics = query(address, None, "{ topics(first: 1) { nodes { id } } }");
    let topic = topics["data"]["topics"]["nodes"][0]["id"].as_str().unwrap();
    let document = format!(
        "mutation {{ noteAdd(input: {{ subjectId: \"{topic}\", body: \"Seen.\" }}) {{ userErrors {{ message }} }} }}"
    );
    let added = query(address, Some(token), &document);
    assert_eq!(added["data"]["noteAdd"]["userErrors"], json!([]), "{added}");
}

/// The token of ITU's editor.
fn token(service: &mut RunningProcess) -> String {
    let startup_lines = service.startup_lines();
    startup_lines[1].split(' ').nth(1).unwrap().to_owned()
}

#[expect(clippy::too_many_lines, reason = "one table of all that is counted")]
async fn metrics_count_client_requests(url: &str) {
    let workspace = Workspace::new();
    let mut service = start(&workspace, url, &["--response-cache-max-staleness", "1m"]);
    let (address, metrics) = (service.dev_address(), service.metrics_address());
    let itu = token(&mut service);
    let document = "{ topics(first: 2) { nodes { code committees { role } } } }";
    query(&address, None, document);
    query(&address, None, document);
    query(&address, None, "{ nothing }");
    query(
        &address,
        None,
        "mutation { noteAdd(input: { subjectId: \"x\", body: \"y\" }) { note { id } } }",
    );
    write(&address, &itu);
    raw_http::get(&address, "/nowhere");
    raw_http::get(&address, "/livez");
    raw_http::post(&address, None, "[{}]");
    raw_http::post(&address, Some("forged"), "{}");

    let scrape = Scrape::of(&metrics);
    for (series, value) in [
        (
            "http_server_requests_total{http_route=\"/livez\",http_response_status_code=\"200\"}",
            1.0,
        ),
        (
            "http_server_requests_total{http_route=\"other\",http_response_status_code=\"404\"}",
            1.0,
        ),
        (
            "http_server_requests_total{http_route=\"/graphql\",http_response_status_code=\"401\"}",
            1.0,
        ),
        (
            "http_server_request_duration_seconds_count{http_route=\"/graphql\"}",
            8.0,
        ),
        (
            "http_server_request_duration_seconds_count{http_route=\"other\"}",
            2.0,
        ),
        (
            "graphql_operations_total{graphql_operation_type=\"query\",graphql_operation_name=\"other\",error_type=\"\"}",
            3.0,
        ),
        (
            "graphql_operations_total{graphql_operation_type=\"unknown\",graphql_operation_name=\"other\",error_type=\"GRAPHQL_VALIDATION_FAILED\"}",
            1.0,
        ),
        (
            "graphql_operations_total{graphql_operation_type=\"unknown\",graphql_operation_name=\"other\",error_type=\"UNAUTHENTICATED\"}",
            1.0,
        ),
        (
            "graphql_operations_total{graphql_operation_type=\"mutation\",graphql_operation_name=\"other\",error_type=\"\"}",
            1.0,
        ),
        (
            "graphql_operation_duration_seconds_count{graphql_operation_type=\"query\"}",
            3.0,
        ),
        // A cached response, and a refused mutation.
        ("graphql_operation_statements_bucket{le=\"0\"}", 2.0),
        (
            "liaison_cache_lookups_total{cache=\"document\",result=\"hit\"}",
            1.0,
        ),
        (
            "liaison_cache_lookups_total{cache=\"response\",result=\"hit\"}",
            1.0,
        ),
        (
            "db_client_connection_count{db_client_connection_pool_name=\"read\"}",
            0.0,
        ),
        (
            "db_client_connection_max{db_client_connection_pool_name=\"read\"}",
            8.0,
        ),
        (
            "db_client_connection_pending_requests{db_client_connection_pool_name=\"write\"}",
            0.0,
        ),
        ("liaison_requests_rejected_total{limit=\"batch\"}", 1.0),
        ("liaison_database_up", 1.0),
        ("liaison_build_info{version=\"0.1.0\"}", 1.0),
        ("liaison_panics_total", 0.0),
    ] {
        assert!(
            (scrape.value(series) - value).abs() < 1e-9,
            "{series}\n{}",
            scrape.text
        );
    }
    for positive in [
        "graphql_operation_actual_cost_total",
        "graphql_operation_estimated_cost_total",
        "liaison_cache_entries{cache=\"response\"}",
        "liaison_cache_size_bytes{cache=\"document\"}",
        "liaison_log_position",
        "db_client_connection_wait_time_seconds_count{db_client_connection_pool_name=\"read\"}",
        "db_client_connection_wait_time_seconds_count{db_client_connection_pool_name=\"write\"}",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    ] {
        assert!(scrape.value(positive) > 0.0, "{positive}\n{}", scrape.text);
    }
}

async fn metrics_show_the_lag_of_subscribers_and_webhooks(url: &str) {
    let workspace = Workspace::new();
    let mut service = start(&workspace, url, &[]);
    let (address, metrics) = (service.dev_address(), service.metrics_address());
    let itu = token(&mut service);
    let mut socket = Socket::anonymous(&address).await;
    socket
        .subscribe("a", "subscription { activity { verb } }", json!({}))
        .await;
    let endpoint = Endpoint::start().await;
    let document = format!(
        "mutation {{ webhookCreate(input: {{ url: \"{}\" }}) {{ webhook {{ id }} userErrors {{ message }} }} }}",
        endpoint.url
    );
    let created = query(&address, Some(&itu), &document);
    assert_eq!(
        created["data"]["webhookCreate"]["userErrors"],
        json!([]),
        "{created}"
    );
    write(&address, &itu);
    endpoint.wait_for(1).await;
    socket.activity("a").await;
    let scrape = Scrape::eventually(&metrics, |scrape| {
        scrape.value("liaison_webhook_attempts_total{result=\"delivered\"}") >= 2.0
            && scrape.value("liaison_webhook_backlog_positions") < 1.0
            && scrape.value("liaison_feed_lag_positions") < 1.0
    });
    assert!(
        (scrape.value("liaison_subscribers") - 1.0).abs() < 1e-9,
        "{}",
        scrape.text
    );
    assert!(
        (scrape.value("liaison_streams") - 1.0).abs() < 1e-9,
        "{}",
        scrape.text
    );
    assert!(
        (scrape.value("liaison_webhooks{state=\"working\"}") - 1.0).abs() < 1e-9,
        "{}",
        scrape.text
    );
    assert!(
        (scrape.value("liaison_webhook_backlog_age_seconds") - 0.0).abs() < 1e-9,
        "{}",
        scrape.text
    );
}

#[test]
fn clients_cannot_increase_the_number_of_series() {
    let workspace = Workspace::new();
    let mut trusted = serde_json::Map::new();
    for number in 0..60 {
        let document = format!(
            "query Trusted{number} {{ topics(first: {}) {{ nodes {{ code }} }} }}",
            number % 20 + 1
        );
        trusted.insert(hash(&document), document.into());
    }
    workspace.write("trusted.json", Value::Object(trusted.clone()).to_string());
    let trust = [
        "--trusted-documents",
        "trusted.json",
        "--trusted-documents-exempt",
        "ITU_EDITOR",
    ];
    let mut service = start(&workspace, "sqlite:liaison.db", &trust);
    let (address, metrics) = (service.dev_address(), service.metrics_address());
    let itu = token(&mut service);
    for document in trusted.values() {
        query(&address, None, document.as_str().unwrap());
    }
    for number in 0..200 {
        query(
            &address,
            Some(&itu),
            &format!("query Own{number} {{ topics {{ nodes {{ code }} }} }}"),
        );
        query(
            &address,
            Some(&itu),
            &format!("query Own{number} {{ nothing{number} }}"),
        );
        raw_http::get(&address, &format!("/nowhere/{number}"));
        raw_http::exchange(
            &address,
            &[&format!("METHOD{number} /graphql HTTP/1.1")],
            b"",
        );
    }
    for head in [
        "PUT /graphql HTTP/1.1",
        "DELETE /livez HTTP/1.1",
        "OPTIONS /graphql HTTP/1.1",
        "GET /graphql HTTP/1.1",
        "GET / HTTP/1.1",
        "POST /readyz HTTP/1.1",
        "GET /graphql/ws HTTP/1.1",
        "GET /schema.graphql HTTP/1.1",
        "HEAD /graphiql HTTP/1.1",
        "GET /graphiql/assets/x HTTP/1.1",
        "POST /schema.graphql HTTP/1.1",
    ] {
        raw_http::exchange(&address, &[head], b"");
    }
    let scrape = Scrape::of(&metrics);
    assert!(scrape.series.len() <= MAX_SERIES, "{}", scrape.series.len());
    let operations = scrape.all("graphql_operations_total");
    let names = operations.keys().filter_map(|series| {
        let (_, rest) = series.split_once("graphql_operation_name=\"")?;
        rest.split('"').next()
    });
    let names: BTreeSet<&str> = names.collect();
    assert!(
        names.contains("Trusted0") && names.contains("other"),
        "{names:?}"
    );
    assert!(names.len() <= 21 && !names.contains("Own1"), "{names:?}");
    let other = "graphql_operations_total{graphql_operation_type=\"query\",graphql_operation_name=\"other\",error_type=\"\"}";
    // 200 of ITU, and 40 trusted ones beyond the first 20 names.
    assert!(
        (scrape.value(other) - 240.0).abs() < 1e-9,
        "{operations:#?}"
    );
}

fn hash(document: &str) -> String {
    Sha256::digest(document)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

#[test]
fn a_scrape_has_the_metrics_of_the_catalogue_and_no_others() {
    let workspace = Workspace::new();
    let mut service = start(&workspace, "sqlite:liaison.db", &[]);
    let (address, metrics) = (service.dev_address(), service.metrics_address());
    raw_http::post(&address, None, "[{}]");
    let scrape = Scrape::of(&metrics);
    let mut described = BTreeSet::new();
    for line in scrape.text.lines() {
        if let Some(line) = line.strip_prefix("# HELP ") {
            described.insert(line.to_owned());
        }
    }
    let catalogue: BTreeSet<String> = CATALOGUE
        .iter()
        .map(|metric| format!("{} {}.", metric.name, metric.description))
        .collect();
    let differences: Vec<&String> = described.symmetric_difference(&catalogue).collect();
    assert!(differences.is_empty(), "{differences:#?}");
    let reply = raw_http::get(&metrics, "/metrics");
    assert!(
        reply
            .head
            .contains("content-type: text/plain; version=0.0.4"),
        "{}",
        reply.head
    );
    // The service itself has no such page.
    assert_eq!(raw_http::get(&address, "/metrics").status, 404);
}

#[test]
fn the_catalogue_agrees_with_the_documented_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let operations = fs::read_to_string(path).unwrap();
    let table = reference();
    assert!(
        operations.contains(&table),
        "put this into docs/operations.md:\n{table}"
    );
}

#[test]
fn metrics_connections_use_no_permits_and_close_at_shutdown() {
    let workspace = Workspace::new();
    let mut service = start(&workspace, "sqlite:liaison.db", &[]);
    let (address, metrics) = (service.dev_address(), service.metrics_address());
    let idle: Vec<_> = (0..100).map(|_| raw_http::connect(&metrics)).collect();
    assert_eq!(raw_http::get(&address, "/livez").status, 200);
    drop(idle);
    // Until it has seen that they are gone.
    Scrape::eventually(&metrics, |_| true);
    let _idle = raw_http::connect(&metrics);
    assert!(service.stop().status.success());
}

#[test]
fn a_metrics_address_in_use_is_reported() {
    let workspace = Workspace::new();
    let taken = std::net::TcpListener::bind(FREE).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let line = workspace.refusal(&["dev", "--listen", FREE, "--metrics-listen", &taken]);
    assert!(
        line.starts_with(&format!("--metrics-listen {taken}: ")),
        "{line}"
    );
}

#[test]
fn the_dashboard_shows_metrics_of_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/dashboard.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: Vec<&str> = targets
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    let shown: BTreeSet<&str> = expressions
        .iter()
        .flat_map(|expression| metrics_in(expression))
        .collect();
    let catalogue: BTreeSet<&str> = CATALOGUE.iter().map(|metric| metric.name).collect();
    assert_eq!(shown, catalogue);
}

/// Returns the names of metrics in an expression, without the suffixes of histograms.
fn metrics_in(expression: &str) -> Vec<&str> {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let selectors: Vec<&str> = expression.split('{').collect();
    let before = selectors[..selectors.len() - 1].iter();
    let names = before.filter_map(|text| text.rsplit(|character| !is_name(character)).next());
    let whole = |name: &&str| CATALOGUE.iter().any(|metric| metric.name == *name);
    let base = |name: &str| {
        let suffixes = ["_bucket", "_sum", "_count"].iter();
        let length = suffixes
            .filter(|suffix| name.ends_with(**suffix))
            .map(|suffix| suffix.len());
        name.len() - length.max().unwrap_or_default()
    };
    names
        .map(|name| {
            if whole(&name) {
                name
            } else {
                &name[..base(name)]
            }
        })
        .collect()
}

//! External conformance checks: the GraphQL over HTTP audits, and GraphQL's reference implementation.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::support::harness::{Client, Server};

on_both_databases! {
    every_audit_of_graphql_over_http_is_passed
    introspection_queries_of_common_tools_succeed
    documents_are_validated_like_the_reference_implementation
    variables_that_are_left_out_are_absent
    a_python_client_can_subscribe
}

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

/// The checkers with their dependencies, installed once.
async fn install_reference() -> PathBuf {
    static INSTALLED: LazyLock<Mutex<Option<PathBuf>>> = LazyLock::new(Mutex::default);
    let mut installed = INSTALLED.lock().await;
    if let Some(place) = &*installed {
        return place.clone();
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    fs::create_dir_all(&place).unwrap();
    for source in fs::read_dir(SOURCES).unwrap() {
        let source = source.unwrap();
        if source.file_type().unwrap().is_file() {
            fs::copy(source.path(), place.join(source.file_name())).unwrap();
        }
    }
    let install = "ci --ignore-scripts --prefer-offline --no-audit --no-fund";
    run(Command::new("npm")
        .args(install.split(' '))
        .current_dir(&place))
    .await;
    *installed = Some(place.clone());
    place
}

/// Runs a Node program to completion and returns its output.
async fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().await;
    let output: Output = output.expect("these tests need Node 20 or newer with npm: install it");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    output.stdout
}

async fn judge(script: &str, name: &str, value: &str) -> Vec<u8> {
    let place = install_reference().await;
    run(Command::new("node")
        .arg(script)
        .env(name, value)
        .current_dir(place))
    .await
}

#[expect(dead_code, reason = "read where a test fails")]
#[derive(Debug, Deserialize)]
struct Audit {
    id: String,
    name: String,
    status: String,
    reason: Option<String>,
}

async fn every_audit_of_graphql_over_http_is_passed(server: &Server) {
    let address = format!("{}/graphql", server.address);
    let printed = judge("audits.mjs", "ADDRESS", &address).await;
    let audits: Vec<Audit> = serde_json::from_slice(&printed).unwrap();
    println!("{} audits", audits.len());
    let failed: Vec<&Audit> = audits.iter().filter(|audit| audit.status != "ok").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(audits.len() > 50, "{}", audits.len());
    assert!(audits.iter().any(|audit| audit.name.starts_with("MUST")));
}

async fn introspection_queries_of_common_tools_succeed(server: &Server) {
    let address = format!("{}/graphql", server.address);
    let printed = judge("introspection.mjs", "ADDRESS", &address).await;
    let tried: Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(tried["queries"], 129);
    assert_eq!(tried["failed"], json!([]));
}

#[expect(dead_code, reason = "read where a test fails")]
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReferenceVerdict {
    document: String,
    operation_name: Option<String>,
    variables: Value,
    /// The first error: syntax, validation, operation or variables; or valid.
    verdict: String,
    why: String,
}

/// A document that is judged differently here, with the reason.
#[derive(Debug, Deserialize)]
struct Difference {
    document: String,
    ours: String,
    reason: String,
}

async fn documents_are_validated_like_the_reference_implementation(server: &Server) {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let printed = judge("judge.mjs", "SCHEMA", schema).await;
    let all: Vec<ReferenceVerdict> = serde_json::from_slice(&printed).unwrap();
    println!("{} documents", all.len());
    assert!(all.len() > 1000, "{}", all.len());
    let known = fs::read(Path::new(SOURCES).join("differences.json")).unwrap();
    let known: Vec<Difference> = serde_json::from_slice(&known).unwrap();
    let mut met = vec![false; known.len()];

    let client = server.anonymous();
    let mut wrong = String::new();
    for judged in &all {
        let ours = verdict(&client, judged).await;
        if ours == judged.verdict {
            continue;
        }
        let place = known
            .iter()
            .position(|known| known.document == judged.document && known.ours == ours);
        match place {
            Some(place) => met[place] = true,
            None => writeln!(wrong, "{ours}, not {}: {judged:#?}", judged.verdict).unwrap(),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    for (known, met) in known.iter().zip(met) {
        assert!(met && !known.reason.is_empty(), "no difference: {known:?}");
    }
    // Each verdict occurs often enough to be meaningful.
    for verdict in ["fine", "syntax", "validation", "variables"] {
        let count = all.iter().filter(|item| item.verdict == verdict).count();
        assert!(count >= 100, "{verdict}: {count}");
    }
}

/// The Python client with its dependencies, installed once.
async fn python() -> PathBuf {
    static INSTALLED: LazyLock<Mutex<Option<PathBuf>>> = LazyLock::new(Mutex::default);
    let mut installed = INSTALLED.lock().await;
    if let Some(python) = &*installed {
        return python.clone();
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance-python");
    run_python(Command::new("python3").args(["-m", "venv"]).arg(&place)).await;
    let python = place.join("bin/python");
    let install = "-m pip install --quiet --disable-pip-version-check --requirement";
    run_python(
        Command::new(&python)
            .args(install.split(' '))
            .arg(Path::new(SOURCES).join("requirements.txt")),
    )
    .await;
    *installed = Some(python.clone());
    python
}

async fn run_python(command: &mut Command) -> Vec<u8> {
    let output = command.output().await;
    let output = output.expect("this test needs Python 3.10 or newer: install python3");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {stderr} (without the module venv: install python3-venv)"
    );
    output.stdout
}

async fn a_python_client_can_subscribe(server: &Server) {
    let start = server.newest().await;
    let input = json!({ "subjectId": server.topic("T-1").await, "body": "For Python." });
    server.itu().change("noteAdd", input, "id").await;
    let python = python().await;
    let address = server.address.replacen("http", "ws", 1);
    let printed = run_python(
        Command::new(python)
            .arg(Path::new(SOURCES).join("subscribe.py"))
            .arg(format!("{address}/graphql/ws"))
            .arg(start),
    )
    .await;
    let activity: Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(activity, json!({ "activity": { "verb": "NOTED" } }));
}

/// A document with some variables omitted, and the reference's result.
#[derive(Debug, Deserialize)]
struct WithoutVariables {
    document: String,
    variables: Value,
    /// The same document with literals instead of variables.
    inlined: String,
}

async fn variables_that_are_left_out_are_absent(server: &Server) {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let printed = judge("absent.mjs", "SCHEMA", schema).await;
    let all: Vec<WithoutVariables> = serde_json::from_slice(&printed).unwrap();
    assert!(all.len() >= 300, "{}", all.len());
    let client = server.itu();
    for pair in &all {
        let response = outcome(&client, &pair.document, pair.variables.clone()).await;
        let expected = outcome(&client, &pair.inlined, json!({})).await;
        assert_eq!(response, expected, "{pair:#?}");
    }
}

/// Returns the data of a response, and the codes and paths of its errors.
async fn outcome(client: &Client<'_>, document: &str, variables: Value) -> Value {
    let response = client.post(document, variables).await.json();
    // If several root fields fail, only one error is reported, and any may be first.
    if response["data"].is_null() {
        return json!({ "failed": response["errors"].is_array() });
    }
    let errors = response["errors"].as_array().cloned().unwrap_or_default();
    let errors = errors
        .iter()
        .map(|error| json!([error["extensions"]["code"], error["path"]]).to_string());
    let errors: std::collections::BTreeSet<String> = errors.collect();
    json!({ "data": response["data"], "errors": errors })
}

async fn verdict(client: &Client<'_>, judged: &ReferenceVerdict) -> String {
    let body = json!({
        "query": judged.document,
        "operationName": judged.operation_name,
        "variables": judged.variables,
    });
    let headers = [("content-type", "application/json")];
    let answer = client
        .send(Method::POST, "/graphql", &headers, body.to_string())
        .await;
    let json = answer.json();
    if json.get("data").is_some() {
        return "fine".to_owned();
    }
    let first = &json["errors"][0];
    let code = first["extensions"]["code"].as_str().unwrap_or_default();
    let message = first["message"].as_str().unwrap_or_default();
    match code {
        "GRAPHQL_PARSE_FAILED" => "syntax",
        "GRAPHQL_VALIDATION_FAILED" => "validation",
        "BAD_USER_INPUT" if message.starts_with("It is not clear") => "operation",
        "BAD_USER_INPUT" if first["extensions"].get("inputPath").is_some() => "variables",
        // The document is valid, but needs another transport.
        "BAD_USER_INPUT" if message.starts_with("A subscription") => "fine",
        _ => return format!("{code}: {message}"),
    }
    .to_owned()
}

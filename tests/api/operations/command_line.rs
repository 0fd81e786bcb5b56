//! The program's commands, settings and signals.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::binary::{RunningProcess, Workspace};
use crate::support::raw_http;

on_both_empty_databases! {
    dev_creates_everything_and_prints_url_and_tokens
    dev_leaves_an_existing_database_as_it_is
    dev_allows_local_origins_and_accepts_the_settings_of_serve
    tokens_of_dev_stay_valid_after_a_restart
    two_instances_start_at_once_on_one_empty_database
    a_shutdown_finishes_the_running_request
    serve_reads_the_data_that_seed_loaded
    a_read_only_instance_accepts_reads_with_a_token
}

/// A trusted document that is invalid for this schema.
const WRONG_DOCUMENTS: &str =
    "{\"919c0b7aa452b0b2fb42688461501bb8b0c3ef3b9d05ce7b9afd4f28bbe96ceb\": \"{ nothing }\"}";
const FREE_PORT: &str = "127.0.0.1:0";
const SECRET: &str = "a secret in a file, of 32 bytes and more\n";

fn dev(workspace: &Workspace, url: &str) -> RunningProcess {
    workspace.start(&["dev", "--database-url", url, "--listen", FREE_PORT])
}

fn ask(address: &str, token: Option<&str>, query: &str) -> Value {
    let reply = raw_http::post(address, token, &json!({ "query": query }).to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// The numbers of records of the service.
fn counts(address: &str) -> Value {
    ask(
        address,
        None,
        "{ organizations { totalCount } committees { totalCount } topics { totalCount } actionItems { totalCount } mandates { code } }",
    )
}

async fn dev_creates_everything_and_prints_url_and_tokens(url: &str) {
    let workspace = Workspace::new();
    let mut dev = dev(&workspace, url);
    let startup_lines = dev.startup_lines();
    let explorer = &startup_lines[0];
    let address = explorer.strip_suffix("/graphiql").unwrap();
    assert!(!address.ends_with(":0"), "the real port: {address}");
    let page = raw_http::get(address, "/graphiql");
    assert!(page.body.contains("<html"), "{page:?}");
    assert_eq!(
        counts(address),
        json!({ "data": {
            "organizations": { "totalCount": 12 },
            "committees": { "totalCount": 96 },
            "topics": { "totalCount": 8 },
            "actionItems": { "totalCount": 10 },
            "mandates": [{ "code": "RES-11-DUBAI-2012" }],
        } })
    );
    for (line, role) in startup_lines[1..]
        .iter()
        .zip(["ITU_EDITOR", "UPU_EDITOR", "TSB_EDITOR"])
    {
        let (name, token) = line.split_once(' ').unwrap();
        assert_eq!(name, role);
        let response = ask(address, Some(token), "{ viewer { roles } }");
        assert_eq!(response["data"]["viewer"]["roles"], json!([role]));
    }
    let first = &startup_lines[4];
    assert!(
        first.starts_with(&format!("curl {address}/graphql ")),
        "{first}"
    );
    let body = first.split('\'').nth(3).unwrap();
    let reply = raw_http::post(address, None, body);
    assert!(reply.json()["data"]["topics"]["nodes"][2]["code"].is_string());
    assert_eq!(startup_lines.len(), 5);
    assert_eq!(dev.stop().status.code(), Some(0));
}

async fn dev_leaves_an_existing_database_as_it_is(url: &str) {
    let workspace = Workspace::new();
    let mut first = dev(&workspace, url);
    let startup_lines = first.startup_lines();
    let address = first.dev_address();
    let token = startup_lines[1].split_once(' ').unwrap().1;
    let create = "mutation { organizationCreate(input: { acronym: \"ITU-D\", name: \"Development\", kind: SECTOR, side: ITU }) { userErrors { message } } }";
    let created = ask(&address, Some(token), create);
    assert_eq!(
        created["data"]["organizationCreate"]["userErrors"],
        json!([])
    );
    let before = counts(&address);
    assert_eq!(before["data"]["organizations"]["totalCount"], 13);
    first.stop();

    let mut second = dev(&workspace, url);
    let address = second.dev_address();
    assert_eq!(counts(&address), before);
    let ended = second.stop();
    assert!(!ended.err.contains("loaded"), "{}", ended.err);
}

async fn dev_allows_local_origins_and_accepts_the_settings_of_serve(url: &str) {
    let workspace = Workspace::new();
    workspace.write("dev.toml", "max-depth = 3\n");
    let mut dev = workspace.start(&[
        "dev",
        "--config",
        "dev.toml",
        "--allowed-origins",
        "https://app.example.org",
        "--database-url",
        url,
        "--listen",
        FREE_PORT,
    ]);
    let address = dev.dev_address();
    let allowed = |origin: &str| {
        let head = format!(
            "OPTIONS /graphql HTTP/1.1\r\nHost: test\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\nConnection: close\r\n\r\n"
        );
        let mut stream = raw_http::connect(&address);
        stream.write_all(head.as_bytes()).unwrap();
        let head = raw_http::reply(stream).head.to_ascii_lowercase();
        head.contains(&format!("access-control-allow-origin: {origin}"))
    };
    for origin in [
        "http://localhost:5173",
        "https://localhost",
        "http://127.0.0.1:3000",
        "http://[::1]:4200",
        "http://app.localhost:8080",
        "https://app.example.org",
    ] {
        assert!(allowed(origin), "{origin}");
    }
    for origin in [
        "https://example.org",
        "http://localhost.example.org",
        "http://localhost:5173@example.org",
        "null",
    ] {
        assert!(!allowed(origin), "{origin}");
    }
    let deep = json!({ "query": "{ topics { nodes { committees { role } } } }" });
    let reply = raw_http::post(&address, None, &deep.to_string());
    assert!(reply.body.contains('3'), "{reply:?}");
    assert!(
        reply.json()["errors"][0]["message"].is_string(),
        "{reply:?}"
    );
}

async fn tokens_of_dev_stay_valid_after_a_restart(url: &str) {
    let workspace = Workspace::new();
    let mut first = dev(&workspace, url);
    let startup_lines = first.startup_lines();
    let token = startup_lines[1].split_once(' ').unwrap().1.to_owned();
    counts(&first.dev_address());
    first.stop();
    let mut second = dev(&workspace, url);
    let viewer = ask(
        &second.dev_address(),
        Some(&token),
        "{ viewer { subject } }",
    );
    assert_eq!(viewer["data"]["viewer"]["subject"], "dev:itu_editor");
    let key: PathBuf = match url.strip_prefix("sqlite:") {
        Some(path) => format!("{}.dev-key", path.split('?').next().unwrap()).into(),
        None => workspace.path("liaison.dev-key"),
    };
    assert_eq!(mode(&key), 0o600);
}

async fn two_instances_start_at_once_on_one_empty_database(url: &str) {
    let workspace = Workspace::new();
    let mut instances = [dev(&workspace, url), dev(&workspace, url)];
    for instance in &mut instances {
        let address = instance.dev_address();
        let counts = counts(&address);
        assert_eq!(counts["data"]["topics"]["totalCount"], 8);
        assert_eq!(counts["data"]["actionItems"]["totalCount"], 10);
    }
    for instance in instances {
        assert_eq!(instance.stop().status.code(), Some(0));
    }
}

async fn a_shutdown_finishes_the_running_request(url: &str) {
    let workspace = Workspace::new();
    let mut service = dev(&workspace, url);
    let address = service.dev_address();
    let body = json!({ "query": "{ topics { totalCount } }" }).to_string();
    let (first, rest) = body.split_at(10);

    let mut slow = raw_http::connect(&address);
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{first}",
        body.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    // A response to a later request shows that the earlier connection has been accepted.
    assert_eq!(raw_http::get(&address, "/livez").status, 200);
    service.terminate();
    // It stops listening at once, while the request continues.
    let started_at = std::time::Instant::now();
    while std::net::TcpStream::connect(address.trim_start_matches("http://")).is_ok() {
        assert!(started_at.elapsed().as_secs() < 5, "it still listens");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    slow.write_all(rest.as_bytes()).unwrap();
    let reply = raw_http::reply(slow);
    assert_eq!(reply.json()["data"]["topics"]["totalCount"], 8);
    assert_eq!(service.ended().status.code(), Some(0));
}

async fn serve_reads_the_data_that_seed_loaded(url: &str) {
    let workspace = Workspace::new();
    workspace.done(&["migrate", "--database-url", url]);
    workspace.done(&["migrate", "--database-url", url]);
    workspace.done(&["seed", "--database-url", url]);
    workspace.done(&["seed", "--database-url", url]);
    let mut service = workspace.start(&[
        "serve",
        "--read-only",
        "--database-url",
        url,
        "--listen",
        FREE_PORT,
    ]);
    let address = service.address();
    assert_eq!(counts(&address)["data"]["topics"]["totalCount"], 8);
    assert_eq!(raw_http::post(&address, Some("a.b.c"), "{}").status, 401);
    assert_eq!(service.stop().status.code(), Some(0));
}

async fn a_read_only_instance_accepts_reads_with_a_token(url: &str) {
    let workspace = Workspace::new();
    workspace.write("secret", SECRET);
    workspace.done(&["migrate", "--database-url", url]);
    workspace.done(&["seed", "--database-url", url]);
    let keys = ["--token-key", "secret", "--token-algorithms", "HS256"];
    let token = workspace.done(&["token", "--role", "TSB_EDITOR", "--key", "secret"]);
    let token = Some(token.trim());
    let serve = [
        "serve",
        "--read-only",
        "--database-url",
        url,
        "--listen",
        FREE_PORT,
    ];
    let mut service = workspace.start(&[&serve, &keys[..]].concat());
    let address = service.address();
    let response = ask(&address, token, "{ viewer { party } webhooks { id } }");
    assert_eq!(response["data"]["viewer"]["party"], "TSB", "{response}");
    assert_eq!(response["data"]["webhooks"], json!([]), "{response}");
    let mutation = r#"{"query": "mutation { topicPropose(input: { title: \"T\", summary: \"S\" }) { topic { id } } }"}"#;
    let reply = raw_http::post(&address, token, mutation);
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(reply.json()["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(counts(&address)["data"]["topics"]["totalCount"], 8);
    let ready = raw_http::get(&address, "/readyz").json();
    let checks = json!({ "shutdown": "ok", "databaseRead": "ok", "tokens": "ok" });
    assert_eq!(ready["checks"], checks);
    assert_eq!(raw_http::post(&address, Some("a.b.c"), "{}").status, 401);
}

#[test]
fn serve_refuses_to_start_without_a_way_to_verify_tokens() {
    let workspace = Workspace::new();
    let line = workspace.refusal(&["serve", "--listen", FREE_PORT]);
    assert!(line.contains("--token-key"), "{line}");
    assert!(line.contains("--read-only"), "{line}");
    assert!(!workspace.path("liaison.db").exists(), "nothing is made");
}

#[test]
fn a_sqlite_file_is_readable_only_by_its_owner() {
    let workspace = Workspace::new();
    workspace.done(&["migrate"]);
    let mut service = workspace.start(&["serve", "--read-only", "--listen", FREE_PORT]);
    service.address();
    for name in ["liaison.db", "liaison.db-wal", "liaison.db-shm"] {
        assert_eq!(mode(&workspace.path(name)), 0o600, "{name}");
    }
}

#[test]
fn a_stopped_service_leaves_one_copyable_sqlite_file() {
    let workspace = Workspace::new();
    let is_alone = || {
        let beside = ["liaison.db-wal", "liaison.db-shm"].map(|name| workspace.path(name));
        !beside.iter().any(|path| path.exists())
    };
    for command in [
        &["migrate"][..],
        &["seed"],
        &["export"],
        &["backup", "copy.db"],
    ] {
        workspace.done(command);
        assert!(is_alone(), "{command:?}");
    }
    let mut service = workspace.start(&["serve", "--read-only", "--listen", FREE_PORT]);
    let address = service.address();
    assert_eq!(counts(&address)["data"]["topics"]["totalCount"], 8);
    assert!(!is_alone());
    assert_eq!(service.stop().status.code(), Some(0));
    assert!(is_alone());
}

/// The permissions of a file.
fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_error_in_trusted_documents_is_one_line() {
    let workspace = Workspace::new();
    workspace.write("secret", SECRET);
    workspace.write("wrong.json", WRONG_DOCUMENTS);
    for (arguments, named) in [
        (
            &["serve", "--read-only", "--trusted-documents", "none.json"][..],
            "--trusted-documents none.json",
        ),
        (
            &["serve", "--read-only", "--trusted-documents", "secret"],
            "--trusted-documents secret",
        ),
        (
            &["serve", "--read-only", "--trusted-documents", "wrong.json"],
            "--trusted-documents: the document 919c0b7aa452b0b2fb42688461501bb8",
        ),
        (
            &[
                "serve",
                "--read-only",
                "--trusted-documents-exempt",
                "TSB_EDITOR",
            ],
            "--trusted-documents-exempt",
        ),
    ] {
        let line = workspace.refusal(arguments);
        assert!(line.contains(named), "{arguments:?}: {line}");
    }
}

#[test]
fn serve_runs_only_the_trusted_documents() {
    let workspace = Workspace::new();
    let document = "{ topics { totalCount } }";
    let hash = "b2368c84002926b419fb37b1ed16d4f94b4cbb095b32a17da60424ca23fa6039";
    workspace.write("documents.json", json!({ hash: document }).to_string());
    workspace.done(&["seed"]);
    let mut service = workspace.start(&[
        "serve",
        "--read-only",
        "--listen",
        FREE_PORT,
        "--trusted-documents",
        "documents.json",
    ]);
    let address = service.address();
    let data = ask(&address, None, document);
    assert_eq!(data, json!({ "data": { "topics": { "totalCount": 8 } } }));
    let other = json!({ "query": "{ topics { nodes { code } } }" });
    assert_eq!(
        raw_http::post(&address, None, &other.to_string()).status,
        403
    );
}

#[test]
fn a_port_in_use_is_one_line_that_names_it() {
    let workspace = Workspace::new();
    let taken = std::net::TcpListener::bind(FREE_PORT).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in [&["dev"][..], &["serve", "--read-only"]] {
        let line = workspace.refusal(&[command, &["--listen", &address]].concat());
        assert!(line.contains(&format!("--listen {address}")), "{line}");
    }
}

#[test]
fn help_of_every_command_exits_with_success() {
    let workspace = Workspace::new();
    assert!(workspace.done(&["--help"]).contains("serve"));
    assert!(workspace.done(&["--version"]).starts_with("liaison "));
    for command in [
        "dev", "serve", "migrate", "seed", "export", "backup", "import", "token", "schema",
    ] {
        let help = workspace.done(&[command, "--help"]);
        assert!(help.contains("Usage: liaison"), "{help}");
    }
    let nothing = workspace.run(&[]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(nothing.err.contains("serve"), "{nothing:?}");
}

#[test]
fn serve_accepts_a_token_of_the_token_command() {
    let workspace = Workspace::new();
    workspace.write("HS256.key", SECRET);
    workspace.write("HS256.pub", SECRET);
    workspace.write("RS256.key", include_str!("../keys/rsa.pem"));
    workspace.write("RS256.pub", include_str!("../keys/rsa.pub.pem"));
    workspace.write("ES256.key", include_str!("../keys/p256.pem"));
    workspace.write("ES256.pub", include_str!("../keys/p256.pub.pem"));
    workspace.write("EdDSA.key", include_str!("../keys/ed25519.pem"));
    workspace.write("EdDSA.pub", include_str!("../keys/ed25519.pub.pem"));
    let algorithms = ["HS256", "RS256", "ES256", "EdDSA"];
    let tokens = algorithms.map(|algorithm| {
        let key = format!("{algorithm}.key");
        let out = workspace.done(&[
            "token",
            "--role",
            "TSB_EDITOR",
            "--role",
            "ITU_EDITOR",
            "--sub",
            "bot",
            "--ttl",
            "10m",
            "--key",
            &key,
        ]);
        let token = out.strip_suffix('\n').unwrap().to_owned();
        assert!(!token.contains(char::is_whitespace), "the token alone");
        token
    });
    for (algorithm, token) in algorithms.iter().zip(&tokens) {
        let mut service = workspace.start(&[
            "serve",
            "--token-key",
            &format!("{algorithm}.pub"),
            "--token-algorithms",
            algorithm,
            "--listen",
            FREE_PORT,
        ]);
        let address = service.address();
        let response = ask(&address, Some(token), "{ viewer { subject roles } }");
        assert_eq!(
            response["data"]["viewer"],
            json!({ "subject": "bot", "roles": ["ITU_EDITOR", "TSB_EDITOR"] })
        );
        for other in tokens.iter().filter(|other| *other != token) {
            let reply = raw_http::post(&address, Some(other), "{}");
            assert_eq!(reply.status, 401, "{reply:?}");
        }
    }
}

#[test]
fn the_schema_is_printed_as_it_is_committed() {
    let printed = Workspace::new().done(&["schema"]);
    assert!(printed == include_str!("../../../schema.graphql"));
}

#[test]
fn output_to_a_file_has_no_colours() {
    let workspace = Workspace::new();
    let ended = workspace.run(&["seed"]);
    assert!(ended.err.contains("loaded"), "{ended:?}");
    assert!(!ended.err.contains('\u{1b}'), "{ended:?}");
    assert!(workspace.path("liaison.db").exists());
}

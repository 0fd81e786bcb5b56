//! Common GraphQL clients from npm, run against the service.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::support::harness::Server;

on_both_databases! {
    graphql_ws_client_receives_events
    graphql_sse_and_event_source_receive_events
}

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/following");

async fn graphql_ws_client_receives_events(server: &Server) {
    run(server, "ws.mjs").await;
}

async fn graphql_sse_and_event_source_receive_events(server: &Server) {
    run(server, "sse.mjs").await;
}

async fn run(server: &Server, script: &str) {
    let directory = tokio::task::spawn_blocking(|| INSTALLED.as_path());
    let token = server.upu().token.unwrap();
    let topic = server.topic("T-1").await;
    let done = tokio::process::Command::new("node")
        .arg(script)
        .args([&server.address, &token, &topic])
        .current_dir(directory.await.unwrap())
        .output()
        .await
        .expect("Node 20 or newer is installed");
    let said = String::from_utf8_lossy(&done.stdout);
    let wrong = String::from_utf8_lossy(&done.stderr);
    let good = done.status.success() && said == "ok\n";
    assert!(good, "{script}: {said}{wrong}");
}

/// Returns a directory with the scripts and their dependencies; the source tree is not modified.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("following");
    fs::create_dir_all(&directory).unwrap();
    let lock = "package-lock.json";
    let known = fs::read(directory.join(".installed")).unwrap_or_default();
    for file in fs::read_dir(CLIENTS).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), directory.join(file.file_name())).unwrap();
        }
    }
    let wanted = fs::read(directory.join(lock)).unwrap();
    if known != wanted {
        let arguments = "ci --ignore-scripts --prefer-offline --no-audit --no-fund";
        let done = Command::new("npm")
            .args(arguments.split(' '))
            .current_dir(&directory)
            .output()
            .expect("npm is installed: it comes with Node 20 or newer");
        assert!(done.status.success(), "npm {arguments}: {done:?}");
        fs::write(directory.join(".installed"), wanted).unwrap();
    }
    directory
});

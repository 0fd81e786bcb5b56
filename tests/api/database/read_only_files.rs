//! The service where nothing can be written to the file system, as the manual describes.

use serde_json::json;

use crate::support::binary::{RunningProcess, Workspace};
use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::{Server, prepare};
use crate::support::raw_http;

const SERVE: [&str; 5] = [
    "serve",
    "--read-only",
    "--listen",
    "127.0.0.1:0",
    "--database-url",
];

/// Checks that the service is ready and reads.
fn reads(service: &mut RunningProcess) {
    let address = service.address();
    assert_eq!(raw_http::get(&address, "/readyz").status, 200);
    let query = json!({ "query": "{ topics { totalCount } }" }).to_string();
    let read = raw_http::post(&address, None, &query).json();
    assert!(read["data"]["topics"]["totalCount"].is_number(), "{read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_on_a_read_only_file_system_is_served() {
    let server = Server::start(Backend::Sqlite).await;
    let workspace = Workspace::new();
    workspace.done(&[
        "backup",
        "backup.db",
        "--database-url",
        server.database_url(),
    ]);
    let directory = workspace.path("");
    let directory = directory.to_str().unwrap();
    let file = format!("sqlite:{directory}backup.db");

    let serve = [&SERVE[..], &[&file]].concat();
    let refused = workspace.start_read_only(directory, &serve).ended();
    let refused = refused.refusal();
    assert!(refused.contains("Read-only file system"), "{refused}");

    let immutable = format!("{file}?immutable=1");
    let serve = [&SERVE[..], &[&immutable]].concat();
    reads(&mut workspace.start_read_only(directory, &serve));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_on_postgresql_runs_with_a_read_only_root() {
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let workspace = Workspace::new();
    let serve = [&SERVE[..], &[&database.url]].concat();
    reads(&mut workspace.start_read_only("/", &serve));
}

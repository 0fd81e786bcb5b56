//! Backups and what is restored from them, as the manual says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::json;

use crate::support::binary::Workspace;
use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::{Server, prepare};
use crate::webhooks::endpoints::create;

/// The commands of the manual in one of its sections.
fn commands(section: &str) -> String {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md"));
    let manual = manual.unwrap();
    let (_, section) = manual.split_once(&format!("\n## {section}\n")).unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

fn export(workspace: &Workspace, url: &str) -> String {
    workspace.done(&["export", "--database-url", url])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_sqlite_is_the_same_register_with_its_webhooks() {
    let server = Server::start(Backend::Sqlite).await;
    server.fill().await;
    create(&server.itu(), json!({ "url": "https://example.org/hook" })).await;
    let workspace = Workspace::new();
    let url = server.database_url();
    let backup = ["backup", "copy.db", "--database-url", url];
    workspace.done(&backup);
    let copy = workspace.path("copy.db");
    let mode = fs::metadata(&copy).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "it holds the secrets of webhooks");
    assert_eq!(
        export(&workspace, "sqlite:copy.db"),
        export(&workspace, url)
    );
    let restored = TestDatabase::empty(Backend::Sqlite).await;
    let file = restored.url.trim_start_matches("sqlite://");
    fs::copy(&copy, file).unwrap();
    let restored = Server::start_on(restored, |_| {}).await;
    let webhooks = restored.itu().data("{ webhooks { url } }", json!({})).await;
    assert_eq!(
        webhooks,
        json!({ "webhooks": [{ "url": "https://example.org/hook" }] })
    );
    // It is replaced as a whole, or stays.
    fs::write(&copy, "an earlier backup").unwrap();
    let none = ["backup", "copy.db", "--database-url", "sqlite:none.db"];
    assert!(workspace.refusal(&none).contains("there is no file"));
    assert_eq!(fs::read(&copy).unwrap(), b"an earlier backup");
    workspace.done(&backup);
    assert_eq!(
        export(&workspace, "sqlite:copy.db"),
        export(&workspace, url)
    );
}

#[tokio::test]
async fn a_failed_backup_leaves_no_file() {
    let database = TestDatabase::create(Backend::Sqlite, prepare).await;
    let file = database.url.trim_start_matches("sqlite://").to_owned();
    let workspace = Workspace::new();
    let refusal = |to: &str| workspace.refusal(&["backup", to, "--database-url", &database.url]);
    assert!(refusal(&file).contains("the database itself"));
    assert!(refusal("/dev/null").contains("this is no file"));
    let missing = refusal("no/such/directory.db");
    assert!(missing.starts_with("no/such/directory.db: "), "{missing}");
    let left = fs::read_dir(workspace.path("")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let is_copy = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(".liaison");
    assert!(!left.iter().any(is_copy), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_manual_back_up_and_restore_postgresql() {
    let database = TestDatabase::create(Backend::Postgres, prepare).await;
    let restored = TestDatabase::empty(Backend::Postgres).await;
    let workspace = Workspace::new();
    let line = workspace.refusal(&["backup", "copy.db", "--database-url", &database.url]);
    assert!(
        line.contains("pg_dump") && line.contains("pg_restore"),
        "{line}"
    );
    let run = Command::new("sh")
        .args(["-ec", &commands("Backup and restore")])
        .current_dir(workspace.path(""))
        .env("DATABASE_URL", &database.url)
        .env("NEW_DATABASE_URL", &restored.url)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(
        export(&workspace, &restored.url),
        export(&workspace, &database.url)
    );
    // The log is still append-only.
    let db = sea_orm::Database::connect(&restored.url).await.unwrap();
    let change = "update activity set actor = 'someone else'";
    let refused = sea_orm::ConnectionTrait::execute_unprepared(&db, change).await;
    assert!(refused.is_err());
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_manual_move_a_register_to_postgresql() {
    let database = TestDatabase::create(Backend::Sqlite, prepare).await;
    let moved = TestDatabase::empty(Backend::Postgres).await;
    let workspace = Workspace::new();
    let file = database.url.trim_start_matches("sqlite://");
    fs::copy(file, workspace.path("liaison.db")).unwrap();
    let program = env!("CARGO_BIN_EXE_liaison");
    let move_it =
        commands("Moving from SQLite to PostgreSQL").replace("liaison ", &format!("{program} "));
    let run = Command::new("sh")
        .args(["-ec", &move_it])
        .current_dir(workspace.path(""))
        .env("DATABASE_URL", &moved.url)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(
        export(&workspace, &moved.url),
        export(&workspace, "sqlite:liaison.db")
    );
}

//! A database that is older or newer than the program, and the command that changes that.

use liaison::store::Database;
use sea_orm::ConnectionTrait;

use crate::support::binary::Workspace;
use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::{Server, prepare};

on_both_empty_databases! {
    migrate_reports_what_it_did
    read_only_commands_refuse_a_database_without_tables
    a_newer_database_is_refused_with_both_versions
    an_older_database_is_refused_with_both_versions
}

on_both_databases! {
    a_populated_database_migrates_down_and_up_again
}

const FIRST: &str = "m20261124_000001_bodies";
const OLDER: &str = "m20261124_000010_newest_topics";

/// The commands that never migrate.
const READERS: [&[&str]; 3] = [
    &["serve", "--read-only"],
    &["serve", "--no-migrate", "--token-key", "key"],
    &["export"],
];

fn key(workspace: &Workspace) {
    let secret = "a secret in a file, of 32 bytes and more";
    workspace.write("key", secret);
    workspace.write("settings.toml", "token-algorithms = [\"HS256\"]\n");
}

/// Runs a command that is refused, and returns why.
fn refusal(workspace: &Workspace, command: &[&str], url: &str) -> String {
    let mut arguments = [command, &["--database-url", url]].concat();
    if command[0] == "serve" {
        arguments.extend(["--config", "settings.toml"]);
    }
    workspace.refusal(&arguments)
}

async fn execute(url: &str, statement: &str) {
    let db = sea_orm::Database::connect(url).await.unwrap();
    db.execute_unprepared(statement).await.unwrap();
    db.close().await.unwrap();
}

async fn migrate_reports_what_it_did(url: &str) {
    let workspace = Workspace::new();
    let migrate = |more: &[&str]| {
        let command = [&["migrate", "--database-url", url], more].concat();
        let ended = workspace.run(&command);
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(ended.err, "", "no notices, no log");
        ended.out
    };
    let status = migrate(&["--status"]);
    assert!(status.contains(&format!("pending {FIRST}\n")), "{status}");
    assert!(!status.contains("applied"), "{status}");
    let first = workspace.done(&["migrate", "--database-url", url]);
    assert!(first.starts_with(&format!("applied {FIRST}\n")), "{first}");
    let mut versions = first.lines().filter(|line| line.starts_with("applied "));
    let newest = versions.next_back().unwrap().trim_start_matches("applied ");
    let at_newest = format!("the database has version {newest}\n");
    assert!(first.ends_with(&at_newest), "{first}");
    assert_eq!(migrate(&[]), at_newest);
    let status = migrate(&["--status"]);
    assert!(status.ends_with(&format!("applied {newest}\n")), "{status}");
    assert!(!status.contains("pending"), "{status}");

    let back = workspace.done(&["migrate", "--down", OLDER, "--database-url", url]);
    assert!(
        back.starts_with(&format!("reverted {newest}\n")),
        "newest first: {back}"
    );
    assert!(
        back.ends_with(&format!("the database has version {OLDER}\n")),
        "{back}"
    );
    assert_eq!(
        migrate(&["--down", OLDER]),
        format!("the database has version {OLDER}\n")
    );
    let unknown = ["migrate", "--down", "m1", "--database-url", url];
    let line = workspace.refusal(&unknown);
    assert!(line.contains("does not have version m1"), "{line}");
    let forward = workspace.done(&["migrate", "--database-url", url]);
    assert!(
        forward.contains(&format!("applied {newest}\n")),
        "{forward}"
    );
    assert!(!forward.contains(FIRST), "{forward}");
}

async fn read_only_commands_refuse_a_database_without_tables(url: &str) {
    let workspace = Workspace::new();
    key(&workspace);
    for command in READERS {
        let line = refusal(&workspace, command, url);
        assert!(line.contains("has no tables"), "{command:?}: {line}");
        assert!(line.contains("run `liaison migrate` first"), "{line}");
    }
}

async fn a_newer_database_is_refused_with_both_versions(url: &str) {
    const NEWER: &str = "m20990101_000001_of_tomorrow";
    let workspace = Workspace::new();
    key(&workspace);
    workspace.done(&["migrate", "--database-url", url]);
    let status = workspace.done(&["migrate", "--status", "--database-url", url]);
    let newest = status
        .lines()
        .last()
        .unwrap()
        .trim_start_matches("applied ");
    execute(
        url,
        &format!("insert into seaql_migrations (version, applied_at) values ('{NEWER}', 0)"),
    )
    .await;
    let writers: [&[&str]; 5] = [
        &["serve", "--token-key", "key"],
        &["dev"],
        &["migrate"],
        &["migrate", "--down", FIRST],
        &["seed"],
    ];
    for command in READERS.iter().chain(&writers) {
        let line = refusal(&workspace, command, url);
        assert!(line.contains(NEWER), "{command:?}: {line}");
        assert!(line.contains(newest), "{command:?}: {line}");
    }
    let status = workspace.done(&["migrate", "--status", "--database-url", url]);
    let last = format!("applied {NEWER} (unknown to this program)\n");
    assert!(status.ends_with(&last), "{status}");
}

async fn an_older_database_is_refused_with_both_versions(url: &str) {
    let workspace = Workspace::new();
    key(&workspace);
    let migrated = workspace.done(&["migrate", "--database-url", url]);
    let newest = migrated.lines().last().unwrap();
    let newest = newest.trim_start_matches("the database has version ");
    workspace.done(&["migrate", "--down", OLDER, "--database-url", url]);
    for command in READERS {
        let line = refusal(&workspace, command, url);
        assert!(line.contains(OLDER), "{command:?}: {line}");
        assert!(line.contains(newest), "{command:?}: {line}");
    }
    // They have changed nothing.
    let status = workspace.done(&["migrate", "--status", "--database-url", url]);
    assert!(status.contains(&format!("pending {newest}")), "{status}");
}

async fn a_populated_database_migrates_down_and_up_again(server: &Server) {
    server.fill().await;
    let versions = server.db.schema_versions().await.unwrap().applied;
    for version in versions.iter().rev().skip(1) {
        let reverted = server.db.migrate_down(version).await.unwrap();
        assert_eq!(reverted.len(), 1, "{version}");
    }
    let applied = server.db.migrate().await.unwrap();
    assert_eq!(applied, versions[1..]);
}

#[tokio::test]
async fn two_instances_migrate_at_once_and_one_reports_it() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = TestDatabase::create(backend, prepare).await;
        let first = Database::connect(&database.url, 2).await.unwrap();
        let second = Database::connect(&database.url, 2).await.unwrap();
        let reverted = first.migrate_down(OLDER).await.unwrap();
        let (one, other) = tokio::join!(first.migrate(), second.migrate());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.len() + other.len(), reverted.len(), "{backend:?}");
        first.close().await.unwrap();
        second.close().await.unwrap();
    }
}

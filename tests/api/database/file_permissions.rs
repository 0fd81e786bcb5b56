//! An SQLite file, or a directory, that the user of the program may not read or write.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::support::binary::Workspace;
use crate::support::databases::other_user;

#[test]
fn a_file_without_the_permissions_is_named_with_what_to_do() {
    let workspace = Workspace::new();
    workspace.done(&["migrate"]);
    fs::create_dir(workspace.path("closed")).unwrap();
    fs::copy(
        workspace.path("liaison.db"),
        workspace.path("closed/liaison.db"),
    )
    .unwrap();
    let file = workspace.path("liaison.db");
    let permit = |name: &str, mode| {
        fs::set_permissions(workspace.path(name), Permissions::from_mode(mode)).unwrap();
    };
    workspace.write("key", "a secret in a file, of 32 bytes and more");
    let read = ["serve", "--read-only", "--listen", "127.0.0.1:1"];
    let serve = ["serve", "--token-key", "key", "--token-algorithms", "HS256"];
    let refusal = |command: &[&str]| workspace.run_unprivileged(command).refusal();

    permit("liaison.db", 0o444);
    let only_reads = format!(
        "--database-url: the file {} cannot be written: grant its user the permission, and remove `mode=ro` and `immutable` from the URL; `liaison serve --read-only` only reads it",
        file.display()
    );
    workspace.write("records.jsonl", "{}");
    let import = ["import", "records.jsonl", "--party", "ITU"];
    for command in [
        &serve[..],
        &[&serve[..], &["--no-migrate"]].concat(),
        &["seed"],
        &import,
    ] {
        assert_eq!(refusal(command), only_reads, "{command:?}");
    }
    assert!(
        workspace
            .run_unprivileged(&["export", "register.jsonl"])
            .status
            .success()
    );

    permit("liaison.db", 0o600);
    let read_only_url = ["--database-url", "sqlite:liaison.db?mode=ro"];
    assert_eq!(
        refusal(&[&serve[..], &read_only_url].concat()),
        format!("{only_reads} (set by the flag)")
    );

    let closed = format!(
        "--database-url: the file {} cannot be opened: Permission denied (os error 13)",
        file.display()
    );
    permit("liaison.db", 0o000);
    for command in [&serve[..], &read, &["migrate"], &["seed"], &["export"]] {
        assert_eq!(refusal(command), closed, "{command:?}");
    }
    // Nothing is missing, so `migrate` only reads; then something is.
    permit("liaison.db", 0o444);
    assert!(workspace.run_unprivileged(&["migrate"]).status.success());
    permit("liaison.db", 0o600);
    workspace.done(&["migrate", "--down", "m20261127_000022_activity_trace"]);
    permit("liaison.db", 0o444);
    for command in [&serve[..], &["migrate"]] {
        assert_eq!(refusal(command), closed, "{command:?}");
    }
    // A file of another user.
    if let Some((uid, gid)) = other_user() {
        permit("liaison.db", 0o600);
        chown(&file, Some(uid), Some(gid)).unwrap();
        assert_eq!(refusal(&["migrate"]), closed);
    }

    permit("closed", 0o555);
    for command in [&read[..], &["migrate"]] {
        let line = refusal(&[command, &["--database-url", "sqlite:closed/liaison.db"]].concat());
        assert!(
            line.contains("closed/liaison.db and beside it: its directory must be writable"),
            "{line}"
        );
    }
    let line = refusal(&["migrate", "--database-url", "sqlite:closed/new.db"]);
    assert!(
        line.contains("closed/new.db cannot be opened: Permission denied"),
        "{line}"
    );
    workspace.done(&["migrate", "--database-url", "sqlite:source.db"]);
    for (command, copy) in [
        ("backup", "closed/copy.db"),
        ("export", "closed/copy.jsonl"),
    ] {
        let line = refusal(&[command, copy, "--database-url", "sqlite:source.db"]);
        let reason = "no file can be written to the directory ";
        assert!(
            line.contains(reason) && line.ends_with("closed: permission denied"),
            "{line}"
        );
    }
    permit("closed", 0o755);
}

/// A process that opens and closes the file beside its connections releases their locks. Then another program that
/// reads the file deletes the write-ahead log in use, with what the service wrote.
#[test]
fn a_service_keeps_its_lock_on_the_file() {
    let workspace = Workspace::new();
    workspace.write("key", "a secret in a file, of 32 bytes and more");
    let serve = ["serve", "--token-key", "key", "--token-algorithms", "HS256"];
    let mut running = workspace.start(&[&serve[..], &["--listen", "127.0.0.1:0"]].concat());
    running.address();
    let file = fs::metadata(workspace.path("liaison.db")).unwrap().ino();
    let locks = fs::read_to_string("/proc/locks").unwrap();
    assert!(locks.contains(&format!(":{file} ")), "{locks}");
}

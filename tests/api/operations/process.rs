//! The process: its signals, its log from start to stop, and an output that is not read.

use std::fs::File;
use std::io;
use std::process::{Command, Stdio};

use crate::support::binary::Workspace;
use crate::support::raw_http;

on_both_empty_databases! {
    sighup_stops_the_service_gracefully_and_is_logged
}

async fn sighup_stops_the_service_gracefully_and_is_logged(url: &str) {
    let workspace = Workspace::new();
    let dev = ["dev", "--database-url", url, "--listen", "127.0.0.1:0"];
    let mut service = workspace.start(&[&dev[..], &["--shutdown-delay", "10ms"]].concat());
    service.dev_address();
    let id = service.id().to_string();
    let sent = Command::new("kill").args(["-HUP", &id]).status();
    assert!(sent.unwrap().success());
    let ended = service.ended();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let line = |event: &str| {
        let lines: Vec<&str> = ended
            .err
            .lines()
            .filter(|line| line.contains(event))
            .collect();
        assert_eq!(lines.len(), 1, "{event}: {ended:?}");
        lines[0]
    };
    let kind = if url.starts_with("sqlite") {
        "db.system.name=\"sqlite\""
    } else {
        "db.system.name=\"postgresql\""
    };
    let start = line("serving");
    for part in [kind, "version=\"", "read_only=false"] {
        assert!(start.contains(part), "{start}");
    }
    assert!(line("stopping").contains("shutdown_delay=10ms"));
    line("stopped");
}

#[test]
fn an_unread_output_pipe_aborts_no_command() {
    let workspace = Workspace::new();
    let unread = |arguments: &[&str]| {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_liaison"));
        let command = command.args(arguments).env_clear();
        let command = command.current_dir(workspace.path(".")).stdout(writer);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), error)
    };
    workspace.write("key", "a secret in a file, of 32 bytes and more");
    for arguments in [
        &["migrate"][..],
        &["migrate", "--status"],
        &["schema"],
        &["settings"],
        &["backup", "copy.db"],
        &["token", "--role", "ITU_EDITOR", "--key", "key"],
        &["--help"],
    ] {
        assert_eq!(unread(arguments), (Some(0), String::new()), "{arguments:?}");
    }
    assert!(workspace.path("copy.db").exists());
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let full = File::options().write(true).open("/dev/full");
    let mut command = Command::new(env!("CARGO_BIN_EXE_liaison"));
    let command = command.arg("schema").env_clear().stdout(full.unwrap());
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.starts_with("liaison: standard output: No space left"),
        "{error}"
    );
}

#[test]
fn a_token_has_the_issuer_and_audience_of_the_settings_file() {
    let workspace = Workspace::new();
    workspace.write("key", "a secret in a file, of 32 bytes and more");
    workspace.write(
        "liaison.toml",
        "token-key = \"key\"\ntoken-algorithms = [\"HS256\"]\ntoken-issuer = \"mine\"\ntoken-audience = \"ours\"\nlisten = \"127.0.0.1:0\"\n",
    );
    let config = ["--config", "liaison.toml"];
    let token = |more: &[&str]| {
        let command = ["token", "--role", "ITU_EDITOR", "--key", "key"];
        workspace.done(&[&command[..], &config, more].concat())
    };
    let mut service = workspace.start(&[&["serve"][..], &config].concat());
    let address = service.address();
    let status = |token: &str| {
        let query = "{\"query\":\"{ viewer { roles } }\"}";
        raw_http::post(&address, Some(token.trim()), query).status
    };
    assert_eq!(status(&token(&["--ttl", "2m"])), 200);
    assert_eq!(status(&token(&["--token-audience", "others"])), 401);
    let refused = ["token", "--role", "ITU_EDITOR", "--key", "key", "--ttl"];
    for wrong in ["60", "0s"] {
        let line = workspace.refusal(&[&refused[..], &[wrong]].concat());
        assert!(line.contains("--ttl"), "{line}");
    }
}

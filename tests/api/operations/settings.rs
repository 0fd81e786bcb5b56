//! Settings: their sources, their validation, and that no secret is printed.

use clap::CommandFactory;
use liaison::config::Cli;
use serde_json::Value;

use crate::support::binary::Workspace;
use crate::support::raw_http;

const FREE_PORT: &str = "127.0.0.1:0";
const SECRET: &str = "a secret in a file, of 32 bytes and more\n";

#[test]
fn settings_are_taken_from_flag_environment_file_or_default() {
    let workspace = Workspace::new();
    workspace.write("secret", SECRET);
    let file = |body: usize| {
        format!(
            "database-url = \"sqlite:file.db\"\nlisten = \"{FREE_PORT}\"\ntoken-key = \"secret\"\ntoken-algorithms = [\"HS256\"]\nmax-body-bytes = {body}\n"
        )
    };
    workspace.write("liaison.toml", file(100));
    let refused = |arguments: &[&str], environment: &[(&str, &str)], bytes: usize| {
        let mut service = workspace.start_with(arguments, environment);
        let reply = raw_http::post(&service.address(), None, &"x".repeat(5000));
        assert_eq!(reply.status, 413, "{reply:?}");
        let message = reply.json()["errors"][0]["message"].to_string();
        assert!(message.contains(&format!(" {bytes} bytes")), "{message}");
    };
    let from_file = ["serve", "--config", "liaison.toml"];
    refused(&from_file, &[], 100);
    assert!(workspace.path("file.db").exists());
    refused(&["serve"], &[("LIAISON_CONFIG", "liaison.toml")], 100);
    refused(&from_file, &[("LIAISON_MAX_BODY_BYTES", "200")], 200);
    let flag = [
        "serve",
        "--config",
        "liaison.toml",
        "--max-body-bytes",
        "300",
    ];
    refused(&flag, &[("LIAISON_MAX_BODY_BYTES", "200")], 300);
    let all = [
        ("LIAISON_LISTEN", FREE_PORT),
        ("LIAISON_TOKEN_KEY", "secret"),
        ("LIAISON_TOKEN_ALGORITHMS", "HS256"),
        ("LIAISON_MAX_BODY_BYTES", "400"),
        ("LIAISON_DATABASE_URL", "sqlite:environment.db"),
    ];
    refused(&["serve"], &all, 400);
    assert!(workspace.path("environment.db").exists());
    assert!(!workspace.path("liaison.db").exists());
}

#[test]
fn an_invalid_setting_is_reported_in_one_line() {
    let workspace = Workspace::new();
    workspace.write("secret", SECRET);
    for (content, named) in [
        ("colour = \"red\"", "colour"),
        ("read-only = \"perhaps\"", "--read-only"),
        ("read-only = true\nlisten = 5", "--listen"),
        (
            "read-only = true\nmax-body-bytes = \"big\"",
            "--max-body-bytes",
        ),
        (
            "read-only = true\ndatabase-connections = 0",
            "--database-connections",
        ),
        ("token-algorithms = [\"none\"]", "--token-algorithms"),
        (
            "token-key = \"secret\"\ntoken-algorithms = [\"HS256\"]\nrole-mapping = [\"x=BOSS\"]",
            "--role-mapping",
        ),
        ("listen = ", "settings.toml"),
    ] {
        workspace.write("settings.toml", content);
        let line = workspace.refusal(&["serve", "--config", "settings.toml"]);
        assert!(line.contains(named), "{content}: {line}");
    }
    for (arguments, named) in [
        (
            &["serve", "--config", "none.toml"][..],
            "--config none.toml",
        ),
        (
            &["serve", "--token-key", "none.pem"],
            "--token-key: the file cannot be read",
        ),
        (
            &["serve", "--token-key", "secret"],
            "--token-algorithms HS256",
        ),
        (&["serve", "--colour"], "--colour"),
        (&["serve", "--max-complexity", "much"], "--max-complexity"),
        (&["serve", "--request-timeout", "0s"], "--request-timeout"),
        (&["token", "--role", "BOSS", "--key", "secret"], "--role"),
        (&["token", "--key", "secret"], "--role"),
        (&["token", "--role", "ITU_EDITOR"], "--key"),
        (
            &["token", "--role", "ITU_EDITOR", "--key", "none"],
            "--key: the file cannot be read",
        ),
        (
            &[
                "token",
                "--role",
                "ITU_EDITOR",
                "--key",
                "secret",
                "--ttl",
                "soon",
            ],
            "--ttl",
        ),
        (
            &["migrate", "--database-url", "mysql://localhost/x"],
            "--database-url",
        ),
        (
            &["migrate", "--database-url", "sqlite:no/such/directory.db"],
            "--database-url",
        ),
        (
            &[
                "migrate",
                "--database-url",
                "postgres://somebody:hunter2@127.0.0.1:1/x",
                "--database-wait",
                "0s",
            ],
            "--database-url",
        ),
        (&["import"], "FILE"),
        (&["import", "none.jsonl"], "none.jsonl"),
        (&["import", "secret", "--party", "ISO"], "--party"),
        (&["import", "secret", "--type", "Poem"], "--type"),
        (&["import", "secret", "--format", "xml"], "--format"),
        (
            &["export", "out.jsonl"],
            "/liaison.db: name another one with --database-url or --config",
        ),
        (&["dance"], "dance"),
    ] {
        let line = workspace.refusal(arguments);
        assert!(line.contains(named), "{arguments:?}: {line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    let environment = [("LIAISON_LISTEN", "everywhere")];
    let line = workspace.run_with(&["dev"], &environment).refusal();
    assert!(line.contains("--listen"), "{line}");
}

#[test]
fn an_invalid_setting_reports_its_source() {
    let workspace = Workspace::new();
    workspace.write(
        "settings.toml",
        "read-only = true\n\nlisten = \"everywhere\"\n",
    );
    let from_file = ["serve", "--config", "settings.toml"];
    let line = workspace.refusal(&from_file);
    assert!(line.contains("(set by settings.toml, line 3)"), "{line}");
    let variable = [("LIAISON_LISTEN", "nowhere")];
    let line = workspace.run_with(&from_file, &variable).refusal();
    assert!(
        line.contains("(set by the environment variable LIAISON_LISTEN)"),
        "{line}"
    );
    let flag = [&from_file[..], &["--listen", "somewhere"]].concat();
    let line = workspace.run_with(&flag, &variable).refusal();
    assert!(line.contains("(set by the flag)"), "{line}");
    workspace.write("settings.toml", "read-only = true\nlisten = \n");
    let line = workspace.refusal(&from_file);
    assert!(line.contains("settings.toml: line 2"), "{line}");
    workspace.write("settings.toml", "\ndatabase-url = \"mysql://x\"\n");
    let line = workspace.refusal(&from_file);
    assert!(line.contains("(set by settings.toml, line 2)"), "{line}");
    workspace.write("settings.toml", "\ntoken-key = \"key\"\n");
    let line = workspace.refusal(&["dev", "--config", "settings.toml"]);
    assert!(
        line.contains("line 2: there is no setting `token-key`"),
        "{line}"
    );
}

#[test]
fn misspelt_variables_are_refused_and_empty_ones_are_unset() {
    let workspace = Workspace::new();
    let misspelt = [("LIAISON_RATELIMIT", "5")];
    for command in [&["dev"][..], &["serve", "--read-only"], &["migrate"]] {
        let line = workspace.run_with(command, &misspelt).refusal();
        assert!(line.contains("LIAISON_RATELIMIT"), "{line}");
        assert!(line.contains("did you mean LIAISON_RATE_LIMIT?"), "{line}");
    }
    let empty = [
        ("LIAISON_LISTEN", ""),
        ("LIAISON_CONFIG", ""),
        ("LIAISON_READ_ONLY", ""),
        ("LIAISON_LOG_FORMAT", ""),
        ("LIAISON_NONSENSE", ""),
        // Kubernetes sets these for a service of this name.
        ("LIAISON_SERVICE_HOST", "10.0.0.1"),
        ("LIAISON_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ];
    let ended = workspace.run_with(&["migrate"], &empty);
    assert!(ended.status.success(), "{ended:?}");
    let line = workspace.run_with(&["serve"], &empty).refusal();
    assert!(line.contains("--token-key is missing"), "{line}");
}

#[test]
fn every_command_reads_the_settings_file() {
    let workspace = Workspace::new();
    let file =
        "listen = \"127.0.0.1:1\"\ntoken-key = \"key\"\ndatabase-url = \"sqlite:register.db\"\n";
    workspace.write("settings.toml", file);
    let variable = [("LIAISON_CONFIG", "settings.toml")];
    let run = |arguments: &[&str]| workspace.run_with(arguments, &variable);
    let record = r#"{"type":"Organization","acronym":"ITU-D","name":"Development","kind":"SECTOR","side":"ITU"}"#;
    workspace.write("record.jsonl", record);
    for arguments in [
        &["migrate"][..],
        &["migrate", "--status"],
        &["seed"],
        &["import", "record.jsonl", "--party", "ITU"],
        &["export", "out.jsonl"],
        &["backup", "copy.db"],
        &["migrate", "--config", "settings.toml"],
    ] {
        let ended = run(arguments);
        assert!(ended.status.success(), "{arguments:?}: {ended:?}");
        assert!(!workspace.path("liaison.db").exists(), "{arguments:?}");
    }
    let export = std::fs::read_to_string(workspace.path("out.jsonl")).unwrap();
    assert!(export.contains("ITU-D"));
    let health = run(&["health"]);
    assert_eq!(health.status.code(), Some(1));
    assert!(
        health.err.starts_with("liaison: --listen 127.0.0.1:1: "),
        "{health:?}"
    );
    assert!(health.err.contains("refused"), "{health:?}");
    // Errors that are found after parsing say where the setting stands, too.
    workspace.write("settings.toml", file.replace("register", "none/register"));
    for arguments in [&["migrate"][..], &["seed"], &["export"]] {
        let line = run(arguments).refusal();
        assert!(line.starts_with("--database-url: "), "{line}");
        assert!(line.ends_with(" (set by settings.toml, line 3)"), "{line}");
    }
    workspace.write("settings.toml", file);
    let line = run(&["serve"]).refusal();
    assert!(line.starts_with("--token-key: "), "{line}");
    assert!(line.ends_with(" (set by settings.toml, line 2)"), "{line}");
}

#[test]
fn the_log_filter_can_be_set_in_the_file() {
    let workspace = Workspace::new();
    workspace.write(
        "settings.toml",
        format!("read-only = true\nlisten = \"{FREE_PORT}\"\nlog-filter = \"info,liaison=warn\"\n"),
    );
    let from_file = ["serve", "--config", "settings.toml"];
    workspace.write(
        "json.toml",
        format!("listen = \"{FREE_PORT}\"\nlog-format = \"json\"\n"),
    );
    workspace.write(
        "debug.toml",
        format!("listen = \"{FREE_PORT}\"\nlog-filter = \"info,liaison=debug\"\n"),
    );
    workspace.done(&["migrate"]);
    let mut service = workspace.start(&["serve", "--read-only", "--config", "json.toml"]);
    let log = service.logged(|log| log.contains("serving"));
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(last["message"], "serving");
    let mut service = workspace.start(&["serve", "--read-only", "--config", "debug.toml"]);
    assert_eq!(raw_http::get(&service.address(), "/livez").status, 200);
    // By default the log leaves successful health checks out.
    service.logged(|log| log.contains("http.route=\"/livez\""));
    let flag = [&from_file[..], &["--log-filter", "info"]].concat();
    workspace.start(&flag).address();
    for wrong in ["infoo", "liaison", "liaison=infoo", "info,warm"] {
        let line = workspace.refusal(&["serve", "--read-only", "--log-filter", wrong]);
        assert!(line.contains("--log-filter"), "{line}");
        assert!(line.contains("liaison::http=debug"), "{line}");
    }
}

#[test]
fn listen_accepts_a_host_name_or_a_port() {
    let workspace = Workspace::new();
    workspace.done(&["migrate"]);
    for (listen, host) in [
        ("localhost:0", "http://127.0.0.1:"),
        (":0", "http://0.0.0.0:"),
        ("127.0.0.1:0", "http://127.0.0.1:"),
    ] {
        let mut service = workspace.start(&["serve", "--read-only", "--listen", listen]);
        let address = service.address();
        assert!(address.starts_with(host), "{listen}: {address}");
    }
    for listen in ["8080", "localhost", "::1:8080", "localhost:http", "a b:80"] {
        let line = workspace.refusal(&["serve", "--read-only", "--listen", listen]);
        assert!(line.contains("localhost:8080"), "{listen}: {line}");
    }
}

#[test]
fn secrets_in_settings_are_never_printed() {
    let workspace = Workspace::new();
    for url in [
        "postgres://u:hunter2@127.0.0.1:port/x",
        "postgres://u:hunter2/7@127.0.0.1/x",
        "postgres://u:1/hunter2@127.0.0.1/x",
        "postgres://u:1?hunter2@127.0.0.1/x",
        "postgres://u:1#hunter2@127.0.0.1/x",
        "postgres://u:hunter2 7@127.0.0.1/x",
        "postgres:u:hunter2@127.0.0.1/x",
        "postgres://u:hunter2@[::1/x",
        "postgres://127.0.0.1:1/x?password=hunter2&sslmode=no",
        "postgres://127.0.0.1:1/x?passwort=hunter2",
        "mysql://u:hunter2@127.0.0.1/x",
        "sqlite:x.db?key=hunter2",
    ] {
        workspace.write(
            "settings.toml",
            format!("read-only = true\ndatabase-url = \"{url}\"\n"),
        );
        let environment = [("LIAISON_DATABASE_URL", url)];
        for ended in [
            workspace.run(&["migrate", "--database-url", url]),
            workspace.run(&["migrate", url]),
            workspace.run(&["serve", "--listen", url]),
            workspace.run_with(&["export"], &environment),
            workspace.run(&["serve", "--config", "settings.toml"]),
        ] {
            assert_eq!(ended.status.code(), Some(2), "{ended:?}");
            assert!(!ended.err.contains("hunter2"), "{url}: {ended:?}");
            assert!(!ended.out.contains("hunter2"), "{url}: {ended:?}");
        }
    }
    for proxy in [
        "ftp://u:hunter2@proxy",
        "u:hunter2@proxy:80",
        "http://u:hunter2@",
    ] {
        let arguments = ["serve", "--read-only", "--webhook-proxy", proxy];
        let line = workspace.refusal(&arguments);
        assert!(line.starts_with("--webhook-proxy: write http://"), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    for arguments in [
        &["serve", "--token-key", "hunter2"][..],
        &[
            "serve",
            "--token-key",
            "https://u:hunter2@127.0.0.1:1:2/keys",
        ],
        &["serve", "--token-key", "http://u:hunter2@example.org/keys"],
        &["serve", "--token-issuer", "http://u:hunter2@example.org"],
        &["token", "--role", "ITU_EDITOR", "--key", "hunter2"],
    ] {
        let line = workspace.refusal(arguments);
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn database_urls_are_validated() {
    let workspace = Workspace::new();
    for url in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:x.db?mode=memory",
        "sqlite:",
        "sqlite://",
    ] {
        let line = workspace.refusal(&["serve", "--read-only", "--database-url", url]);
        assert!(line.contains("the register needs a file"), "{url}: {line}");
    }
    for (url, named) in [
        ("postgres://h/x?ssl_mode=require", "`ssl_mode`; there are"),
        ("postgres://h/x?pool_size=5", "`pool_size`"),
        ("sqlite:x.db?journal=wal", "`journal`"),
    ] {
        let line = workspace.refusal(&["migrate", "--database-url", url]);
        assert!(line.contains(named), "{url}: {line}");
    }
}

/// What accepts 0 and is no limit.
const NO_LIMITS: [&str; 5] = [
    "--database-wait",
    "--document-cache-bytes",
    "--response-cache-bytes",
    "--shutdown-delay",
    "--token-leeway",
];

#[test]
fn a_limit_refuses_0_unless_the_manual_says_that_0_lifts_it() {
    let manual = include_str!("../../../docs/configuration.md");
    let (_, lifted) = manual.split_once("it lifts the limit (").unwrap();
    let (lifted, _) = lifted.split_once(')').unwrap();
    let mut lifted: Vec<&str> = lifted
        .split('`')
        .filter(|name| name.starts_with("--"))
        .collect();
    let serve = Cli::command().find_subcommand("serve").unwrap().clone();
    let numbers = serve.get_arguments().filter(|argument| {
        let defaults = argument.get_default_values().iter();
        let mut defaults = defaults.filter_map(|default| default.to_str());
        defaults.any(|default| {
            default.parse::<u64>().is_ok() || humantime::parse_duration(default).is_ok()
        })
    });
    let workspace = Workspace::new();
    let mut accepted = Vec::new();
    for number in numbers {
        let flag = format!("--{}", number.get_long().unwrap());
        let zero = ["0", "0s"].map(|zero| format!("{flag}={zero}"));
        let lines = zero.map(|zero| workspace.refusal(&["serve", &zero]));
        // One of the two is not of the setting's type.
        if lines
            .iter()
            .any(|line| line.starts_with("--token-key is missing"))
        {
            accepted.push(flag);
        }
    }
    accepted.retain(|flag| !NO_LIMITS.contains(&flag.as_str()));
    accepted.sort_unstable();
    lifted.sort_unstable();
    assert_eq!(accepted, lifted);

    let zeros = lifted.iter().flat_map(|flag| [*flag, "0"]);
    workspace.done(&["migrate"]);
    let command = ["serve", "--read-only", "--listen", FREE_PORT];
    let arguments: Vec<&str> = command.into_iter().chain(zeros).collect();
    let address = workspace.start(&arguments).address();
    assert!(address.starts_with("http"), "{address}");
}

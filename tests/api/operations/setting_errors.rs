//! Errors of settings: what was probably meant, and what would be right.

use clap::CommandFactory;
use liaison::config::Cli;

use crate::support::binary::Workspace;

#[test]
fn a_misspelt_setting_suggests_the_right_name() {
    let workspace = Workspace::new();
    for (arguments, meant) in [
        (&["serve", "--lissten", ":0"][..], "did you mean --listen?"),
        (&["serv"], "did you mean serve?"),
        (&["migrate", "--log-format", "jsn"], "did you mean json?"),
    ] {
        let line = workspace.refusal(arguments);
        assert!(line.ends_with(meant), "{line}");
    }
    let line = workspace.run_with(&["migrate"], &[("LIAISON_LISSTEN", ":0")]);
    let line = line.refusal();
    assert!(line.ends_with("did you mean LIAISON_LISTEN?"), "{line}");
    workspace.write("settings.toml", "\nlissten = \":0\"\n");
    let line = workspace.refusal(&["serve", "--config", "settings.toml"]);
    let expected = "line 2: there is no setting `lissten`: did you mean `listen`?";
    assert!(line.ends_with(expected), "{line}");
}

#[test]
fn an_invalid_number_reports_the_valid_range() {
    let workspace = Workspace::new();
    for (flag, wrong, right) in [
        ("--max-tokens", "many", "write a whole number, 1 or more"),
        ("--max-tokens", "0", "write a whole number, 1 or more"),
        ("--max-tokens", "1.5", "write a whole number, 1 or more"),
        ("--max-connections", "0", "from 1 to 1000000"),
        (
            "--max-connections",
            "99999999999999999999",
            "from 1 to 1000000",
        ),
        ("--rate-limit", "much", "from 0 to 4294967295"),
        (
            "--response-cache-bytes",
            "1GB",
            "write a whole number, 0 or more",
        ),
        ("--database-connections", "1001", "from 1 to 1000"),
    ] {
        let line = workspace.refusal(&["serve", "--read-only", flag, wrong]);
        assert!(
            line.ends_with(&format!("{right} (set by the flag)")),
            "{line}"
        );
    }
    let serve = Cli::command().find_subcommand("serve").unwrap().clone();
    let numbers = serve.get_arguments().filter(|argument| {
        let defaults = argument.get_default_values().iter();
        let mut defaults = defaults.filter_map(|default| default.to_str());
        defaults.any(|default| default.parse::<u64>().is_ok())
    });
    for number in numbers {
        let flag = format!("--{}", number.get_long().unwrap());
        let line = workspace.refusal(&["serve", "--read-only", &flag, "ten"]);
        assert!(line.contains("write a whole number"), "{line}");
    }
}

/// Settings that accept any text.
const ANY_TEXT: [&str; 3] = ["token-issuer", "token-audience", "roles-claim"];

/// A value that all other settings refuse; as a path, it names no file.
const NONSENSE: &str = "?\u{7f}?";

#[test]
fn every_wrong_setting_says_where_it_was_set() {
    let workspace = Workspace::new();
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").unwrap();
    let settings = cli.get_arguments().chain(serve.get_arguments());
    let settings = settings.filter_map(|argument| {
        let (name, variable) = (argument.get_long()?, argument.get_env()?);
        Some((name, variable.to_str()?))
    });
    let mut accepted = Vec::new();
    for (name, variable) in settings {
        let flag = format!("--{name}");
        // Without it, `serve` would ask for a token key first.
        let read_only = ("LIAISON_READ_ONLY", "true");
        let environment: Vec<_> = (name != "read-only")
            .then_some(read_only)
            .into_iter()
            .collect();
        let run = |arguments: &[&str], variable: Option<(&str, &str)>| {
            let environment: Vec<_> = environment.iter().copied().chain(variable).collect();
            let arguments = [&["serve"], arguments].concat();
            workspace.run_with(&arguments, &environment).refusal()
        };
        let by_flag = run(&[&format!("{flag}={NONSENSE}")], None);
        if ANY_TEXT.contains(&name) {
            // The next error is that there is no database.
            assert!(by_flag.starts_with("--database-url: "), "{by_flag}");
            accepted.push(name);
            continue;
        }
        let by_variable = run(&[], Some((variable, NONSENSE)));
        let mut wrong = vec![
            (by_flag, "the flag".to_owned()),
            (by_variable, format!("the environment variable {variable}")),
        ];
        // A file cannot name another one.
        if name != "config" {
            workspace.write("settings.toml", format!("\n{name} = \"?\\u007f?\"\n"));
            let by_file = run(&["--config", "settings.toml"], None);
            wrong.push((by_file, "settings.toml, line 2".to_owned()));
        }
        for (line, origin) in wrong {
            let is_named = line.contains(&flag);
            let origin = format!(" (set by {origin})");
            assert!(is_named && line.ends_with(&origin), "{line}");
        }
    }
    assert_eq!(accepted, ANY_TEXT);
}

/// `dev` signs its tokens itself, writes, and delivers to any address without a proxy.
#[test]
fn dev_takes_every_setting_of_serve_that_makes_sense_there() {
    let names = |command: &str| {
        let command = Cli::command().find_subcommand(command).unwrap().clone();
        let names = command.get_arguments().filter_map(clap::Arg::get_long);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let dev = names("dev");
    let missing = names("serve")
        .into_iter()
        .filter(|name| !dev.contains(name));
    let missing: Vec<String> = missing.collect();
    let of_production = [
        "token-key",
        "token-issuer",
        "token-audience",
        "token-algorithms",
        "roles-claim",
        "role-mapping",
        "token-leeway",
        "read-only",
        "no-migrate",
        "allow-private-webhooks",
        "webhook-networks",
        "webhook-proxy",
        "webhook-source",
    ];
    assert_eq!(missing, of_production);
}

#[test]
fn an_invalid_issuer_in_the_file_reports_its_line() {
    let workspace = Workspace::new();
    let from_file = ["serve", "--config", "settings.toml"];
    for (table, expected) in [
        (
            "[[issuer]]\nissuer = \"https://a.example.org\"\nkay = \"k\"",
            "settings.toml: line 4: [[issuer]]: unknown field `kay`",
        ),
        (
            "[[issuer]]\nkey = \"k\"",
            "settings.toml: line 2: [[issuer]]: missing field `issuer`",
        ),
        (
            "[[issuer]]\nissuer = \"other\"",
            "[[issuer]]: `key` is missing, and `issuer` is no address to find it from (set by settings.toml, line 2)",
        ),
        (
            "[[issuer]]\nissuer = \"a\"\nkey = \"none.pem\"",
            "(set by settings.toml, line 2)",
        ),
    ] {
        workspace.write("settings.toml", format!("listen = \":0\"\n{table}\n"));
        let line = workspace.refusal(&from_file);
        assert!(line.contains(expected), "{table}: {line}");
    }
}

/// Passwords are hidden in errors; the program's own examples of addresses are not.
#[test]
fn an_invalid_url_reports_the_expected_form() {
    let workspace = Workspace::new();
    workspace.write(
        "settings.toml",
        "database-url = \"postgres://u:p@ss/w@h/d\"\n",
    );
    let line = workspace.refusal(&["migrate", "--config", "settings.toml"]);
    let form = "write postgres://user:password@host:5432/name, and in the user's name and password %20 for a space, \
         %40 for @, %3A for :, %2F for /, %3F for ? and %23 for # (set by settings.toml, line 1)";
    assert!(line.ends_with(form), "{line}");
    let serve = ["serve", "--read-only"];
    let proxy = [("LIAISON_WEBHOOK_PROXY", "socks://u:hunter2@proxy")];
    let line = workspace.run_with(&serve, &proxy).refusal();
    let form = "write http://host:port or http://user:password@host:port (set by the environment variable LIAISON_WEBHOOK_PROXY)";
    assert!(line.ends_with(form), "{line}");
}

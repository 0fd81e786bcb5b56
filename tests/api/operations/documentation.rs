//! The documentation matches the program.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use liaison::config::{self, Cli};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_configuration_lists_all_settings() {
    let reference = config::reference();
    let serve = Cli::command().find_subcommand("serve").unwrap().clone();
    for setting in serve.get_arguments().filter_map(clap::Arg::get_long) {
        assert!(
            reference.contains(&format!("| `--{setting}` |")),
            "{setting}"
        );
    }
    let current = read("docs/configuration.md").ends_with(&reference);
    assert!(
        current,
        "replace the table of docs/configuration.md by what `liaison settings` prints"
    );
}

#[test]
fn the_manual_says_how_to_size_each_limit() {
    let operations = read("docs/operations.md");
    let table = operations.split("## Sizing the limits").nth(1).unwrap();
    let table = table.split("\n\n").find(|part| part.starts_with('|'));
    let settings: Vec<_> = table
        .unwrap()
        .lines()
        .map(|row| row.split('|').nth(1))
        .collect();
    let serve = Cli::command().find_subcommand("serve").unwrap().clone();
    let is_limit = |setting: &clap::Arg| {
        let defaults = setting.get_default_values().iter();
        let mut defaults = defaults.filter_map(|value| value.to_str());
        defaults
            .any(|value| value.parse::<u64>().is_ok() || humantime::parse_duration(value).is_ok())
    };
    for setting in serve.get_arguments().filter(|setting| is_limit(setting)) {
        let flag = format!("`--{}`", setting.get_long().unwrap());
        let mut settings = settings.iter().flatten();
        let is_described = settings.any(|setting| setting.contains(&flag));
        assert!(is_described || NO_LIMITS.contains(&flag.as_str()), "{flag}");
    }
}

/// How far clocks differ, and how long a start and a stop wait.
const NO_LIMITS: [&str; 3] = [
    "`--token-leeway`",
    "`--database-wait`",
    "`--shutdown-delay`",
];

#[test]
fn links_between_documents_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        documents.push(entry.unwrap().path());
    }
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let file = link.split('#').next().unwrap();
            let target = document.parent().unwrap().join(file);
            assert!(target.exists(), "{}: {link}", document.display());
        }
    }
}

#[test]
fn the_readme_fits_on_a_page() {
    assert!(read("README.md").lines().count() <= 100);
}

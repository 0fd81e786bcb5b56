//! The reference of all settings, generated from the definitions of the command line.

use std::fmt::Write;

use clap::{Arg, Command};

/// Returns the settings of `liaison serve` as a Markdown table: flag, environment variable, default and meaning.
#[must_use]
pub fn markdown(command: &Command) -> String {
    let mut text =
        "| Flag | Environment variable | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    let serve = command.find_subcommand("serve");
    let settings = serve.into_iter().flat_map(Command::get_arguments);
    for setting in settings.chain(command.get_arguments()) {
        let (Some(flag), Some(variable)) = (setting.get_long(), setting.get_env()) else {
            continue;
        };
        let variable = variable.to_string_lossy();
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "| `--{flag}` | `{variable}` | {} | {} |",
            default(setting),
            meaning(setting)
        );
    }
    text
}

fn default(setting: &Arg) -> String {
    let values: Vec<_> = setting
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    match values.as_slice() {
        [] if setting.get_action().takes_values() => "none".to_owned(),
        [] => "off".to_owned(),
        values => format!("`{}`", values.join(",")),
    }
}

fn meaning(setting: &Arg) -> String {
    let help = setting.get_long_help().or(setting.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let words: Vec<&str> = help.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

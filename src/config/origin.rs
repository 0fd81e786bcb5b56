//! Where a setting was set, for error messages.

use std::ffi::OsString;

use clap::{Arg, Command};

use super::StartupError;
use super::file::SettingsFile;

/// Where the settings of this run were set, for error messages.
pub struct Origins {
    command: Command,
    args: Vec<OsString>,
    file: Option<SettingsFile>,
}

impl Origins {
    pub(super) fn new(command: Command, args: Vec<OsString>, file: Option<SettingsFile>) -> Self {
        Self {
            command,
            args,
            file,
        }
    }

    /// Adds where the setting was set to an error that starts with its flag, such as `--listen`.
    #[must_use]
    pub fn explain(&self, error: &StartupError) -> StartupError {
        let flag = error.line.strip_prefix("--").and_then(|rest| {
            rest.split(|character: char| !character.is_ascii_alphanumeric() && character != '-')
                .next()
        });
        let origin = flag.map(|flag| origin(&self.command, &self.args, self.file.as_ref(), flag));
        StartupError {
            line: format!("{}{}", error.line, origin.unwrap_or_default()),
            ..*error
        }
    }
}

/// Returns the suffix of an error message that says where a setting was set; empty for a default.
pub fn origin(
    command: &Command,
    args: &[OsString],
    file: Option<&SettingsFile>,
    flag: &str,
) -> String {
    let long = format!("--{flag}");
    let is_flag = |arg: &OsString| {
        arg.to_str()
            .is_some_and(|arg| arg == long || arg.starts_with(&format!("{long}=")))
    };
    let variable = || {
        let variable = all_arguments(command)
            .filter(|argument| argument.get_long() == Some(flag))
            .find_map(Arg::get_env)?;
        std::env::var_os(variable).filter(|value| !value.is_empty())?;
        Some(format!("the environment variable {}", variable.display()))
    };
    let source = if args.iter().any(is_flag) {
        Some("the flag".to_owned())
    } else {
        variable().or_else(|| file?.source(flag))
    };
    source
        .map(|source| format!(" (set by {source})"))
        .unwrap_or_default()
}

/// Returns the arguments of all commands.
pub fn all_arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let subcommands = command.get_subcommands().flat_map(Command::get_arguments);
    command.get_arguments().chain(subcommands)
}

/// Returns the names of the settings that a file may hold for this subcommand. One file serves all subcommands, so it
/// may hold those of `serve` too, except for `dev`, which would otherwise ignore how tokens are verified.
pub fn known_settings(command: &Command, subcommand: &str) -> Vec<String> {
    let shared = (subcommand != "dev").then_some("serve");
    let subcommands = [Some(subcommand), shared].into_iter().flatten();
    let own = subcommands
        .filter_map(|name| command.find_subcommand(name))
        .flat_map(Command::get_arguments);
    command
        .get_arguments()
        .chain(own)
        .filter_map(Arg::get_long)
        .filter(|name| *name != "config")
        .map(str::to_owned)
        .collect()
}

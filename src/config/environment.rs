//! The environment variables, and parsers for the listen address and the log filter.

use std::env;

use clap::Command;
use clap::builder::Resettable;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::StartupError;
use super::origin::all_arguments;
use crate::http::suggestion::closest;

const PREFIX: &str = "LIAISON_";

/// Kubernetes sets these in every container if there is a service named `liaison`.
const KUBERNETES: [&str; 3] = [
    "LIAISON_SERVICE_HOST",
    "LIAISON_SERVICE_PORT",
    "LIAISON_PORT",
];

/// Removes environment variables that are set to an empty string from the command: they count as unset.
pub fn without_empty_variables(command: Command) -> Command {
    let ignore = |argument: clap::Arg| {
        let variable = argument.get_env().map(ToOwned::to_owned);
        let is_empty = variable
            .and_then(env::var_os)
            .is_some_and(|value| value.is_empty());
        if is_empty {
            argument.env(Resettable::Reset)
        } else {
            argument
        }
    };
    command
        .mut_args(ignore)
        .mut_subcommands(|subcommand| subcommand.mut_args(ignore))
}

/// Whether the environment names a collector of traces, by the variables of OpenTelemetry.
#[must_use]
pub fn exports_traces() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_disabled = env::var_os("OTEL_SDK_DISABLED").is_some_and(|value| value == "true");
    let endpoints = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ];
    !is_disabled && endpoints.into_iter().any(is_set)
}

/// Rejects unknown variables with the prefix of the service, which would otherwise be ignored silently.
pub fn check_variables(command: &Command) -> Result<(), StartupError> {
    let known: Vec<_> = all_arguments(command)
        .filter_map(clap::Arg::get_env)
        .collect();
    for (name, value) in env::vars_os() {
        let is_ours = name.to_str().is_some_and(|name| {
            name.starts_with(PREFIX)
                && !KUBERNETES
                    .iter()
                    .any(|reserved| name == *reserved || name.starts_with(&format!("{reserved}_")))
        });
        if !is_ours || value.is_empty() || known.contains(&name.as_os_str()) {
            continue;
        }
        let known = known.iter().filter_map(|known| known.to_str());
        let meant = closest(&name.to_string_lossy(), known);
        let hint = meant.map_or("`liaison settings` lists all of them".to_owned(), |known| {
            format!("did you mean {known}?")
        });
        return Err(StartupError::new(format!(
            "the environment variable {} is no setting: {hint}",
            name.display()
        )));
    }
    Ok(())
}

/// Parses a listen address. Without a host it means all interfaces.
pub fn listen_address(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    let is_host = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    if port.parse::<u16>().is_err() || !is_host || host.contains(char::is_whitespace) {
        return Err("write an address and a port: 127.0.0.1:8080, [::1]:8080, localhost:8080, or :8080 for all addresses".to_owned());
    }
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    Ok(format!("{host}:{port}"))
}

/// Validates a log filter. `EnvFilter` accepts a misspelt level as the name of a module.
pub fn log_filter(text: &str) -> Result<String, String> {
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let is_directive = |part: &str| is_level(part) || part.contains(['=', '[']);
    // Brackets contain spans with their fields, which may have commas.
    let is_filter = text.contains('[') || text.split(',').map(str::trim).all(is_directive);
    if is_filter && EnvFilter::try_new(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err("write error, warn, info, debug, trace or off, or levels by module: info,liaison::http=debug".to_owned())
}

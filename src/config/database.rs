//! The settings of the database connection.

use std::env;
use std::fs::File;
use std::time::Duration;

use clap::Args;
use url::{Url, form_urlencoded};

use crate::http::duration::duration;
use crate::http::number::number;
use crate::http::redact::POSTGRES_FORM;

/// URL parameters that the driver knows. It ignores others on PostgreSQL.
const POSTGRES_PARAMETERS: [&str; 16] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];
const SQLITE_PARAMETERS: [&str; 4] = ["cache", "immutable", "mode", "vfs"];

/// The database connection.
#[derive(Clone, Debug, Args)]
pub struct Database {
    /// Database URL: a `SQLite` file (sqlite:liaison.db, created if missing) or a `PostgreSQL` database
    /// (postgres://user@host/name).
    #[arg(
        long,
        env = "LIAISON_DATABASE_URL",
        default_value = "sqlite:liaison.db",
        hide_env_values = true
    )]
    pub database_url: String,
    /// Maximum number of read connections; on PostgreSQL there are as many for writes, and a few for listening and
    /// background work.
    #[arg(long, env = "LIAISON_DATABASE_CONNECTIONS", default_value_t = 8, value_parser = number::<u32>(1..=1000))]
    pub database_connections: u32,
    /// How long startup waits for an unreachable database, such as `60s`; `0s`: not at all.
    #[arg(long, env = "LIAISON_DATABASE_WAIT", default_value = "60s", value_parser = duration)]
    pub database_wait: Duration,
}

/// What to do with the tables.
#[derive(Clone, Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    pub database: Database,
    /// List the versions that the database has and needs, and change nothing.
    #[arg(long)]
    pub status: bool,
    /// Go back to an older version of the tables: what later versions have added to them is lost.
    #[arg(long, value_name = "VERSION", conflicts_with = "status")]
    pub down: Option<String>,
}

impl Database {
    /// Returns which file of certificates or keys cannot be read, and why. The driver reads them when it connects.
    #[must_use]
    pub fn unreadable_certificate(&self) -> Option<String> {
        let url = Url::parse(&self.database_url).ok()?;
        let variables = [
            ("sslrootcert", "PGSSLROOTCERT"),
            ("sslcert", "PGSSLCERT"),
            ("sslkey", "PGSSLKEY"),
        ];
        let of_environment = variables.map(|(name, variable)| {
            let is_given = url.query_pairs().any(|(given, _)| given == name);
            let value = env::var_os(variable).filter(|_| !is_given);
            let file = value.and_then(|value| value.into_string().ok());
            (variable.to_owned(), file.unwrap_or_default())
        });
        let names = [
            "sslrootcert",
            "ssl-ca",
            "sslcert",
            "ssl-cert",
            "sslkey",
            "ssl-key",
        ];
        let of_url = url.query_pairs().into_owned();
        let mut files = of_url
            .filter(|(name, _)| names.contains(&name.as_str()))
            .chain(of_environment)
            // The certificate itself may stand there.
            .filter(|(_, file)| !file.is_empty() && !file.contains("-----BEGIN"));
        files.find_map(|(name, file)| {
            let error = File::open(&file).err()?;
            Some(format!("{name} {file}: {error}"))
        })
    }

    /// Checks the form of the URL. It may contain a password, so errors never quote it.
    pub(super) fn check(&self) -> Result<(), String> {
        let url = &self.database_url;
        if let Some(rest) = url.strip_prefix("sqlite:") {
            check_sqlite(rest)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            check_postgres(url)
        } else {
            Err("the address must start with sqlite: or postgres:".to_owned())
        }
    }
}

fn check_sqlite(rest: &str) -> Result<(), String> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parameters: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let in_memory = parameters
        .iter()
        .any(|(name, value)| name == "mode" && value == "memory");
    if in_memory || path.contains(":memory:") || path.trim_matches('/').is_empty() {
        return Err("the register needs a file, such as sqlite:liaison.db: a database in memory is not shared by its connections, and is lost at the end".to_owned());
    }
    let names = parameters.iter().map(|(name, _)| &**name);
    check_parameters(names, &SQLITE_PARAMETERS)
}

fn check_postgres(url: &str) -> Result<(), String> {
    let parsed = Url::parse(url)
        .map_err(|error| format!("the address cannot be read ({error}): {POSTGRES_FORM}"))?;
    // These parts may be the rest of a password.
    if parsed.cannot_be_a_base()
        || parsed.fragment().is_some()
        || parsed.path().contains('@')
        || url.contains(' ')
    {
        return Err(format!("the address cannot be read: {POSTGRES_FORM}"));
    }
    let names: Vec<_> = parsed.query_pairs().map(|(name, _)| name).collect();
    let names = names.iter().map(|name| {
        if name.starts_with("options[") {
            "options"
        } else {
            name
        }
    });
    check_parameters(names, &POSTGRES_PARAMETERS)
}

fn check_parameters<'a>(
    names: impl Iterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), String> {
    let mut unknown = names.filter(|name| !known.contains(name));
    let Some(name) = unknown.next() else {
        return Ok(());
    };
    let is_word = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    // Other characters may be the rest of a password.
    let shown = if name.chars().all(is_word) {
        format!("`{name}`")
    } else {
        "one of its parameters".to_owned()
    };
    Err(format!(
        "the address has no such parameter: {shown}; there are {}",
        known.join(", ")
    ))
}

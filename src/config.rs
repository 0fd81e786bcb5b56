//! Every setting: its name, default and meaning. From flags, else the environment, else a file; read once.

mod surroundings;
mod tokens;

use std::ffi::OsString;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use entity::party::Role;

use self::surroundings::Surroundings;
use self::tokens::{OtherIssuer, Tokens};
use crate::http::Limits;
use crate::http::auth::Verifier;
use crate::http::auth::claims::role;

/// The register of the collaboration between ITU-T and the UPU, as one GraphQL API.
#[derive(Debug, Parser)]
#[command(name = "liaison", version)]
pub struct Cli {
    /// What is logged: a level (error, warn, info, debug, trace), or levels by module.
    #[arg(
        long,
        global = true,
        env = "LIAISON_LOG",
        default_value = "info,sea_orm_migration=warn"
    )]
    pub log: String,
    /// How it is written: lines for people, or one JSON object each for programs.
    #[arg(
        long,
        global = true,
        env = "LIAISON_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
    #[command(subcommand)]
    pub command: Command,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it: real data, a signing key for this run, tokens ready to paste.
    Dev(Dev),
    /// Serve in production.
    Serve(Box<Serve>),
    /// Bring the database to the tables of this version.
    Migrate(Database),
    /// Load the real data; what is there already stays as it is.
    Seed(Database),
    /// Print a token.
    Token(Token),
    /// Print the schema.
    Schema,
}

/// Where the register is kept.
#[derive(Clone, Debug, Args)]
pub struct Database {
    /// A `SQLite` file (sqlite:liaison.db, made where there is none) or a `PostgreSQL` database (postgres://user@host/name).
    #[arg(
        long,
        env = "LIAISON_DATABASE_URL",
        default_value = "sqlite:liaison.db",
        hide_env_values = true
    )]
    pub database_url: String,
    /// How many connections are held at most.
    #[arg(long, env = "LIAISON_DATABASE_CONNECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_connections: u32,
}

/// Settings of a run to try things out.
#[derive(Clone, Debug, Args)]
pub struct Dev {
    #[command(flatten)]
    pub database: Database,
    /// The address and port to listen on.
    #[arg(long, env = "LIAISON_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

/// Settings of the service in production. A file named by `--config` may hold them in TOML, by the names of the flags.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// A TOML file with settings, such as `listen = "0.0.0.0:8080"`.
    #[arg(long, env = "LIAISON_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub database: Database,
    /// The address and port to listen on.
    #[arg(long, env = "LIAISON_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub tokens: Tokens,
    /// Further issuers: the tables `[[issuer]]` of the file.
    #[arg(skip)]
    pub issuers: Vec<OtherIssuer>,
    #[command(flatten)]
    pub surroundings: Surroundings,
    /// Take no tokens: nobody writes.
    #[arg(long, env = "LIAISON_READ_ONLY", value_parser = BoolishValueParser::new())]
    pub read_only: bool,
    /// Leave the tables as they are.
    #[arg(long, env = "LIAISON_NO_MIGRATE", value_parser = BoolishValueParser::new())]
    pub no_migrate: bool,
    /// How many bytes the body of a request may have.
    #[arg(long, env = "LIAISON_BODY_LIMIT", default_value_t = Limits::default().body)]
    pub body_limit: usize,
}

/// What a token says, and what it is signed with.
#[derive(Clone, Debug, Args)]
pub struct Token {
    /// A role that it grants; repeat it for several.
    #[arg(long, required = true, value_parser = role)]
    pub role: Vec<Role>,
    /// Whom it is about.
    #[arg(long, default_value = "somebody")]
    pub sub: String,
    /// How many seconds it lasts.
    #[arg(long, default_value_t = 3600)]
    pub ttl: u32,
    /// The file of the key that signs it: a private key in PEM, or a secret for HS256.
    #[arg(long)]
    pub key: PathBuf,
    /// Who issues it: its `iss`.
    #[arg(long, env = "LIAISON_TOKEN_ISSUER", default_value = "liaison")]
    pub issuer: String,
    /// Whom it is for: its `aud`.
    #[arg(long, env = "LIAISON_TOKEN_AUDIENCE", default_value = "liaison")]
    pub audience: String,
}

/// Why the program does not start, in one line.
pub struct Wrong(pub String);

/// Reads the command line, the environment and the file of settings.
///
/// # Errors
/// One line with the name of the setting that is wrong. Help and version are printed, and end the program.
pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Cli, Wrong> {
    let args: Vec<OsString> = args.into_iter().collect();
    // The file's name is itself a setting.
    let (cli, file) = parse(Cli::command(), &args)?;
    let Some(file) = file else {
        return Ok(cli);
    };
    let (command, issuers) = with_file(Cli::command(), &file)?;
    let (mut cli, _) = parse(command, &args)?;
    if let Command::Serve(serve) = &mut cli.command {
        serve.issuers = issuers;
    }
    Ok(cli)
}

fn parse(mut command: clap::Command, args: &[OsString]) -> Result<(Cli, Option<PathBuf>), Wrong> {
    let matches = command.try_get_matches_from_mut(args).map_err(|error| {
        // Help is asked for, or all that can be said.
        if !error.use_stderr()
            || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        {
            error.exit();
        }
        // Usage and hints follow on further lines; the first says what is wrong.
        let text = error.render().to_string();
        let lines = text.lines().take_while(|it| !it.is_empty());
        let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
        Wrong(line.trim_start_matches("error: ").to_owned())
    })?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Wrong(error.to_string()))?;
    let file = match &cli.command {
        Command::Serve(serve) => serve.config.clone(),
        _ => None,
    };
    Ok((cli, file))
}

/// The command whose defaults are what the file says, and the issuers that it lists.
fn with_file(
    command: clap::Command,
    file: &Path,
) -> Result<(clap::Command, Vec<OtherIssuer>), Wrong> {
    let wrong = |what: &str| Wrong(format!("--config {}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
    let wrong_toml = |error: toml::de::Error| wrong(error.message().trim());
    let mut table: toml::Table = text.parse().map_err(wrong_toml)?;
    let issuers = match table.remove("issuer") {
        Some(issuers) => issuers
            .try_into()
            .map_err(|error: toml::de::Error| wrong(&format!("[[issuer]]: {}", error.message())))?,
        None => Vec::new(),
    };
    let known: Vec<String> = command
        .find_subcommand("serve")
        .into_iter()
        .flat_map(clap::Command::get_arguments)
        .filter_map(|it| it.get_long().map(str::to_owned))
        .filter(|it| it != "config")
        .collect();
    let mut values = Vec::new();
    for (name, value) in table {
        if !known.contains(&name) {
            return Err(wrong(&format!("there is no setting `{name}`")));
        }
        values.push((name.replace('-', "_"), plain(&value)));
    }
    let command = command.mut_subcommand("serve", |mut serve| {
        for (id, value) in values {
            serve = serve.mut_arg(id, |it| it.default_value(value));
        }
        serve
    });
    Ok((command, issuers))
}

/// A value of the file as it would be given on the command line.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            items.join(",")
        }
        toml::Value::Table(entries) => {
            let mut text = String::new();
            for (word, value) in entries {
                let comma = if text.is_empty() { "" } else { "," };
                // Writing into a String cannot fail.
                let _ = write!(text, "{comma}{word}={}", plain(value));
            }
            text
        }
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Datetime(moment) => moment.to_string(),
    }
}

impl Serve {
    /// What checks tokens.
    ///
    /// # Errors
    /// A line with the setting that is wrong.
    pub fn verifier(&self) -> Result<Verifier, Wrong> {
        let mut issuers = Vec::from_iter(self.tokens.issuer()?);
        for (number, other) in (1..).zip(&self.issuers) {
            let wrong = |what: String| Wrong(format!("[[issuer]] {number}: {what}"));
            let tokens = self.tokens.of(other).map_err(wrong)?;
            let issuer = tokens.issuer().map_err(|it| wrong(it.0))?;
            issuers.push(issuer.ok_or_else(|| {
                wrong("`key` is missing, and `issuer` is no address to find it from".to_owned())
            })?);
        }
        if self.read_only {
            return Ok(Verifier::without_keys());
        }
        if issuers.is_empty() {
            return Err(Wrong(
                "--token-key is missing: name the key that tokens are verified with, or the issuer's address in --token-issuer, or serve with --read-only".to_owned(),
            ));
        }
        Verifier::of(issuers).map_err(|what| Wrong(format!("--token-issuer: {what}")))
    }
}

/// The bytes of a file that a setting names.
///
/// # Errors
/// Why it cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| error.to_string())
}

//! The command line and its settings: read once, from flags, then the environment, then a file.

mod caches;
mod database;
mod environment;
mod file;
mod http;
mod origin;
mod reference;
mod tokens;
mod webhooks;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use entity::party::{Party, Role};

pub use self::caches::{DOCUMENT_CACHE, DocumentArgs, ResponseCacheArgs};
pub use self::database::{Database, Migrate};
pub use self::environment::exports_traces;
use self::file::SettingsFile;
pub use self::http::HttpArgs;
pub use self::origin::Origins;
use self::origin::{known_settings, origin};
use self::tokens::{OtherIssuer, Tokens};
pub use self::webhooks::Webhooks;
use crate::http::auth::Verifier;
use crate::http::auth::claims::role;
use crate::http::duration::duration;
use crate::http::limits::Limits;
use crate::import_export::{Format, ImportSettings, RecordType};

/// GraphQL API for the register of the collaboration between ITU-T and the UPU.
#[derive(Debug, Parser)]
#[command(name = "liaison", version)]
pub struct Cli {
    /// A TOML file with settings of all commands, such as `listen = "0.0.0.0:8080"`.
    #[arg(long, global = true, env = "LIAISON_CONFIG")]
    pub config: Option<PathBuf>,
    /// Log filter: a level (error, warn, info, debug, trace), or levels by module.
    #[arg(
        long,
        global = true,
        env = "LIAISON_LOG_FILTER",
        default_value = "info,sea_orm=warn",
        value_parser = environment::log_filter
    )]
    pub log_filter: String,
    /// Log format: readable lines, or one JSON object per line.
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

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// A subcommand.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a demo: seed data, a local signing key, printed tokens.
    Dev(Box<Dev>),
    /// Serve in production.
    Serve(Box<Serve>),
    /// Check whether the instance that listens on this machine is ready: exit code 0 if so, 1 if not, 2 if a setting is wrong.
    Health(Health),
    /// Migrate the database to the schema version of this program.
    Migrate(Migrate),
    /// Load the public data; existing records are not changed.
    Seed(Database),
    /// Export the whole register with its history as JSON Lines.
    Export(Export),
    /// Copy the `SQLite` file while it is in use.
    Backup(Backup),
    /// Import an export, or create and update records in bulk.
    Import(Import),
    /// Print a signed token.
    Token(Token),
    /// Print the GraphQL schema.
    Schema,
    /// Print the reference of all settings of `serve`, as Markdown.
    Settings,
}

/// Arguments of an export.
#[derive(Clone, Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub database: Database,
    /// The output file; `-`, or none, for standard output.
    pub file: Option<PathBuf>,
}

/// Arguments of a backup.
#[derive(Clone, Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    pub database: Database,
    /// The file, which is replaced once the copy is complete.
    pub file: PathBuf,
}

/// What an import takes, and how. An export goes into an empty database, byte for byte. Records are created or updated by what
/// people know them by, as their party may by the API: organizations by `acronym`, committees by `organization`, `code`
/// and `period`, topics by `code` (without one: proposals by `title`), publications by `number`, action items by `externalKey`,
/// examinations and findings by `publication`, statements by `from` and `title`, notes by what they are about and say. Fields
/// have the names that inputs of the API have; records are named as in the history: `ITU-T SG17 (2013-2016)`, `T-12`.
#[derive(Clone, Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub database: Database,
    /// The input file: an export, records as JSON Lines, or CSV; `-` for standard input.
    pub file: PathBuf,
    /// The party that creates the records: ITU, UPU or TSB. Required unless the file is an export.
    #[arg(long, value_parser = party)]
    pub party: Option<Party>,
    /// The actor that the history shows.
    #[arg(long, default_value = "liaison import")]
    pub subject: String,
    /// The type of records without a field `type`: Organization, Committee, Topic, Publication, ActionItem,
    /// Examination, Finding, LiaisonStatement or Note.
    #[arg(long = "type", value_parser = RecordType::of)]
    pub kind: Option<RecordType>,
    /// The format of the file: jsonl or csv. By default csv for the extensions csv, tsv and txt, otherwise jsonl.
    #[arg(long, value_parser = format)]
    pub format: Option<Format>,
    /// Validate and report what would change, without changing anything.
    #[arg(long)]
    pub dry_run: bool,
    /// Import the valid lines even if others have errors. By default nothing is imported then.
    #[arg(long)]
    pub partial: bool,
}

/// Settings of `dev`: those of `serve`, except for tokens, which it signs itself.
#[derive(Clone, Debug, Args)]
pub struct Dev {
    #[command(flatten)]
    pub database: Database,
    /// The address and port to listen on.
    #[arg(long, env = "LIAISON_LISTEN", default_value = "127.0.0.1:8080", value_parser = environment::listen_address)]
    pub listen: String,
    #[command(flatten)]
    pub surroundings: HttpArgs,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub documents: DocumentArgs,
    #[command(flatten)]
    pub response_cache: ResponseCacheArgs,
}

/// Settings of `serve`.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub database: Database,
    /// The address and port to listen on.
    #[arg(long, env = "LIAISON_LISTEN", default_value = "127.0.0.1:8080", value_parser = environment::listen_address)]
    pub listen: String,
    #[command(flatten)]
    pub tokens: Tokens,
    /// Further issuers, from the tables `[[issuer]]` of the file.
    #[arg(skip)]
    pub issuers: Vec<OtherIssuer>,
    #[command(flatten)]
    pub surroundings: HttpArgs,
    /// Write nothing: refuse mutations, do not migrate, and leave webhooks to other instances. Tokens are accepted if a setting says how to verify them.
    #[arg(long, env = "LIAISON_READ_ONLY", value_parser = BoolishValueParser::new())]
    pub read_only: bool,
    /// Do not migrate. A database of another schema version is refused.
    #[arg(long, env = "LIAISON_NO_MIGRATE", value_parser = BoolishValueParser::new())]
    pub no_migrate: bool,
    #[command(flatten)]
    pub webhooks: Webhooks,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub documents: DocumentArgs,
    #[command(flatten)]
    pub response_cache: ResponseCacheArgs,
}

/// The instance to check.
#[derive(Clone, Debug, Args)]
pub struct Health {
    /// The address and port that it listens on.
    #[arg(long, env = "LIAISON_LISTEN", default_value = "127.0.0.1:8080", value_parser = environment::listen_address)]
    pub listen: String,
}

/// Arguments of a token to be signed.
#[derive(Clone, Debug, Args)]
pub struct Token {
    /// A role that it grants; repeatable.
    #[arg(long, required = true, value_parser = role)]
    pub role: Vec<Role>,
    /// Its subject (`sub`).
    #[arg(long, default_value = "somebody")]
    pub sub: String,
    /// Its lifetime, such as `1h`; at least a second.
    #[arg(long, default_value = "1h", value_parser = lifetime)]
    pub ttl: u32,
    /// The file with the signing key: a private key in PEM, or a secret for HS256.
    #[arg(long)]
    pub key: PathBuf,
    /// Its issuer (`iss`), as for `serve`.
    #[arg(long, env = "LIAISON_TOKEN_ISSUER", default_value = "liaison")]
    pub token_issuer: String,
    /// Its audience (`aud`), as for `serve`.
    #[arg(long, env = "LIAISON_TOKEN_AUDIENCE", default_value = "liaison")]
    pub token_audience: String,
}

/// An error that ends the program, as one line.
pub struct StartupError {
    pub line: String,
    /// 2, or 1 if the same command may succeed later.
    pub exit_code: u8,
}

impl StartupError {
    #[must_use]
    pub const fn new(line: String) -> Self {
        Self { line, exit_code: 2 }
    }
}

/// Parses the command line, the environment and the settings file.
///
/// # Errors
/// Returns one line with the invalid setting, and where it was set. Prints help and version and exits.
pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<(Cli, Origins), StartupError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = environment::without_empty_variables(Cli::command());
    environment::check_variables(&command)?;
    // The path of the file is itself a setting.
    let mut cli = parse(command.clone(), &args, None)?;
    let mut file = None;
    if let Some(path) = &cli.config {
        let subcommand = cli.command.name();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let origin = origin(&command, &args, None, "config");
            StartupError::new(format!("--config {}: {error}{origin}", path.display()))
        })?;
        let found = SettingsFile::parse(path, &text, &known_settings(&command, subcommand))?;
        cli = parse(
            found.set_defaults(command.clone(), subcommand),
            &args,
            Some(&found),
        )?;
        match &mut cli.command {
            Command::Serve(serve) => serve.issuers.clone_from(&found.issuers),
            Command::Dev(_) if !found.issuers.is_empty() => {
                return Err(StartupError::new(
                    "[[issuer]] is no setting of `liaison dev`".to_owned(),
                ));
            }
            // The file is shared with `serve`.
            _ => {}
        }
        file = Some(found);
    }
    let origins = Origins::new(command, args, file);
    cli.command
        .check()
        .map_err(|error| origins.explain(&error))?;
    Ok((cli, origins))
}

/// Returns the reference of all settings of `serve` as a Markdown table.
#[must_use]
pub fn reference() -> String {
    reference::markdown(&Cli::command())
}

fn parse(
    mut command: clap::Command,
    args: &[OsString],
    file: Option<&SettingsFile>,
) -> Result<Cli, StartupError> {
    let parsed = command
        .try_get_matches_from_mut(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| {
        // Help was requested, or there is nothing else to print.
        if !error.use_stderr()
            || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        {
            error.exit();
        }
        // Usage and hints follow on further lines; the first states the error.
        let text = error.render().to_string();
        let lines = text.lines().take_while(|line| !line.is_empty());
        let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
        let flag = match (error.kind(), error.get(ContextKind::InvalidArg)) {
            // `--listen <LISTEN>`
            (
                ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues,
                Some(ContextValue::String(argument)),
            ) => argument.trim_start_matches('-').split(' ').next(),
            _ => None,
        };
        let origin = flag
            .map(|flag| origin(&command, args, file, flag))
            .unwrap_or_default();
        let hint = suggestion(&error)
            .map(|meant| format!(": did you mean {meant}?"))
            .unwrap_or_default();
        StartupError::new(format!(
            "{}{origin}{hint}",
            line.trim_start_matches("error: ")
        ))
    })
}

/// Returns what a misspelt flag, subcommand or value probably means.
fn suggestion(error: &clap::Error) -> Option<&str> {
    let kinds = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ];
    kinds.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(meant) => Some(meant.as_str()),
        // The most similar comes last.
        ContextValue::Strings(meant) => meant.last().map(String::as_str),
        _ => None,
    })
}

impl Command {
    /// Returns the name of the subcommand.
    fn name(&self) -> &'static str {
        match self {
            Self::Dev(_) => "dev",
            Self::Serve(_) => "serve",
            Self::Health(_) => "health",
            Self::Migrate(_) => "migrate",
            Self::Seed(_) => "seed",
            Self::Export(_) => "export",
            Self::Backup(_) => "backup",
            Self::Import(_) => "import",
            Self::Token(_) => "token",
            Self::Schema => "schema",
            Self::Settings => "settings",
        }
    }

    /// Checks what the parser of the command line does not.
    fn check(&self) -> Result<(), StartupError> {
        let database = match self {
            Self::Dev(dev) => &dev.database,
            Self::Serve(serve) => {
                let checked = serve.webhooks.check();
                checked.map_err(|what| StartupError::new(format!("--webhook-proxy: {what}")))?;
                &serve.database
            }
            Self::Migrate(migrate) => &migrate.database,
            Self::Seed(database) => database,
            Self::Export(export) => &export.database,
            Self::Backup(backup) => &backup.database,
            Self::Import(import) => &import.database,
            Self::Health(_) | Self::Token(_) | Self::Schema | Self::Settings => return Ok(()),
        };
        database
            .check()
            .map_err(|what| StartupError::new(format!("--database-url: {what}")))
    }
}

impl Serve {
    /// Creates the verifier of tokens.
    ///
    /// # Errors
    /// Returns one line with the invalid setting.
    pub fn verifier(&self) -> Result<Verifier, StartupError> {
        let mut issuers = Vec::from_iter(self.tokens.issuer()?);
        for other in &self.issuers {
            let source = &other.source;
            let wrong =
                |what: String| StartupError::new(format!("[[issuer]]: {what} (set by {source})"));
            let tokens = self.tokens.of(other).map_err(wrong)?;
            let issuer = tokens.issuer().map_err(|error| wrong(error.line))?;
            issuers.push(issuer.ok_or_else(|| {
                wrong("`key` is missing, and `issuer` is no address to find it from".to_owned())
            })?);
        }
        if issuers.is_empty() {
            if self.read_only {
                return Ok(Verifier::without_keys());
            }
            return Err(StartupError::new(
                "--token-key is missing: name the key that tokens are verified with, or the issuer's address in --token-issuer, or serve with --read-only".to_owned(),
            ));
        }
        Verifier::of(issuers).map_err(|what| StartupError::new(format!("--token-issuer: {what}")))
    }
}

impl Export {
    /// Returns the path of the output file; `None` for standard output.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_deref().filter(|path| *path != Path::new("-"))
    }
}

impl Import {
    /// Returns the settings of the import.
    #[must_use]
    pub fn settings(&self) -> ImportSettings {
        // Spreadsheet programs write tables as `.csv`, and with tabs as `.txt` or `.tsv`.
        let is_table = self.file.extension().is_some_and(|extension| {
            ["csv", "txt", "tsv"]
                .iter()
                .any(|table| extension.eq_ignore_ascii_case(table))
        });
        let format = if is_table {
            Format::Csv
        } else {
            Format::JsonLines
        };
        ImportSettings {
            party: self.party,
            subject: self.subject.clone(),
            kind: self.kind,
            format: self.format.unwrap_or(format),
            file: self.file.display().to_string(),
            dry_run: self.dry_run,
            partial: self.partial,
        }
    }
}

fn party(text: &str) -> Result<Party, String> {
    let known = [
        ("ITU", Party::Itu),
        ("UPU", Party::Upu),
        ("TSB", Party::Tsb),
    ];
    let found = known.into_iter().find(|entry| entry.0 == text);
    found
        .map(|entry| entry.1)
        .ok_or_else(|| "write ITU, UPU or TSB".to_owned())
}

/// Parses the lifetime of a token, in seconds.
fn lifetime(text: &str) -> Result<u32, String> {
    let seconds = u32::try_from(duration(text)?.as_secs()).unwrap_or(u32::MAX);
    if seconds == 0 {
        return Err("a token lasts at least one second".to_owned());
    }
    Ok(seconds)
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "jsonl" => Ok(Format::JsonLines),
        "csv" => Ok(Format::Csv),
        _ => Err("write jsonl or csv".to_owned()),
    }
}

/// Reads a file that a setting names.
///
/// # Errors
/// Returns the reason why it cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))
}

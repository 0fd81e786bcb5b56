//! Every setting: its name, default and meaning. From flags, else the environment, else a file; read once.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use entity::party::Role;
use hyper::header::HeaderValue;
use ipnet::IpNet;
use serde::Deserialize;

use crate::http::auth::Verifier;
use crate::http::auth::claims::{TokenRules, role};
use crate::http::auth::issuer::Issuer;
use crate::http::auth::keys::{Algorithm, Keys, secret_of};
use crate::http::auth::published::Place;
use crate::http::cors::origin;
use crate::http::proxies::{Proxies, ProxyHeader};
use crate::http::rate::Rates;
use crate::http::server::Bounds;
use crate::http::{Around, Limits};

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

/// How tokens are checked.
#[derive(Clone, Debug, Args)]
pub struct Tokens {
    /// What tokens are verified with: the https:// address of a JSON Web Key Set, or a file with one, with a public key in PEM, or with --token-algorithms HS256 the secret. Left out where --token-issuer is an https:// address: the keys that the issuer names by OpenID Connect discovery.
    #[arg(long, env = "LIAISON_TOKEN_KEY")]
    pub token_key: Option<String>,
    /// Who issues the tokens: their `iss`.
    #[arg(long, env = "LIAISON_TOKEN_ISSUER", default_value = "liaison")]
    pub token_issuer: String,
    /// Whom the tokens are for: their `aud`.
    #[arg(long, env = "LIAISON_TOKEN_AUDIENCE", default_value = "liaison")]
    pub token_audience: String,
    /// How tokens may be signed.
    #[arg(
        long,
        env = "LIAISON_TOKEN_ALGORITHMS",
        value_delimiter = ',',
        default_value = "RS256,ES256,EdDSA"
    )]
    pub token_algorithms: Vec<Algorithm>,
    /// The claim that lists the roles; dots lead into objects: `realm_access.roles`.
    #[arg(long, env = "LIAISON_ROLES_CLAIM", default_value = "roles")]
    pub roles_claim: String,
    /// What the claim says for a role, as `word=ROLE`; repeat it, or give several with commas. Left out: the names of the roles.
    #[arg(long, env = "LIAISON_ROLES_MAP", value_delimiter = ',', value_parser = role_word)]
    pub roles_map: Vec<(String, Role)>,
    /// How many seconds the issuer's clock may differ from ours.
    #[arg(long, env = "LIAISON_TOKEN_LEEWAY", default_value_t = 30)]
    pub token_leeway: u32,
}

/// A table `[[issuer]]` of the file; what it leaves out is as the flags say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtherIssuer {
    issuer: String,
    key: Option<String>,
    audience: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    roles_claim: Option<String>,
    roles_map: Option<HashMap<String, String>>,
    leeway: Option<u32>,
}

/// What connections and senders may take, and who may send from where.
#[derive(Clone, Debug, Args)]
pub struct Surroundings {
    /// How many connections are open at most; who comes then waits.
    #[arg(long, env = "LIAISON_CONNECTIONS", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
    /// How many of them each address may have that is no trusted proxy's; 0 is no bound.
    #[arg(long, env = "LIAISON_CONNECTIONS_EACH", default_value_t = 200)]
    pub connections_each: u32,
    /// Seconds for the head of a request, and for a connection to do nothing between two.
    #[arg(long, env = "LIAISON_HEAD_TIMEOUT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub head_timeout: u64,
    /// Seconds for the body of a request, and for a client to take nothing of an answer.
    #[arg(long, env = "LIAISON_BODY_TIMEOUT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub body_timeout: u64,
    /// The cost that each address may ask for per minute without a token; 0 is no limit.
    #[arg(long, env = "LIAISON_RATE_LIMIT", default_value_t = 100_000)]
    pub rate_limit: u32,
    /// The cost that the subject of each token may ask for per minute; 0 is no limit.
    #[arg(long, env = "LIAISON_RATE_LIMIT_TOKEN", default_value_t = 1_000_000)]
    pub rate_limit_token: u32,
    /// Addresses or networks (10.0.0.0/8) of proxies that are believed when they say for whom they send.
    #[arg(long, env = "LIAISON_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say it.
    #[arg(
        long,
        env = "LIAISON_PROXY_HEADER",
        default_value = "X-Forwarded-For",
        ignore_case = true
    )]
    pub proxy_header: ProxyHeader,
    /// Origins (https://app.example.org) whose pages may call from a browser; `*` is all.
    #[arg(long, env = "LIAISON_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub allowed_origins: Vec<HeaderValue>,
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

fn role_word(text: &str) -> Result<(String, Role), String> {
    let (word, name) = text
        .rsplit_once('=')
        .ok_or("write it as word=ROLE, such as itu-editors=ITU_EDITOR")?;
    Ok((word.to_owned(), role(name)?))
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse().or_else(|_| address());
    network.map_err(|_| "write an address, or a network as 10.0.0.0/8".to_owned())
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

impl Surroundings {
    /// As the service takes them.
    #[must_use]
    pub fn around(&self) -> Around {
        Around {
            bounds: Bounds {
                connections: self.connections,
                each: self.connections_each,
                head: Duration::from_secs(self.head_timeout),
                body: Duration::from_secs(self.body_timeout),
            },
            proxies: Proxies {
                trusted: self.trusted_proxies.clone(),
                header: self.proxy_header,
            },
            rates: Rates::new(self.rate_limit, self.rate_limit_token),
            origins: self.allowed_origins.clone(),
            ..Around::default()
        }
    }
}

impl Tokens {
    /// The issuer that the flags name; none where nothing says what its keys are.
    fn issuer(&self) -> Result<Option<Issuer>, Wrong> {
        let key = self.token_key.as_deref();
        let (setting, value) = match key {
            Some(key) => ("--token-key", key),
            None if self.token_issuer.contains("://") => ("--token-issuer", &*self.token_issuer),
            None => return Ok(None),
        };
        let issuer = match key {
            None => Place::discovery(value).and_then(|it| Issuer::publishing(self.rules(), it)),
            Some(address) if address.contains("://") => {
                Place::key_set(address).and_then(|it| Issuer::publishing(self.rules(), it))
            }
            Some(path) => self
                .keys(Path::new(path))
                .and_then(|it| Issuer::with_keys(self.rules(), it)),
        };
        match issuer {
            Ok(issuer) => Ok(Some(issuer)),
            Err(what) => Err(Wrong(format!("{setting} {value}: {what}"))),
        }
    }

    fn keys(&self, file: &Path) -> Result<Keys, String> {
        let content = read_file(file)?;
        if self.token_algorithms == [Algorithm::Hs256] {
            return Keys::secret(secret_of(&content));
        }
        match std::str::from_utf8(&content) {
            Ok(text) if text.trim_start().starts_with('{') => Keys::jwks(text),
            Ok(text) => Keys::pem(text),
            Err(_) => Err("it is neither PEM nor a JSON Web Key Set.".to_owned()),
        }
    }

    /// The same for another issuer.
    fn of(&self, other: &OtherIssuer) -> Result<Self, String> {
        let mut tokens = Self {
            token_key: other.key.clone(),
            token_issuer: other.issuer.clone(),
            ..self.clone()
        };
        if let Some(audience) = &other.audience {
            tokens.token_audience.clone_from(audience);
        }
        if let Some(algorithms) = &other.algorithms {
            tokens.token_algorithms.clone_from(algorithms);
        }
        if let Some(claim) = &other.roles_claim {
            tokens.roles_claim.clone_from(claim);
        }
        if let Some(map) = &other.roles_map {
            let words = map
                .iter()
                .map(|(word, name)| Ok((word.clone(), role(name)?)));
            tokens.roles_map = words.collect::<Result<_, String>>()?;
        }
        tokens.token_leeway = other.leeway.unwrap_or(self.token_leeway);
        Ok(tokens)
    }

    fn rules(&self) -> TokenRules {
        let mut rules = TokenRules::new(
            self.token_issuer.clone(),
            self.token_audience.clone(),
            self.token_algorithms.clone(),
        );
        rules.roles_claim.clone_from(&self.roles_claim);
        rules.leeway_seconds = self.token_leeway;
        if !self.roles_map.is_empty() {
            rules.role_names = self.roles_map.iter().cloned().collect();
        }
        rules
    }
}

/// The bytes of a file that a setting names.
///
/// # Errors
/// Why it cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| error.to_string())
}

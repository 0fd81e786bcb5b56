//! The command line: tries the service out, serves it, and looks after its database and tokens.

#![forbid(unsafe_code)]

use std::future::Future;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use liaison::config::{self, Cli, Command, Dev, LogFormat, Serve, Token, Wrong};
use liaison::http::auth::Verifier;
use liaison::http::auth::claims::{TokenRules, sign};
use liaison::http::auth::keys::{Algorithm, Keys, SigningKey};
use liaison::http::{App, Around, Limits, serve};
use liaison::store::Database;
use liaison::{graphql, seed};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use entity::party::Role;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match config::read(std::env::args_os()) {
        Ok(cli) => {
            let log = tracing_subscriber::fmt()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .with_env_filter(EnvFilter::new(&cli.log));
            match cli.log_format {
                LogFormat::Text => log.init(),
                LogFormat::Json => log.json().flatten_event(true).init(),
            }
            run(cli).await
        }
        Err(wrong) => Err(wrong),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Wrong(line)) => {
            eprintln!("liaison: {line}");
            ExitCode::from(2)
        }
    }
}

async fn run(cli: Cli) -> Result<(), Wrong> {
    match cli.command {
        Command::Dev(settings) => dev(settings).await,
        Command::Serve(settings) => production(&settings).await,
        Command::Migrate(database) => migrated(&database).await.map(|_| ()),
        Command::Seed(database) => {
            let db = migrated(&database).await?;
            load(&db).await
        }
        Command::Token(settings) => token(&settings),
        Command::Schema => {
            print!("{}", graphql::sdl(&graphql::schema()));
            Ok(())
        }
    }
}

/// The only clock: each request reads it once.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock that all others are given"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

async fn dev(settings: Dev) -> Result<(), Wrong> {
    let db = migrated(&settings.database).await?;
    if db
        .is_empty()
        .await
        .map_err(|error| database_wrong(&error))?
    {
        load(&db).await?;
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| Wrong(format!("no random bytes for a signing key: {error}")))?;
    let rules = TokenRules::new(
        "liaison dev".to_owned(),
        "liaison dev".to_owned(),
        vec![Algorithm::Hs256],
    );
    let keys = Keys::secret(&secret).map_err(Wrong)?;
    let signing = SigningKey::secret(&secret).map_err(Wrong)?;
    let verifier = Verifier::new(rules.clone(), keys).map_err(Wrong)?;
    verifier.prepare(now()).await.map_err(Wrong)?;
    let listener = listen(settings.listen).await?;

    let address = listener.local_addr().unwrap_or(settings.listen);
    println!("http://{address}/graphiql");
    for (name, role) in [
        ("ITU_EDITOR", Role::ItuEditor),
        ("UPU_EDITOR", Role::UpuEditor),
        ("TSB_EDITOR", Role::TsbEditor),
    ] {
        let subject = format!("dev:{}", name.to_lowercase());
        let token = sign(&signing, &rules, &subject, &[role], DAY, now()).map_err(Wrong)?;
        println!("{name} {token}");
    }
    let (limits, around) = (Limits::default(), Around::default());
    serve_app(listener, db, verifier, limits, around).await
}

/// How long the tokens of a development run last, in seconds.
const DAY: u32 = 24 * 60 * 60;

async fn production(settings: &Serve) -> Result<(), Wrong> {
    let verifier = settings.verifier()?;
    verifier
        .prepare(now())
        .await
        .map_err(|what| Wrong(format!("--token-key: {what}")))?;
    let db = if settings.no_migrate {
        connected(&settings.database).await?
    } else {
        migrated(&settings.database).await?
    };
    let listener = listen(settings.listen).await?;
    let limits = Limits {
        body: settings.body_limit,
    };
    let address = listener.local_addr().unwrap_or(settings.listen);
    tracing::info!(%address, "serving");
    let around = settings.surroundings.around();
    serve_app(listener, db, verifier, limits, around).await
}

async fn serve_app(
    listener: TcpListener,
    db: Database,
    verifier: Verifier,
    limits: Limits,
    around: Around,
) -> Result<(), Wrong> {
    let app = App {
        db,
        schema: graphql::schema(),
        verifier: Arc::new(verifier),
        clock: Arc::new(now),
        limits,
        around: Arc::new(around),
    };
    let stop = stop_signal().map_err(|error| Wrong(format!("signals: {error}")))?;
    serve(listener, app, stop)
        .await
        .map_err(|error| Wrong(format!("--listen: {error}")))
}

/// Done once the system or somebody at the keyboard asks the program to stop.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, Wrong> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Wrong(format!("--listen {address}: {error}")))
}

async fn connected(settings: &config::Database) -> Result<Database, Wrong> {
    Database::connect(&settings.database_url, settings.database_connections)
        .await
        .map_err(|error| database_wrong(&error))
}

async fn migrated(settings: &config::Database) -> Result<Database, Wrong> {
    let db = connected(settings).await?;
    db.migrate().await.map_err(|error| database_wrong(&error))?;
    Ok(db)
}

fn database_wrong(error: &sea_orm::DbErr) -> Wrong {
    let text = error.to_string();
    Wrong(format!(
        "--database-url: {}",
        text.lines().next().unwrap_or_default()
    ))
}

async fn load(db: &Database) -> Result<(), Wrong> {
    match seed::load(db, now()).await {
        Ok(loaded) => {
            tracing::info!(?loaded, "the real data is loaded");
            Ok(())
        }
        Err(error) => Err(Wrong(format!("the data could not be loaded: {error:?}"))),
    }
}

fn token(settings: &Token) -> Result<(), Wrong> {
    let wrong = |what: String| Wrong(format!("--key {}: {what}", settings.key.display()));
    let content = config::read_file(&settings.key).map_err(wrong)?;
    let key = SigningKey::of_file(&content).map_err(wrong)?;
    let rules = TokenRules::new(
        settings.issuer.clone(),
        settings.audience.clone(),
        Vec::new(),
    );
    let token = sign(
        &key,
        &rules,
        &settings.sub,
        &settings.role,
        settings.ttl,
        now(),
    );
    println!("{}", token.map_err(Wrong)?);
    Ok(())
}

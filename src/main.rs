//! The command line program: serves the API, and manages its database and tokens.

#![forbid(unsafe_code)]

use std::future::Future;
use std::io::BufWriter;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::party::Role;
use futures_util::FutureExt;
use futures_util::future::join;
use liaison::config::{self, Cli, Command, Dev, ResponseCacheArgs, Serve, StartupError};
use liaison::events::Feed;
use liaison::http::auth::Verifier;
use liaison::http::auth::claims::{TokenPolicy, sign};
use liaison::http::auth::keys::{Algorithm, Keys, SigningKey};
use liaison::http::limits::Limits;
use liaison::http::metrics::serve_metrics;
use liaison::http::middleware::cors::LOCAL_PAGES;
use liaison::http::redact::redact;
use liaison::http::server::shutdown::Shutdown;
use liaison::http::validation::Documents;
use liaison::http::validation::trusted_documents::TrustedDocuments;
use liaison::http::{AppState, HttpState, serve};
use liaison::import_export::{self, ImportError, ImportSource};
use liaison::store::Database;
use liaison::webhooks::{Deliveries, DeliverySettings, WebhookTargets};
use liaison::{graphql, seed};
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

#[path = "main/database.rs"]
mod database;
#[path = "main/files.rs"]
mod files;
#[path = "main/health.rs"]
mod health;
#[path = "main/listener.rs"]
mod listener;
#[path = "main/print.rs"]
mod print;
#[path = "main/telemetry.rs"]
mod telemetry;
#[path = "main/tokens.rs"]
mod tokens;

use self::database::{close, database_wrong, existing, found, migrate, migrated};
use self::listener::{listen, listen_for_metrics};
use self::print::{print_error, print_line};
use self::tokens::{dev_key, token};

/// Requests make many small things and drop them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match config::read(std::env::args_os()) {
        Ok((cli, origins)) => {
            let done = run_with_telemetry(cli).await;
            done.map_err(|error| origins.explain(&error))
        }
        Err(wrong) => Err(wrong),
    };
    match done {
        Ok(code) => code,
        Err(StartupError { line, exit_code }) => {
            print_error(redact(&line));
            ExitCode::from(exit_code)
        }
    }
}

async fn run_with_telemetry(cli: Cli) -> Result<ExitCode, StartupError> {
    let telemetry = telemetry::start(&cli)?;
    // The commands hold many rows at once: too large for the stack.
    let done = Box::pin(run(cli)).await;
    telemetry.end().await;
    done
}

async fn run(cli: Cli) -> Result<ExitCode, StartupError> {
    let done = match cli.command {
        Command::Health(settings) => return health::check(&settings).await,
        Command::Dev(settings) => dev(&settings).await,
        Command::Serve(settings) => serve_production(&settings).await,
        Command::Migrate(settings) => migrate(&settings).await,
        Command::Seed(database) => {
            let db = migrated(&database, None).await?;
            let loaded = load(&db).await;
            close(&db).await;
            loaded
        }
        Command::Export(settings) => export(&settings).await,
        Command::Backup(settings) => files::backup(&settings).await,
        Command::Import(settings) => import(&settings).await,
        Command::Token(settings) => token(&settings, now()),
        Command::Settings => print_line(config::reference().trim_end()),
        Command::Schema => {
            let schema = graphql::schema(WebhookTargets::default());
            print_line(graphql::sdl(&schema).trim_end())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// The system clock. Each request reads it once; all other code receives the time as an argument.
#[expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the system clock"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

async fn dev(settings: &Dev) -> Result<(), StartupError> {
    let limits = &settings.limits;
    let trusted = settings.documents.trusted()?;
    let documents = documents(limits, settings.documents.document_cache_bytes, trusted)?;
    let db = migrated(&settings.database, Some(limits)).await?;
    if db
        .is_empty()
        .await
        .map_err(|error| database_wrong(&error))?
    {
        load(&db).await?;
    }
    let secret = dev_key(&settings.database.database_url)?;
    let rules = TokenPolicy::new(
        "liaison dev".to_owned(),
        "liaison dev".to_owned(),
        vec![Algorithm::Hs256],
    );
    let keys = Keys::secret(&secret).map_err(StartupError::new)?;
    let signing = SigningKey::secret(&secret).map_err(StartupError::new)?;
    let verifier = Verifier::new(rules.clone(), keys).map_err(StartupError::new)?;
    verifier.prepare(now()).await.map_err(StartupError::new)?;
    let stop = stop_signal()?;
    let (listener, address) = listen("--listen", &settings.listen).await?;
    let metrics = listen_for_metrics(&settings.surroundings, now()).await?;

    let page = if cfg!(feature = "explorer") {
        "/graphiql"
    } else {
        ""
    };
    print_line(format_args!("http://{address}{page}"))?;
    for (name, role) in [
        ("ITU_EDITOR", Role::ItuEditor),
        ("UPU_EDITOR", Role::UpuEditor),
        ("TSB_EDITOR", Role::TsbEditor),
    ] {
        let subject = format!("dev:{}", name.to_lowercase());
        let token =
            sign(&signing, &rules, &subject, &[role], DAY, now()).map_err(StartupError::new)?;
        print_line(format_args!("{name} {token}"))?;
    }
    print_line(format_args!(
        "curl http://{address}/graphql -H 'Content-Type: application/json' -d '{FIRST_QUERY}'"
    ))?;
    let mut http = settings
        .surroundings
        .http_config(settings.response_cache.response_cache_bytes);
    // A frontend in development is served from a port of its own.
    http.allowed_origins.push(LOCAL_PAGES);
    let setup = ServiceConfig {
        verifier,
        documents,
        response_cache: settings.response_cache.clone(),
        limits: settings.limits.clone(),
        http,
        // In development, receivers listen on this machine.
        deliveries: WebhookTargets::Any.into(),
        delivers: true,
        metrics,
    };
    serve_app(listener, db, setup, stop).await
}

/// A request to paste.
const FIRST_QUERY: &str = r#"{"query":"{ topics(first: 3) { nodes { code title status } } }"}"#;

/// How long the tokens of a development run last, in seconds.
const DAY: u32 = 24 * 60 * 60;

async fn serve_production(settings: &Serve) -> Result<(), StartupError> {
    let verifier = settings.verifier()?;
    verifier
        .prepare(now())
        .await
        .map_err(|what| StartupError::new(format!("--token-key: {what}")))?;
    let remembered = settings.documents.document_cache_bytes;
    let trusted = settings.documents.trusted()?;
    let documents = documents(&settings.limits, remembered, trusted)?;
    let db = if settings.no_migrate || settings.read_only {
        existing(
            &settings.database,
            Some(&settings.limits),
            !settings.read_only,
        )
        .await?
    } else {
        migrated(&settings.database, Some(&settings.limits)).await?
    };
    let stop = stop_signal()?;
    let (listener, _) = listen("--listen", &settings.listen).await?;
    let metrics = listen_for_metrics(&settings.surroundings, now()).await?;
    let setup = ServiceConfig {
        verifier,
        documents,
        response_cache: settings.response_cache.clone(),
        limits: settings.limits.clone(),
        http: HttpState {
            read_only: settings.read_only,
            ..settings
                .surroundings
                .http_config(settings.response_cache.response_cache_bytes)
        },
        deliveries: delivery_settings(&settings.webhooks),
        // Each delivery is written down.
        delivers: !settings.read_only,
        metrics,
    };
    serve_app(listener, db, setup, stop).await
}

fn delivery_settings(settings: &config::Webhooks) -> DeliverySettings {
    let targets = if settings.allow_private_webhooks {
        WebhookTargets::Any
    } else if settings.webhook_networks.is_empty() {
        WebhookTargets::PublicOnly
    } else {
        WebhookTargets::Networks(settings.webhook_networks.as_slice().into())
    };
    DeliverySettings {
        targets,
        proxy: settings.webhook_proxy.clone(),
        source: settings.webhook_source.clone(),
    }
}

fn documents(
    limits: &Limits,
    remembered: u64,
    trusted: Option<TrustedDocuments>,
) -> Result<Documents, StartupError> {
    // Documents do not depend on `Reach`.
    let schema = graphql::schema(WebhookTargets::default());
    Documents::new(&schema, limits, remembered, trusted)
        .map_err(|what| StartupError::new(format!("--trusted-documents: {what}")))
}

/// The configuration of a service.
struct ServiceConfig {
    verifier: Verifier,
    documents: Documents,
    response_cache: ResponseCacheArgs,
    limits: Limits,
    http: HttpState,
    deliveries: DeliverySettings,
    delivers: bool,
    /// Where metrics are served, if they are.
    metrics: Option<TcpListener>,
}

async fn serve_app(
    listener: TcpListener,
    db: Database,
    setup: ServiceConfig,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), StartupError> {
    let feed = Feed::start(&db);
    let closed = db.clone();
    let schema = graphql::schema(setup.deliveries.targets.clone());
    let deliveries = setup
        .delivers
        .then(|| Deliveries::start(&db, &feed, setup.deliveries, Arc::new(now)))
        .transpose()
        .map_err(StartupError::new)?;
    let memory = setup.response_cache.memory(db.is_shared());
    tracing::info!(
        address = listener.local_addr().ok().map(tracing::field::display),
        version = env!("CARGO_PKG_VERSION"),
        db.system.name = if db.is_shared() {
            "postgresql"
        } else {
            "sqlite"
        },
        read_only = setup.http.read_only,
        "serving"
    );
    let shutdown_delay = setup.http.shutdown_delay;
    let app = Arc::new(AppState {
        feed,
        search: liaison::search::Search::start(&db),
        shutdown: Shutdown::default(),
        db,
        schema,
        verifier: Arc::new(setup.verifier),
        clock: Arc::new(now),
        documents: Arc::new(setup.documents),
        response_cache: memory,
        limits: setup.limits,
        http: Arc::new(setup.http),
    });
    let stop = async {
        stop.await;
        tracing::info!(?shutdown_delay, "stopping");
        notify_systemd(NotifyState::Stopping);
    }
    .shared();
    let ended = Notify::new();
    notify_systemd(NotifyState::Ready);
    let serving = async {
        let served = serve(listener, app.clone(), stop.clone()).await;
        ended.notify_one();
        served
    };
    let delivering = async {
        tokio::select! {
            () = stop.clone() => {}
            () = ended.notified() => {}
        }
        if let Some(deliveries) = deliveries {
            deliveries.stop().await;
        }
    };
    let done = Notify::new();
    let working = async {
        let (served, ()) = join(serving, delivering).await;
        done.notify_one();
        served
    };
    let metering = async {
        // Until all else has ended, so that the last requests are seen, too.
        if let Some(listener) = setup.metrics
            && let Err(error) = serve_metrics(listener, app.clone(), done.notified()).await
        {
            tracing::error!(%error, "metrics are not served any more");
        }
    };
    let (served, ()) = join(working, metering).await;
    close(&closed).await;
    tracing::info!("stopped");
    served.map_err(|error| StartupError::new(format!("--listen: {error}")))
}

/// Reports a change of state to systemd. Does nothing if the program was not started by a unit with `Type=notify`.
fn notify_systemd(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be notified");
    }
}

/// Completes when the program receives a signal to stop: also when its terminal is closed.
fn stop_signal() -> Result<impl Future<Output = ()> + Send, StartupError> {
    let listen =
        |kind| signal(kind).map_err(|error| StartupError::new(format!("signals: {error}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

async fn load(db: &Database) -> Result<(), StartupError> {
    let loaded = seed::load(db, now()).await.map_err(|error| {
        let why = ImportError::from(error).line();
        StartupError::new(format!("the data could not be loaded: {why}"))
    })?;
    let seed::Loaded {
        organizations,
        mandates,
        committees,
        topics,
        action_items,
        publications,
        translations,
    } = loaded;
    tracing::info!(
        organizations,
        mandates,
        committees,
        topics,
        action_items,
        publications,
        translations,
        "seed data loaded"
    );
    Ok(())
}

async fn export(settings: &config::Export) -> Result<(), StartupError> {
    let db = existing(&settings.database, None, false).await?;
    let rows = match settings.path() {
        None => import_export::export(&db, BufWriter::new(std::io::stdout().lock())).await,
        Some(path) => files::export(&db, path).await,
    };
    close(&db).await;
    let rows = rows
        .map_err(|fault| StartupError::new(format!("the export has failed: {}", fault.line())))?;
    tracing::info!(rows, "export complete");
    Ok(())
}

async fn import(settings: &config::Import) -> Result<(), StartupError> {
    let wrong = |what: String| StartupError::new(format!("{}: {what}", settings.file.display()));
    let source = ImportSource::open(&settings.file).map_err(|error| wrong(error.to_string()))?;
    // A trial changes nothing: the tables that an export needs are made in the transaction that is rolled back.
    let db = if settings.dry_run && source.is_export {
        found(&settings.database, None).await?
    } else if settings.dry_run {
        existing(&settings.database, None, false).await?
    } else {
        migrated(&settings.database, None).await?
    };
    let out = std::io::stdout();
    let imported = Box::pin(import_export::import(
        &db,
        now(),
        source,
        &settings.settings(),
        out,
    ))
    .await;
    close(&db).await;
    let ending = |is_unchanged: bool| {
        if is_unchanged {
            "; nothing was changed"
        } else {
            ""
        }
    };
    let imported = imported.map_err(|fault| {
        let ending = ending(!fault.is_outcome_unknown());
        wrong(format!("{}{ending}", fault.line()))
    })?;
    let summary = format!("{}{}", imported.summary, ending(!imported.committed));
    if imported.wrong > 0 {
        return Err(wrong(summary));
    }
    print_line(summary)
}

//! Serves the metrics of the process, on an address of their own.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::join;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::error::Error;
use crate::http::graphql::response_cache::ResponseCache;
use crate::http::health::is_ready;
use crate::http::server::accept::{ServerLimits, run};
use crate::http::{AppState, HttpState};
use crate::metrics::{self, Metrics, READ_POOL, WRITE_POOL};

/// Few clients read metrics.
const LIMITS: ServerLimits = ServerLimits {
    connections: 16,
    max_connections_per_ip: 0,
    header_read_timeout: Duration::from_mins(1),
    body_timeout: Duration::from_secs(5),
};

/// Timeout of a scrape for the database.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Scraped {
    app: Arc<AppState>,
    metrics: &'static Metrics,
}

/// Serves `/metrics` until `stop` completes.
///
/// # Errors
/// Returns an error if the listener fails.
pub async fn serve_metrics(
    listener: TcpListener,
    app: Arc<AppState>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let metrics = metrics::enable((app.clock)());
    let router = Router::new()
        .route("/metrics", get(scrape))
        .with_state(Scraped { app, metrics });
    let http = HttpState {
        server_limits: LIMITS,
        ..HttpState::default()
    };
    run(listener, router, Arc::new(http), stop).await
}

async fn scrape(State(Scraped { app, metrics }): State<Scraped>) -> Response {
    measure(&app, metrics);
    let measured = timeout(DATABASE_TIMEOUT, measure_log(&app, metrics));
    let (measured, is_ready) = join(measured, is_ready(&app)).await;
    let is_up = matches!(measured, Ok(Ok(())));
    for (gauge, is_so) in [(&metrics.database_up, is_up), (&metrics.ready, is_ready)] {
        gauge.with(&[]).set(f64::from(u8::from(is_so)));
    }
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.encode()).into_response()
}

/// Sets the gauges of what is in memory.
#[expect(clippy::cast_precision_loss, reason = "numbers far below 2^53")]
fn measure(app: &AppState, metrics: &Metrics) {
    let responses = app.response_cache.as_ref().map(ResponseCache::size);
    let caches = [
        ("document", app.documents.cache_size()),
        ("response", responses.unwrap_or_default()),
    ];
    for (cache, (entries, bytes)) in caches {
        metrics.cache_entries.with(&[cache]).set(entries as f64);
        metrics.cache_size.with(&[cache]).set(bytes as f64);
    }
    let reads = &app.db.read_pool;
    let reads = (reads.in_use(), reads.connections() as usize);
    for (pool, (in_use, max)) in [(READ_POOL, reads), (WRITE_POOL, app.db.write_connections())] {
        metrics.pool_connections.with(&[pool]).set(in_use as f64);
        metrics.pool_max.with(&[pool]).set(max as f64);
    }
    metrics
        .streams
        .with(&[])
        .set(app.http.streams.taken() as f64);
    if let Some(bytes) = resident_memory() {
        metrics.memory.with(&[]).set(bytes as f64);
    }
}

/// Sets the gauges that are read from the database.
#[expect(clippy::cast_precision_loss, reason = "numbers far below 2^53")]
async fn measure_log(app: &AppState, metrics: &Metrics) -> Result<(), Error> {
    // Before the head, so that the lag is never negative.
    let newest = app.feed.newest();
    let head = app.feed.head().await?;
    let progress = app.db.delivery_progress().await?;
    let behind = |position: i64| head.position.saturating_sub(position).max(0) as f64;
    metrics.log_position.with(&[]).set(head.position as f64);
    metrics.feed_lag.with(&[]).set(behind(newest.position));
    for (state, webhooks) in [
        ("working", progress.working),
        ("failing", progress.failing),
        ("disabled", progress.disabled),
    ] {
        metrics.webhooks.with(&[state]).set(webhooks.into());
    }
    let backlog = progress.passed.map_or(0.0, behind);
    metrics.webhook_backlog.with(&[]).set(backlog);
    let age = progress
        .waiting_since
        .map_or(0.0, |since| ((app.clock)() - since).as_seconds_f64());
    metrics.webhook_age.with(&[]).set(age.max(0.0));
    Ok(())
}

/// Returns the resident memory of the process in bytes; `None` if the system does not say.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

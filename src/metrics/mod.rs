//! Metrics of the process in Prometheus text format. Nothing is recorded until they are enabled.

pub mod catalogue;
mod family;

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use prometheus_client::encoding::prometheus_text::{self, encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::family::BoundedFamily;

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Label value for everything that is not distinguished.
pub const OTHER: &str = "other";

/// The names of the pools of database connections.
pub const READ_POOL: &str = "read";
pub const WRITE_POOL: &str = "write";

static METRICS: OnceLock<Metrics> = OnceLock::new();

/// A gauge whose value may have decimals.
type Number = Gauge<f64, AtomicU64>;

/// The metrics of the catalogue.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub http_requests: BoundedFamily<Counter>,
    pub http_duration: BoundedFamily<Histogram>,
    pub operations: BoundedFamily<Counter>,
    pub operation_duration: BoundedFamily<Histogram>,
    pub operation_statements: BoundedFamily<Histogram>,
    pub estimated_cost: BoundedFamily<Counter>,
    pub actual_cost: BoundedFamily<Counter>,
    pub cache_lookups: BoundedFamily<Counter>,
    pub cache_size: BoundedFamily<Number>,
    pub cache_entries: BoundedFamily<Number>,
    pub pool_connections: BoundedFamily<Number>,
    pub pool_max: BoundedFamily<Number>,
    pub pool_pending: BoundedFamily<Number>,
    pub pool_wait: BoundedFamily<Histogram>,
    pub pool_timeouts: BoundedFamily<Counter>,
    pub ready: BoundedFamily<Number>,
    pub database_up: BoundedFamily<Number>,
    pub log_position: BoundedFamily<Number>,
    pub feed_lag: BoundedFamily<Number>,
    pub subscribers: BoundedFamily<Number>,
    pub streams: BoundedFamily<Number>,
    pub webhooks: BoundedFamily<Number>,
    pub webhook_backlog: BoundedFamily<Number>,
    pub webhook_age: BoundedFamily<Number>,
    pub webhook_attempts: BoundedFamily<Counter>,
    pub rejections: BoundedFamily<Counter>,
    pub panics: BoundedFamily<Counter>,
    pub memory: BoundedFamily<Number>,
}

/// Enables the metrics of the process, which started at `now`.
pub fn enable(now: DateTime<Utc>) -> &'static Metrics {
    METRICS.get_or_init(|| Metrics::new(now))
}

/// Returns whether anything is recorded.
#[must_use]
pub fn is_enabled() -> bool {
    METRICS.get().is_some()
}

/// Records something, if the metrics are enabled.
pub fn record(record: impl FnOnce(&Metrics)) {
    if let Some(metrics) = METRICS.get() {
        record(metrics);
    }
}

/// Records a request beyond the limit of this name.
pub fn record_rejection(limit: &str) {
    record(|metrics| {
        metrics.rejections.with(&[limit]).inc();
    });
}

impl Metrics {
    fn new(now: DateTime<Utc>) -> Self {
        use self::catalogue as all;

        let mut registry = Registry::default();
        let registry = &mut registry;
        let start_time: BoundedFamily<Number> = BoundedFamily::register(registry, &all::START_TIME);
        #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
        start_time.with(&[]).set(now.timestamp() as f64);
        let build_info: BoundedFamily<Number> = BoundedFamily::register(registry, &all::BUILD_INFO);
        build_info.with(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let metrics = Self {
            http_requests: BoundedFamily::register(registry, &all::HTTP_REQUESTS),
            http_duration: BoundedFamily::register(registry, &all::HTTP_DURATION),
            operations: BoundedFamily::register(registry, &all::OPERATIONS),
            operation_duration: BoundedFamily::register(registry, &all::OPERATION_DURATION),
            operation_statements: BoundedFamily::register(registry, &all::OPERATION_STATEMENTS),
            estimated_cost: BoundedFamily::register(registry, &all::ESTIMATED_COST),
            actual_cost: BoundedFamily::register(registry, &all::ACTUAL_COST),
            cache_lookups: BoundedFamily::register(registry, &all::CACHE_LOOKUPS),
            cache_size: BoundedFamily::register(registry, &all::CACHE_SIZE),
            cache_entries: BoundedFamily::register(registry, &all::CACHE_ENTRIES),
            pool_connections: BoundedFamily::register(registry, &all::POOL_CONNECTIONS),
            pool_max: BoundedFamily::register(registry, &all::POOL_MAX),
            pool_pending: BoundedFamily::register(registry, &all::POOL_PENDING),
            pool_wait: BoundedFamily::register(registry, &all::POOL_WAIT),
            pool_timeouts: BoundedFamily::register(registry, &all::POOL_TIMEOUTS),
            ready: BoundedFamily::register(registry, &all::READY),
            database_up: BoundedFamily::register(registry, &all::DATABASE_UP),
            log_position: BoundedFamily::register(registry, &all::LOG_POSITION),
            feed_lag: BoundedFamily::register(registry, &all::FEED_LAG),
            subscribers: BoundedFamily::register(registry, &all::SUBSCRIBERS),
            streams: BoundedFamily::register(registry, &all::STREAMS),
            webhooks: BoundedFamily::register(registry, &all::WEBHOOKS),
            webhook_backlog: BoundedFamily::register(registry, &all::WEBHOOK_BACKLOG),
            webhook_age: BoundedFamily::register(registry, &all::WEBHOOK_AGE),
            webhook_attempts: BoundedFamily::register(registry, &all::WEBHOOK_ATTEMPTS),
            rejections: BoundedFamily::register(registry, &all::REJECTIONS),
            panics: BoundedFamily::register(registry, &all::PANICS),
            memory: BoundedFamily::register(registry, &all::MEMORY),
            registry: std::mem::take(registry),
        };
        metrics.show_zeros();
        metrics
    }

    /// Creates the series whose labels are known, so that their first increase is seen as one.
    fn show_zeros(&self) {
        for kind in ["query", "mutation"] {
            self.operation_duration.with(&[kind]);
            self.operations.with(&[kind, OTHER, ""]);
        }
        for route in ["/graphql", OTHER] {
            self.http_duration.with(&[route]);
        }
        for cache in ["document", "response"] {
            for result in ["hit", "miss"] {
                self.cache_lookups.with(&[cache, result]);
            }
        }
        for pool in [READ_POOL, WRITE_POOL] {
            self.pool_pending.with(&[pool]);
            self.pool_wait.with(&[pool]);
            self.pool_timeouts.with(&[pool]);
        }
        for result in ["delivered", "failed"] {
            self.webhook_attempts.with(&[result]);
        }
    }

    /// Returns all metrics as text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A wait for a connection of a pool. Without [`PoolWait::acquired`] it has failed.
#[must_use]
pub struct PoolWait {
    pool: &'static str,
    started_at: Option<Instant>,
}

impl PoolWait {
    /// Records a wait that was over at once.
    pub fn none(pool: &'static str) {
        record(|metrics| metrics.pool_wait.with(&[pool]).observe(0.0));
    }

    pub fn begin(pool: &'static str) -> Self {
        let started_at = METRICS.get().map(|metrics| {
            metrics.pool_pending.with(&[pool]).inc();
            Instant::now()
        });
        Self { pool, started_at }
    }

    /// Records that the connection was acquired.
    pub fn acquired(mut self) {
        if let Some(started_at) = self.started_at.take() {
            self.end(started_at.elapsed(), true);
        }
    }

    fn end(&self, waited: Duration, is_acquired: bool) {
        record(|metrics| {
            let pool = &[self.pool];
            metrics.pool_pending.with(pool).dec();
            metrics.pool_wait.with(pool).observe(waited.as_secs_f64());
            if !is_acquired {
                metrics.pool_timeouts.with(pool).inc();
            }
        });
    }
}

impl Drop for PoolWait {
    fn drop(&mut self) {
        if let Some(started_at) = self.started_at.take() {
            self.end(started_at.elapsed(), false);
        }
    }
}

/// Counts one more in a gauge until it is dropped.
#[derive(Debug)]
pub struct SubscriberCount(());

impl Default for SubscriberCount {
    fn default() -> Self {
        record(|metrics| {
            metrics.subscribers.with(&[]).inc();
        });
        Self(())
    }
}

impl Drop for SubscriberCount {
    fn drop(&mut self) {
        record(|metrics| {
            metrics.subscribers.with(&[]).dec();
        });
    }
}

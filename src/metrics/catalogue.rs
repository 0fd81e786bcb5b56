//! The catalogue of all metrics: name, type, unit, labels and description. Names follow the conventions of OpenTelemetry
//! and Prometheus.

/// A metric, and how many label sets it may have.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    /// In the notation of UCUM, as OpenTelemetry writes units.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub max_label_sets: usize,
    /// Whether there may be more label sets than that: further ones are counted as `other`.
    pub is_open: bool,
    pub description: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub enum MetricKind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets, to which one without a bound is added.
    Histogram(&'static [f64]),
}

/// Maximum number of series of all metrics together.
pub const MAX_SERIES: usize = 300;

const SECONDS: MetricKind = MetricKind::Histogram(&[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
]);
const WAIT_SECONDS: MetricKind =
    MetricKind::Histogram(&[0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0]);
const STATEMENTS: MetricKind =
    MetricKind::Histogram(&[0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0]);

impl Metric {
    /// Returns the maximum number of series.
    #[must_use]
    pub const fn max_series(&self) -> usize {
        let each = match self.kind {
            MetricKind::Counter | MetricKind::Gauge => 1,
            // The bucket without a bound, the sum and the count.
            MetricKind::Histogram(bounds) => bounds.len() + 3,
        };
        self.max_label_sets * each
    }

    const fn counter(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(name, MetricKind::Counter, unit, description)
    }

    const fn gauge(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(name, MetricKind::Gauge, unit, description)
    }

    const fn new(
        name: &'static str,
        kind: MetricKind,
        unit: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            unit,
            labels: &[],
            max_label_sets: 1,
            is_open: false,
            description,
        }
    }

    const fn by(self, labels: &'static [&'static str], max_label_sets: usize) -> Self {
        Self {
            labels,
            max_label_sets,
            ..self
        }
    }

    const fn open(self) -> Self {
        Self {
            is_open: true,
            ..self
        }
    }
}

pub static HTTP_REQUESTS: Metric = Metric::counter(
    "http_server_requests_total",
    "{request}",
    "Requests by matched route and status; the status is `none` if the client disconnected before",
)
.by(&["http_route", "http_response_status_code"], 60)
.open();

pub static HTTP_DURATION: Metric = Metric::new(
    "http_server_request_duration_seconds",
    SECONDS,
    "s",
    "Duration of requests until the head of the response, of `/graphql` and of all other routes",
)
.by(&["http_route"], 2);

pub static OPERATIONS: Metric = Metric::counter(
    "graphql_operations_total",
    "{operation}",
    "GraphQL operations by type (`unknown` if refused before it is known), name (of trusted documents; else `other`) and \
     code of the first error (empty without errors)",
)
.by(
    &["graphql_operation_type", "graphql_operation_name", "error_type"],
    80,
)
.open();

pub static OPERATION_DURATION: Metric = Metric::new(
    "graphql_operation_duration_seconds",
    SECONDS,
    "s",
    "Duration of queries and mutations, from the prepared operation to the serialized response",
)
.by(&["graphql_operation_type"], 2);

pub static OPERATION_STATEMENTS: Metric = Metric::new(
    "graphql_operation_statements",
    STATEMENTS,
    "{statement}",
    "SQL statements of a query or mutation over HTTP; 0 if its response was cached",
);

pub static ESTIMATED_COST: Metric = Metric::counter(
    "graphql_operation_estimated_cost_total",
    "1",
    "Sum of the costs of executed queries, as estimated before",
);

pub static ACTUAL_COST: Metric = Metric::counter(
    "graphql_operation_actual_cost_total",
    "1",
    "Sum of the fields and records in the responses of the same queries",
);

pub static CACHE_LOOKUPS: Metric = Metric::counter(
    "liaison_cache_lookups_total",
    "{lookup}",
    "Lookups in the caches of documents and responses, by result: `hit` or `miss`",
)
.by(&["cache", "result"], 4);

pub static CACHE_SIZE: Metric = Metric::gauge(
    "liaison_cache_size_bytes",
    "By",
    "Estimated size of the caches",
)
.by(&["cache"], 2);

pub static CACHE_ENTRIES: Metric =
    Metric::gauge("liaison_cache_entries", "{entry}", "Entries of the caches").by(&["cache"], 2);

pub static POOL_CONNECTIONS: Metric = Metric::gauge(
    "db_client_connection_count",
    "{connection}",
    "Database connections in use, of the pools for reads and writes",
)
.by(&["db_client_connection_pool_name"], 2);

pub static POOL_MAX: Metric = Metric::gauge(
    "db_client_connection_max",
    "{connection}",
    "Maximum number of connections of each pool",
)
.by(&["db_client_connection_pool_name"], 2);

pub static POOL_PENDING: Metric = Metric::gauge(
    "db_client_connection_pending_requests",
    "{request}",
    "Statements and transactions that wait for a connection",
)
.by(&["db_client_connection_pool_name"], 2);

pub static POOL_WAIT: Metric = Metric::new(
    "db_client_connection_wait_time_seconds",
    WAIT_SECONDS,
    "s",
    "Time to acquire a connection; of writes until the transaction has begun",
)
.by(&["db_client_connection_pool_name"], 2);

pub static POOL_TIMEOUTS: Metric = Metric::counter(
    "db_client_connection_timeouts_total",
    "{timeout}",
    "Waits for a connection that failed",
)
.by(&["db_client_connection_pool_name"], 2);

pub static READY: Metric = Metric::gauge(
    "liaison_ready",
    "1",
    "Whether the service was ready at this scrape, by the checks of `/readyz`: 1 or 0",
);

pub static DATABASE_UP: Metric = Metric::gauge(
    "liaison_database_up",
    "1",
    "Whether the database answered this scrape: 1 or 0. If not, the position, lag and webhook metrics are those of the last scrape that it answered",
);

pub static LOG_POSITION: Metric = Metric::gauge(
    "liaison_log_position",
    "{position}",
    "Newest position in the log",
);

pub static FEED_LAG: Metric = Metric::gauge(
    "liaison_feed_lag_positions",
    "{position}",
    "Positions of the log that this process has not passed to its subscribers yet",
);

pub static SUBSCRIBERS: Metric = Metric::gauge(
    "liaison_subscribers",
    "{subscriber}",
    "Subscriptions that follow the log",
);

pub static STREAMS: Metric = Metric::gauge(
    "liaison_streams",
    "{connection}",
    "Open WebSockets and event streams",
);

pub static WEBHOOKS: Metric = Metric::gauge(
    "liaison_webhooks",
    "{webhook}",
    "Webhooks by state: `working`, `failing` (the last attempt failed) or `disabled`",
)
.by(&["state"], 3);

pub static WEBHOOK_BACKLOG: Metric = Metric::gauge(
    "liaison_webhook_backlog_positions",
    "{position}",
    "Positions of the log that the enabled webhook furthest behind has not passed",
);

pub static WEBHOOK_AGE: Metric = Metric::gauge(
    "liaison_webhook_backlog_age_seconds",
    "s",
    "Age of the oldest activity that an enabled webhook has not passed; 0 if there is none",
);

pub static WEBHOOK_ATTEMPTS: Metric = Metric::counter(
    "liaison_webhook_attempts_total",
    "{attempt}",
    "Attempts to send a message to a webhook, by result: `delivered` or `failed`",
)
.by(&["result"], 2);

pub static REJECTIONS: Metric = Metric::counter(
    "liaison_requests_rejected_total",
    "{request}",
    "Requests beyond a limit, by its name in `extensions.limit`; `connections` if all places were taken",
)
.by(&["limit"], 24)
.open();

pub static BUILD_INFO: Metric =
    Metric::gauge("liaison_build_info", "1", "The version; the value is 1").by(&["version"], 1);

pub static START_TIME: Metric = Metric::gauge(
    "process_start_time_seconds",
    "s",
    "Start of the process, as Unix time",
);

pub static MEMORY: Metric = Metric::gauge(
    "process_resident_memory_bytes",
    "By",
    "Resident memory of the process",
);

/// All metrics, in the order of the documentation.
pub static CATALOGUE: [&Metric; 30] = [
    &HTTP_REQUESTS,
    &HTTP_DURATION,
    &OPERATIONS,
    &OPERATION_DURATION,
    &OPERATION_STATEMENTS,
    &ESTIMATED_COST,
    &ACTUAL_COST,
    &CACHE_LOOKUPS,
    &CACHE_SIZE,
    &CACHE_ENTRIES,
    &POOL_CONNECTIONS,
    &POOL_MAX,
    &POOL_PENDING,
    &POOL_WAIT,
    &POOL_TIMEOUTS,
    &READY,
    &DATABASE_UP,
    &LOG_POSITION,
    &FEED_LAG,
    &SUBSCRIBERS,
    &STREAMS,
    &WEBHOOKS,
    &WEBHOOK_BACKLOG,
    &WEBHOOK_AGE,
    &WEBHOOK_ATTEMPTS,
    &REJECTIONS,
    &BUILD_INFO,
    &START_TIME,
    &MEMORY,
    &PANICS,
];

pub static PANICS: Metric = Metric::counter(
    "liaison_panics_total",
    "{panic}",
    "Requests that ended with status 500 because of a fault of the program",
);

/// Returns the catalogue as a Markdown table.
#[must_use]
pub fn reference() -> String {
    let mut table =
        "| Metric | Type | Unit | Labels | Meaning |\n|---|---|---|---|---|\n".to_owned();
    for metric in CATALOGUE {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram(_) => "histogram",
        };
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let labels = if labels.is_empty() {
            "–".to_owned()
        } else {
            labels.join(", ")
        };
        let Metric {
            name,
            unit,
            description,
            ..
        } = metric;
        table.extend(["| `", name, "` | ", kind, " | `", unit, "` | "]);
        table.extend([labels.as_str(), " | ", description, " |\n"]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_metrics_together_have_a_bounded_number_of_series() {
        let series: usize = CATALOGUE.iter().map(|metric| metric.max_series()).sum();
        assert!(series <= MAX_SERIES, "{series}");
    }

    #[test]
    fn names_follow_the_conventions() {
        for metric in CATALOGUE {
            let is_counter = matches!(metric.kind, MetricKind::Counter);
            assert_eq!(
                metric.name.ends_with("_total"),
                is_counter,
                "{}",
                metric.name
            );
            let (is_seconds, is_bytes) = (metric.unit == "s", metric.unit == "By");
            assert_eq!(
                metric.name.ends_with("_seconds"),
                is_seconds,
                "{}",
                metric.name
            );
            assert_eq!(metric.name.ends_with("_bytes"), is_bytes, "{}", metric.name);
            assert!(!metric.description.ends_with('.'), "{}", metric.name);
        }
    }
}

//! Records operations in the metrics.

use std::time::Instant;

use async_graphql::parser::types::OperationType;
use async_graphql::{ServerError, Value};

use crate::graphql::Operation;
use crate::http::validation::Documents;
use crate::metrics::{self, OTHER};

/// Series that operations with a name may have, so that those without one find room.
const MAX_NAMED: usize = 40;

/// An operation under way.
pub struct OperationTimer {
    started_at: Instant,
    kind: &'static str,
    is_timed: bool,
    name: String,
}

impl OperationTimer {
    /// Returns `None` if there are no metrics.
    pub fn begin(operation: &Operation, documents: &Documents) -> Option<Self> {
        metrics::is_enabled().then(|| Self {
            started_at: Instant::now(),
            kind: kind(operation.kind),
            is_timed: operation.kind != OperationType::Subscription,
            name: documents.reported_name(operation).to_owned(),
        })
    }

    /// Records that it has ended with these errors.
    pub fn end(self, errors: &[ServerError]) {
        self.end_with(&error_code(errors));
    }

    /// Records that it has ended, with the code of its first error.
    pub fn end_with(self, code: &str) {
        metrics::record(|metrics| {
            let labels = [self.kind, &self.name, code];
            let named = (self.name != OTHER)
                .then(|| metrics.operations.within(MAX_NAMED, &labels))
                .flatten();
            let counter =
                named.unwrap_or_else(|| metrics.operations.with(&[self.kind, OTHER, code]));
            counter.inc();
            if self.is_timed {
                let seconds = self.started_at.elapsed().as_secs_f64();
                metrics
                    .operation_duration
                    .with(&[self.kind])
                    .observe(seconds);
            }
        });
    }
}

/// Records a request that was refused before its operation was known.
pub fn record_refused(errors: &[ServerError]) {
    metrics::record(|metrics| {
        let code = error_code(errors);
        metrics.operations.with(&["unknown", OTHER, &code]).inc();
    });
}

/// Records the limit that stopped an executed operation, if one did.
pub fn record_exceeded_limit(errors: &[ServerError]) {
    if let Some(limit) = extension(errors, "limit") {
        metrics::record_rejection(&limit);
    }
}

/// Records the estimated cost of an executed query, and the number of fields and records in its response. Introspection
/// has no records, and no part in this.
pub fn record_cost(estimated: u64, actual: u64) {
    if actual > 0 {
        metrics::record(|metrics| {
            metrics.estimated_cost.with(&[]).inc_by(estimated);
            metrics.actual_cost.with(&[]).inc_by(actual);
        });
    }
}

/// Returns the code of the first error; empty if there are no errors.
pub fn error_code(errors: &[ServerError]) -> String {
    let unset = if errors.is_empty() {
        ""
    } else {
        "BAD_USER_INPUT"
    };
    extension(errors, "code").unwrap_or_else(|| unset.to_owned())
}

fn extension(errors: &[ServerError], name: &str) -> Option<String> {
    match errors.first()?.extensions.as_ref()?.get(name)? {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

const fn kind(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

//! What the work of a request shares: the count of its SQL statements, and its trace.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::Statement;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::Instrument;

use crate::trace::TraceParent;

tokio::task_local! {
    static COUNTER: Arc<RequestWork>;
}

/// The count of a request's SQL statements, and its trace.
#[derive(Debug, Default)]
pub struct RequestWork {
    statements: AtomicU32,
    trace: Option<TraceParent>,
}

impl RequestWork {
    #[must_use]
    pub fn new(trace: Option<TraceParent>) -> Self {
        Self {
            trace,
            ..Self::default()
        }
    }

    /// Returns the number of SQL statements so far.
    #[must_use]
    pub fn statements(&self) -> u32 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Returns the position of the request in its trace; `None` if it has none.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceParent> {
        self.trace.as_ref()
    }
}

/// Returns the position of the current request in its trace; `None` if it has none.
pub(super) fn current_trace() -> Option<TraceParent> {
    let trace = COUNTER.try_with(|work| work.trace.clone());
    trace.ok().flatten()
}

/// Counts the statements that `work` executes in its own task in `counter`, and has its writes be part of its trace.
pub async fn count_statements<T>(counter: Arc<RequestWork>, work: impl Future<Output = T>) -> T {
    COUNTER.scope(counter, work).await
}

/// Spawns a task whose statements count for the current request.
pub fn spawn_counted<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    // The task's log events belong to the request's span.
    let work = work.in_current_span();
    match COUNTER.try_with(Arc::clone) {
        Ok(counter) => tokio::spawn(count_statements(counter, work)),
        Err(_) => tokio::spawn(work),
    }
}

/// Runs work that keeps a thread busy in a thread of its own. Its statements are counted for the request that spawns it.
pub fn spawn_blocking_counted<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let work = work.in_current_span();
    let runtime = Handle::current();
    match COUNTER.try_with(Arc::clone) {
        Ok(counter) => spawn_blocking(move || runtime.block_on(count_statements(counter, work))),
        Err(_) => spawn_blocking(move || runtime.block_on(work)),
    }
}

/// An observer of statements; by default, the counter of the request. `BEGIN` and `COMMIT` are not observed.
#[derive(Clone)]
pub struct StatementObserver(pub Arc<dyn Fn(&Statement) + Send + Sync>);

impl Default for StatementObserver {
    fn default() -> Self {
        Self(Arc::new(|_| count()))
    }
}

impl fmt::Debug for StatementObserver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StatementObserver")
    }
}

fn count() {
    // There is no counter outside of a request.
    let _ = COUNTER.try_with(|counter| counter.statements.fetch_add(1, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use tracing::Span;

    use super::*;

    #[tokio::test]
    async fn a_spawned_task_runs_in_the_span_of_its_request() {
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry());
        let span = tracing::error_span!("request");
        let inner = span.in_scope(|| spawn_counted(async { Span::current().id() }));
        assert_eq!(inner.await.unwrap(), span.id());
    }
}

//! How many statements a request sends to the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::DatabaseConnection;

tokio::task_local! {
    static COUNTER: Arc<AtomicU32>;
}

/// Counts in `counter` the statements that `work` sends, as long as it does so in its own task.
pub async fn counting<T>(counter: Arc<AtomicU32>, work: impl Future<Output = T>) -> T {
    COUNTER.scope(counter, work).await
}

/// Has the statements of a connection counted. What begins and ends a transaction is none.
pub(super) fn watch(db: &mut DatabaseConnection) {
    db.set_metric_callback(|_| {
        // Outside of a request nobody counts.
        let _ = COUNTER.try_with(|counter| counter.fetch_add(1, Ordering::Relaxed));
    });
}

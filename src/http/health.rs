//! Whether the service lives, and whether it can answer.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::App;

/// It runs: whoever can read this knows.
pub async fn alive() -> &'static str {
    "alive\n"
}

/// It can answer: the database does, and it is not about to stop.
pub async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if !app.open.more() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the service stops\n");
    }
    match app.db.read.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(%error, "the database does not answer");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer\n",
            )
        }
    }
}

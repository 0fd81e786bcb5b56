//! Health checks: liveness and readiness.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::AppState;

/// Liveness. Returns status 503 if only a restart would help.
pub async fn livez(State(app): State<Arc<AppState>>) -> (StatusCode, &'static str) {
    if app.db.health.is_file_replaced() {
        let message = "The database file was replaced: restart the service.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, message);
    }
    (StatusCode::OK, "alive\n")
}

/// Readiness. Returns status 503 if requests would fail, with the result of each check. Responds within two seconds.
pub async fn readyz(State(app): State<Arc<AppState>>) -> Response {
    let health = app.db.health().await;
    let shutdown = (!app.shutdown.is_accepting()).then_some("the service is about to stop");
    let tokens = (!app.verifier.has_keys((app.clock)()))
        .then_some("the keys of an identity provider could not be fetched yet");
    let mut checks = vec![("shutdown", shutdown), ("databaseRead", health.read)];
    if app.verifier.accepts_tokens() {
        // Without tokens there are no writes.
        if !app.http.read_only {
            checks.push(("databaseWrite", health.write));
        }
        checks.push(("tokens", tokens));
    }
    let is_ready = checks.iter().all(|(_, problem)| problem.is_none());
    let (status, word) = if is_ready {
        (StatusCode::OK, "ready")
    } else {
        let failed = checks
            .iter()
            .filter_map(|(name, problem)| Some(format!("{name}: {}", (*problem)?)))
            .collect::<Vec<_>>()
            .join(", ");
        tracing::warn!(failed, "not ready");
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    let checks: Map<String, Value> = checks
        .into_iter()
        .map(|(name, problem)| (name.to_owned(), problem.unwrap_or("ok").into()))
        .collect();
    let body = serde_json::json!({ "status": word, "checks": checks }).to_string();
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}

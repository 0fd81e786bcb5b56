//! Health checks: liveness and readiness.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// The result of each readiness check: its name, and the problem if there is one.
struct Readiness(Vec<(&'static str, Option<&'static str>)>);

impl Readiness {
    /// Runs the checks, within two seconds, and logs if their result is another one than before.
    async fn check(app: &AppState) -> Self {
        let health = app.db.health().await;
        let shutdown = (!app.shutdown.is_accepting()).then_some("the service is about to stop");
        let tokens = (!app.verifier.has_keys((app.clock)()))
            .then_some("the keys of an identity provider could not be fetched yet");
        let mut checks = vec![("databaseRead", health.read)];
        if app.verifier.accepts_tokens() {
            // Without tokens there are no writes.
            if !app.http.read_only {
                checks.push(("databaseWrite", health.write));
            }
            checks.push(("tokens", tokens));
        }
        // A stop is logged by itself.
        app.http.readiness.log(&Self(checks.clone()).problems());
        checks.push(("shutdown", shutdown));
        Self(checks)
    }

    fn is_ready(&self) -> bool {
        self.0.iter().all(|(_, problem)| problem.is_none())
    }

    /// Describes the checks that failed; empty if none did.
    fn problems(&self) -> String {
        let failed = self.0.iter();
        let failed = failed.filter_map(|(name, problem)| Some(format!("{name}: {}", (*problem)?)));
        failed.collect::<Vec<_>>().join(", ")
    }
}

/// Logs changes of the readiness, not each check.
#[derive(Debug, Default)]
pub struct ReadinessLog {
    is_failing: AtomicBool,
}

impl ReadinessLog {
    fn log(&self, problems: &str) {
        let is_failing = !problems.is_empty();
        if self.is_failing.swap(is_failing, Ordering::Relaxed) == is_failing {
            return;
        }
        if is_failing {
            tracing::warn!(failed = problems, "not ready");
        } else {
            tracing::info!("ready again");
        }
    }
}

/// Returns whether requests would succeed.
pub async fn is_ready(app: &AppState) -> bool {
    Readiness::check(app).await.is_ready()
}

/// Readiness. Returns status 503 if requests would fail, with the result of each check. Responds within two seconds.
pub async fn readyz(State(app): State<Arc<AppState>>) -> Response {
    let readiness = Readiness::check(&app).await;
    let (status, word) = if readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    let checks: Map<String, Value> = readiness
        .0
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

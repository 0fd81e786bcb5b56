//! Long-lived connections (event streams and WebSockets): their timeouts, and graceful shutdown.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::domain::viewer::Viewer;
use crate::http::AppState;
use crate::http::auth::AuthError;

/// The timeouts of a long-lived connection.
#[derive(Clone, Copy, Debug)]
pub struct StreamTimeouts {
    /// Timeout for the first message of a WebSocket.
    pub init: Duration,
    /// Keep-alive interval. A WebSocket client must respond within it.
    pub keep_alive: Duration,
    /// For an operation on a WebSocket that has none.
    pub idle: Duration,
    /// For one that reads nothing of what it was sent.
    pub write_timeout: Duration,
}

impl StreamTimeouts {
    pub const DEFAULT: Self = Self {
        init: Duration::from_secs(10),
        keep_alive: Duration::from_secs(20),
        idle: Duration::from_mins(1),
        write_timeout: Duration::from_secs(30),
    };
}

impl Default for StreamTimeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The stages of a shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ShutdownStage {
    #[default]
    Serving,
    /// Requests are still served, but readiness checks fail.
    Draining,
    Stopping,
}

/// Tracks the long-lived connections. Clones share the same state.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(watch::Sender<ShutdownStage>);

/// Shutdown signal of a connection, which counts as open until this is dropped.
#[derive(Debug)]
pub struct ShutdownSignal(watch::Receiver<ShutdownStage>);

impl Shutdown {
    /// Registers a connection.
    #[must_use]
    pub fn track(&self) -> ShutdownSignal {
        ShutdownSignal(self.0.subscribe())
    }

    /// Starts to fail readiness checks.
    pub fn drain(&self) {
        self.0.send_replace(ShutdownStage::Draining);
    }

    /// Returns whether new connections are accepted.
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        *self.0.borrow() == ShutdownStage::Serving
    }

    /// Signals all connections to end.
    pub fn stop(&self) {
        self.0.send_replace(ShutdownStage::Stopping);
    }

    /// Waits until all connections have ended.
    pub async fn all_closed(&self) {
        self.0.closed().await;
    }
}

impl ShutdownSignal {
    /// Waits for the shutdown signal.
    pub async fn stopped(&mut self) {
        // Fails if the sender is gone, which also means that the service stops.
        let _ = self
            .0
            .wait_for(|stage| *stage == ShutdownStage::Stopping)
            .await;
    }
}

/// Waits until the token in these headers is no longer valid; for ever if there is none.
pub async fn token_expired(app: Arc<AppState>, headers: HeaderMap, viewer: Viewer) {
    let Some(end) = viewer.expires_at else {
        return pending().await;
    };
    loop {
        let left = (end - (app.clock)()).to_std().unwrap_or_default();
        // The clocks may differ: after its expiry the token is verified again each second.
        sleep(left.max(Duration::from_secs(1))).await;
        match app.verifier.viewer(&headers, (app.clock)()).await {
            // While keys are unavailable, the last verification holds.
            Ok(_) | Err(AuthError::KeysUnavailable { .. }) => {}
            Err(AuthError::InvalidToken(_) | AuthError::Forbidden(_)) => return,
        }
    }
}

//! What all connections that stay open share: how long they wait, and when they end.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use tokio::sync::watch;
use tokio::time::sleep;

use super::App;
use super::auth::Denied;
use crate::rules::viewer::Viewer;

/// How long a connection that stays open waits for its client.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the first message of a WebSocket.
    pub init: Duration,
    /// Between signs of life: ours, and on a WebSocket the client's too.
    pub pulse: Duration,
    /// For an operation on a WebSocket that has none.
    pub idle: Duration,
    /// For one that reads nothing of what it was sent.
    pub slow: Duration,
}

impl Patience {
    pub const DEFAULT: Self = Self {
        init: Duration::from_secs(10),
        pulse: Duration::from_secs(20),
        idle: Duration::from_mins(1),
        slow: Duration::from_secs(30),
    };
}

impl Default for Patience {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How far the service is on its way to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Serving,
    /// It answers all who come, and asks that nobody be sent any more.
    Draining,
    Stopping,
}

/// The connections that stay open. Clones are about the same ones.
#[derive(Clone, Debug, Default)]
pub struct Open(watch::Sender<Stage>);

/// Whether the service stops; held for as long as a connection is open.
#[derive(Debug)]
pub struct Stopping(watch::Receiver<Stage>);

impl Open {
    /// One more.
    #[must_use]
    pub fn one(&self) -> Stopping {
        Stopping(self.0.subscribe())
    }

    /// Wants no others.
    pub fn drain(&self) {
        self.0.send_replace(Stage::Draining);
    }

    /// Whether others are welcome.
    #[must_use]
    pub fn more(&self) -> bool {
        *self.0.borrow() == Stage::Serving
    }

    /// Tells all of them to end.
    pub fn stop(&self) {
        self.0.send_replace(Stage::Stopping);
    }

    /// Done once all have ended.
    pub async fn empty(&self) {
        self.0.closed().await;
    }
}

impl Stopping {
    /// Done once the service is told to stop.
    pub async fn told(&mut self) {
        // Fails where the service is gone: all the more reason.
        let _ = self.0.wait_for(|it| *it == Stage::Stopping).await;
    }
}

/// Done once the token in these headers no longer counts; never without one.
pub async fn expiry(app: Arc<App>, headers: HeaderMap, viewer: Viewer) {
    let Some(end) = viewer.expires_at else {
        return pending().await;
    };
    loop {
        let left = (end - (app.clock)()).to_std().unwrap_or_default();
        // Clocks may differ a little: past its end, the token is asked about each second.
        sleep(left.max(Duration::from_secs(1))).await;
        match app.verifier.viewer(&headers, (app.clock)()).await {
            // Where keys are missing nobody knows better than before.
            Ok(_) | Err(Denied::NoKeys { .. }) => {}
            Err(Denied::BadToken(_) | Denied::Forbidden(_)) => return,
        }
    }
}

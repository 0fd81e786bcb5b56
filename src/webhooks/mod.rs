//! Delivers activities to webhooks: in order, at least once, by one process at a time per webhook.
//!
//! The log and each webhook's position in it are the only state. If a process is killed, another continues from the
//! last stored position.

mod client;
mod endpoint;
mod signature;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use entity::id::WebhookId;
use sea_orm::prelude::Uuid;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use self::client::Client;
use self::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::events::Feed;
use crate::graphql::request::Clock;
use crate::store::{Database, delivery};

// The rules are private, and this type is a setting.
pub use crate::domain::webhook::WebhookTargets;

/// Poll interval for deliveries that become due without a new activity: retries, and leases that have expired.
const POLL: Duration = Duration::from_secs(1);

/// Maximum wait for attempts in progress on shutdown: longer than the timeout of an attempt.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// How deliveries are sent.
#[derive(Clone)]
pub struct DeliverySettings {
    pub targets: WebhookTargets,
    /// The HTTP proxy that they go through; `None`: no proxy.
    pub proxy: Option<String>,
    /// The `source` of events: the URI of the register.
    pub source: String,
}

impl From<WebhookTargets> for DeliverySettings {
    /// Without a proxy.
    fn from(targets: WebhookTargets) -> Self {
        Self {
            targets,
            proxy: None,
            source: "urn:liaison:register".to_owned(),
        }
    }
}

/// The deliveries of one process, which end with this.
pub struct Deliveries {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Deliveries {
    /// Starts to deliver.
    ///
    /// # Errors
    /// Why requests cannot be sent, in a line.
    pub fn start(
        db: &Database,
        feed: &Feed,
        settings: DeliverySettings,
        clock: Clock,
    ) -> Result<Self, String> {
        let (stop, stopping) = watch::channel(false);
        let process = Process {
            id: Uuid::now_v7(),
            stopping,
            db: db.clone(),
            feed: feed.clone(),
            client: Client::new(settings.targets, settings.proxy.as_deref())?,
            source: settings.source.into(),
            clock,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(process.run());
        Ok(Self { tasks, stop })
    }

    /// Finishes the attempts in progress and releases the leases, so that another process can continue at once.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = timeout(STOP_TIMEOUT, self.tasks.join_next()).await;
        if ended.is_err() {
            tracing::warn!("webhooks: deliveries in progress did not end in time");
        }
    }
}

/// The state that all deliveries of a process share.
#[derive(Clone)]
struct Process {
    id: Uuid,
    stopping: watch::Receiver<bool>,
    db: Database,
    feed: Feed,
    client: Client,
    source: Arc<str>,
    clock: Clock,
}

impl Process {
    /// Returns whether no further attempt may start.
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    async fn run(self) {
        let mut stopping = self.stopping.clone();
        let mut under_way: JoinSet<WebhookId> = JoinSet::new();
        let mut busy = HashSet::new();
        let mut is_failing = false;
        loop {
            while let Some(done) = under_way.try_join_next() {
                forget(&mut busy, &done);
            }
            let newest = self.feed.newest();
            match self.begin(newest.position, &mut busy, &mut under_way).await {
                Ok(()) if is_failing => {
                    tracing::info!("webhooks: due deliveries can be loaded again");
                    is_failing = false;
                }
                Err(error) if !is_failing => {
                    tracing::warn!(
                        error = error.log_text(),
                        "webhooks: cannot load due deliveries, retrying"
                    );
                    is_failing = true;
                }
                _ => {}
            }
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => break,
                // A timeout starts the next poll.
                _ = timeout(POLL, self.feed.wait_past(newest)) => {}
                Some(done) = under_way.join_next() => forget(&mut busy, &done),
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Starts a task for each webhook that is due and has none in this process.
    async fn begin(
        &self,
        newest: i64,
        busy: &mut HashSet<WebhookId>,
        under_way: &mut JoinSet<WebhookId>,
    ) -> Result<(), Error> {
        for webhook in in_time(delivery::due(&self.db, self.id, newest, (self.clock)())).await? {
            let id = webhook.id;
            if !busy.insert(id) {
                continue;
            }
            let process = self.clone();
            under_way.spawn(async move {
                if let Err(error) = Endpoint::deliver(&process, id).await {
                    tracing::warn!(error = error.log_text(), "webhook delivery aborted");
                }
                id
            });
        }
        Ok(())
    }
}

/// Removes a finished task. A task that panicked does not return its id, so all webhooks may be started again; the
/// lease prevents concurrent deliveries.
fn forget(busy: &mut HashSet<WebhookId>, done: &Result<WebhookId, JoinError>) {
    match done {
        Ok(id) => {
            busy.remove(id);
        }
        Err(_) => busy.clear(),
    }
}

/// Timeout of a database operation: a broken connection may never respond.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(6);

fn in_time<T, E: Into<Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T>> {
    // Boxed, because the transaction of a write is a large future.
    let work = timeout(DATABASE_TIMEOUT, Box::pin(work));
    async {
        match work.await {
            Ok(done) => done.map_err(Into::into),
            Err(_) => Err(Error::database_timeout()),
        }
    }
}

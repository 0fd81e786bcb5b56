//! Delivers the feed to webhooks: in order, at least once, by one process at a time for each.
//!
//! The log and each webhook's place in it are the only truth: a process that is killed has lost nothing, another goes
//! on from the last place that was written.

mod client;
mod endpoint;
mod signature;

use std::collections::HashSet;
use std::time::Duration;

use entity::id::WebhookId;
use sea_orm::prelude::Uuid;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use self::client::Client;
use self::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::graphql::request::Clock;
use crate::store::{Database, delivery};

// The rules are private, and this is a setting.
pub use crate::rules::webhook::Reach;

/// How long what becomes due without anything new waits: a second attempt, a lease that another process has left.
const POLL: Duration = Duration::from_secs(1);

/// The deliveries of one process, which end with this.
pub struct Deliveries {
    _tasks: JoinSet<()>,
}

impl Deliveries {
    /// Begins to deliver.
    ///
    /// # Errors
    /// Why requests cannot be sent, in a line.
    pub fn start(db: &Database, feed: &Feed, reach: Reach, clock: Clock) -> Result<Self, String> {
        let process = Process {
            id: Uuid::now_v7(),
            db: db.clone(),
            feed: feed.clone(),
            client: Client::new(reach)?,
            clock,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(process.run());
        Ok(Self { _tasks: tasks })
    }
}

/// What all deliveries of a process share.
#[derive(Clone)]
struct Process {
    id: Uuid,
    db: Database,
    feed: Feed,
    client: Client,
    clock: Clock,
}

impl Process {
    async fn run(self) {
        let mut under_way: JoinSet<WebhookId> = JoinSet::new();
        let mut busy = HashSet::new();
        loop {
            while let Some(done) = under_way.try_join_next() {
                forget(&mut busy, &done);
            }
            let newest = self.feed.newest();
            if let Err(error) = self.begin(newest, &mut busy, &mut under_way).await {
                tracing::warn!(error = ?error, "what is due for delivery cannot be read");
            }
            tokio::select! {
                // That it took too long is the poll.
                _ = timeout(POLL, self.feed.past(newest)) => {}
                Some(done) = under_way.join_next() => forget(&mut busy, &done),
            }
        }
    }

    /// Begins with each webhook that is due and not under way here.
    async fn begin(
        &self,
        newest: i64,
        busy: &mut HashSet<WebhookId>,
        under_way: &mut JoinSet<WebhookId>,
    ) -> Result<(), Error> {
        for webhook in delivery::due(&self.db, newest, (self.clock)()).await? {
            let id = webhook.id;
            if !busy.insert(id) {
                continue;
            }
            let process = self.clone();
            under_way.spawn(async move {
                if let Err(error) = Endpoint::deliver(&process, id).await {
                    tracing::warn!(error = ?error, "a delivery was broken off");
                }
                id
            });
        }
        Ok(())
    }
}

/// A task that has panicked tells nothing: then all that are under way may be begun again, which the lease bears.
fn forget(busy: &mut HashSet<WebhookId>, done: &Result<WebhookId, JoinError>) {
    match done {
        Ok(id) => {
            busy.remove(id);
        }
        Err(_) => busy.clear(),
    }
}

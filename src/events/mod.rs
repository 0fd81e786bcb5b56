//! The feed of activities: one reader per process reads the log, and all subscribers share its events.
//!
//! The log in the database is the only source of events. Notifications merely wake the reader.

mod buffer;
pub mod filter;
mod listen;
pub mod log;
mod reader;
mod subscriber;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::id::{ActivityId, TopicId};
use entity::party::Party;
use sea_orm::FromQueryResult;
use sea_orm::prelude::Uuid;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::events::buffer::EventBuffer;
use crate::events::filter::EventFilter;
pub use crate::events::subscriber::Subscriber;
use crate::store::Database;
use crate::store::activity::LogPosition;

/// The feed of a process. Clones share it; it stops when the last one is dropped.
#[derive(Clone)]
pub struct Feed {
    db: Database,
    recent: Arc<EventBuffer>,
    /// Aborts the reader and the listener on drop.
    _tasks: Arc<JoinSet<()>>,
}

/// The version of all that is public: the id of the newest activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(Uuid);

/// The columns of an activity that filters match on.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Event {
    pub id: ActivityId,
    /// Position in the log. Positions have the order of commits.
    pub position: i64,
    pub at: DateTime<Utc>,
    pub party: Party,
    pub verb: ActivityVerb,
    pub subject_type: String,
    pub subject_id: Uuid,
    pub topic_id: Option<TopicId>,
    /// Whether it concerns ITU or the UPU.
    pub itu: bool,
    pub upu: bool,
    /// The W3C `traceparent` of the request that made the change; `None` if it had none.
    pub trace_parent: Option<String>,
}

impl Event {
    /// Its position in the log.
    #[must_use]
    pub fn log_position(&self) -> LogPosition {
        LogPosition {
            position: self.position,
            id: self.id.into(),
        }
    }
}

impl Feed {
    /// Starts to read the activities that are added from now on.
    #[must_use]
    pub fn start(db: &Database) -> Self {
        let recent = Arc::new(EventBuffer::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(reader::read(db.clone(), recent.clone()));
        if let Some(connect) = db.listener_pool() {
            tasks.spawn(listen::listen(db.clone(), connect, recent.clone()));
        }
        Self {
            db: db.clone(),
            recent,
            _tasks: Arc::new(tasks),
        }
    }

    /// The position of the newest activity in the log.
    pub async fn head(&self) -> Result<LogPosition> {
        Ok(self.db.query(log::head(&self.db.orm_read)).await?)
    }

    /// The newest position that this process knows of; `None` if it has not read the log yet.
    #[must_use]
    pub fn known_head(&self) -> Option<LogPosition> {
        let is_known = self.recent.known_within(Duration::MAX);
        is_known.then(|| self.db.newest())
    }

    /// The position up to which this process has read the log.
    #[must_use]
    pub fn newest(&self) -> LogPosition {
        self.recent.newest()
    }

    /// Returns the version of all public data. Writes of other instances may be missed for `max_staleness`; with 0 the
    /// database is queried each time. An `SQLite` file has one instance: writes of another program appear with the feed.
    pub async fn version(&self, max_staleness: Duration) -> Result<Version> {
        let max_staleness = if self.db.is_shared() {
            max_staleness
        } else {
            Duration::MAX
        };
        if self.recent.known_within(max_staleness) {
            return Ok(Version(self.db.newest().id));
        }
        let (started, known) = (Instant::now(), self.db.newest());
        let head = self.head().await?;
        self.db.was_read(known, head);
        self.recent.read_at(started);
        Ok(Version(head.id))
    }

    /// Returns the first `limit` matching events after this position, in order.
    ///
    /// # Errors
    /// Returns an error if the log cannot be read, or no longer holds this position.
    pub async fn read(
        &self,
        after: LogPosition,
        filter: &EventFilter,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let later = log::after(&self.db.orm_read, after.position, filter.condition(), limit);
        let later = self.db.query(later).await?;
        // Afterwards, so that what was read followed this position.
        if after.id.is_nil() || self.holds(after).await? {
            Ok(later)
        } else {
            Err(Error::HistoryReplaced)
        }
    }

    /// Whether the log holds this position, which it does until its history is replaced.
    pub async fn holds(&self, at: LogPosition) -> Result<bool> {
        Ok(self.db.query(log::holds(&self.db.orm_read, at)).await?)
    }

    /// Waits until there may be an activity after this position, or the history was replaced.
    pub async fn wait_past(&self, position: LogPosition) {
        // The sender is ours: it cannot go before the wait is over.
        let _ = self.recent.news().wait_for(|news| *news != position).await;
    }

    /// Subscribes to the matching events after this position.
    #[must_use]
    pub fn subscribe(&self, position: LogPosition, filter: EventFilter) -> Subscriber {
        Subscriber::new(self.clone(), position, filter)
    }
}

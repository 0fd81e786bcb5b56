//! The feed: what is new in the log is read once per process, and seen by all who follow.
//!
//! The log in the database is the only truth. Whoever wakes the reader says no more than "look".

mod follower;
mod listen;
pub mod log;
mod reader;
mod recent;
pub mod wanted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::id::{ActivityId, TopicId};
use entity::party::Party;
use sea_orm::FromQueryResult;
use sea_orm::prelude::Uuid;
use tokio::task::JoinSet;

pub use self::follower::Follower;
use self::recent::Recent;
use self::wanted::Wanted;
use crate::error::Result;
use crate::store::Database;

/// The feed of one process. Its clones are the same feed, which ends with the last of them.
#[derive(Clone)]
pub struct Feed {
    db: Database,
    recent: Arc<Recent>,
    /// Ends what it holds when it goes.
    _tasks: Arc<JoinSet<()>>,
}

/// What is known of an activity without reading more: enough to tell who wants it.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Event {
    pub id: ActivityId,
    /// Its place in the log; the order of places is the order of commits.
    pub position: i64,
    pub at: DateTime<Utc>,
    pub party: Party,
    pub verb: ActivityVerb,
    pub subject_type: String,
    pub subject_id: Uuid,
    pub topic_id: Option<TopicId>,
    /// Whether it concerns ITU, and the UPU.
    pub itu: bool,
    pub upu: bool,
}

impl Feed {
    /// Begins to read what is added from now on.
    #[must_use]
    pub fn start(db: &Database) -> Self {
        let recent = Arc::new(Recent::default());
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

    /// The place of the newest activity in the log; 0 where there is none.
    pub async fn head(&self) -> Result<i64> {
        Ok(self.db.query(log::head(&self.db.read)).await?)
    }

    /// The id and position of the newest activity in the log; `None` if there is none.
    pub async fn newest_activity(&self) -> Result<Option<(Uuid, i64)>> {
        Ok(self.db.query(log::newest(&self.db.read)).await?)
    }

    /// The place up to which this process has read the log.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.recent.newest()
    }

    /// The version of all that is public: the newest place in the log. What another instance has written may be
    /// unknown for so long; asking the database each time is the price of no time at all. `SQLite` is one instance's:
    /// what another program writes to its file is seen as the feed sees it.
    pub async fn version(&self, unknown: Duration) -> Result<i64> {
        let unknown = if self.db.is_shared() {
            unknown
        } else {
            Duration::MAX
        };
        if self.recent.known_within(unknown) {
            return Ok(self.db.newest());
        }
        let asked = Instant::now();
        let head = self.head().await?;
        self.db.reaches(head);
        self.recent.read_at(asked);
        Ok(head)
    }

    /// What is wanted of all later than this place: in order, the first `limit` of it.
    pub async fn read(&self, position: i64, wanted: &Wanted, limit: usize) -> Result<Vec<Event>> {
        let after = log::after(&self.db.read, position, wanted.condition(), limit);
        Ok(self.db.query(after).await?)
    }

    /// Done once something later than this place may be read.
    pub async fn past(&self, position: i64) {
        // The sender is ours: it cannot go before the wait is over.
        let _ = self.recent.news().wait_for(|it| *it > position).await;
    }

    /// Someone who follows what is wanted, from after this place on.
    #[must_use]
    pub fn follow(&self, position: i64, wanted: Wanted) -> Follower {
        Follower::new(self.clone(), position, wanted)
    }
}

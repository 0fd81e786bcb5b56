//! One who follows the feed: first what it missed, then what comes, without a gap and without a repeat.

use std::sync::Arc;

use tokio::sync::watch;

use super::wanted::Wanted;
use super::{Event, Feed, log};
use crate::error::Result;

/// Events that are handed over at once.
const BATCH: usize = 50;

/// A place in the log, and what is wanted of all that is later.
pub struct Follower {
    feed: Feed,
    news: watch::Receiver<i64>,
    wanted: Wanted,
    position: i64,
}

impl Follower {
    pub(super) fn new(feed: Feed, position: i64, wanted: Wanted) -> Self {
        Self {
            news: feed.recent.news(),
            feed,
            wanted,
            position,
        }
    }

    /// The place up to which it has all that it wants.
    #[must_use]
    pub const fn position(&self) -> i64 {
        self.position
    }

    /// The next events in order, at least one; waits for it.
    ///
    /// # Errors
    /// Where the log cannot be read. The follower stands where it stood: ask it again.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>> {
        loop {
            if let Some(events) = self.at_once().await? {
                return Ok(events);
            }
            // The feed is ours: its sender cannot go before the wait is over.
            let _ = self.news.changed().await;
        }
    }

    /// The next events in order; none where nothing is there yet that it wants.
    ///
    /// # Errors
    /// As [`Follower::next`].
    pub async fn at_once(&mut self) -> Result<Option<Vec<Arc<Event>>>> {
        loop {
            let newest = *self.news.borrow_and_update();
            let recent = &self.feed.recent;
            let (events, upto) = match recent.after(self.position, &self.wanted, BATCH) {
                Some(recent) => recent,
                None => self.missed(newest).await?,
            };
            self.position = upto;
            if !events.is_empty() {
                return Ok(Some(events));
            }
            if upto >= newest {
                return Ok(None);
            }
        }
    }

    /// What is further back than memory. All up to `newest` stands in the log already.
    async fn missed(&self, newest: i64) -> Result<(Vec<Arc<Event>>, i64)> {
        let db = &self.feed.db;
        let condition = self.wanted.condition();
        let after = log::after(&db.read, self.position, condition, BATCH);
        let events = db.query(after).await?;
        let last = events.last().map_or(self.position, |it| it.position);
        let upto = if events.len() < BATCH {
            last.max(newest)
        } else {
            last
        };
        Ok((events.into_iter().map(Arc::new).collect(), upto))
    }
}

//! One who follows the feed: first what it missed, then what comes, without a gap and without a repeat.

use std::sync::Arc;

use tokio::sync::watch;

use super::wanted::Wanted;
use super::{Event, Feed};
use crate::error::Result;
use crate::store::activity::LogPosition;

/// Events that are handed over at once.
const BATCH: usize = 50;

/// A place in the log, and what is wanted of all that is later.
pub struct Follower {
    feed: Feed,
    news: watch::Receiver<LogPosition>,
    wanted: Wanted,
    position: LogPosition,
}

impl Follower {
    pub(super) fn new(feed: Feed, position: LogPosition, wanted: Wanted) -> Self {
        Self {
            news: feed.recent.news(),
            feed,
            wanted,
            position,
        }
    }

    /// The place up to which it has all that it wants.
    #[must_use]
    pub const fn position(&self) -> LogPosition {
        self.position
    }

    /// The next events in order, at least one; waits for it.
    ///
    /// # Errors
    /// Where the log cannot be read. The follower stands where it stood: ask it again, unless the history was replaced.
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
            if upto.position >= newest.position {
                return Ok(None);
            }
        }
    }

    /// What memory does not hold. All up to `newest` stands in the log already.
    async fn missed(&self, newest: LogPosition) -> Result<(Vec<Arc<Event>>, LogPosition)> {
        let events = self.feed.read(self.position, &self.wanted, BATCH).await?;
        let last = events.last().map_or(self.position, Event::log_position);
        let upto = if events.len() < BATCH && last.position < newest.position {
            newest
        } else {
            last
        };
        Ok((events.into_iter().map(Arc::new).collect(), upto))
    }
}

//! A subscriber of the feed: first the events that it missed, then new ones, without gaps or duplicates.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::Result;
use crate::events::filter::EventFilter;
use crate::events::{Event, Feed};
use crate::metrics::SubscriberCount;
use crate::store::activity::LogPosition;

/// Maximum number of events returned at once.
const BATCH: usize = 50;

/// A position in the log, and the filter for the events after it.
pub struct Subscriber {
    feed: Feed,
    news: watch::Receiver<LogPosition>,
    filter: EventFilter,
    position: LogPosition,
    _count: SubscriberCount,
}

impl Subscriber {
    pub(super) fn new(feed: Feed, position: LogPosition, filter: EventFilter) -> Self {
        Self {
            news: feed.recent.news(),
            feed,
            filter,
            position,
            _count: SubscriberCount::default(),
        }
    }

    /// Returns the position up to which the subscriber has received all matching events.
    #[must_use]
    pub const fn position(&self) -> LogPosition {
        self.position
    }

    /// Waits for at least one event and returns the next events in order.
    ///
    /// # Errors
    /// Returns an error if the log cannot be read. The position is kept: call it again, unless the history was replaced.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>> {
        loop {
            if let Some(events) = self.try_next().await? {
                return Ok(events);
            }
            // The sender belongs to the feed, which outlives this call.
            let _ = self.news.changed().await;
        }
    }

    /// Returns the next events in order; `None` if there are no matching events yet.
    ///
    /// # Errors
    /// Returns an error if the log cannot be read, like [`Subscriber::next`].
    pub async fn try_next(&mut self) -> Result<Option<Vec<Arc<Event>>>> {
        loop {
            let newest = *self.news.borrow_and_update();
            let recent = &self.feed.recent;
            let (events, upto) = match recent.after(self.position, &self.filter, BATCH) {
                Some(recent) => recent,
                None => self.catch_up(newest).await?,
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

    /// Reads events that the buffer no longer holds. All up to `newest` are in the log already.
    async fn catch_up(&self, newest: LogPosition) -> Result<(Vec<Arc<Event>>, LogPosition)> {
        let events = self.feed.read(self.position, &self.filter, BATCH).await?;
        let last = events.last().map_or(self.position, Event::log_position);
        let upto = if events.len() < BATCH && last.position < newest.position {
            newest
        } else {
            last
        };
        Ok((events.into_iter().map(Arc::new).collect(), upto))
    }
}

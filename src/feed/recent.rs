//! The newest events in memory, shared by all who follow.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::Event;
use super::wanted::Wanted;

/// How many are kept: who is further behind reads the log itself.
const KEPT: usize = 4096;

/// A window on the end of the log.
pub struct Recent {
    window: RwLock<Window>,
    /// The place up to which the log was read.
    newest: watch::Sender<i64>,
}

struct Window {
    /// All that is later than this place was read, and stands in `events`.
    from: i64,
    events: VecDeque<Arc<Event>>,
}

impl Default for Recent {
    /// Nothing was read yet.
    fn default() -> Self {
        Self {
            window: RwLock::new(Window {
                from: i64::MAX,
                events: VecDeque::new(),
            }),
            newest: watch::Sender::new(0),
        }
    }
}

impl Recent {
    /// Tells up to which place the log was read.
    pub fn news(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    pub fn newest(&self) -> i64 {
        *self.newest.borrow()
    }

    /// Begins behind this place of the log.
    pub fn begin(&self, position: i64) {
        let mut window = self.window.write().unwrap_or_else(PoisonError::into_inner);
        window.from = position;
        window.events.clear();
        self.newest.send_replace(position);
    }

    /// Adds what comes next in the log.
    pub fn add(&self, events: Vec<Event>) {
        let Some(last) = events.last() else {
            return;
        };
        let newest = last.position;
        let mut window = self.window.write().unwrap_or_else(PoisonError::into_inner);
        window.events.extend(events.into_iter().map(Arc::new));
        while window.events.len() > KEPT {
            if let Some(oldest) = window.events.pop_front() {
                window.from = oldest.position;
            }
        }
        drop(window);
        self.newest.send_replace(newest);
    }

    /// What is wanted of the events later than this place, the first `limit` of it, and the place up to which
    /// that is all; none where the window does not reach back so far.
    pub fn after(
        &self,
        position: i64,
        wanted: &Wanted,
        limit: usize,
    ) -> Option<(Vec<Arc<Event>>, i64)> {
        let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
        if position < window.from {
            return None;
        }
        let (mut found, mut upto) = (Vec::new(), position);
        let start = window.events.partition_point(|it| it.position <= position);
        for event in window.events.range(start..) {
            if found.len() == limit {
                break;
            }
            if wanted.includes(event) {
                found.push(event.clone());
            }
            upto = event.position;
        }
        Some((found, upto))
    }
}

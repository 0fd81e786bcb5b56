//! The newest events in memory, shared by all who follow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

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
    /// When nothing was later than what was known.
    whole_at: Mutex<Option<Instant>>,
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
            whole_at: Mutex::default(),
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

    /// Takes note that all of the log was known at this moment.
    pub fn read_at(&self, moment: Instant) {
        let mut whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        *whole_at = Some(moment);
    }

    /// Whether all of the log was known so short a time ago.
    pub fn known_within(&self, time: Duration) -> bool {
        let whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        whole_at.is_some_and(|it| it.elapsed() < time)
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

#[cfg(test)]
mod tests {
    use entity::activity::ActivityVerb;
    use entity::party::Party;
    use sea_orm::prelude::Uuid;

    use super::*;

    fn events(positions: std::ops::RangeInclusive<i64>) -> Vec<Event> {
        let event = |position| Event {
            id: Uuid::nil().into(),
            position,
            at: chrono::DateTime::UNIX_EPOCH,
            party: if position % 2 == 0 {
                Party::Itu
            } else {
                Party::Upu
            },
            verb: ActivityVerb::Noted,
            subject_type: "Note".to_owned(),
            subject_id: Uuid::nil(),
            topic_id: None,
            itu: true,
            upu: true,
        };
        positions.map(event).collect()
    }

    fn after(recent: &Recent, position: i64, wanted: &Wanted) -> Option<(Vec<i64>, i64)> {
        let (events, upto) = recent.after(position, wanted, 3)?;
        Some((events.iter().map(|it| it.position).collect(), upto))
    }

    #[test]
    fn it_holds_the_end_of_the_log_and_says_where_it_does_not_reach() {
        let all = Wanted::default();
        let of_itu = Wanted {
            party: Some(vec![Party::Itu]),
            ..Wanted::default()
        };
        let recent = Recent::default();
        assert_eq!(after(&recent, 0, &all), None, "nothing was read yet");
        recent.begin(10);
        assert_eq!(after(&recent, 9, &all), None);
        assert_eq!(after(&recent, 10, &all), Some((vec![], 10)));
        recent.add(events(11..=18));
        assert_eq!(after(&recent, 9, &all), None);
        assert_eq!(after(&recent, 10, &all), Some((vec![11, 12, 13], 13)));
        assert_eq!(after(&recent, 16, &all), Some((vec![17, 18], 18)));
        assert_eq!(after(&recent, 18, &all), Some((vec![], 18)));
        assert_eq!(after(&recent, 10, &of_itu), Some((vec![12, 14, 16], 16)));
        assert_eq!(after(&recent, 16, &of_itu), Some((vec![18], 18)));

        // The oldest go, and who stands before them has to read the log.
        let kept = i64::try_from(KEPT).unwrap();
        recent.add(events(19..=kept + 20));
        assert_eq!(after(&recent, 19, &all), None);
        assert_eq!(after(&recent, 20, &all), Some((vec![21, 22, 23], 23)));
        assert_eq!(recent.newest(), kept + 20);
    }
}

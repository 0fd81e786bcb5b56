//! A buffer of the newest events, shared by all subscribers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::events::Event;
use crate::events::filter::EventFilter;
use crate::store::activity::LogPosition;

/// Capacity in events. Subscribers further behind read the log.
const MAX_BUFFERED_EVENTS: usize = 4096;

/// The buffered end of the log.
pub struct EventBuffer {
    window: RwLock<Window>,
    /// The position up to which the log was read.
    newest: watch::Sender<LogPosition>,
    /// When the log was last read to its end.
    whole_at: Mutex<Option<Instant>>,
}

struct Window {
    /// All events after this position are in `events`; `None` if nothing was read yet.
    from: Option<LogPosition>,
    events: VecDeque<Arc<Event>>,
}

impl Default for EventBuffer {
    /// Creates an empty buffer, before the log is read.
    fn default() -> Self {
        Self {
            window: RwLock::new(Window {
                from: None,
                events: VecDeque::new(),
            }),
            newest: watch::Sender::default(),
            whole_at: Mutex::default(),
        }
    }
}

impl EventBuffer {
    /// Announces the position up to which the log was read.
    pub fn news(&self) -> watch::Receiver<LogPosition> {
        self.newest.subscribe()
    }

    pub fn newest(&self) -> LogPosition {
        *self.newest.borrow()
    }

    /// Records that the log was read completely at this moment.
    pub fn read_at(&self, moment: Instant) {
        let mut whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        *whole_at = Some(moment);
    }

    /// Returns whether the log was read completely within the last `time`.
    pub fn known_within(&self, time: Duration) -> bool {
        let whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        whole_at.is_some_and(|moment| moment.elapsed() < time)
    }

    /// Begins behind this position of the log, also again: then it forgets what was before.
    pub fn begin(&self, position: LogPosition) {
        let mut window = self.window.write().unwrap_or_else(PoisonError::into_inner);
        window.from = Some(position);
        window.events.clear();
        self.newest.send_replace(position);
    }

    /// Appends the next events of the log.
    pub fn add(&self, events: Vec<Event>) {
        let Some(last) = events.last() else {
            return;
        };
        let newest = last.log_position();
        let mut window = self.window.write().unwrap_or_else(PoisonError::into_inner);
        window.events.extend(events.into_iter().map(Arc::new));
        while window.events.len() > MAX_BUFFERED_EVENTS {
            if let Some(oldest) = window.events.pop_front() {
                window.from = Some(oldest.log_position());
            }
        }
        drop(window);
        self.newest.send_replace(newest);
    }

    /// Returns the first `limit` matching events after this position, and the position up to which
    /// the events were searched; `None` if the buffer does not reach back to this position.
    pub fn after(
        &self,
        position: LogPosition,
        filter: &EventFilter,
        limit: usize,
    ) -> Option<(Vec<Arc<Event>>, LogPosition)> {
        let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
        let events = &window.events;
        let start = events.partition_point(|event| event.position <= position.position);
        let last = start.checked_sub(1).and_then(|index| events.get(index));
        if last.map(|event| event.log_position()).or(window.from) != Some(position) {
            return None;
        }
        let (mut found, mut upto) = (Vec::new(), position);
        for event in window.events.range(start..) {
            if found.len() == limit {
                break;
            }
            if filter.matches(event) {
                found.push(event.clone());
            }
            upto = event.log_position();
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

    fn id(position: i64) -> Uuid {
        Uuid::from_u64_pair(0, position.unsigned_abs())
    }

    fn at(position: i64) -> LogPosition {
        LogPosition {
            position,
            id: id(position),
        }
    }

    fn events(positions: std::ops::RangeInclusive<i64>) -> Vec<Event> {
        let event = |position| Event {
            id: id(position).into(),
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
            trace_parent: None,
        };
        positions.map(event).collect()
    }

    fn after(recent: &EventBuffer, position: i64, filter: &EventFilter) -> Option<(Vec<i64>, i64)> {
        let (events, upto) = recent.after(at(position), filter, 3)?;
        assert_eq!(upto, at(upto.position));
        let positions = events.iter().map(|event| event.position);
        Some((positions.collect(), upto.position))
    }

    #[test]
    fn the_buffer_holds_the_newest_events_and_reports_gaps() {
        let all = EventFilter::default();
        let of_itu = EventFilter {
            party: Some(vec![Party::Itu]),
            ..EventFilter::default()
        };
        let recent = EventBuffer::default();
        assert_eq!(after(&recent, 0, &all), None, "nothing was read yet");
        recent.begin(at(10));
        assert_eq!(after(&recent, 9, &all), None);
        assert_eq!(after(&recent, 10, &all), Some((vec![], 10)));
        recent.add(events(11..=18));
        assert_eq!(after(&recent, 9, &all), None);
        assert_eq!(after(&recent, 10, &all), Some((vec![11, 12, 13], 13)));
        assert_eq!(after(&recent, 16, &all), Some((vec![17, 18], 18)));
        assert_eq!(after(&recent, 18, &all), Some((vec![], 18)));
        assert_eq!(after(&recent, 10, &of_itu), Some((vec![12, 14, 16], 16)));
        assert_eq!(after(&recent, 16, &of_itu), Some((vec![18], 18)));

        // The oldest events are dropped; subscribers further behind read the log.
        let buffered = i64::try_from(MAX_BUFFERED_EVENTS).unwrap();
        recent.add(events(19..=buffered + 20));
        assert_eq!(after(&recent, 19, &all), None);
        assert_eq!(after(&recent, 20, &all), Some((vec![21, 22, 23], 23)));
        assert_eq!(recent.newest(), at(buffered + 20));

        // Neither what is later than the window nor another activity at one of its positions is in it.
        assert_eq!(after(&recent, buffered + 21, &all), None);
        let other = LogPosition {
            position: buffered + 20,
            id: id(1),
        };
        assert!(recent.after(other, &all, 3).is_none());
    }
}

//! The reader of the feed: reads each event from the log once, in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sea_query::Condition;
use sea_orm::{ConnAcquireErr, DbErr};
use tokio::time::{sleep, timeout};

use crate::events::buffer::EventBuffer;
use crate::events::{Event, log};
use crate::store::Database;
use crate::store::activity::LogPosition;

/// Poll interval for changes without a notification: another process wrote to the file, or a notification was lost.
const POLL: Duration = Duration::from_secs(1);

/// Timeout of a poll: a broken connection may never respond.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Wait before the next attempt after a failed poll.
const RETRY: Duration = Duration::from_millis(250);

/// Maximum number of events per statement.
const BATCH: usize = 500;

/// Reads until the task is aborted.
pub async fn read(db: Database, recent: Arc<EventBuffer>) {
    let mut news = db.news();
    let mut is_started = false;
    let mut failing = false;
    loop {
        let caught_up = timeout(READ_TIMEOUT, catch_up(&db, &recent, &mut is_started)).await;
        let timed_out = DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        match caught_up.unwrap_or(Err(timed_out)) {
            Ok(()) => {
                if failing {
                    tracing::info!("activity feed: poll succeeded again");
                }
                failing = false;
                // A timeout starts the next poll. The channel cannot close, because `db` holds its sender.
                let _ = timeout(POLL, news.changed()).await;
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "activity feed: poll failed, retrying");
                }
                failing = true;
                sleep(RETRY).await;
            }
        }
    }
}

async fn catch_up(db: &Database, recent: &EventBuffer, is_started: &mut bool) -> Result<(), DbErr> {
    loop {
        let (looked, known) = (Instant::now(), db.newest());
        let after = recent.newest();
        let later = if *is_started {
            later(db, after).await?
        } else {
            None
        };
        let Some(events) = later else {
            let head = db.query(log::head(&db.orm_read)).await?;
            if *is_started {
                tracing::warn!(
                    known = after.position,
                    found = head.position,
                    "activity feed: the history was replaced, subscriptions to the former one end"
                );
            }
            db.was_read(known, head);
            recent.begin(head);
            *is_started = true;
            continue;
        };
        let is_all = events.len() < BATCH;
        let newest = events.last().map_or(after, Event::log_position);
        if is_all {
            db.was_read(known, newest);
        } else {
            db.advance_to(newest);
        }
        recent.add(events);
        if is_all {
            recent.read_at(looked);
            return Ok(());
        }
    }
}

/// The events after this position; `None` if the log does not hold it: then its history was replaced.
async fn later(db: &Database, after: LogPosition) -> Result<Option<Vec<Event>>, DbErr> {
    if after == LogPosition::default() {
        let events = log::after(&db.orm_read, 0, Condition::all(), BATCH);
        return Ok(Some(db.query(events).await?));
    }
    // With the position itself.
    let events = log::after(
        &db.orm_read,
        after.position - 1,
        Condition::all(),
        BATCH + 1,
    );
    let mut events = db.query(events).await?;
    let first = events.first().map(Event::log_position);
    Ok((first == Some(after)).then(|| events.split_off(1)))
}

//! Reads each event from the log once, in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sea_query::Condition;
use sea_orm::{ConnAcquireErr, DbErr};
use tokio::time::{sleep, timeout};

use super::log;
use super::recent::Recent;
use crate::store::Database;

/// How long a change stays unseen where nobody told of it: another process wrote to the file, or a message was lost.
const POLL: Duration = Duration::from_secs(1);

/// How long a look into the log may take: a connection that passes nothing any more never answers.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait where the database does not answer.
const RETRY: Duration = Duration::from_millis(250);

/// Events in one statement.
const BATCH: usize = 500;

/// Reads for ever.
pub async fn read(db: Database, recent: Arc<Recent>) {
    let mut news = db.news();
    let mut begun = false;
    let mut failing = false;
    loop {
        let caught_up = timeout(READ_TIMEOUT, catch_up(&db, &recent, &mut begun)).await;
        let timed_out = DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        match caught_up.unwrap_or(Err(timed_out)) {
            Ok(()) => {
                if failing {
                    tracing::info!("activity feed: poll succeeded again");
                }
                failing = false;
                // That it took too long is the poll; the sender is in `db`, and stays.
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

async fn catch_up(db: &Database, recent: &Recent, begun: &mut bool) -> Result<(), DbErr> {
    if !*begun {
        let head = db.query(log::head(&db.read)).await?;
        db.reaches(head);
        recent.begin(head);
        *begun = true;
    }
    loop {
        let looked = Instant::now();
        let after = log::after(&db.read, recent.newest(), Condition::all(), BATCH);
        let events = db.query(after).await?;
        let all = events.len() < BATCH;
        if let Some(newest) = events.last() {
            db.reaches(newest.position);
        }
        recent.add(events);
        if all {
            recent.read_at(looked);
            return Ok(());
        }
    }
}

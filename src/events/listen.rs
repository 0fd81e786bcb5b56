//! Listens for PostgreSQL notifications about entries that other instances have added to the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::PgListener;
use sea_orm::sqlx::{self, PgPool};
use tokio::time::{sleep, timeout};

use crate::events::buffer::EventBuffer;
use crate::store::{Database, MAX_LIFETIME};

/// Notification channel of the log, as created by the migration.
const CHANNEL: &str = "liaison_activity";

/// Wait before reconnecting. The reader keeps polling meanwhile.
const RETRY: Duration = Duration::from_secs(1);

/// The connection is tested after this long without a notification, because a broken connection looks the same as a
/// quiet one.
const TEST_AFTER: Duration = Duration::from_secs(5);

/// Timeout of a test and of connecting.
const TEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Listens until the task is aborted.
pub async fn listen(db: Database, connect: impl Fn() -> PgPool + Send, recent: Arc<EventBuffer>) {
    loop {
        if let Err(error) = listen_once(&db, &connect(), &recent).await {
            tracing::debug!(%error, "activity feed: listener disconnected, reconnecting");
            sleep(RETRY).await;
        }
    }
}

/// Listens until the connection is lost, or has its maximum age.
async fn listen_once(
    db: &Database,
    pool: &PgPool,
    recent: &EventBuffer,
) -> Result<(), sqlx::Error> {
    let opened = Instant::now();
    let begin = async {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.ignore_pool_close_event(true);
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    let mut listener = in_time(begin).await?;
    // Entries may have been added before the connection listened.
    db.notify();
    while opened.elapsed() < MAX_LIFETIME {
        let Ok(message) = timeout(TEST_AFTER, listener.try_recv()).await else {
            // A simple query: a pooler could send a prepared statement to another session.
            in_time(sqlx::raw_sql("select 1").execute(&mut listener)).await?;
            continue;
        };
        let message = message?;
        // Without a message the connection was lost and is there again.
        let position = message.and_then(|message| message.payload().parse().ok());
        if position.is_none_or(|position: i64| position > recent.newest().position) {
            db.notify();
        }
    }
    Ok(())
}

async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let done = timeout(TEST_TIMEOUT, work).await;
    done.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

//! Hears from PostgreSQL what other instances have written.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::postgres::PgListener;
use sea_orm::sqlx::{self, PgPool};
use tokio::time::{sleep, timeout};

use super::recent::Recent;
use crate::store::Database;

/// The channel on which the log tells of itself, as the migration has it.
const CHANNEL: &str = "liaison_activity";

/// How long to wait before listening again; the poll of the reader goes on meanwhile.
const RETRY: Duration = Duration::from_secs(1);

/// After so long without a message the connection is tested: one that passes nothing any more is as quiet as one on
/// which nothing happens.
const TEST_AFTER: Duration = Duration::from_secs(5);

/// How long a server that is reachable takes to answer a test, or to let us listen.
const TEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Listens for ever.
pub async fn listen(db: Database, connect: impl Fn() -> PgPool + Send, recent: Arc<Recent>) {
    loop {
        let Err(error) = hear(&db, &connect(), &recent).await;
        tracing::debug!(%error, "activity feed: listener disconnected, reconnecting");
        sleep(RETRY).await;
    }
}

async fn hear(db: &Database, pool: &PgPool, recent: &Recent) -> Result<Infallible, sqlx::Error> {
    let begin = async {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.ignore_pool_close_event(true);
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    let mut listener = in_time(begin).await?;
    // Something may have come before.
    db.announce();
    loop {
        let Ok(message) = timeout(TEST_AFTER, listener.try_recv()).await else {
            in_time(sqlx::query("select 1").execute(&mut listener)).await?;
            continue;
        };
        let message = message?;
        // Without a message the connection was lost and is there again.
        let position = message.and_then(|it| it.payload().parse().ok());
        if position.is_none_or(|it: i64| it > recent.newest().position) {
            db.announce();
        }
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let done = timeout(TEST_TIMEOUT, work).await;
    done.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

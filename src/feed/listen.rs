//! Hears from PostgreSQL what other instances have written.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx;
use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::sleep;

use super::recent::Recent;
use crate::store::Database;

/// The channel on which the log tells of itself, as the migration has it.
const CHANNEL: &str = "liaison_activity";

/// How long to wait before listening again; the poll of the reader goes on meanwhile.
const RETRY: Duration = Duration::from_secs(1);

/// Listens for ever.
pub async fn listen(db: Database, recent: Arc<Recent>) {
    loop {
        let Err(error) = hear(&db, &recent).await;
        tracing::debug!(%error, "no longer listening to the log");
        sleep(RETRY).await;
    }
}

async fn hear(db: &Database, recent: &Recent) -> Result<Infallible, sqlx::Error> {
    // A connection of its own: one of the pool would be missing there.
    let options = db.read.get_postgres_connection_pool().connect_options();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with((*options).clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.ignore_pool_close_event(true);
    listener.listen(CHANNEL).await?;
    // Something may have come before.
    db.announce();
    loop {
        let message = listener.try_recv().await?;
        // Without a message the connection was lost and is there again.
        let position = message.and_then(|it| it.payload().parse().ok());
        if let Some(position) = position {
            db.reaches(position);
        }
        if position.is_none_or(|it: i64| it > recent.newest()) {
            db.announce();
        }
    }
}

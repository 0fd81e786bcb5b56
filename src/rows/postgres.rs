//! Connections to PostgreSQL that stay taken: a pool's own asks the server, after each statement, whether it is still there.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sea_orm::sqlx::{
    AssertSqlSafe, ConnectOptions, Either, Error, Executor, PgConnection, PgPool, Postgres,
    query_with,
};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sea_query_sqlx::SqlxValues;

use super::Row;
use super::idle::{Idle, PATIENCE};

/// As many connections at most as were asked for.
#[derive(Debug)]
pub struct Connections {
    /// Opens them, and closes those that are given up.
    pool: PgPool,
    /// Those that nobody uses: each has answered its last statement to the end.
    idle: Idle<PoolConnection<Postgres>>,
}

/// What a session of ours is told at its start: each statement seeks an index, whatever its values, and planning it
/// anew takes longer than running it; a count that is shared out among processes takes longer than what it counts, and
/// from others; and nobody waits for a statement longer than this.
pub fn settings(longest: Option<Duration>) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        ("max_parallel_workers_per_gather", "0".to_owned()),
    ];
    settings.extend(longest.map(|it| ("statement_timeout", it.as_millis().to_string())));
    settings
}

impl Connections {
    pub fn new(url: &str, connections: u32, longest: Option<Duration>) -> Result<Self, DbErr> {
        let options: PgConnectOptions = url.parse().map_err(failed)?;
        let options = options
            .options(settings(longest))
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            idle: Idle::new(connections),
        })
    }

    pub async fn read<E: From<DbErr>>(
        &self,
        sql: &str,
        values: &Values,
        mut arrives: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Vec<PgRow>, E> {
        let _turn = self.idle.turn().await?;
        loop {
            let idle = self.idle.take();
            let known = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => Box::pin(self.pool.acquire()).await.map_err(failed)?,
            };
            let mut rows = Vec::new();
            match read_all(&mut connection, sql, values, &mut rows, &mut arrives).await {
                Ok(()) => {
                    self.idle.give(connection);
                    return Ok(rows);
                }
                // Whatever ends here goes back to the pool, which waits until its statement is over, or closes it.
                Err(Stopped::Refused(error)) => return Err(error),
                Err(Stopped::Failed(error)) if !is_lost(&error) => return Err(failed(error).into()),
                Err(Stopped::Failed(error)) => {
                    // The others have lost the server, too; it may be there again.
                    self.idle.clear();
                    if !known || !rows.is_empty() {
                        return Err(failed(error).into());
                    }
                }
            }
        }
    }

    pub async fn close(&self) {
        self.idle.close();
        self.pool.close().await;
    }
}

/// Why there are no more rows.
enum Stopped<E> {
    Refused(E),
    Failed(Error),
}

async fn read_all<E>(
    connection: &mut PgConnection,
    sql: &str,
    values: &Values,
    rows: &mut Vec<PgRow>,
    arrives: &mut (impl FnMut(Row<'_>) -> Result<(), E> + Send),
) -> Result<(), Stopped<E>> {
    // The text is SeaQuery's, with all values beside it.
    let query = query_with(AssertSqlSafe(sql.to_owned()), SqlxValues(values.clone()));
    // With its end, since taking that out would be another step for each row.
    let mut arriving = connection.fetch_many(query);
    while let Some(next) = arriving.try_next().await.map_err(Stopped::Failed)? {
        if let Either::Right(row) = next {
            arrives(Row::Postgres(&row)).map_err(Stopped::Refused)?;
            rows.push(row);
        }
    }
    Ok(())
}

/// Whether the server has gone, or said that it goes.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) => true,
        Error::Database(said) => said.code().is_some_and(|it| it.starts_with("57P")),
        _ => false,
    }
}

/// As sea-orm tells it.
pub fn failed(error: Error) -> DbErr {
    match error {
        Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        lost if is_lost(&lost) => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(lost))),
        error => DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))),
    }
}

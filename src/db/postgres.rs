//! The read connections to PostgreSQL. Unlike sqlx's pool, it does not ping the server after each statement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Values;
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{AssertSqlSafe, Either, Error, Executor, PgConnection, query_with};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sea_query_sqlx::SqlxValues;
use tokio::time::timeout;

use crate::db::Row;
use crate::db::connect::{Connector, MAX_AGE, MAX_IDLE, PING, TRUSTED, check_session};
use crate::db::idle::IdleConnections;

/// Timeout of a statement if none is given.
const READ_TIMEOUT: Duration = Duration::from_hours(1);

/// A pool with at most the given number of connections. A connection whose statement did not complete is closed.
#[derive(Debug)]
pub struct PostgresPool {
    connector: Connector,
    /// Timeout of a statement, including the round trip.
    longest: Duration,
    /// Idle connections: each has completed its last statement.
    idle: IdleConnections<IdleConnection>,
}

#[derive(Debug)]
struct IdleConnection {
    connection: PgConnection,
    mark: Uuid,
    opened: Instant,
    /// When the session was last seen to be its own.
    checked: Instant,
    used: Instant,
}

impl IdleConnection {
    fn is_fresh(&self) -> bool {
        self.opened.elapsed() < MAX_AGE && self.used.elapsed() < MAX_IDLE
    }
}

impl PostgresPool {
    pub fn new(connector: Connector, connections: u32, longest: Option<Duration>) -> Self {
        Self {
            connector,
            longest: longest.map_or(READ_TIMEOUT, |timeout| timeout + PING),
            idle: IdleConnections::new(connections),
        }
    }

    /// How many connections there are at most.
    pub const fn most(&self) -> u32 {
        self.idle.most()
    }

    /// How many connections are in use.
    pub fn in_use(&self) -> usize {
        self.idle.in_use()
    }

    pub async fn read<E: From<DbErr>>(
        &self,
        sql: &str,
        values: &Values,
        mut arrives: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Vec<PgRow>, E> {
        let _permit = self.idle.permit().await?;
        loop {
            let idle = self.take().await;
            let known = idle.is_some();
            let mut taken = match idle {
                Some(idle) => idle,
                None => self.open().await?,
            };
            let mut rows = Vec::new();
            let mut waiting = CancelGuard::new(&self.idle);
            let read = read_all(&mut taken.connection, sql, values, &mut rows, &mut arrives);
            let read = timeout(self.longest, read).await;
            let read = read.unwrap_or(Err(ReadError::Failed(Error::PoolTimedOut)));
            if !matches!(read, Err(ReadError::Failed(Error::PoolTimedOut))) {
                waiting.answered = true;
            }
            match read {
                Ok(()) => {
                    taken.used = Instant::now();
                    self.idle.release(taken);
                    self.idle.retain(IdleConnection::is_fresh);
                    return Ok(rows);
                }
                Err(ReadError::Refused(error)) => return Err(error),
                Err(ReadError::Failed(error)) if !is_lost(&error) => {
                    return Err(failed(error).into());
                }
                Err(ReadError::Failed(error)) => {
                    // The idle connections have probably lost the server too; it may be reachable again.
                    self.idle.clear();
                    if !known || !rows.is_empty() {
                        return Err(failed(error).into());
                    }
                }
            }
        }
    }

    async fn open(&self) -> Result<IdleConnection, DbErr> {
        let connect = Box::pin(self.connector.connect_marked());
        let (connection, mark) = connect.await.map_err(failed)?;
        let now = Instant::now();
        Ok(IdleConnection {
            connection,
            mark,
            opened: now,
            checked: now,
            used: now,
        })
    }

    /// Takes an idle connection whose session was checked recently, however often it was used since.
    async fn take(&self) -> Option<IdleConnection> {
        while let Some(mut idle) = self.idle.take() {
            if idle.checked.elapsed() < TRUSTED {
                return Some(idle);
            }
            if !idle.is_fresh() {
                continue;
            }
            match Box::pin(check_session(&mut idle.connection, idle.mark)).await {
                Ok(()) => {
                    idle.checked = Instant::now();
                    return Some(idle);
                }
                Err(error @ Error::Configuration(_)) => {
                    tracing::error!(%error, "database connection dropped");
                }
                Err(_) => {}
            }
            // The other connections have been idle for as long or longer.
            self.idle.clear();
        }
        None
    }

    pub fn close(&self) {
        self.idle.close();
    }
}

/// Guard of a statement in progress. If it is dropped after a long silence, it closes the idle connections, which have
/// probably lost the server too.
struct CancelGuard<'c> {
    idle: &'c IdleConnections<IdleConnection>,
    begun: Instant,
    answered: bool,
}

impl<'c> CancelGuard<'c> {
    fn new(idle: &'c IdleConnections<IdleConnection>) -> Self {
        Self {
            idle,
            begun: Instant::now(),
            answered: false,
        }
    }
}

impl Drop for CancelGuard<'_> {
    fn drop(&mut self) {
        if !self.answered && self.begun.elapsed() > PING {
            self.idle.clear();
        }
    }
}

/// The reason why reading rows ended early.
enum ReadError<E> {
    Refused(E),
    Failed(Error),
}

async fn read_all<E>(
    connection: &mut PgConnection,
    sql: &str,
    values: &Values,
    rows: &mut Vec<PgRow>,
    arrives: &mut (impl FnMut(Row<'_>) -> Result<(), E> + Send),
) -> Result<(), ReadError<E>> {
    // The text comes from SeaQuery, with all values as parameters.
    let query = query_with(AssertSqlSafe(sql.to_owned()), SqlxValues(values.clone()));
    // `fetch_many` also returns the end of the statement; `fetch` would filter it out in another step per row.
    let mut arriving = connection.fetch_many(query);
    while let Some(next) = arriving.try_next().await.map_err(ReadError::Failed)? {
        if let Either::Right(row) = next {
            arrives(Row::Postgres(&row)).map_err(ReadError::Refused)?;
            rows.push(row);
        }
    }
    Ok(())
}

/// Returns whether the error shows that the server is gone or shutting down.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) => true,
        Error::Database(reported) => reported.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

/// Converts an sqlx error to sea-orm's.
pub fn failed(error: Error) -> DbErr {
    match error {
        Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        lost if is_lost(&lost) || matches!(lost, Error::Configuration(_)) => {
            DbErr::Conn(RuntimeErr::SqlxError(Arc::new(lost)))
        }
        error => DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))),
    }
}

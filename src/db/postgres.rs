//! The read connections to PostgreSQL. Unlike sqlx's pool, it does not ping the server after each statement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sea_orm::sea_query::Values;
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{AssertSqlSafe, Either, Error, Executor, PgConnection, query_with, raw_sql};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sea_query_sqlx::SqlxValues;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::db::Row;
use crate::db::connect::{
    Connector, MAX_IDLE, MAX_LIFETIME, PING_AFTER_IDLE, PING_TIMEOUT, SessionMark, foreign_session,
    is_foreign_session, ping,
};
use crate::db::idle::IdleConnections;

/// Timeout of a statement if none is given.
const READ_TIMEOUT: Duration = Duration::from_hours(1);

/// A pool with at most the given number of connections. A connection whose statement did not complete is closed.
#[derive(Debug)]
pub struct PostgresPool {
    connector: Connector,
    /// Timeout of a statement, including the round trip.
    read_timeout: Duration,
    /// Idle connections: each has completed its last statement.
    idle: IdleConnections<IdleConnection>,
}

#[derive(Debug)]
struct IdleConnection {
    connection: PgConnection,
    mark: SessionMark,
    opened: Instant,
    used: Instant,
}

impl IdleConnection {
    fn is_fresh(&self) -> bool {
        self.opened.elapsed() < MAX_LIFETIME && self.used.elapsed() < MAX_IDLE
    }
}

impl PostgresPool {
    /// Creates an empty pool. Its waits are recorded in the metrics under `name`.
    pub fn new(
        connector: Connector,
        connections: u32,
        read_timeout: Option<Duration>,
        name: Option<&'static str>,
    ) -> Self {
        Self {
            connector,
            read_timeout: read_timeout.map_or(READ_TIMEOUT, |timeout| timeout + PING_TIMEOUT),
            idle: IdleConnections::new(connections, name),
        }
    }

    /// Returns the maximum number of connections.
    pub const fn max_connections(&self) -> u32 {
        self.idle.max_connections()
    }

    /// Returns the number of connections in use.
    pub fn in_use(&self) -> usize {
        self.idle.in_use()
    }

    pub async fn read<E: From<DbErr>>(
        &self,
        sql: &str,
        values: &Values,
        mut on_row: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Vec<PgRow>, E> {
        let _permit = self.idle.permit().await?;
        loop {
            let (mut taken, known) = self.take_or_open().await?;
            let mut rows = Vec::new();
            let read = read_all(&mut taken, sql, values, &mut rows, &mut on_row);
            match self.timed(read).await {
                Ok(()) => {
                    self.release(taken);
                    return Ok(rows);
                }
                Err(ReadError::Refused(error)) => return Err(error),
                Err(ReadError::Failed(error)) => {
                    let (error, is_broken) = self.failed_on(error, known);
                    if !is_broken || !known || !rows.is_empty() {
                        return Err(error.into());
                    }
                }
            }
        }
    }

    /// Begins a transaction that reads. Its snapshot is that of its first statement.
    pub async fn begin(self: &Arc<Self>) -> Result<PostgresTransaction, DbErr> {
        let permit = self.idle.permit().await?;
        loop {
            let (mut taken, known) = self.take_or_open().await?;
            let begin = taken.connection.execute(raw_sql(BEGIN));
            match self.timed::<_, Error>(begin).await {
                Ok(_) => {
                    return Ok(PostgresTransaction {
                        pool: self.clone(),
                        connection: Some(taken),
                        was_used: known,
                        permit: Some(permit),
                    });
                }
                Err(error) => {
                    let (error, is_broken) = self.failed_on(error, known);
                    if !is_broken || !known {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Returns the error of a statement for its caller, and whether its connection is broken. The idle connections have
    /// probably lost the server or their sessions too then, so they are closed; a new one may not.
    fn failed_on(&self, error: Error, was_used: bool) -> (DbErr, bool) {
        let is_foreign = is_foreign_session(&error, was_used);
        let is_broken = is_foreign || is_lost(&error);
        if is_broken {
            self.idle.clear();
        }
        let error = if is_foreign { foreign_session() } else { error };
        (failed(error), is_broken)
    }

    /// Waits for the database at most as long as a statement may take.
    async fn timed<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut waiting = CancelGuard::new(&self.idle);
        let done = timeout(self.read_timeout, work).await;
        waiting.has_response = done.is_ok();
        done.unwrap_or_else(|_| Err(Error::PoolTimedOut.into()))
    }

    /// Returns a connection, and whether it was idle before.
    async fn take_or_open(&self) -> Result<(IdleConnection, bool), DbErr> {
        Ok(match self.take().await {
            Some(idle) => (idle, true),
            None => (self.open().await?, false),
        })
    }

    fn release(&self, mut connection: IdleConnection) {
        connection.used = Instant::now();
        self.idle.release(connection);
        self.idle.retain(IdleConnection::is_fresh);
    }

    async fn open(&self) -> Result<IdleConnection, DbErr> {
        let connect = Box::pin(self.connector.connect_marked());
        let (connection, mark) = connect.await.map_err(failed)?;
        let now = Instant::now();
        Ok(IdleConnection {
            connection,
            mark,
            opened: now,
            used: now,
        })
    }

    /// Takes an idle connection that was used recently or responds.
    async fn take(&self) -> Option<IdleConnection> {
        while let Some(mut idle) = self.idle.take() {
            if idle.used.elapsed() < PING_AFTER_IDLE {
                return Some(idle);
            }
            if !idle.is_fresh() {
                continue;
            }
            if Box::pin(ping(&mut idle.connection)).await.is_ok() {
                return Some(idle);
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

/// Begins a transaction whose statements see the same rows.
const BEGIN: &str = "begin transaction isolation level repeatable read, read only";

/// A transaction that reads, on a connection of its own.
#[derive(Debug)]
pub struct PostgresTransaction {
    pool: Arc<PostgresPool>,
    /// `None` while a statement runs, and if one did not complete: its connection was closed, which ended the
    /// transaction.
    connection: Option<IdleConnection>,
    /// Whether the connection was used before.
    was_used: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl PostgresTransaction {
    pub const fn is_usable(&self) -> bool {
        self.connection.is_some()
    }

    pub async fn read<E: From<DbErr>>(
        &mut self,
        sql: &str,
        values: &Values,
        mut on_row: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Vec<PgRow>, E> {
        let taken = self.connection.take();
        let mut taken = taken.ok_or_else(|| failed(Error::PoolClosed))?;
        let mut rows = Vec::new();
        let read = read_all(&mut taken, sql, values, &mut rows, &mut on_row);
        match self.pool.timed(read).await {
            Ok(()) => {
                self.connection = Some(taken);
                Ok(rows)
            }
            Err(ReadError::Refused(error)) => Err(error),
            Err(ReadError::Failed(error)) => {
                Err(self.pool.failed_on(error, self.was_used).0.into())
            }
        }
    }
}

impl Drop for PostgresTransaction {
    /// Ends the transaction before others use its connection. The response does not wait for that.
    fn drop(&mut self) {
        let (Some(mut taken), Ok(runtime)) = (self.connection.take(), Handle::try_current()) else {
            return;
        };
        let (pool, permit) = (self.pool.clone(), self.permit.take());
        runtime.spawn(async move {
            let rollback =
                timeout(PING_TIMEOUT, taken.connection.execute(raw_sql("rollback"))).await;
            if matches!(rollback, Ok(Ok(_))) {
                pool.release(taken);
            }
            drop(permit);
        });
    }
}

/// Guard of a statement in progress. If it is dropped after a long silence, it closes the idle connections, which have
/// probably lost the server too.
struct CancelGuard<'c> {
    idle: &'c IdleConnections<IdleConnection>,
    started_at: Instant,
    has_response: bool,
}

impl<'c> CancelGuard<'c> {
    fn new(idle: &'c IdleConnections<IdleConnection>) -> Self {
        Self {
            idle,
            started_at: Instant::now(),
            has_response: false,
        }
    }
}

impl Drop for CancelGuard<'_> {
    fn drop(&mut self) {
        if !self.has_response && self.started_at.elapsed() > PING_TIMEOUT {
            self.idle.clear();
        }
    }
}

/// The reason why reading rows ended early.
enum ReadError<E> {
    Refused(E),
    Failed(Error),
}

impl<E> From<Error> for ReadError<E> {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn read_all<E>(
    idle: &mut IdleConnection,
    sql: &str,
    values: &Values,
    rows: &mut Vec<PgRow>,
    on_row: &mut (impl FnMut(Row<'_>) -> Result<(), E> + Send),
) -> Result<(), ReadError<E>> {
    let mut values = values.clone();
    values.0.push(idle.mark.value());
    // The text comes from SeaQuery, with all values as parameters.
    let sql = idle.mark.checked(sql, values.0.len());
    let query = query_with(AssertSqlSafe(sql), SqlxValues(values));
    // `fetch_many` also returns the end of the statement; `fetch` would filter it out in another step per row.
    let mut arriving = idle.connection.fetch_many(query);
    while let Some(next) = arriving.try_next().await? {
        if let Either::Right(row) = next {
            on_row(Row::Postgres(&row)).map_err(ReadError::Refused)?;
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

//! Connections to PostgreSQL that stay taken: a pool's own asks the server, after each statement, whether it is still there.

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

use super::Row;
use super::connect::{Connector, MAX_AGE, MAX_IDLE, PING, TRUSTED, check_session};
use super::idle::Idle;

/// The bound of a statement if none is given.
const LONGEST: Duration = Duration::from_hours(1);

/// As many connections at most as were asked for. One whose statement did not end is closed.
#[derive(Debug)]
pub struct Connections {
    connector: Connector,
    /// How long a statement may take, its way to the server and back included.
    longest: Duration,
    /// Those that nobody uses: each has answered its last statement to the end.
    idle: Idle<IdleConnection>,
}

#[derive(Debug)]
struct IdleConnection {
    connection: PgConnection,
    mark: Uuid,
    opened: Instant,
    used: Instant,
}

impl IdleConnection {
    fn is_fresh(&self) -> bool {
        self.opened.elapsed() < MAX_AGE && self.used.elapsed() < MAX_IDLE
    }
}

impl Connections {
    pub fn new(connector: Connector, connections: u32, longest: Option<Duration>) -> Self {
        Self {
            connector,
            longest: longest.map_or(LONGEST, |it| it + PING),
            idle: Idle::new(connections),
        }
    }

    /// How many connections there are at most.
    pub const fn most(&self) -> u32 {
        self.idle.most()
    }

    pub async fn read<E: From<DbErr>>(
        &self,
        sql: &str,
        values: &Values,
        mut arrives: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Vec<PgRow>, E> {
        let _turn = self.idle.turn().await?;
        loop {
            let idle = self.take().await;
            let known = idle.is_some();
            let (mut connection, mark, opened) = if let Some(idle) = idle {
                (idle.connection, idle.mark, idle.opened)
            } else {
                let connect = Box::pin(self.connector.connect_marked());
                let (connection, mark) = connect.await.map_err(failed)?;
                (connection, mark, Instant::now())
            };
            let mut rows = Vec::new();
            let mut waiting = Waiting::new(&self.idle);
            let read = read_all(&mut connection, sql, values, &mut rows, &mut arrives);
            let read = timeout(self.longest, read).await;
            let read = read.unwrap_or(Err(Stopped::Failed(Error::PoolTimedOut)));
            if !matches!(read, Err(Stopped::Failed(Error::PoolTimedOut))) {
                waiting.answered = true;
            }
            match read {
                Ok(()) => {
                    let used = Instant::now();
                    self.idle.give(IdleConnection {
                        connection,
                        mark,
                        opened,
                        used,
                    });
                    self.idle.retain(IdleConnection::is_fresh);
                    return Ok(rows);
                }
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

    /// A connection that nobody uses and whose peer was there a moment ago.
    async fn take(&self) -> Option<IdleConnection> {
        while let Some(mut idle) = self.idle.take() {
            if idle.used.elapsed() < TRUSTED {
                return Some(idle);
            }
            if !idle.is_fresh() {
                continue;
            }
            match Box::pin(check_session(&mut idle.connection, idle.mark)).await {
                Ok(()) => return Some(idle),
                Err(error @ Error::Configuration(_)) => {
                    tracing::error!(%error, "database connection dropped");
                }
                Err(_) => {}
            }
            // The others have not been used for longer.
            self.idle.clear();
        }
        None
    }

    pub fn close(&self) {
        self.idle.close();
    }
}

/// A statement under way. If it is given up after a long silence, the idle connections have probably lost the server too.
struct Waiting<'c> {
    idle: &'c Idle<IdleConnection>,
    begun: Instant,
    answered: bool,
}

impl<'c> Waiting<'c> {
    fn new(idle: &'c Idle<IdleConnection>) -> Self {
        Self {
            idle,
            begun: Instant::now(),
            answered: false,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered && self.begun.elapsed() > PING {
            self.idle.clear();
        }
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
        lost if is_lost(&lost) || matches!(lost, Error::Configuration(_)) => {
            DbErr::Conn(RuntimeErr::SqlxError(Arc::new(lost)))
        }
        error => DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))),
    }
}

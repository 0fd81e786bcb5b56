//! Connections to PostgreSQL that stay taken: a pool's own asks the server, after each statement, whether it is still there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sea_orm::sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Either, Error, Executor, PgConnection, PgPool,
    Postgres, query_scalar, query_with,
};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sea_query_sqlx::SqlxValues;
use tokio::time::timeout;

use super::Row;
use super::idle::{Idle, PATIENCE};

/// As many connections at most as were asked for.
#[derive(Debug)]
pub struct Connections {
    /// Opens them, and closes those that are given up.
    pool: PgPool,
    /// Those that nobody uses: each has answered its last statement to the end.
    idle: Idle<IdleConnection>,
}

/// The settings of each session, so that nothing depends on the defaults of the server: statements seek an index
/// whatever their values, so that a generic plan serves; a parallel count takes longer than a plain one, and takes
/// processes from others; a transaction that was left open ends; and a statement runs no longer than `longest`.
pub fn settings(longest: Option<Duration>) -> Vec<(&'static str, String)> {
    let mut settings: Vec<_> = [
        ("plan_cache_mode", "force_generic_plan"),
        ("max_parallel_workers_per_gather", "0"),
        ("jit", "off"),
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_deferrable", "off"),
        ("standard_conforming_strings", "on"),
        ("bytea_output", "hex"),
        ("client_min_messages", "warning"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    settings.extend(longest.map(|longest| {
        // A transaction waits for the next statement of a program, never for a person.
        let milliseconds = longest.as_millis().to_string();
        ("idle_in_transaction_session_timeout", milliseconds)
    }));
    settings.extend(longest.map(|it| ("statement_timeout", it.as_millis().to_string())));
    settings
}

/// After so long a connection is closed, and another one is opened.
const MAX_LIFETIME: Duration = Duration::from_mins(30);

/// A connection that was not used for so long is tested before it is used.
const TEST_AFTER: Duration = Duration::from_secs(5);

/// How long a server that is reachable takes to answer a test.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);

/// A statement that was given up after so long met a connection that passes nothing any more: so do all others that
/// were opened before.
const SUSPECT_AFTER: Duration = Duration::from_secs(5);

/// Checks that a new connection is a session of its own with our settings.
///
/// # Errors
/// Returns an error if a connection pooler in transaction mode hands each transaction to another session, or swallows
/// the settings.
pub async fn check_session(connection: &mut PgConnection) -> Result<(), Error> {
    let test = async {
        let plans: String = query_scalar("show plan_cache_mode")
            .fetch_one(&mut *connection)
            .await?;
        let mut sessions = Vec::new();
        for _ in 0..2 {
            let session: i32 = query_scalar("select pg_backend_pid()")
                .fetch_one(&mut *connection)
                .await?;
            sessions.push(session);
        }
        if plans == "force_generic_plan" && sessions[0] == sessions[1] {
            return Ok(());
        }
        Err(Error::Configuration(POOLER.into()))
    };
    within(TEST_TIMEOUT, test).await
}

const POOLER: &str = "a pooler in transaction mode stands between: connect to PostgreSQL directly, or set the pooler to session mode";

/// Tests a connection that was not used for a while before it is used again.
///
/// # Errors
/// Returns an error if the server does not answer in time, or with an error.
pub async fn check_idle(connection: &mut PgConnection, idle: Duration) -> Result<bool, Error> {
    if idle >= TEST_AFTER {
        within(TEST_TIMEOUT, connection.ping()).await?;
    }
    Ok(true)
}

/// Tests that a connection that is returned to its pool answers, and is in no transaction: a request that was dropped
/// while `BEGIN` was under way leaves one that nobody ends. The pool closes a connection for which this fails.
///
/// # Errors
/// Returns an error if the server does not answer in time, or a transaction is open.
pub async fn check_released(connection: &mut PgConnection) -> Result<bool, Error> {
    // Within a transaction `now()` is its start.
    let test = query_scalar("select now() = statement_timestamp()").fetch_one(&mut *connection);
    let idle: bool = within(TEST_TIMEOUT, test).await?;
    if idle && !connection.is_in_transaction() {
        return Ok(true);
    }
    Err(Error::Protocol("a transaction was left open".to_owned()))
}

async fn within<T>(
    longest: Duration,
    test: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let done = timeout(longest, test).await;
    done.unwrap_or_else(|_| Err(Error::Io(std::io::ErrorKind::TimedOut.into())))
}

/// Gives up all idle connections when a statement is dropped that has waited for long.
struct Watch<'a> {
    idle: &'a Idle<IdleConnection>,
    begun: Instant,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.begun.elapsed() >= SUSPECT_AFTER {
            self.idle.clear();
        }
    }
}

/// A connection that nobody uses.
#[derive(Debug)]
struct IdleConnection {
    connection: PoolConnection<Postgres>,
    opened: Instant,
    since: Instant,
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
            .after_connect(|connection, _| Box::pin(check_session(connection)))
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
            let (mut connection, opened, known) = self.acquire().await?;
            let mut rows = Vec::new();
            let watch = Watch {
                idle: &self.idle,
                begun: Instant::now(),
            };
            let read = read_all(&mut connection, sql, values, &mut rows, &mut arrives).await;
            drop(watch);
            match read {
                Ok(()) => {
                    self.release(connection, opened);
                    return Ok(rows);
                }
                // A connection that ends here is closed: its statement may not be over.
                Err(Stopped::Refused(error)) => return Err(error),
                Err(Stopped::Failed(error)) if !is_lost(&error) => {
                    // The server has answered to the end.
                    self.release(connection, opened);
                    return Err(failed(error).into());
                }
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

    /// A connection, when it was opened, and whether it was used before.
    async fn acquire(&self) -> Result<(PoolConnection<Postgres>, Instant, bool), DbErr> {
        while let Some(idle) = self.idle.take() {
            let mut connection = idle.connection;
            if idle.opened.elapsed() > MAX_LIFETIME {
                continue;
            }
            let test = Box::pin(check_idle(&mut connection, idle.since.elapsed()));
            if test.await.is_ok() {
                return Ok((connection, idle.opened, true));
            }
            self.idle.clear();
        }
        let mut connection = Box::pin(self.pool.acquire()).await.map_err(failed)?;
        // The pool would ping it, without a bound: one that passes nothing any more would never be given back.
        connection.close_on_drop();
        Ok((connection, Instant::now(), false))
    }

    fn release(&self, connection: PoolConnection<Postgres>, opened: Instant) {
        let since = Instant::now();
        self.idle.give(IdleConnection {
            connection,
            opened,
            since,
        });
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

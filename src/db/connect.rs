//! Opens connections to PostgreSQL. Each has its settings and is checked before it is used, and every wait is bounded.

use std::fmt::{self, Display, Formatter, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::Value;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::ArrayType;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Error, Executor, PgConnection, PgPool, Row, raw_sql,
};
use tokio::time::timeout;

use crate::db::ACQUIRE_TIMEOUT;

/// A connection that was idle for longer is pinged before it is used.
pub const PING_AFTER_IDLE: Duration = Duration::from_secs(1);
/// Timeout of a ping.
pub const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum age of a connection.
pub const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// Maximum time that a connection stays idle before it is closed.
pub const MAX_IDLE: Duration = Duration::from_mins(10);

/// Makes the server end sessions whose client is gone. PostgreSQL versions and platforms without one of these settings
/// reject the statement; that error is ignored.
const BROKEN_PEERS: &str = "select set_config('tcp_keepalives_idle', '15', false), \
     set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false), \
     set_config('tcp_user_timeout', '15000', false), set_config('client_connection_check_interval', '1000', false)";

/// Disables the timeouts that would end a session or a transaction of any length. Not each version of PostgreSQL has
/// them.
const NO_TIMEOUTS: &str = "select count(set_config(name, '0', false)) from pg_settings \
     where name in ('idle_session_timeout', 'transaction_timeout')";

/// Error message for operators if a session does not keep its settings.
const POOLER: &str = "a pooler in transaction mode stands between the service and PostgreSQL: let it use session mode, or connect to PostgreSQL itself";

/// Returns the settings of each session, so that nothing depends on the server's defaults. Statements use an index
/// whatever their values, so a generic plan serves. A parallel count takes longer than a serial one and occupies other
/// processes. With `statement_timeout`, the timeout of a request's statement, waits for locks and idle transactions are limited
/// too.
fn settings(statement_timeout: Option<Duration>) -> Vec<(&'static str, String)> {
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
    let statement = statement_timeout
        .unwrap_or_default()
        .as_millis()
        .to_string();
    // A wait for the lock of a broken connection times out before that connection is ended: otherwise each of several
    // broken connections would hold the lock in turn. Zero disables a timeout.
    let (lock, idle) = statement_timeout.map_or(("0", "0"), |_| ("4000", "5000"));
    settings.extend([
        ("statement_timeout", statement),
        ("lock_timeout", lock.to_owned()),
        ("idle_in_transaction_session_timeout", idle.to_owned()),
    ]);
    settings
}

/// Reads the mark of a session.
const MARK: &str = "select coalesce(current_setting('liaison.session', true), '')";

/// The mark that a connection leaves in its session. Behind a pooler in transaction mode a statement may reach the
/// session of another connection, where the name of a prepared statement stands for another one.
///
/// It is an array of `smallint` because no other parameter is: if a statement reaches another one by its name, the
/// database refuses the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionMark([i16; 8]);

impl SessionMark {
    fn new() -> Self {
        let bytes = Uuid::now_v7().into_bytes();
        Self(std::array::from_fn(|at| {
            i16::from_be_bytes([bytes[2 * at], bytes[2 * at + 1]])
        }))
    }

    /// Returns an SQL condition that holds in the session of this mark, and is an error in any other.
    #[must_use]
    pub fn check(&self) -> String {
        format!("1 / {}::int = 1", self.ownership_sql())
    }

    /// Returns a statement with the same result that is an error unless it was prepared with this mark, runs in the
    /// session of this mark, and its last parameter is [`SessionMark::value`].
    #[must_use]
    pub fn checked(&self, sql: &str, last: usize) -> String {
        format!(
            "select * from ({sql}) as checked where 1 / ({} and ${last} = '{self}'::smallint[])::int = 1",
            self.ownership_sql()
        )
    }

    fn ownership_sql(&self) -> String {
        format!("(current_setting('liaison.session', true) is not distinct from '{self}')")
    }

    /// Returns the mark as a parameter.
    #[must_use]
    pub fn value(&self) -> Value {
        let parts = self.0.map(|part| Value::SmallInt(Some(part)));
        Value::Array(ArrayType::SmallInt, Some(Box::new(parts.into())))
    }
}

/// As PostgreSQL shows the array. It needs no quoting in a literal.
impl Display for SessionMark {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (part, before) in self.0.iter().zip("{,,,,,,,".chars()) {
            write!(formatter, "{before}{part}")?;
        }
        formatter.write_char('}')
    }
}

/// Returns whether a database error shows that a statement reached a session that is not its connection's own: the check
/// divides by zero, the prepared statement is missing, or exists already. On a connection that was used before, also
/// that the statement has other parameters, which may be wrong themselves.
#[must_use]
pub fn is_foreign_session(error: &Error, was_used: bool) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| {
        ["22012", "26000", "42P05"].contains(&&*code)
            || was_used && ["08P01", "22021", "22P03"].contains(&&*code)
    })
}

/// The error of a connection whose session is not its own.
#[must_use]
pub fn foreign_session() -> Error {
    tracing::error!(error = POOLER, "database connection dropped");
    Error::Configuration(POOLER.into())
}

/// Knows how to connect to one database.
#[derive(Clone, Debug)]
pub struct Connector {
    options: PgConnectOptions,
    settings: Vec<(&'static str, String)>,
}

impl Connector {
    /// # Errors
    /// Returns an error if the address cannot be parsed.
    pub fn new(url: &str, statement_timeout: Option<Duration>) -> Result<Self, Error> {
        let options: PgConnectOptions = url.parse()?;
        Ok(Self {
            // PgBouncer refuses this startup parameter; numbers come in binary form anyway.
            options: options.extra_float_digits(None).disable_statement_logging(),
            settings: settings(statement_timeout),
        })
    }

    /// Opens a connection within 5 s.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached, refuses, or does not keep the session's settings.
    pub async fn connect(&self) -> Result<PgConnection, Error> {
        Ok(self.connect_marked().await?.0)
    }

    /// The same, with the mark of its session.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub async fn connect_marked(&self) -> Result<(PgConnection, SessionMark), Error> {
        let connect = async {
            let mut connection = self.options.connect().await?;
            let mark = self.prepare(&mut connection).await?;
            Ok((connection, mark))
        };
        timeout(ACQUIRE_TIMEOUT, connect)
            .await
            .map_err(|_| Error::PoolTimedOut)?
    }

    /// Returns a pool for one connection, which is opened when it is needed, and the mark of its session.
    #[must_use]
    pub fn pool(&self) -> (PgPool, Arc<Mutex<Option<SessionMark>>>) {
        let connector = self.clone();
        let mark: Arc<Mutex<Option<SessionMark>>> = Arc::default();
        let marked = Arc::clone(&mark);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .max_lifetime(MAX_LIFETIME)
            .idle_timeout(MAX_IDLE)
            .test_before_acquire(false)
            .before_acquire(|connection, idle| {
                Box::pin(async move {
                    if idle.idle_for > PING_AFTER_IDLE {
                        ping(connection).await?;
                    }
                    Ok(true)
                })
            })
            .after_release(|connection, _| Box::pin(check_released(connection)))
            .after_connect(move |connection, _| -> BoxFuture<'_, Result<(), Error>> {
                let (connector, marked) = (connector.clone(), marked.clone());
                Box::pin(async move {
                    let mark = connector.prepare(connection).await?;
                    *marked.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
                    Ok(())
                })
            })
            .connect_lazy_with(self.options.clone());
        (pool, mark)
    }

    /// Sets the settings of a session, checks that it is this connection's own, and returns its mark. Behind a pooler in
    /// transaction mode it carries the mark of another connection, or loses its own.
    async fn prepare(&self, connection: &mut PgConnection) -> Result<SessionMark, Error> {
        let mark = SessionMark::new();
        let mut applied = format!("set_config('liaison.session', '{mark}', false)");
        let mut current = "current_setting('liaison.session', true)".to_owned();
        for (name, value) in &self.settings {
            // Writing into a String cannot fail.
            let _ = write!(applied, ", set_config('{name}', '{value}', false)");
            let _ = write!(current, ", current_setting('{name}')");
        }
        let former = text(connection, MARK).await?;
        let applied = format!("select concat_ws(' ', pg_backend_pid(), {applied})");
        let applied = text(connection, &applied).await?;
        connection.execute(raw_sql(NO_TIMEOUTS)).await?;
        match connection.execute(raw_sql(BROKEN_PEERS)).await {
            Ok(_) | Err(Error::Database(_)) => {}
            Err(error) => return Err(error),
        }
        let current = format!("select concat_ws(' ', pg_backend_pid(), {current})");
        let current = text(connection, &current).await?;
        if former.is_empty() && current == applied {
            Ok(mark)
        } else {
            Err(Error::Configuration(POOLER.into()))
        }
    }
}

/// Tests that a connection that is returned to its pool responds and is in no transaction: a request that was dropped
/// during `BEGIN` leaves a transaction open. The pool closes a connection for which this fails.
async fn check_released(connection: &mut PgConnection) -> Result<bool, Error> {
    // Within a transaction `now()` is its start. Sent as a simple query, because the transaction of a prepared
    // statement begins with an earlier message.
    let test = "select (now() = statement_timestamp())::text";
    let is_idle = timeout(PING_TIMEOUT, text(connection, test))
        .await
        .map_err(|_| Error::PoolTimedOut)??;
    if is_idle == "true" && !connection.is_in_transaction() {
        return Ok(true);
    }
    Err(Error::Protocol("a transaction was left open".to_owned()))
}

/// Returns the text of a statement's single cell. Sent as a simple query: a pooler could send the parts of a prepared
/// statement to different servers.
async fn text(connection: &mut PgConnection, sql: &str) -> Result<String, Error> {
    let row = connection
        .fetch_one(raw_sql(AssertSqlSafe(sql.to_owned())))
        .await?;
    row.try_get(0)
}

/// Pings the server.
///
/// # Errors
/// Returns an error if it does not respond within [`PING_TIMEOUT`].
pub async fn ping(connection: &mut PgConnection) -> Result<(), Error> {
    timeout(PING_TIMEOUT, connection.ping())
        .await
        .map_err(|_| Error::PoolTimedOut)?
}

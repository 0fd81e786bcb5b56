//! Readiness checks: whether the database can currently be read and written.
//!
//! The checks use connections of their own, so that they do not wait behind requests.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection as SqliteConnection, OpenFlags};
use sea_orm::sqlx::{self, Executor, PgConnection, Row};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::db::connect::{Connector, MAX_LIFETIME, SessionMark, is_foreign_session};
use crate::error::{INSUFFICIENT_PRIVILEGE, database_code};
use crate::store::privileges::{GRANT, missing_query};

/// Timeout of all checks together.
const CHECK_TIMEOUT: Duration = Duration::from_millis(1500);
/// Maximum wait of a check for the write lock, which others hold briefly.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
/// A lock that is held for longer counts as a failure.
const LOCKED_TOO_LONG: Duration = Duration::from_secs(10);

/// A write that changes nothing.
const WRITE: &str = "update counter set value = value where name = 'activity'";
/// A write that needs new pages, so that it detects a full disk; rolled back.
const WRITE_MORE: &str =
    "insert into counter (name, value) select 'check ' || n, 0 from generate_series(1, 500) n";

/// A description of a problem; `None` if there is none.
type Problem = Option<&'static str>;

/// The state of the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseHealth {
    /// Why the database cannot be read.
    pub read: Problem,
    /// Why the database cannot be written.
    pub write: Problem,
}

/// The health check of a database.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    target: Target,
    state: Arc<SyncMutex<State>>,
}

#[derive(Clone, Debug)]
enum Target {
    Sqlite {
        file: PathBuf,
        /// Device and inode of the file at startup.
        identity: Option<(u64, u64)>,
    },
    Postgres {
        connector: Box<Connector>,
        connection: Arc<Mutex<Option<(PgConnection, SessionMark, Instant)>>>,
    },
}

#[derive(Debug, Default)]
struct State {
    /// The error of the last write of a request.
    failed_write: Problem,
    locked_since: Option<Instant>,
}

impl HealthCheck {
    /// Creates the check of an existing SQLite file.
    pub(super) fn sqlite(file: &Path) -> Self {
        Self::new(Target::Sqlite {
            file: file.to_owned(),
            identity: identity(file),
        })
    }

    /// Creates the check of a PostgreSQL database.
    pub(super) fn postgres(connector: Connector) -> Self {
        Self::new(Target::Postgres {
            connector: Box::new(connector),
            connection: Arc::default(),
        })
    }

    fn new(target: Target) -> Self {
        Self {
            target,
            state: Arc::default(),
        }
    }

    /// Records the result of the last write of a request.
    pub fn report_write(&self, error: Option<&DbErr>) {
        let problem = error.map(describe);
        self.state().failed_write = problem;
    }

    /// Whether another file stands at the path of the one that is open: only a restart opens that one. A file that is
    /// missing would be recreated by a restart, which loses the register; put back, it is used again.
    #[must_use]
    pub fn is_file_replaced(&self) -> bool {
        match &self.target {
            Target::Sqlite {
                file,
                identity: opened,
            } => identity(file).is_some_and(|there| Some(there) != *opened),
            Target::Postgres { .. } => false,
        }
    }

    /// Checks the database. Takes at most two seconds.
    pub async fn check(&self) -> DatabaseHealth {
        let suspicious = self.state().failed_write.is_some();
        let checked = match &self.target {
            Target::Sqlite {
                file,
                identity: opened,
            } => {
                if identity(file) != *opened {
                    let problem = Some(if self.is_file_replaced() {
                        "the database file was replaced: restart"
                    } else {
                        "the database file is gone: put it back"
                    });
                    return DatabaseHealth {
                        read: problem,
                        write: problem,
                    };
                }
                let file = file.clone();
                let check = tokio::task::spawn_blocking(move || check_sqlite(&file));
                let checked = timeout(CHECK_TIMEOUT, check).await;
                checked.map(|checked| checked.unwrap_or_else(|_| unreachable_database()))
            }
            Target::Postgres {
                connector,
                connection,
            } => {
                timeout(
                    CHECK_TIMEOUT,
                    check_postgres(connector, connection, suspicious),
                )
                .await
            }
        };
        let mut health = checked.unwrap_or_else(|_| unreachable_database());
        let mut state = self.state();
        if health.write == Some(LOCKED) {
            let since = *state.locked_since.get_or_insert_with(Instant::now);
            health.write = health.write.filter(|_| since.elapsed() > LOCKED_TOO_LONG);
        } else {
            state.locked_since = None;
            state.failed_write = state.failed_write.and(health.write);
        }
        health
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const POOLED: &str = "a pooler in transaction mode stands between: let it use session mode";
const UNPRIVILEGED: &str = "the role of the service lacks a privilege on a table";
const LOCKED: &str = "another program holds the write lock";

const fn unreachable_database() -> DatabaseHealth {
    let problem = Some("the database does not answer");
    DatabaseHealth {
        read: problem,
        write: problem,
    }
}

fn identity(file: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Describes an error without details of the database.
fn describe(error: &DbErr) -> &'static str {
    match database_code(error).as_deref() {
        Some(code) => describe_code(code),
        None => "the database does not answer",
    }
}

fn describe_code(code: &str) -> &'static str {
    let primary = code.parse::<u32>().map(|code| code & 0xff);
    match (code, primary) {
        ("53100", _) | (_, Ok(13)) => "the disk is full",
        ("25006", _) | (_, Ok(8)) => "the database is read-only",
        ("55P03", _) | (_, Ok(5 | 6)) => LOCKED,
        (_, Ok(10)) => "the disk fails",
        _ => "the database cannot be written",
    }
}

fn check_sqlite(file: &Path) -> DatabaseHealth {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = SqliteConnection::open_with_flags(file, flags).and_then(|connection| {
        connection.busy_timeout(LOCK_TIMEOUT)?;
        connection.query_row("select value from counter limit 1", [], |_| Ok(()))?;
        Ok(connection)
    });
    match opened {
        Err(_) => unreachable_database(),
        Ok(connection) => {
            let batch = format!("begin immediate; {WRITE}; commit");
            let written = connection.execute_batch(&batch);
            let problem = written.err().map(|error| match error.sqlite_error() {
                Some(error) => describe_code(&error.extended_code.to_string()),
                None => "the database cannot be written",
            });
            DatabaseHealth {
                read: None,
                write: problem,
            }
        }
    }
}

async fn check_postgres(
    connector: &Connector,
    connection: &Mutex<Option<(PgConnection, SessionMark, Instant)>>,
    suspicious: bool,
) -> DatabaseHealth {
    let mut connection = connection.lock().await;
    // Taken out, so that a connection that does not respond in time is dropped.
    let known = connection.take();
    let known = known.filter(|(_, _, opened)| opened.elapsed() < MAX_LIFETIME);
    for known in known.into_iter().map(Some).chain([None]) {
        let opened = match known {
            Some(known) => Ok(known),
            None => connector
                .connect_marked()
                .await
                .map(|(opened, mark)| (opened, mark, Instant::now())),
        };
        let (mut opened, mark, since) = match opened {
            Ok(opened) => opened,
            Err(sqlx::Error::Configuration(_)) => {
                return DatabaseHealth {
                    read: Some(POOLED),
                    write: Some(POOLED),
                };
            }
            Err(_) => return unreachable_database(),
        };
        match try_postgres(&mut opened, mark, suspicious).await {
            Ok(health) => {
                *connection = Some((opened, mark, since));
                return health;
            }
            // The connection's session was exchanged; tries a new one.
            Err(error) if is_foreign_session(&error, false) => {}
            Err(error) if error.as_database_error().is_some() => {
                let error = DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)));
                return DatabaseHealth {
                    read: None,
                    write: Some(describe(&error)),
                };
            }
            // The connection was lost; tries a new one.
            Err(_) => {}
        }
    }
    unreachable_database()
}

/// Sends simple queries only: a pooler could send a prepared statement to another session.
async fn try_postgres(
    connection: &mut PgConnection,
    mark: SessionMark,
    suspicious: bool,
) -> Result<DatabaseHealth, sqlx::Error> {
    let state = sqlx::AssertSqlSafe(format!(
        "select (pg_is_in_recovery() or current_setting('transaction_read_only') = 'on')::text,
            coalesce(of_reads, false)::text, (lacking > 0)::text
        from (select bool_or(privilege = 'select') of_reads, count(*) lacking from ({}) missing) checked
        where {}",
        missing_query(),
        mark.check()
    ));
    let row = connection.fetch_one(sqlx::raw_sql(state)).await?;
    let is_true = |column: usize| -> Result<bool, sqlx::Error> {
        Ok(row.try_get::<String, _>(column)? == "true")
    };
    let (read_only, cannot_read, lacks) = (is_true(0)?, is_true(1)?, is_true(2)?);
    let write = if read_only {
        Some("the database is read-only")
    } else {
        lacks.then_some(UNPRIVILEGED)
    };
    if write.is_some() {
        return Ok(DatabaseHealth {
            read: cannot_read.then_some(UNPRIVILEGED),
            write,
        });
    }
    let more = if suspicious { WRITE_MORE } else { "select 1" };
    let batch = sqlx::AssertSqlSafe(format!(
        "begin; set local lock_timeout = {}; {WRITE}; {more}; rollback",
        LOCK_TIMEOUT.as_millis()
    ));
    connection.execute(sqlx::raw_sql(batch)).await?;
    Ok(DatabaseHealth::default())
}

/// Returns why a database could not be connected to, if it may be there later.
#[must_use]
pub fn unreachable_reason(error: &DbErr) -> Option<String> {
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Some("no answer".to_owned()),
        DbErr::Conn(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            match &**error {
                sqlx::Error::Io(error) if tls_error(error).is_some() => None,
                sqlx::Error::Io(error) => Some(error.to_string()),
                // On SQLite the first connection waits for the lock of another program.
                sqlx::Error::PoolTimedOut => {
                    Some("no answer, or another program holds its lock".to_owned())
                }
                // It starts or stops, or has no place for another connection.
                sqlx::Error::Database(error) => {
                    let code = error.code()?;
                    matches!(&*code, "57P01" | "57P02" | "57P03" | "53300")
                        .then(|| error.message().to_owned())
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns whether SQLite could not open or write its file.
#[must_use]
pub fn is_file_inaccessible(error: &DbErr) -> bool {
    let code = database_code(error).and_then(|code| code.parse::<u32>().ok());
    matches!(code.map(|code| code & 0xff), Some(8 | 14))
}

/// Returns the error of TLS, if it is one: the next attempt would fail the same way.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Returns what is wrong with the database in a line, for the operator.
#[must_use]
pub fn explain(error: &DbErr) -> String {
    let text = match error {
        DbErr::Migration(what) => what.clone(),
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => match error.as_database_error() {
            Some(error) if error.code().as_deref() == Some(INSUFFICIENT_PRIVILEGE) => {
                format!("{}: {GRANT}", error.message())
            }
            // Its own text ends with a line of the server's source.
            Some(error) => error.message().to_owned(),
            None => match &**error {
                sqlx::Error::Io(error) if tls_error(error).is_some() => format!(
                    "TLS with the server failed: {error}: the authority of its certificate is that in the file of \
                     `sslrootcert` or a public one, and its name the host of the address"
                ),
                error => error.to_string(),
            },
        },
        DbErr::ConnectionAcquire(_) => "it does not answer in time".to_owned(),
        error => error.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}

//! All writes: each in one transaction with its log entries, after checking the rules.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use entity::organization as organizations;
use sea_orm::prelude::Uuid;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, Connection, Executor, SqliteConnection};
use sea_orm::{
    ConnAcquireErr, ConnectOptions, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, RuntimeErr, Statement, TransactionTrait,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use self::activity::LogPosition;
use self::health::{DatabaseHealth, HealthCheck};
use crate::db::connect::Connector;
pub use crate::db::connect::MAX_LIFETIME;
use crate::db::{ACQUIRE_TIMEOUT, ReadConnection, ReadPool, WriteConnection, failed};
use crate::error::{Error, Result};
use crate::metrics::{PoolWait, WRITE_POOL};
use crate::store::request_work::StatementObserver;
use crate::store::watchdog::Session;

pub mod action_item;
pub mod committee;
pub mod examination;
pub mod liaison_statement;
pub mod mandate;
pub mod note;
pub mod organization;
pub mod overlap;
pub mod publication;
pub mod topic;
pub mod translation;
pub mod webhook;

pub mod activity;
pub mod delivery;
pub mod health;
pub mod idempotency;
pub mod migrations;
pub mod privileges;
pub mod request_work;
mod resolve;
pub mod transaction;
pub mod watchdog;

/// Busy timeout: how long to wait while another process writes to the same SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to PostgreSQL for the feed, webhooks and exports, so that they do not wait behind writers.
const BACKGROUND_CONNECTIONS: u32 = 4;

/// Key of the advisory lock for migrating and loading. An arbitrary number, the same in every instance.
const LOCK: i64 = 0x11a1_5011;

/// The connections to the database.
#[derive(Clone, Debug)]
pub struct Database {
    /// For the query planner.
    pub read_pool: ReadPool,
    /// For other reads: the feed, webhooks, exports.
    pub orm_read: ReadConnection,
    pub orm_write: WriteConnection,
    /// The outer transaction if several writes are combined into one.
    outer_transaction: Option<Arc<DatabaseTransaction>>,
    /// The readiness checks.
    pub health: HealthCheck,
    /// On PostgreSQL: opens further connections.
    connector: Option<Connector>,
    /// Limit of concurrent users of `orm_write` on PostgreSQL.
    write_permits: Arc<Semaphore>,
    /// Observes each statement that the query planner sends; the connections of sea-orm report all others.
    pub on_statement: StatementObserver,
    /// Signals that the log may have new entries.
    commits: watch::Sender<()>,
    /// The newest position in the log that this process knows of.
    last_position: watch::Sender<LogPosition>,
}

impl Database {
    /// Connects to `sqlite:…`, whose file is created if it is missing, or to `postgres:…`, with at most `connections`
    /// for reading.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, DbErr> {
        Self::connect_with_timeout(url, connections, None).await
    }

    /// Connects with a timeout for the statements of requests, which PostgreSQL would otherwise continue after the
    /// client has gone; on SQLite it applies to the query planner. (Other SQLite statements end when their rows are not
    /// fetched.)
    pub async fn connect_with_timeout(
        url: &str,
        connections: u32,
        statement_timeout: Option<Duration>,
    ) -> Result<Self, DbErr> {
        let on_statement = StatementObserver::default();
        let observer = on_statement.0.clone();
        if url.starts_with("sqlite:") {
            create_private_file(url);
            let write = sea_orm::Database::connect(sqlite(url, 1, false)).await?;
            // Later connections must not create the file: that would hide that it was deleted.
            let pool = write.get_sqlite_connection_pool();
            let options = pool.connect_options().as_ref().clone();
            pool.set_connect_options(options.create_if_missing(false));
            let read = sea_orm::Database::connect(sqlite(url, connections, true)).await?;
            let reader = ReadPool::sqlite(url, connections, statement_timeout)?;
            let options: SqliteConnectOptions = url.parse().map_err(failed)?;
            let health = HealthCheck::sqlite(options.get_filename());
            Ok(Self {
                read_pool: reader,
                orm_read: ReadConnection::sqlite(read, observer.clone()),
                orm_write: WriteConnection::sqlite(write, observer),
                outer_transaction: None,
                health,
                connector: None,
                write_permits: unlimited(),
                on_statement,
                commits: watch::Sender::default(),
                last_position: watch::Sender::default(),
            })
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let connector = Connector::new(url, statement_timeout).map_err(failed)?;
            // If a pooler gives both the same session, the second connection detects the mark of the first.
            let first = connector.connect().await.map_err(failed)?;
            connector.connect().await.map_err(failed)?;
            drop(first);
            let users = connections as usize;
            let connector = || connector.clone();
            Ok(Self {
                read_pool: ReadPool::postgres(connector(), connections, statement_timeout),
                orm_read: ReadConnection::postgres(
                    connector(),
                    BACKGROUND_CONNECTIONS,
                    observer.clone(),
                ),
                orm_write: WriteConnection::postgres(connector(), users, observer),
                outer_transaction: None,
                health: HealthCheck::postgres(connector()),
                connector: Some(connector()),
                write_permits: Arc::new(Semaphore::new(users)),
                on_statement,
                commits: watch::Sender::default(),
                last_position: watch::Sender::default(),
            })
        } else {
            Err(DbErr::Conn(RuntimeErr::Internal(
                "the address of the database starts with sqlite: or postgres:".to_owned(),
            )))
        }
    }

    /// Checks whether the database can be read and written. Takes at most two seconds.
    pub async fn health(&self) -> DatabaseHealth {
        if self.orm_write.is_closed() {
            let problem = Some("the database connections are closed");
            return DatabaseHealth {
                read: problem,
                write: problem,
            };
        }
        self.health.check().await
    }

    /// Returns whether other instances may write to the database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.orm_read.get_database_backend() == DbBackend::Postgres
    }

    /// Subscribes to a signal after each commit of this process and each [`Database::notify`].
    #[must_use]
    pub fn news(&self) -> watch::Receiver<()> {
        self.commits.subscribe()
    }

    /// Signals that the log may have new entries.
    pub fn notify(&self) {
        self.commits.send_replace(());
    }

    /// The newest position in the log that this process knows of: each of its own as soon as its commit is over.
    #[must_use]
    pub fn newest(&self) -> LogPosition {
        *self.last_position.borrow()
    }

    /// Takes note that the log reaches to this position.
    pub fn advance_to(&self, position: LogPosition) {
        self.last_position.send_if_modified(|newest| {
            let is_later = newest.position < position.position;
            if is_later {
                *newest = position;
            }
            is_later
        });
    }

    /// Takes note of the newest position of the log as it was read, when `known` was known already. If the log ends
    /// before that, its history was replaced.
    pub fn was_read(&self, known: LogPosition, read: LogPosition) {
        self.last_position.send_if_modified(|newest| {
            let replaces = newest.position < read.position || *newest == known;
            if replaces {
                *newest = read;
            }
            replaces
        });
    }

    /// Takes note that the next position of the log is this one. The caller holds the lock of all writers, so
    /// that what is known beyond is of a history that was replaced.
    fn is_next(&self, position: i64) {
        self.last_position.send_if_modified(|newest| {
            let replaced = position <= newest.position;
            if replaced {
                *newest = LogPosition {
                    position: position - 1,
                    // Of no activity: nothing that was read before is up to date.
                    id: Uuid::now_v7(),
                };
            }
            replaced
        });
    }

    /// Returns how many connections for writing are in use, and their maximum number.
    #[must_use]
    pub fn write_connections(&self) -> (usize, usize) {
        let (all, most) = if self.is_shared() {
            let most = self.read_pool.connections() as usize;
            (most, most)
        } else {
            // sea-orm's pool has one connection.
            (Semaphore::MAX_PERMITS, 1)
        };
        let taken = all.saturating_sub(self.write_permits.available_permits());
        (taken.min(most), most)
    }

    /// Returns a function that creates pools for PostgreSQL's LISTEN; `None` for SQLite.
    #[must_use]
    pub fn listener_pool(&self) -> Option<impl Fn() -> sqlx::PgPool + Send + use<>> {
        let connector = self.connector.clone()?;
        Some(move || connector.pool().0)
    }

    /// Runs a statement on `orm_read`. On PostgreSQL it waits at most 5 s for a connection and the result.
    ///
    /// # Errors
    /// Returns an error if one of the waits is over, or the statement fails.
    pub async fn query<T, E: From<DbErr>>(
        &self,
        statement: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.bounded(statement).await
    }

    /// Runs a statement on `orm_write`. On PostgreSQL it waits at most 5 s for its permit, and 5 s for the result. A
    /// transaction takes its permit when it begins.
    ///
    /// # Errors
    /// Returns an error if a timeout expires, or the statement fails.
    pub async fn execute<T>(
        &self,
        statement: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let _permit = permit(&self.write_permits).await?;
        self.bounded(statement).await
    }

    /// Applies a timeout of 5 s on PostgreSQL, where the network may be broken. SQLite has its own limits.
    ///
    /// # Errors
    /// Returns an error if the timeout expires, or the work fails.
    pub async fn bounded<T, E: From<DbErr>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if !self.is_shared() {
            return work.await;
        }
        timeout(ACQUIRE_TIMEOUT, work)
            .await
            .unwrap_or_else(|_| Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout).into()))
    }

    /// Writes a copy of the `SQLite` database, as it is at this moment, to a file that is empty or missing.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read, or the file cannot be written.
    pub async fn copy_to(&self, file: &Path) -> Result<(), DbErr> {
        let file = file.to_str();
        let file =
            file.ok_or_else(|| DbErr::Custom("the name of a file is not UTF-8".to_owned()))?;
        let statement =
            Statement::from_sql_and_values(DbBackend::Sqlite, "vacuum into ?", [file.into()]);
        self.orm_write.execute_raw(statement).await?;
        Ok(())
    }

    /// Begins a transaction that reads one state of the database.
    ///
    /// # Errors
    /// Returns an error if there is no connection within 5 s.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        let begin = async {
            match &self.orm_read {
                ReadConnection::Sqlite(connection) => connection.begin().await,
                ReadConnection::Postgres(..) => self.orm_write.begin_snapshot().await,
            }
        };
        self.bounded(begin).await
    }

    /// Closes all connections.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.read_pool.close();
        self.orm_read.close().await?;
        self.orm_write.close().await
    }

    /// Returns whether the register has no organizations yet.
    pub async fn is_empty(&self) -> Result<bool, DbErr> {
        let first = self.query(organizations::Entity::find().one(&self.orm_read));
        let first = first.await?;
        Ok(first.is_none())
    }

    /// Makes all the writes of `work`, or none. It may read what it wrote in the transaction that it is given.
    /// Several instances may do so at once: the others wait.
    pub async fn in_transaction<T>(
        &self,
        work: impl AsyncFnOnce(&Self, &DatabaseTransaction) -> Result<T>,
    ) -> Result<T> {
        let (transaction, session, _permit) = self.exclusive().await?;
        let transaction = Arc::new(transaction);
        let within = Self {
            outer_transaction: Some(transaction.clone()),
            ..self.clone()
        };
        let done = self.watched(session, work(&within, &transaction)).await;
        drop(within);
        let transaction = Arc::into_inner(transaction).ok_or_else(|| {
            DbErr::Custom("a part of the transaction is still in progress".to_owned())
        })?;
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                // Fails if SQLite has rolled back by itself; the first error says why.
                let _ = self.bounded(transaction.rollback()).await;
                return Err(error);
            }
        };
        let committed = self.watched(session, transaction.commit()).await;
        committed.map_err(Error::of_commit)?;
        self.notify();
        Ok(done)
    }

    /// Begins a transaction without timeouts that only one instance at a time can hold.
    async fn exclusive(&self) -> Result<(DatabaseTransaction, Session, Permit), DbErr> {
        let (transaction, permit) = begin(self).await?;
        let session = self.session(&transaction).await?;
        if transaction.get_database_backend() == DbBackend::Postgres {
            // On SQLite the transaction itself is exclusive. SeaQuery does not support PostgreSQL's advisory locks.
            let lock = format!(
                "set local statement_timeout = 0; set local lock_timeout = 0; \
                 set local idle_in_transaction_session_timeout = 0; select pg_advisory_xact_lock({LOCK})"
            );
            self.watched(session, transaction.execute_unprepared(&lock))
                .await?;
        }
        Ok((transaction, session, permit))
    }
}

/// The file of a `sqlite:` URL; `None` for another database or a URL that cannot be parsed.
#[must_use]
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    if !url.starts_with("sqlite:") {
        return None;
    }
    let options: SqliteConnectOptions = url.parse().ok()?;
    Some(options.get_filename().to_owned())
}

/// A permit to use a pool; `None` within a transaction that already holds one.
type Permit = Option<OwnedSemaphorePermit>;

/// Begins a transaction, within the outer one if there is one.
async fn begin(db: &Database) -> Result<(DatabaseTransaction, Permit), DbErr> {
    if let Some(outer) = &db.outer_transaction {
        return Ok((outer.begin().await?, None));
    }
    let waiting = PoolWait::begin(WRITE_POOL);
    let permit = permit(&db.write_permits).await?;
    let transaction = db.bounded(db.orm_write.begin()).await?;
    waiting.acquired();
    Ok((transaction, Some(permit)))
}

/// Waits for a permit to use a pool.
async fn permit(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, DbErr> {
    timeout(ACQUIRE_TIMEOUT, permits.clone().acquire_owned())
        .await
        .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?
        .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
}

/// SQLite's pools have their own limits.
fn unlimited() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(Semaphore::MAX_PERMITS))
}

/// Creates the file, if it is missing, with permissions for its owner only: it holds the secrets of webhooks. SQLite
/// gives the files beside it the same permissions. Errors are ignored, because connecting reports them.
fn create_private_file(url: &str) {
    if let Some(path) = sqlite_file(url) {
        let mut file = std::fs::OpenOptions::new();
        let _ = file.write(true).create_new(true).mode(0o600).open(path);
    }
}

fn plain(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        // A ping before each use costs a round trip, and a dead connection is detected anyway.
        .test_before_acquire(false);
    options
}

/// Checks that no transaction is open on a connection that is returned to the pool. On an error the pool closes the
/// connection.
///
/// SQLite rolls a transaction back by itself after a full disk, an I/O error or lack of memory. sqlx does not notice:
/// it would begin each further transaction as a savepoint, and never commit again.
async fn check_autocommit(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // `begin` fails within a transaction, and takes no lock outside of one. A pending rollback runs first.
    connection.execute("begin; rollback").await?;
    if connection.is_in_transaction() {
        return Err(sqlx::Error::BeginFailed);
    }
    Ok(true)
}

fn sqlite(url: &str, connections: u32, reads: bool) -> ConnectOptions {
    let mut options = plain(url, connections);
    options
        .idle_timeout(None)
        .max_lifetime(None)
        .map_sqlx_sqlite_pool_opts(|pool| {
            pool.after_release(|connection, _| Box::pin(check_autocommit(connection)))
        })
        .map_sqlx_sqlite_opts(move |options| {
            let options = options.busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
            if reads {
                return options.pragma("query_only", "ON");
            }
            options
                .create_if_missing(true)
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "NORMAL")
        });
    options
}

#[cfg(test)]
mod tests;

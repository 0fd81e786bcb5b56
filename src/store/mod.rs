//! All writes: each in one transaction with its activity, after asking the rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use entity::organization as organizations;
use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, Connection, Executor, SqliteConnection};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, RuntimeErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::watch;

use self::health::{DatabaseHealth, HealthCheck};
use self::statements::Told;
use crate::rows::{
    PATIENCE, Reader, check_idle, check_released, check_session, failed, postgres_settings,
};

pub mod action_item;
pub mod committee;
pub mod examination;
pub mod mandate;
pub mod note;
pub mod organization;
pub mod publication;
pub mod statement;
pub mod topic;
pub mod webhook;

pub mod activity;
pub mod creation;
pub mod delivery;
pub mod health;
mod input;
pub mod statements;
pub mod writing;

/// How long a process waits while another one writes to the same `SQLite` file.
const BUSY: Duration = Duration::from_secs(10);

/// Connections to `PostgreSQL` for the feed, webhooks and exports, so that they do not wait behind writers.
const BACKGROUND_CONNECTIONS: u32 = 4;

/// After so long a connection to `PostgreSQL` is closed and opened anew: behind a load balancer it moves on.
const MAX_LIFETIME: Duration = Duration::from_mins(30);

/// After so long without use a connection to `PostgreSQL` is closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

/// Any number, the same in every instance: who holds it migrates or loads.
const LOCK: i64 = 0x11a1_5011;

/// The connections to the one database.
#[derive(Clone, Debug)]
pub struct Database {
    /// For the read path.
    pub reader: Reader,
    /// For all else that only reads: the feed, webhooks, exports.
    pub read: DatabaseConnection,
    /// For writing: on `SQLite` one connection, since it takes one writer at a time.
    pub write: DatabaseConnection,
    /// Where several writes are made as one: the transaction that theirs are parts of.
    whole: Option<Arc<DatabaseTransaction>>,
    /// Checks whether the database can be read and written.
    pub health: HealthCheck,
    /// Told of each statement that the read path sends by itself; sea-orm tells of all others.
    pub told: Told,
    /// Changes whenever something may be new in the log; what it is, the log alone tells.
    news: watch::Sender<()>,
    /// The newest place in the log that this process knows of.
    newest: Arc<AtomicI64>,
}

impl Database {
    /// Connects to `sqlite:…`, whose file is created where it is missing, or `postgres:…`; with at
    /// most `connections` that read.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, DbErr> {
        Self::connect_within(url, connections, None).await
    }

    /// The same for those who wait no longer than this for a statement: `PostgreSQL` would go on with it when they
    /// have gone, and so would `SQLite` for the read path. (Its other statements end with the next row that nobody takes.)
    pub async fn connect_within(
        url: &str,
        connections: u32,
        longest: Option<Duration>,
    ) -> Result<Self, DbErr> {
        if url.starts_with("sqlite:") {
            let write = sea_orm::Database::connect(sqlite(url, 1, false)).await?;
            let read = sea_orm::Database::connect(sqlite(url, connections, true)).await?;
            let reader = Reader::sqlite(url, connections, longest)?;
            let options: SqliteConnectOptions = url.parse().map_err(failed)?;
            let health = HealthCheck::sqlite(options.get_filename());
            Ok(Self::new(reader, read, write, health))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let write = sea_orm::Database::connect(postgres(url, connections, longest)).await?;
            let background = postgres(url, BACKGROUND_CONNECTIONS, longest);
            let read = sea_orm::Database::connect(background).await?;
            let reader = Reader::postgres(url, connections, longest)?;
            let options: PgConnectOptions = url.parse().map_err(failed)?;
            let health = HealthCheck::postgres(options.options(postgres_settings(longest)));
            Ok(Self::new(reader, read, write, health))
        } else {
            Err(DbErr::Conn(RuntimeErr::Internal(
                "the address of the database starts with sqlite: or postgres:".to_owned(),
            )))
        }
    }

    fn new(
        reader: Reader,
        mut read: DatabaseConnection,
        mut write: DatabaseConnection,
        health: HealthCheck,
    ) -> Self {
        statements::watch(&mut read);
        statements::watch(&mut write);
        Self {
            reader,
            read,
            write,
            whole: None,
            health,
            told: Told::default(),
            news: watch::Sender::default(),
            newest: Arc::default(),
        }
    }

    /// Checks whether the database can be read and written, within two seconds.
    pub async fn health(&self) -> DatabaseHealth {
        let is_closed = match self.read.get_database_backend() {
            DbBackend::Postgres => self.read.get_postgres_connection_pool().is_closed(),
            _ => self.read.get_sqlite_connection_pool().is_closed(),
        };
        if is_closed {
            let problem = Some("the database connections are closed");
            return DatabaseHealth {
                read: problem,
                write: problem,
            };
        }
        self.health.check().await
    }

    /// Whether other instances may write to it, too.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.read.get_database_backend() == DbBackend::Postgres
    }

    /// Changes after each commit of this process, and each [`Database::announce`].
    #[must_use]
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Tells those who wait for news to look into the log.
    pub fn announce(&self) {
        self.news.send_replace(());
    }

    /// The newest place in the log that this process knows of: each of its own as soon as its commit is over.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.newest.load(Ordering::Acquire)
    }

    /// Takes note that the log reaches to this place.
    pub fn reaches(&self, position: i64) {
        self.newest.fetch_max(position, Ordering::AcqRel);
    }

    /// Closes all connections.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.reader.close().await;
        self.read.clone().close().await?;
        self.write.clone().close().await
    }

    /// Whether nothing was entered yet.
    pub async fn is_empty(&self) -> Result<bool, DbErr> {
        let first = organizations::Entity::find().one(&self.read).await?;
        Ok(first.is_none())
    }

    /// Brings the tables up to date. Several instances may start at once: one does it, the others wait.
    pub async fn migrate(&self) -> Result<(), DbErr> {
        let transaction = self.alone().await?;
        Migrator::up(&transaction, None).await?;
        transaction.commit().await
    }

    /// Makes all the writes of `work`, or none. It may read what it wrote in the transaction that it is given.
    /// Several instances may do so at once: the others wait.
    pub async fn whole<T>(
        &self,
        work: impl AsyncFnOnce(&Self, &DatabaseTransaction) -> crate::error::Result<T>,
    ) -> crate::error::Result<T> {
        let transaction = Arc::new(self.alone().await?);
        let within = Self {
            whole: Some(transaction.clone()),
            ..self.clone()
        };
        let done = work(&within, &transaction).await?;
        drop(within);
        let transaction = Arc::into_inner(transaction)
            .ok_or_else(|| DbErr::Custom("a part of the whole is still under way".to_owned()))?;
        let position = writing::last(&transaction).await?;
        transaction.commit().await?;
        self.reaches(position);
        self.announce();
        Ok(done)
    }

    /// A transaction that one instance at a time is in, and that may take its time.
    async fn alone(&self) -> Result<DatabaseTransaction, DbErr> {
        let transaction = begin(self).await?;
        if transaction.get_database_backend() == DbBackend::Postgres {
            // SQLite's transaction is the lock; PostgreSQL has one of its own kind for this, which
            // SeaQuery cannot say.
            let lock =
                format!("set local statement_timeout = 0; select pg_advisory_xact_lock({LOCK})");
            transaction.execute_unprepared(&lock).await?;
        }
        Ok(transaction)
    }
}

/// A transaction that holds `SQLite`'s write lock from its start: one that read first could not take it later.
async fn begin(db: &Database) -> Result<DatabaseTransaction, DbErr> {
    if let Some(whole) = &db.whole {
        return whole.begin().await;
    }
    db.write
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await
}

fn plain(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .connect_timeout(PATIENCE)
        .acquire_timeout(PATIENCE)
        .sqlx_logging(false)
        // A connection that has died shows it soon enough; asking each time costs a round trip.
        .test_before_acquire(false);
    options
}

fn postgres(url: &str, connections: u32, longest: Option<Duration>) -> ConnectOptions {
    let mut options = plain(url, connections);
    options
        .max_lifetime(MAX_LIFETIME)
        .idle_timeout(IDLE_TIMEOUT)
        .map_sqlx_postgres_opts(move |options| options.options(postgres_settings(longest)))
        .map_sqlx_postgres_pool_opts(|pool| {
            pool.after_connect(|connection, _| Box::pin(check_session(connection)))
                .before_acquire(|connection, metadata| {
                    Box::pin(check_idle(connection, metadata.idle_for))
                })
                .after_release(|connection, _| Box::pin(check_released(connection)))
        });
    options
}

/// Checks that no transaction is open on a connection that is returned to the pool. An error has the pool close the
/// connection and open another one.
///
/// SQLite ends a transaction by itself when a statement meets a full disk, an I/O error or no memory. sqlx does not
/// notice: it would begin each further transaction as a savepoint, and never commit again.
async fn check_autocommit(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // `begin` fails within a transaction, and takes no lock outside of one. A rollback that is pending runs first.
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
            let options = options.busy_timeout(BUSY).foreign_keys(true);
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

//! All writes: each in one transaction with its activity, after asking the rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use entity::organization as organizations;
use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, RuntimeErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::watch;

use self::statements::Told;
use crate::rows::{PATIENCE, Reader, postgres_settings};

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
mod input;
pub mod statements;
pub mod writing;

/// How long a process waits while another one writes to the same `SQLite` file.
const BUSY: Duration = Duration::from_secs(10);

/// Any number, the same in every instance: who holds it migrates or loads.
const LOCK: i64 = 0x11a1_5011;

/// The connections to the one database.
#[derive(Clone, Debug)]
pub struct Database {
    /// For the read path.
    pub reader: Reader,
    /// For all else that only reads.
    pub read: DatabaseConnection,
    /// For writing: on `SQLite` one connection, since it takes one writer at a time; on `PostgreSQL` the same pool.
    pub write: DatabaseConnection,
    /// Where several writes are made as one: the transaction that theirs are parts of.
    whole: Option<Arc<DatabaseTransaction>>,
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
            let mut write = sea_orm::Database::connect(sqlite(url, 1, false)).await?;
            let mut read = sea_orm::Database::connect(sqlite(url, connections, true)).await?;
            let reader = Reader::sqlite(url, connections, longest)?;
            statements::watch(&mut write);
            statements::watch(&mut read);
            Ok(Self {
                reader,
                read,
                write,
                whole: None,
                told: Told::default(),
                news: watch::Sender::default(),
                newest: Arc::default(),
            })
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let mut options = plain(url, connections);
            options.map_sqlx_postgres_opts(move |it| it.options(postgres_settings(longest)));
            let mut pool = sea_orm::Database::connect(options).await?;
            let reader = Reader::postgres(url, connections, longest)?;
            statements::watch(&mut pool);
            Ok(Self {
                reader,
                read: pool.clone(),
                write: pool,
                whole: None,
                told: Told::default(),
                news: watch::Sender::default(),
                newest: Arc::default(),
            })
        } else {
            Err(DbErr::Conn(RuntimeErr::Internal(
                "the address of the database starts with sqlite: or postgres:".to_owned(),
            )))
        }
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

fn sqlite(url: &str, connections: u32, reads: bool) -> ConnectOptions {
    let mut options = plain(url, connections);
    options
        .idle_timeout(None)
        .max_lifetime(None)
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

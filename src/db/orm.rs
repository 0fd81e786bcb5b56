//! The connections of sea-orm.
//!
//! On PostgreSQL each statement is checked to run in the session of its own connection: a statement that only reads by
//! itself, any other by its transaction, within which a pooler never changes the session.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::sea_query::Values;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    IsolationLevel, QueryResult, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};

use crate::db::ACQUIRE_TIMEOUT;
use crate::db::connect::Connector;
use crate::db::postgres::PostgresPool;
use crate::db::sessions::SessionPool;

/// Is called with each statement.
pub type OnStatement = Arc<dyn Fn(&Statement) + Send + Sync>;

/// Connections for statements that only read, outside of the query planner.
#[derive(Clone)]
pub enum ReadConnection {
    Postgres(Arc<PostgresPool>, OnStatement),
    Sqlite(DatabaseConnection),
}

/// Connections for writes; on SQLite, which allows a single writer, there is one.
#[derive(Clone, Debug)]
pub enum WriteConnection {
    Postgres(Arc<SessionPool>),
    Sqlite(DatabaseConnection),
}

impl ReadConnection {
    /// Creates at most this many connections to PostgreSQL. A statement may take 6 s.
    #[must_use]
    pub fn postgres(connector: Connector, connections: u32, on_statement: OnStatement) -> Self {
        let pool = PostgresPool::new(connector, connections, Some(ACQUIRE_TIMEOUT), None);
        Self::Postgres(Arc::new(pool), on_statement)
    }

    /// Uses a pool of connections to SQLite.
    #[must_use]
    pub fn sqlite(connection: DatabaseConnection, on_statement: OnStatement) -> Self {
        Self::Sqlite(observed(connection, on_statement))
    }

    /// Sets what is called with each statement of this handle.
    pub fn observe(&mut self, on_statement: OnStatement) {
        *self = match self.clone() {
            Self::Postgres(pool, _) => Self::Postgres(pool, on_statement),
            Self::Sqlite(connection) => Self::sqlite(connection, on_statement),
        };
    }

    /// Closes all connections.
    ///
    /// # Errors
    /// Returns an error if a connection cannot be closed.
    pub async fn close(&self) -> Result<(), DbErr> {
        match self {
            Self::Postgres(pool, _) => {
                pool.close();
                Ok(())
            }
            Self::Sqlite(connection) => connection.close_by_ref().await,
        }
    }

    async fn rows(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Postgres(pool, on_statement) => {
                on_statement(&statement);
                let values = statement.values.unwrap_or(Values(Vec::new()));
                let rows = pool.read(&statement.sql, &values, |_| Ok::<_, DbErr>(()));
                Ok(rows.await?.into_iter().map(Into::into).collect())
            }
            Self::Sqlite(connection) => connection.query_all_raw(statement).await,
        }
    }
}

impl Debug for ReadConnection {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReadConnection")
    }
}

#[async_trait]
impl ConnectionTrait for ReadConnection {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Postgres(..) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(only_reads())
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(only_reads())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.rows(statement).await
    }
}

fn observed(mut connection: DatabaseConnection, on_statement: OnStatement) -> DatabaseConnection {
    connection.set_metric_callback(move |info| on_statement(info.statement));
    connection
}

fn only_reads() -> DbErr {
    DbErr::Custom("this connection only reads".to_owned())
}

impl WriteConnection {
    /// Creates connections to PostgreSQL for this many transactions at once.
    #[must_use]
    pub fn postgres(connector: Connector, users: usize, on_statement: OnStatement) -> Self {
        Self::Postgres(Arc::new(SessionPool::new(connector, users, on_statement)))
    }

    /// Uses a pool of one connection to SQLite.
    #[must_use]
    pub fn sqlite(connection: DatabaseConnection, on_statement: OnStatement) -> Self {
        Self::Sqlite(observed(connection, on_statement))
    }

    /// Sets what is called with each statement of this handle.
    pub fn observe(&mut self, on_statement: OnStatement) {
        *self = match self.clone() {
            Self::Postgres(sessions) => Self::Postgres(Arc::new(sessions.observed(on_statement))),
            Self::Sqlite(connection) => Self::sqlite(connection, on_statement),
        };
    }

    /// Returns whether the connections are closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Postgres(sessions) => sessions.is_closed(),
            Self::Sqlite(connection) => connection.get_sqlite_connection_pool().is_closed(),
        }
    }

    /// Begins a transaction: on SQLite with the write lock, because a transaction that has read may fail to get it
    /// later; on PostgreSQL at the isolation level that the lock of all writers requires.
    ///
    /// # Errors
    /// Returns an error if there is no connection, or its session is another one's.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        match self {
            Self::Postgres(sessions) => sessions.begin(IsolationLevel::ReadCommitted).await,
            Self::Sqlite(connection) => {
                let immediate = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                connection.begin_with_options(immediate).await
            }
        }
    }

    /// Begins a transaction whose statements all read one state of the database.
    ///
    /// # Errors
    /// As [`WriteConnection::begin`].
    pub async fn begin_snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        match self {
            Self::Postgres(sessions) => sessions.begin(IsolationLevel::RepeatableRead).await,
            // Each transaction of SQLite reads one state.
            Self::Sqlite(connection) => connection.begin().await,
        }
    }

    /// Closes all connections.
    ///
    /// # Errors
    /// Returns an error if a connection cannot be closed.
    pub async fn close(&self) -> Result<(), DbErr> {
        match self {
            Self::Postgres(sessions) => {
                sessions.close();
                Ok(())
            }
            Self::Sqlite(connection) => connection.close_by_ref().await,
        }
    }
}

/// Each statement is a transaction of its own.
#[async_trait]
impl ConnectionTrait for WriteConnection {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Postgres(sessions) => {
                let transaction = sessions.begin(IsolationLevel::ReadCommitted).await?;
                let done = transaction.execute_raw(statement).await?;
                transaction.commit().await?;
                Ok(done)
            }
            Self::Sqlite(connection) => connection.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            // Some statements of tools, such as VACUUM, refuse to run in a transaction. No prepared one is involved.
            Self::Postgres(sessions) => sessions.execute_unprepared(sql).await,
            Self::Sqlite(connection) => connection.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Postgres(sessions) => {
                let transaction = sessions.begin(IsolationLevel::ReadCommitted).await?;
                let rows = transaction.query_all_raw(statement).await?;
                transaction.commit().await?;
                Ok(rows)
            }
            Self::Sqlite(connection) => connection.query_all_raw(statement).await,
        }
    }
}

//! Statements that all see one state of the database: that of the moment at which the first of them runs.

use sea_orm::sea_query::{SelectStatement, Values};
use sea_orm::{DbBackend, DbErr, Statement};
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tracing::Instrument;

use crate::db::postgres::PostgresTransaction;
use crate::db::sqlite::SqliteTransaction;
use crate::db::{ReadPool, Row, Rows, request_permits};

/// A read transaction that begins with its first statement and ends when it is dropped. It has one connection, so its
/// statements run one after the other.
#[derive(Debug)]
pub struct Snapshot {
    pool: ReadPool,
    transaction: Mutex<Option<Transaction>>,
}

#[derive(Debug)]
struct Transaction {
    connection: TransactionConnection,
    _permits: Vec<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum TransactionConnection {
    Postgres(PostgresTransaction),
    Sqlite(SqliteTransaction),
}

impl Snapshot {
    #[must_use]
    pub fn new(pool: &ReadPool) -> Self {
        Self {
            pool: pool.clone(),
            transaction: Mutex::default(),
        }
    }

    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.pool.backend()
    }

    /// Executes a statement as `Reader::read` does. After one that has failed, the others see a later state: the
    /// response reports the failure.
    ///
    /// # Errors
    /// Returns an error if the database or `on_row` does.
    pub async fn read<E: From<DbErr>>(
        &self,
        select: &SelectStatement,
        on_statement: &(dyn Fn(&Statement) + Send + Sync),
        on_row: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Rows, E> {
        let statement = self.pool.build(select);
        let mut current = self.transaction.lock().await;
        let usable = current.take().filter(Transaction::is_usable);
        let transaction = match usable {
            Some(transaction) => transaction,
            None => self.begin(&statement.sql).await?,
        };
        // Stays in its place while the statement runs: what is dropped meanwhile ends it.
        let transaction = current.insert(transaction);
        on_statement(&statement);
        let span = self.pool.span(&statement.sql);
        let values = statement.values.unwrap_or(Values(Vec::new()));
        Ok(match &mut transaction.connection {
            TransactionConnection::Postgres(connection) => {
                let read = connection.read(&statement.sql, &values, on_row);
                Rows::Postgres(read.instrument(span).await?)
            }
            TransactionConnection::Sqlite(connection) => {
                let read = connection.read(&statement.sql, &values, on_row);
                Rows::Sqlite(read.instrument(span).await?)
            }
        })
    }

    /// Begins a transaction whose first statement is `sql`.
    async fn begin(&self, sql: &str) -> Result<Transaction, DbErr> {
        let permits = request_permits().await;
        let connection = match &self.pool {
            ReadPool::Postgres(pool) => {
                TransactionConnection::Postgres(Box::pin(pool.begin()).await?)
            }
            ReadPool::Sqlite(pool) => TransactionConnection::Sqlite(pool.begin(sql).await?),
        };
        Ok(Transaction {
            connection,
            _permits: permits,
        })
    }
}

impl Transaction {
    /// Whether none of its statements has failed in a way that ended it.
    fn is_usable(&self) -> bool {
        match &self.connection {
            TransactionConnection::Postgres(connection) => connection.is_usable(),
            TransactionConnection::Sqlite(_) => true,
        }
    }
}

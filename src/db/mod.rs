//! The read connections of the query planner: they execute a statement and return its rows, with little overhead.

pub mod connect;
mod idle;
pub mod orm;
mod postgres;
mod row;
mod sessions;
mod snapshot;
mod sqlite;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sea_query::{SelectStatement, Values};
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::{DbBackend, DbErr, Statement};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument, Span};

use crate::db::connect::Connector;
pub use crate::db::idle::ACQUIRE_TIMEOUT;
pub use crate::db::orm::{ReadConnection, WriteConnection};
pub use crate::db::postgres::failed;
pub use crate::db::row::{FromCell, Row};
pub use crate::db::snapshot::Snapshot;
use crate::db::sqlite::RowBuffer;
pub use crate::db::sqlite::{CellRef, STATEMENT_TIMEOUT};
use crate::metrics::READ_POOL;
use crate::trace::SPANS;

tokio::task_local! {
    /// The bounds of the request that the current task executes.
    pub static REQUEST_BOUNDS: RequestBounds;
}

/// The bounds shared by all statements of one request.
#[derive(Clone, Debug)]
pub struct RequestBounds {
    /// When the request has to end; `None` for a subscription.
    pub deadline: Option<Instant>,
    /// Each statement acquires one permit of each, in this order, so that heavy operations leave connections to others.
    pub semaphores: Vec<Arc<Semaphore>>,
    /// Whether its statements read whole tables: on SQLite they run in threads of their own from the start.
    pub scans: bool,
}

/// Returns the bounds of the current request; `None` outside of a request.
fn request_bounds() -> Option<RequestBounds> {
    REQUEST_BOUNDS.try_with(Clone::clone).ok()
}

/// Acquires the permits of a statement, or of all statements of a snapshot together.
async fn request_permits() -> Vec<OwnedSemaphorePermit> {
    let mut permits = Vec::new();
    for semaphore in request_bounds()
        .into_iter()
        .flat_map(|bounds| bounds.semaphores)
    {
        // Never closed, so each gives a permit.
        permits.extend(Box::pin(semaphore.acquire_owned()).await.ok());
    }
    permits
}

/// The source that statements read from.
#[derive(Clone, Copy, Debug)]
pub enum Reader<'a> {
    /// Each statement sees the newest state of the database.
    Pool(&'a ReadPool),
    /// All statements see one state.
    Snapshot(&'a Snapshot),
}

impl Reader<'_> {
    #[must_use]
    pub fn backend(self) -> DbBackend {
        match self {
            Self::Pool(pool) => pool.backend(),
            Self::Snapshot(snapshot) => snapshot.backend(),
        }
    }

    /// Returns a snapshot for several statements; `None` if they read from one already.
    #[must_use]
    pub fn snapshot(self) -> Option<Snapshot> {
        match self {
            Self::Pool(pool) => Some(Snapshot::new(pool)),
            Self::Snapshot(_) => None,
        }
    }

    /// Executes a statement and returns its rows. Calls `on_statement` with the statement before it is sent, and
    /// `on_row` with each row as it is read; an error from `on_row` ends the statement.
    ///
    /// # Errors
    /// Returns an error if the database or `on_row` does.
    pub async fn read<E: From<DbErr>>(
        self,
        select: &SelectStatement,
        on_statement: &(dyn Fn(&Statement) + Send + Sync),
        on_row: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Rows, E> {
        match self {
            Self::Pool(pool) => pool.read(select, on_statement, on_row).await,
            Self::Snapshot(snapshot) => snapshot.read(select, on_statement, on_row).await,
        }
    }
}

/// Connections that only read.
#[derive(Clone, Debug)]
pub enum ReadPool {
    Postgres(Arc<postgres::PostgresPool>),
    Sqlite(Arc<sqlite::SqlitePool>),
}

/// The rows of a statement in its order.
#[derive(Debug)]
pub enum Rows {
    Postgres(Vec<PgRow>),
    Sqlite(RowBuffer),
}

impl Default for Rows {
    fn default() -> Self {
        Self::Postgres(Vec::new())
    }
}

impl Rows {
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Postgres(rows) => rows.len(),
            Self::Sqlite(rows) => rows.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the row at an index.
    ///
    /// # Panics
    /// Panics if the index is out of bounds.
    #[must_use]
    pub fn row(&self, index: usize) -> Row<'_> {
        match self {
            Self::Postgres(rows) => Row::Postgres(&rows[index]),
            Self::Sqlite(rows) => Row::Sqlite(rows.row(index)),
        }
    }

    #[must_use]
    pub fn first(&self) -> Option<Row<'_>> {
        (!self.is_empty()).then(|| self.row(0))
    }

    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }
}

impl ReadPool {
    /// Creates a pool for PostgreSQL with at most `connections` connections. A statement that takes longer than
    /// `statement_timeout` fails.
    #[must_use]
    pub fn postgres(
        connector: Connector,
        connections: u32,
        statement_timeout: Option<Duration>,
    ) -> Self {
        let connections =
            postgres::PostgresPool::new(connector, connections, statement_timeout, Some(READ_POOL));
        Self::Postgres(Arc::new(connections))
    }

    /// Creates a pool for an existing SQLite database with the URL `sqlite:…`.
    ///
    /// # Errors
    /// Returns an error if the URL cannot be parsed.
    pub fn sqlite(
        url: &str,
        connections: u32,
        statement_timeout: Option<Duration>,
    ) -> Result<Self, DbErr> {
        let connections = sqlite::SqlitePool::new(url, connections, statement_timeout)?;
        Ok(Self::Sqlite(Arc::new(connections)))
    }

    /// Closes all connections and opens no new ones.
    pub fn close(&self) {
        match self {
            Self::Postgres(connections) => connections.close(),
            Self::Sqlite(connections) => connections.close(),
        }
    }

    /// Returns the maximum number of connections.
    #[must_use]
    pub fn connections(&self) -> u32 {
        match self {
            Self::Postgres(connections) => connections.max_connections(),
            Self::Sqlite(connections) => connections.max_connections(),
        }
    }

    /// Returns the number of connections in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        match self {
            Self::Postgres(connections) => connections.in_use(),
            Self::Sqlite(connections) => connections.in_use(),
        }
    }

    #[must_use]
    pub fn backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    /// Returns the span of a statement, with the names of OpenTelemetry's semantic conventions.
    fn span(&self, sql: &str) -> Span {
        let system = match self {
            Self::Postgres(_) => "postgresql",
            Self::Sqlite(_) => "sqlite",
        };
        tracing::debug_span!(
            target: SPANS,
            "SELECT",
            otel.kind = "client",
            db.system.name = system,
            db.query.text = sql,
        )
    }

    fn build(&self, select: &SelectStatement) -> Statement {
        let mut statement = self.backend().build(select);
        if self.backend() == DbBackend::Sqlite {
            // With a bare parameter in LIMIT, SQLite prepares the statement again for each value, in search of a better
            // plan.
            statement.sql = statement.sql.replace("LIMIT ?", "LIMIT ?+0");
        }
        statement
    }

    async fn read<E: From<DbErr>>(
        &self,
        select: &SelectStatement,
        on_statement: &(dyn Fn(&Statement) + Send + Sync),
        on_row: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Rows, E> {
        let statement = self.build(select);
        let _permits = request_permits().await;
        on_statement(&statement);
        let span = self.span(&statement.sql);
        let values = statement.values.unwrap_or(Values(Vec::new()));
        Ok(match self {
            Self::Postgres(connections) => {
                let read = connections.read(&statement.sql, &values, on_row);
                Rows::Postgres(read.instrument(span).await?)
            }
            Self::Sqlite(connections) => {
                let read = connections.read(&statement.sql, &values, on_row);
                Rows::Sqlite(read.instrument(span).await?)
            }
        })
    }
}

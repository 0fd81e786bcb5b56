//! The read connections to SQLite. A statement runs on the caller's thread, not on one of its own.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Value, Values};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::coop::{consume_budget, has_budget_remaining};
use tokio::time::sleep;

pub use self::transaction::SqliteTransaction;
use crate::db::idle::{ACQUIRE_TIMEOUT, IdleConnections};
use crate::db::{Row, request_bounds};
use crate::metrics::READ_POOL;

/// Capacity of a connection's cache of prepared statements.
const PREPARED_STATEMENTS: usize = 200;

/// SQLite opcodes between two checks of the clock.
const OPCODES_PER_CHECK: i32 = 1000;

/// Time slice of a statement on a worker thread of the runtime. Nearly all statements end earlier, and moving the
/// thread's other tasks to another thread takes as long as many of them.
const SLICE: Duration = Duration::from_millis(2);

/// Execution time that costs a task one unit of its cooperative budget, which has 128 units: the statements of one poll
/// take about two milliseconds together, then the task yields.
const BUDGET_UNIT: Duration = Duration::from_micros(16);

/// Capacity of the set of slow statements. When it is full it is cleared, and each statement is tried on a worker
/// thread again.
const SLOW_STATEMENTS: usize = 1000;

/// Timeout of a statement if none is given.
const NO_TIMEOUT: Duration = Duration::from_hours(24 * 365);

/// Wait before a timed-out statement returns its error, so that the request's own timeout is reported first.
const CANCEL_GRACE: Duration = Duration::from_millis(200);

/// The error of a statement that took longer than a request may.
pub const STATEMENT_TIMEOUT: &str = "the statement ran for too long";

/// At most the requested number of connections.
#[derive(Debug)]
pub struct SqlitePool {
    file: PathBuf,
    statement_timeout: Option<Duration>,
    idle: IdleConnections<Connection>,
    /// Hashes of the statements whose last execution exceeded the time slice.
    slow: Mutex<HashSet<u64>>,
    hasher: RandomState,
    /// Limits slow statements to half of the connections, so that fast ones find a free connection.
    slow_permits: Arc<Semaphore>,
}

impl SqlitePool {
    pub fn new(
        url: &str,
        connections: u32,
        statement_timeout: Option<Duration>,
    ) -> Result<Self, DbErr> {
        let options: SqliteConnectOptions =
            url.parse().map_err(|error: sea_orm::sqlx::Error| {
                DbErr::Conn(RuntimeErr::Internal(error.to_string()))
            })?;
        Ok(Self {
            file: options.get_filename().to_owned(),
            statement_timeout,
            idle: IdleConnections::new(connections, Some(READ_POOL)),
            slow: Mutex::default(),
            hasher: RandomState::new(),
            slow_permits: Arc::new(Semaphore::new(connections.div_ceil(2) as usize)),
        })
    }

    /// Returns the maximum number of connections.
    pub const fn max_connections(&self) -> u32 {
        self.idle.max_connections()
    }

    /// Returns the number of connections in use.
    pub fn in_use(&self) -> usize {
        self.idle.in_use()
    }

    pub async fn read<E: From<DbErr>>(
        &self,
        sql: &str,
        values: &Values,
        on_row: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<RowBuffer, E> {
        // Yields if this poll's budget is used up, so that the request's timeout can take effect.
        consume_budget().await;
        let hash = self.hasher.hash_one(sql);
        let mut statement = RunningStatement::new(sql, values, on_row);
        let mut read = Err(ReadError::Late);
        if !self.is_slow(hash) {
            let permit = self.idle.permit().await?;
            let started_at = Instant::now();
            read = self.on_connection(|connection| {
                statement.run(
                    connection,
                    self.deadline(started_at).min(started_at + SLICE),
                )
            });
            drop(permit);
            charge_budget(started_at.elapsed()).await;
        }
        if let Err(ReadError::Late) = read {
            let _slow_permit = self.slow_permit().await?;
            let _permit = self.idle.permit().await?;
            let started_at = Instant::now();
            read = run_blocking(|| {
                self.on_connection(|connection| {
                    statement.run(connection, self.deadline(started_at))
                })
            });
            self.record_speed(hash, started_at.elapsed() > SLICE);
            charge_budget(started_at.elapsed()).await;
        }
        completed(read).await
    }

    pub fn close(&self) {
        self.slow_permits.close();
        self.idle.close();
    }

    /// Runs a statement on a connection of its own.
    fn on_connection<E>(
        &self,
        run: impl FnOnce(&Connection) -> Result<RowBuffer, ReadError<E>>,
    ) -> Result<RowBuffer, ReadError<E>> {
        let connection = self.take_or_open().map_err(ReadError::Failed)?;
        let read = run(&connection);
        if !matches!(read, Err(ReadError::Failed(_))) {
            self.idle.release(connection);
        }
        read
    }

    fn take_or_open(&self) -> Result<Connection, DbErr> {
        match self.idle.take() {
            Some(connection) => Ok(connection),
            None => self.open().map_err(|error| DbErr::Conn(internal(&error))),
        }
    }

    async fn slow_permit(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        let permit = self.slow_permits.clone().acquire_owned().await;
        permit.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
    }

    /// Whether a statement runs in a thread of its own from the start.
    fn is_slow(&self, hash: u64) -> bool {
        let scans = request_bounds().is_some_and(|bounds| bounds.scans);
        scans || self.slow_statements().contains(&hash)
    }

    /// Returns the deadline of a statement that begins now, at the latest that of its request.
    fn deadline(&self, started_at: Instant) -> Instant {
        let latest = started_at + self.statement_timeout.unwrap_or(NO_TIMEOUT);
        let deadline = request_bounds().and_then(|bounds| bounds.deadline);
        deadline.map_or(latest, |deadline| latest.min(deadline))
    }

    fn record_speed(&self, hash: u64, is_slow: bool) {
        let mut slow = self.slow_statements();
        if !is_slow {
            slow.remove(&hash);
            return;
        }
        if slow.len() >= SLOW_STATEMENTS {
            slow.clear();
        }
        slow.insert(hash);
    }

    fn slow_statements(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        // No mutex: the pool gives a connection to one request at a time.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(ACQUIRE_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
        Ok(connection)
    }
}

/// A statement that may be run twice: it starts again if its first time slice was too short, since it cannot continue
/// in another thread. Rows that have arrived before are skipped then.
struct RunningStatement<'s, A> {
    sql: &'s str,
    values: &'s Values,
    on_row: A,
    arrived: usize,
}

impl<'s, A> RunningStatement<'s, A> {
    const fn new(sql: &'s str, values: &'s Values, on_row: A) -> Self {
        Self {
            sql,
            values,
            on_row,
            arrived: 0,
        }
    }

    /// Runs it from its start. It fails if it has not ended at `end`.
    fn run<E>(&mut self, connection: &Connection, end: Instant) -> Result<RowBuffer, ReadError<E>>
    where
        A: FnMut(Row<'_>) -> Result<(), E>,
    {
        if Instant::now() >= end {
            return Err(ReadError::Late);
        }
        connection.progress_handler(OPCODES_PER_CHECK, Some(move || Instant::now() >= end))?;
        let mut known = std::mem::take(&mut self.arrived);
        read_all(connection, self.sql, self.values, |row| {
            self.arrived += 1;
            if known > 0 {
                known -= 1;
                return Ok(());
            }
            (self.on_row)(row)
        })
    }
}

/// Returns what was read. The error of a statement that ran for too long comes after that of its request.
async fn completed<E: From<DbErr>>(read: Result<RowBuffer, ReadError<E>>) -> Result<RowBuffer, E> {
    match read {
        Err(ReadError::Late) => {
            Box::pin(sleep(CANCEL_GRACE)).await;
            let error = RuntimeErr::Internal(STATEMENT_TIMEOUT.to_owned());
            Err(DbErr::Query(error).into())
        }
        Err(ReadError::Failed(error)) => Err(error.into()),
        Err(ReadError::Refused(error)) => Err(error),
        Ok(block) => Ok(block),
    }
}

/// Charges the execution time of a statement to the task's budget, so that a poll ends after a while.
async fn charge_budget(time: Duration) {
    let mut left = time;
    while left >= BUDGET_UNIT && has_budget_remaining() {
        consume_budget().await;
        left -= BUDGET_UNIT;
    }
}

fn read_all<E>(
    connection: &Connection,
    sql: &str,
    values: &Values,
    mut on_row: impl FnMut(Row<'_>) -> Result<(), E>,
) -> Result<RowBuffer, ReadError<E>> {
    let mut statement = connection.prepare_cached(sql)?;
    for (index, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, SqlValue(value))?;
    }
    let mut block = RowBuffer {
        width: statement.column_count(),
        ..RowBuffer::default()
    };
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        for index in 0..block.width {
            block.push(row.get_ref(index)?)?;
        }
        on_row(Row::Sqlite(block.row(block.len() - 1))).map_err(ReadError::Refused)?;
    }
    Ok(block)
}

/// Runs blocking work while another thread takes over the other tasks of this worker thread.
fn run_blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        // A current-thread runtime has no other threads.
        _ => work(),
    }
}

/// The reason why reading rows ended early.
enum ReadError<E> {
    Late,
    Refused(E),
    Failed(DbErr),
}

impl<E> From<rusqlite::Error> for ReadError<E> {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Late,
            // Transient errors.
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::OutOfMemory
                | ErrorCode::SystemIoFailure,
            ) => Self::Failed(DbErr::Conn(internal(&error))),
            _ => Self::Failed(DbErr::Query(internal(&error))),
        }
    }
}

fn internal(error: &rusqlite::Error) -> RuntimeErr {
    RuntimeErr::Internal(error.to_string())
}

/// The rows of a statement in one buffer, row by row.
#[derive(Debug, Default)]
pub struct RowBuffer {
    /// Number of columns.
    width: usize,
    cells: Vec<Slot>,
    /// The concatenated texts of all cells.
    texts: String,
}

/// A stored cell; a text is a range of the block's buffer.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Null,
    Int(i64),
    Real(f64),
    Key(Uuid),
    Text { start: usize, end: usize },
}

/// The value of a cell.
#[derive(Clone, Copy, Debug)]
pub enum CellRef<'r> {
    Null,
    Int(i64),
    Real(f64),
    Key(Uuid),
    Text(&'r str),
}

/// One row of a block.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'r> {
    cells: &'r [Slot],
    texts: &'r str,
}

impl<'r> RowRef<'r> {
    /// Returns the cell at an index; `None` if the row has fewer columns.
    pub fn cell(self, index: usize) -> Option<CellRef<'r>> {
        Some(match *self.cells.get(index)? {
            Slot::Null => CellRef::Null,
            Slot::Int(number) => CellRef::Int(number),
            Slot::Real(number) => CellRef::Real(number),
            Slot::Key(key) => CellRef::Key(key),
            Slot::Text { start, end } => CellRef::Text(&self.texts[start..end]),
        })
    }
}

impl RowBuffer {
    pub fn len(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or_default()
    }

    pub fn row(&self, index: usize) -> RowRef<'_> {
        let range: Range<usize> = index * self.width..(index + 1) * self.width;
        RowRef {
            cells: &self.cells[range],
            texts: &self.texts,
        }
    }

    fn push(&mut self, value: ValueRef<'_>) -> rusqlite::Result<()> {
        self.cells.push(match value {
            ValueRef::Null => Slot::Null,
            ValueRef::Integer(number) => Slot::Int(number),
            ValueRef::Real(number) => Slot::Real(number),
            ValueRef::Text(_) => {
                let start = self.texts.len();
                self.texts.push_str(value.as_str()?);
                let end = self.texts.len();
                Slot::Text { start, end }
            }
            ValueRef::Blob(bytes) => Slot::Key(
                Uuid::from_slice(bytes)
                    .map_err(|error| rusqlite::types::FromSqlError::Other(Box::new(error)))?,
            ),
        });
        Ok(())
    }
}

/// A statement parameter in the encoding that sea-orm writes.
struct SqlValue<'v>(&'v Value);

impl ToSql for SqlValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            null if *null == null.as_null() => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Bool(Some(value)) => (*value).into(),
            Value::Int(Some(value)) => (*value).into(),
            Value::BigInt(Some(value)) => (*value).into(),
            Value::Double(Some(value)) => (*value).into(),
            Value::BigUnsigned(Some(value)) => i64::try_from(*value).unwrap_or(i64::MAX).into(),
            Value::String(Some(value)) => value.as_str().into(),
            Value::ChronoDate(Some(value)) => value.to_string().into(),
            Value::ChronoDateTimeUtc(Some(value)) => value
                .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false)
                .into(),
            Value::Uuid(Some(value)) => ToSqlOutput::Borrowed(ValueRef::Blob(value.as_bytes())),
            other => {
                let message = format!("unsupported value type in a query: {other:?}");
                return Err(rusqlite::Error::ToSqlConversionFailure(message.into()));
            }
        })
    }
}

#[cfg(test)]
mod tests;
mod transaction;

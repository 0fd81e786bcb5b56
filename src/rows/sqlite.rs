//! Connections to SQLite that read where they are asked, rather than in threads of their own.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Value, Values};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::coop::{consume_budget, has_budget_remaining};
use tokio::time::sleep;

use super::idle::{Idle, PATIENCE};
use super::{Row, request_bounds};

/// Statements that a connection has prepared.
const PREPARED: usize = 200;

/// Steps of SQLite's virtual machine between two looks at the clock.
const STEPS: i32 = 1000;

/// How long a statement may hold a thread of the runtime. Nearly all end long before, and moving the thread's other
/// tasks to another thread takes as long as many of them.
const SLICE: Duration = Duration::from_millis(2);

/// The running time that costs a task one unit of its cooperative budget in the runtime, which is 128 units: the
/// statements of one poll take about two milliseconds together, then the task yields.
const BUDGET_UNIT: Duration = Duration::from_micros(16);

/// Statements that are remembered as slow. Beyond that all are forgotten, and each is tried in the runtime's thread again.
const SLOW_STATEMENTS: usize = 1000;

/// The time limit of a statement that has none.
const UNBOUNDED: Duration = Duration::from_hours(24 * 365);

/// How long to wait for the request to notice that its time is over.
const NOTICE: Duration = Duration::from_millis(200);

/// The error of a statement that took longer than a request may.
pub const STATEMENT_TIMEOUT: &str = "the statement ran for too long";

/// As many connections at most as were asked for.
#[derive(Debug)]
pub struct Connections {
    file: PathBuf,
    longest: Option<Duration>,
    idle: Idle<Connection>,
    /// Hashes of the statements that last took longer than a slice.
    slow: Mutex<HashSet<u64>>,
    hasher: RandomState,
    /// Slow statements use half of the connections at most, so that fast ones find a free one.
    slow_permits: Semaphore,
}

impl Connections {
    pub fn new(url: &str, connections: u32, longest: Option<Duration>) -> Result<Self, DbErr> {
        let options: SqliteConnectOptions =
            url.parse().map_err(|error: sea_orm::sqlx::Error| {
                DbErr::Conn(RuntimeErr::Internal(error.to_string()))
            })?;
        Ok(Self {
            file: options.get_filename().to_owned(),
            longest,
            idle: Idle::new(connections),
            slow: Mutex::default(),
            hasher: RandomState::new(),
            slow_permits: Semaphore::new(connections.div_ceil(2) as usize),
        })
    }

    /// How many connections there are at most.
    pub const fn most(&self) -> u32 {
        self.idle.most()
    }

    pub async fn read<E: From<DbErr>>(
        &self,
        sql: &str,
        values: &Values,
        mut arrives: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Block, E> {
        // Yields if the statements of this poll have used up the budget: the deadline of the request is looked at then.
        consume_budget().await;
        let hash = self.hasher.hash_one(sql);
        let mut arrived = 0;
        let mut read = Err(Stopped::Late);
        if !self.slow().contains(&hash) {
            let turn = self.idle.turn().await?;
            let begun = Instant::now();
            let end = self.deadline(begun).min(begun + SLICE);
            read = self.read_until(end, sql, values, |row| {
                arrived += 1;
                arrives(row)
            });
            drop(turn);
            spend(begun.elapsed()).await;
        }
        if let Err(Stopped::Late) = read {
            let slow_permit = self.slow_permits.acquire().await;
            let _slow_permit = slow_permit
                .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
            let _turn = self.idle.turn().await?;
            let begun = Instant::now();
            // From its beginning, since a statement cannot continue in another call. The rows that have arrived are skipped.
            read = beside(|| {
                self.read_until(self.deadline(begun), sql, values, |row| {
                    if arrived > 0 {
                        arrived -= 1;
                        return Ok(());
                    }
                    arrives(row)
                })
            });
            self.remember(hash, begun.elapsed() > SLICE);
            spend(begun.elapsed()).await;
        }
        match read {
            Err(Stopped::Late) => {
                Box::pin(sleep(NOTICE)).await;
                let error = RuntimeErr::Internal(STATEMENT_TIMEOUT.to_owned());
                Err(DbErr::Query(error).into())
            }
            Err(Stopped::Failed(error)) => Err(error.into()),
            Err(Stopped::Refused(error)) => Err(error),
            Ok(block) => Ok(block),
        }
    }

    pub fn close(&self) {
        self.slow_permits.close();
        self.idle.close();
    }

    /// Runs a statement, which is late when it has not ended at `end`.
    fn read_until<E>(
        &self,
        end: Instant,
        sql: &str,
        values: &Values,
        arrives: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<Block, Stopped<E>> {
        if Instant::now() >= end {
            return Err(Stopped::Late);
        }
        let idle = self.idle.take();
        let connection = match idle {
            Some(connection) => connection,
            None => self
                .open()
                .map_err(|error| Stopped::Failed(DbErr::Conn(internal(&error))))?,
        };
        connection.progress_handler(STEPS, Some(move || Instant::now() >= end))?;
        let read = read_all(&connection, sql, values, arrives);
        if !matches!(read, Err(Stopped::Failed(_))) {
            self.idle.give(connection);
        }
        read
    }

    /// When a statement that begins now has to end: with its request at the latest.
    fn deadline(&self, begun: Instant) -> Instant {
        let longest = begun + self.longest.unwrap_or(UNBOUNDED);
        request_bounds().map_or(longest, |bounds| longest.min(bounds.deadline))
    }

    fn remember(&self, hash: u64, is_slow: bool) {
        let mut slow = self.slow();
        if !is_slow {
            slow.remove(&hash);
            return;
        }
        if slow.len() >= SLOW_STATEMENTS {
            slow.clear();
        }
        slow.insert(hash);
    }

    fn slow(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        // SQLite itself has nothing to lock: a connection is one request's at a time.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        Ok(connection)
    }
}

/// Takes the time of a statement from the budget of the task, so that a poll ends after a while.
async fn spend(time: Duration) {
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
    mut arrives: impl FnMut(Row<'_>) -> Result<(), E>,
) -> Result<Block, Stopped<E>> {
    let mut statement = connection.prepare_cached(sql)?;
    for (place, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, Bound(value))?;
    }
    let mut block = Block {
        width: statement.column_count(),
        ..Block::default()
    };
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        for place in 0..block.width {
            block.push(row.get_ref(place)?)?;
        }
        arrives(Row::Sqlite(block.row(block.len() - 1))).map_err(Stopped::Refused)?;
    }
    Ok(block)
}

/// Does what takes a while, with another thread for the tasks that wait for this one.
fn beside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        // There are no others.
        _ => work(),
    }
}

/// Why there are no more rows.
enum Stopped<E> {
    Late,
    Refused(E),
    Failed(DbErr),
}

impl<E> From<rusqlite::Error> for Stopped<E> {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Late,
            // A state that can pass.
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

/// The rows of a statement, one cell after the other.
#[derive(Debug, Default)]
pub struct Block {
    /// Cells of a row.
    width: usize,
    cells: Vec<Place>,
    /// All texts, one after the other.
    texts: String,
}

/// A cell, with its text elsewhere.
#[derive(Clone, Copy, Debug)]
enum Place {
    Null,
    Int(i64),
    Real(f64),
    Key(Uuid),
    Text { start: usize, end: usize },
}

/// What a cell holds.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'r> {
    Null,
    Int(i64),
    Real(f64),
    Key(Uuid),
    Text(&'r str),
}

/// One row of a block.
#[derive(Clone, Copy, Debug)]
pub struct Held<'r> {
    cells: &'r [Place],
    texts: &'r str,
}

impl<'r> Held<'r> {
    /// None where the row has none in this place.
    pub fn cell(self, place: usize) -> Option<Cell<'r>> {
        Some(match *self.cells.get(place)? {
            Place::Null => Cell::Null,
            Place::Int(number) => Cell::Int(number),
            Place::Real(number) => Cell::Real(number),
            Place::Key(key) => Cell::Key(key),
            Place::Text { start, end } => Cell::Text(&self.texts[start..end]),
        })
    }
}

impl Block {
    pub fn len(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or_default()
    }

    pub fn row(&self, place: usize) -> Held<'_> {
        let range: Range<usize> = place * self.width..(place + 1) * self.width;
        Held {
            cells: &self.cells[range],
            texts: &self.texts,
        }
    }

    fn push(&mut self, value: ValueRef<'_>) -> rusqlite::Result<()> {
        self.cells.push(match value {
            ValueRef::Null => Place::Null,
            ValueRef::Integer(number) => Place::Int(number),
            ValueRef::Real(number) => Place::Real(number),
            ValueRef::Text(_) => {
                let start = self.texts.len();
                self.texts.push_str(value.as_str()?);
                let end = self.texts.len();
                Place::Text { start, end }
            }
            ValueRef::Blob(bytes) => Place::Key(
                Uuid::from_slice(bytes)
                    .map_err(|error| rusqlite::types::FromSqlError::Other(Box::new(error)))?,
            ),
        });
        Ok(())
    }
}

/// A value as the writing side stores it.
struct Bound<'v>(&'v Value);

impl ToSql for Bound<'_> {
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
                let message =
                    format!("a statement that reads has a value of no form of ours: {other:?}");
                return Err(rusqlite::Error::ToSqlConversionFailure(message.into()));
            }
        })
    }
}

#[cfg(test)]
mod tests;

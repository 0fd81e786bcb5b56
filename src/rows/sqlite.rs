//! Connections to SQLite that read where they are asked, rather than in threads of their own.

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Value, Values};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{DbErr, RuntimeErr};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::sleep;

use super::Row;
use super::idle::{Idle, PATIENCE};

/// Statements that a connection has prepared.
const PREPARED: usize = 200;

/// Steps of SQLite's machine after which a statement asks whether it may go on: less than a thousandth of a second.
const STEPS: i32 = 10_000;

/// So many times a statement may go on before it must leave the thread to others: for some thousandths of a second.
/// Nearly all end long before, and giving the thread's tasks to another one takes as long as many of them.
const HERE: u32 = 50;

/// How long to wait for the request to notice that its time is over.
const NOTICE: Duration = Duration::from_millis(200);

/// As many connections at most as were asked for.
#[derive(Debug)]
pub struct Connections {
    file: PathBuf,
    longest: Option<Duration>,
    idle: Idle<Connection>,
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
        })
    }

    pub async fn read<E: From<DbErr>>(
        &self,
        sql: &str,
        values: &Values,
        mut arrives: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<Block, E> {
        let turn = self.idle.turn().await?;
        let mut arrived = 0;
        let mut read = self.read_while(within(HERE), sql, values, |row| {
            arrived += 1;
            arrives(row)
        });
        if let Err(Stopped::Late) = read {
            // Anew, since it cannot go on elsewhere. Rows that have arrived are not counted again.
            read = aside(|| {
                self.read_while(self.in_time(), sql, values, |row| {
                    if arrived > 0 {
                        arrived -= 1;
                        return Ok(());
                    }
                    arrives(row)
                })
            });
        }
        drop(turn);
        match read {
            Err(Stopped::Late) => {
                Box::pin(sleep(NOTICE)).await;
                let error = RuntimeErr::Internal("the statement ran for too long".to_owned());
                Err(DbErr::Query(error).into())
            }
            Err(Stopped::Failed(error)) => Err(error.into()),
            Err(Stopped::Refused(error)) => Err(error),
            Ok(block) => Ok(block),
        }
    }

    pub fn close(&self) {
        self.idle.close();
    }

    fn read_while<E>(
        &self,
        late: impl FnMut() -> bool + Send + 'static,
        sql: &str,
        values: &Values,
        arrives: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<Block, Stopped<E>> {
        let idle = self.idle.take();
        let connection = match idle {
            Some(connection) => connection,
            None => self
                .open()
                .map_err(|error| Stopped::Failed(DbErr::Conn(internal(&error))))?,
        };
        connection.progress_handler(STEPS, Some(late))?;
        let read = read_all(&connection, sql, values, arrives);
        if !matches!(read, Err(Stopped::Failed(_))) {
            self.idle.give(connection);
        }
        read
    }

    /// Whether a statement that begins now is late.
    fn in_time(&self) -> impl FnMut() -> bool + Send + 'static {
        let (begun, longest) = (Instant::now(), self.longest);
        move || longest.is_some_and(|it| begun.elapsed() > it)
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

/// Whether a statement has asked more often.
fn within(mut times: u32) -> impl FnMut() -> bool + Send + 'static {
    move || {
        times = times.saturating_sub(1);
        times == 0
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
fn aside<T>(work: impl FnOnce() -> T) -> T {
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
mod tests {
    use super::*;

    /// Numbers from 1 to the last.
    fn count_to(last: u32) -> String {
        format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {last}) select i from n"
        )
    }

    fn connections(longest: Duration) -> (tempfile::TempDir, Connections) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("register.db");
        Connection::open(&file).unwrap();
        let url = format!("sqlite:{}", file.display());
        let connections = Connections::new(&url, 1, Some(longest)).unwrap();
        (directory, connections)
    }

    async fn read(
        connections: &Connections,
        sql: &str,
        arrives: impl FnMut(Row<'_>) -> Result<(), DbErr> + Send,
    ) -> Result<Block, DbErr> {
        connections.read(sql, &Values(Vec::new()), arrives).await
    }

    #[test]
    fn an_error_that_can_pass_is_told_from_others() {
        let stopped = |code| {
            let error = rusqlite::ffi::Error::new(code);
            Stopped::<DbErr>::from(rusqlite::Error::SqliteFailure(error, None))
        };
        // BUSY, IOERR_READ, FULL, CANTOPEN.
        for code in [5, 266, 13, 14] {
            assert!(matches!(stopped(code), Stopped::Failed(DbErr::Conn(_))));
        }
        // ERROR, CORRUPT.
        for code in [1, 11] {
            assert!(matches!(stopped(code), Stopped::Failed(DbErr::Query(_))));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_statement_that_goes_on_elsewhere_gives_each_row_once() {
        let (_directory, connections) = connections(Duration::from_mins(1));
        for last in [1, 100, 300_000] {
            let mut arrived = Vec::new();
            let numbers = count_to(last);
            let block = read(&connections, &numbers, |row| {
                arrived.push(row.get::<i64>(0)?);
                Ok(())
            });
            let block = block.await.unwrap();
            assert_eq!(block.len(), last as usize);
            assert_eq!(arrived, (1..=i64::from(last)).collect::<Vec<_>>());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_statement_without_an_end_is_stopped_and_leaves_its_connection_to_others() {
        let (_directory, connections) = connections(Duration::from_millis(50));
        let endless = format!("select count(*) from ({})", count_to(u32::MAX));
        let stopped = read(&connections, &endless, |_| Ok(())).await;
        assert!(matches!(stopped, Err(DbErr::Query(_))), "{stopped:?}");
        let block = read(&connections, "select 'a', null, 2.5, x'", |_| Ok(())).await;
        assert!(matches!(block, Err(DbErr::Query(_))), "{block:?}");
        let block = read(&connections, "select 'a', null, 2.5", |_| Ok(())).await;
        let block = block.unwrap();
        let row = Row::Sqlite(block.row(0));
        assert_eq!(row.get::<&str>(0).unwrap(), "a");
        assert_eq!(row.find::<&str>(1).unwrap(), None);
        assert!((row.get::<f64>(2).unwrap() - 2.5).abs() < f64::EPSILON);
        assert!(row.get::<i64>(0).is_err());
        assert!(row.find::<i64>(3).is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_refuses_a_row_gets_no_more() {
        let (_directory, connections) = connections(Duration::from_mins(1));
        let mut arrived = 0;
        let numbers = count_to(u32::MAX);
        let refused = read(&connections, &numbers, |_| {
            arrived += 1;
            if arrived == 1000 {
                return Err(DbErr::Custom("enough".to_owned()));
            }
            Ok(())
        });
        assert_eq!(
            refused.await.unwrap_err(),
            DbErr::Custom("enough".to_owned())
        );
        assert_eq!(arrived, 1000);
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_no_database() {
        let (directory, connections) = connections(Duration::from_mins(1));
        directory.close().unwrap();
        let read = read(&connections, "select 1", |_| Ok(())).await;
        assert!(matches!(read, Err(DbErr::Conn(_))), "{read:?}");
    }
}

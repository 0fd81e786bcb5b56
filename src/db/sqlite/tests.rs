//! Statements that run for too long, are refused, or go on elsewhere.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::future::{join_all, poll_fn};
use tokio::time::timeout;

use crate::db::sqlite::*;
use crate::db::{REQUEST_BOUNDS, RequestBounds};

/// Numbers from 1 to the last.
fn count_to(last: u32) -> String {
    format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {last}) select i from n"
    )
}

fn connections(statement_timeout: Duration) -> (tempfile::TempDir, SqlitePool) {
    some_connections(1, statement_timeout)
}

fn some_connections(number: u32, statement_timeout: Duration) -> (tempfile::TempDir, SqlitePool) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("register.db");
    Connection::open(&file).unwrap();
    let url = format!("sqlite:{}", file.display());
    let connections = SqlitePool::new(&url, number, Some(statement_timeout)).unwrap();
    (directory, connections)
}

async fn read(
    connections: &SqlitePool,
    sql: &str,
    on_row: impl FnMut(Row<'_>) -> Result<(), DbErr> + Send,
) -> Result<RowBuffer, DbErr> {
    connections.read(sql, &Values(Vec::new()), on_row).await
}

#[test]
fn transient_errors_are_distinguished_from_others() {
    let stopped = |code| {
        let error = rusqlite::ffi::Error::new(code);
        ReadError::<DbErr>::from(rusqlite::Error::SqliteFailure(error, None))
    };
    // BUSY, IOERR_READ, FULL, CANTOPEN.
    for code in [5, 266, 13, 14] {
        assert!(matches!(stopped(code), ReadError::Failed(DbErr::Conn(_))));
    }
    // ERROR, CORRUPT.
    for code in [1, 11] {
        assert!(matches!(stopped(code), ReadError::Failed(DbErr::Query(_))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_moved_to_another_thread_returns_each_row_once() {
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
async fn an_endless_statement_is_interrupted_and_releases_its_connection() {
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
async fn no_row_follows_after_the_row_handler_fails() {
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

/// Runs this in a task, as requests are, and counts the polls.
async fn polls(running: impl Future<Output = ()> + Send + 'static) -> usize {
    let task = tokio::spawn(async move {
        let mut running = pin!(running);
        let mut polls = 0;
        poll_fn(|context| {
            polls += 1;
            running.as_mut().poll(context)
        })
        .await;
        polls
    });
    task.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_statements_of_a_request_do_not_run_in_one_poll() {
    let (_directory, connections) = some_connections(8, Duration::from_mins(1));
    let polls = polls(async move {
        let slow = format!("select count(*) from ({})", count_to(300_000));
        let reads = (0..10).map(|_| read(&connections, &slow, |_| Ok(())));
        for block in join_all(reads).await {
            assert_eq!(block.unwrap().len(), 1);
        }
    });
    let polls = polls.await;
    assert!(polls >= 10, "{polls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_past_its_deadline_starts_no_further_statement() {
    let (_directory, connections) = some_connections(8, Duration::from_mins(1));
    let started = Arc::new(AtomicUsize::new(0));
    let starts = started.clone();
    let task = tokio::spawn(async move {
        let limit = Duration::from_millis(100);
        // One row, then none without an end.
        let endless = format!(
            "select 1 union all select count(*) from ({})",
            count_to(u32::MAX)
        );
        let reads = (0..8).map(|_| {
            let mut is_first = true;
            let starts = starts.clone();
            read(&connections, &endless, move |_| {
                starts.fetch_add(usize::from(is_first), Ordering::Relaxed);
                is_first = false;
                Ok(())
            })
        });
        let bounds = RequestBounds {
            deadline: Some(Instant::now() + limit),
            semaphores: Vec::new(),
            scans: false,
        };
        let reading = REQUEST_BOUNDS.scope(bounds, join_all(reads));
        timeout(limit, reading).await.is_err()
    });
    assert!(task.await.unwrap(), "it went on");
    let started = started.load(Ordering::Relaxed);
    assert!((1..8).contains(&started), "{started}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_after_the_deadline_does_not_start() {
    let (_directory, connections) = connections(Duration::from_mins(1));
    for scans in [false, true] {
        let bounds = RequestBounds {
            deadline: Some(Instant::now()),
            semaphores: Vec::new(),
            scans,
        };
        let late = read(&connections, "select 1", |_| {
            Err(DbErr::Custom("it has started".to_owned()))
        });
        let late = REQUEST_BOUNDS.scope(bounds, late).await;
        assert!(matches!(late, Err(DbErr::Query(_))), "{late:?}");
    }
}

/// Reads this in a transaction.
async fn read_in_transaction(
    connections: &Arc<SqlitePool>,
    statements: &[&str],
) -> Result<Vec<i64>, DbErr> {
    let values = Values(Vec::new());
    let mut transaction = connections.begin(statements[0]).await?;
    let mut numbers = Vec::new();
    for sql in statements {
        let block = transaction
            .read(sql, &values, |_| Ok::<_, DbErr>(()))
            .await?;
        numbers.push(Row::Sqlite(block.row(0)).get(0)?);
    }
    Ok(numbers)
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_transactions_use_at_most_half_of_the_connections() {
    let (_directory, connections) = some_connections(2, Duration::from_mins(1));
    let connections = Arc::new(connections);
    let slow = format!("select count(*) from ({})", count_to(300_000));
    let statements = ["select 1", &slow];
    let read = read_in_transaction(&connections, &statements).await;
    assert_eq!(read.unwrap(), [1, 300_000]);
    assert_eq!(connections.in_use(), 0);
    let _busy = connections.slow_permits.acquire().await.unwrap();
    let mut waiting = pin!(read_in_transaction(&connections, &statements));
    let polled = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "another one waits");
    assert_eq!(connections.in_use(), 0, "without a connection");
    let fast = read_in_transaction(&connections, &["select 2", "select 3"]).await;
    assert_eq!(fast.unwrap(), [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_works_on_a_connection_that_was_interrupted_often() {
    let (_directory, connections) = connections(Duration::from_mins(1));
    let connections = Arc::new(connections);
    for _ in 0..1000 {
        let read = read_in_transaction(&connections, &["select 1"]).await;
        assert_eq!(read.unwrap(), [1]);
        // The check of its time would stop what comes after it, too.
        let past = Instant::now();
        let connection = connections.take_or_open().unwrap();
        let check = Some(move || Instant::now() >= past);
        connection.progress_handler(1, check).unwrap();
        connections.idle.release(connection);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_statements_use_at_most_half_of_the_connections() {
    let (_directory, connections) = some_connections(2, Duration::from_mins(1));
    let slow = count_to(300_000);
    read(&connections, &slow, |_| Ok(())).await.unwrap();
    assert_eq!(connections.slow_statements().len(), 1, "it is remembered");
    let _busy = connections.slow_permits.acquire().await.unwrap();
    let mut waiting = pin!(read(&connections, &slow, |_| Ok(())));
    let polled = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "another slow one waits");
    let fast = read(&connections, "select 1", |_| Ok(())).await;
    assert_eq!(fast.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn full_table_scans_run_on_a_blocking_thread_from_the_start() {
    let (_directory, connections) = some_connections(2, Duration::from_mins(1));
    let _busy = connections.slow_permits.acquire().await.unwrap();
    for scans in [false, true] {
        let bounds = RequestBounds {
            deadline: None,
            semaphores: Vec::new(),
            scans,
        };
        let reading = read(&connections, "select 1", |_| Ok(()));
        let mut reading = pin!(REQUEST_BOUNDS.scope(bounds, reading));
        let polled = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
        assert_eq!(polled.is_pending(), scans);
    }
}

#[tokio::test]
async fn a_missing_file_is_not_created() {
    let (directory, connections) = connections(Duration::from_mins(1));
    directory.close().unwrap();
    let read = read(&connections, "select 1", |_| Ok(())).await;
    assert!(matches!(read, Err(DbErr::Conn(_))), "{read:?}");
}

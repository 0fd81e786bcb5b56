//! A transaction that reads: its statements see one state of the database.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use sea_orm::sea_query::Values;
use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::coop::consume_budget;

use crate::db::Row;
use crate::db::sqlite::{
    ReadError, RowBuffer, RunningStatement, SLICE, SqlitePool, charge_budget, completed, internal,
    run_blocking,
};

const BEGIN: &str = "begin";
const ROLLBACK: &str = "rollback";

impl SqlitePool {
    /// Begins a transaction that reads, and whose first statement is `sql`. Its snapshot is that of its first statement.
    ///
    /// A wait for the permit of slow statements must not hold a connection. So a transaction takes that permit before
    /// its connection, if one of its statements was slow when it ran last.
    pub async fn begin(self: &Arc<Self>, sql: &str) -> Result<SqliteTransaction, DbErr> {
        // Yields if this poll's budget is used up, so that the request's timeout can take effect.
        consume_budget().await;
        let hash = self.hasher.hash_one((BEGIN, sql));
        let slow_permit = if self.is_slow(hash) {
            Some(self.slow_permit().await?)
        } else {
            None
        };
        let permit = self.idle.permit().await?;
        let connection = self.take_or_open()?;
        let started_at = execute(&connection, BEGIN);
        started_at.map_err(|error| DbErr::Conn(internal(&error)))?;
        Ok(SqliteTransaction {
            pool: self.clone(),
            connection: Some(connection),
            hash,
            was_slow: false,
            slow_permit,
            _permit: permit,
        })
    }
}

/// A transaction that reads, on a connection of its own.
#[derive(Debug)]
pub struct SqliteTransaction {
    pool: Arc<SqlitePool>,
    /// `None` once it is dropped.
    connection: Option<Connection>,
    /// The hash of its first statement.
    hash: u64,
    was_slow: bool,
    slow_permit: Option<OwnedSemaphorePermit>,
    _permit: OwnedSemaphorePermit,
}

impl SqliteTransaction {
    pub async fn read<E: From<DbErr>>(
        &mut self,
        sql: &str,
        values: &Values,
        on_row: impl FnMut(Row<'_>) -> Result<(), E> + Send,
    ) -> Result<RowBuffer, E> {
        consume_budget().await;
        let closed = || DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
        let hash = self.pool.hasher.hash_one(sql);
        let mut statement = RunningStatement::new(sql, values, on_row);
        let mut read = Err(ReadError::Late);
        if !self.pool.is_slow(hash) {
            let started_at = Instant::now();
            let end = self.pool.deadline(started_at).min(started_at + SLICE);
            read = statement.run(self.connection.as_ref().ok_or_else(closed)?, end);
            charge_budget(started_at.elapsed()).await;
        }
        if let Err(ReadError::Late) = read {
            let started_at = Instant::now();
            let end = self.pool.deadline(started_at);
            let connection = self.connection.as_ref().ok_or_else(closed)?;
            read = run_blocking(|| statement.run(connection, end));
            let is_slow = started_at.elapsed() > SLICE;
            self.pool.record_speed(hash, is_slow);
            self.was_slow |= is_slow;
            charge_budget(started_at.elapsed()).await;
        }
        completed(read).await
    }
}

impl Drop for SqliteTransaction {
    fn drop(&mut self) {
        if self.was_slow || self.slow_permit.is_some() {
            self.pool.record_speed(self.hash, self.was_slow);
        }
        if let Some(connection) = self.connection.take()
            && execute(&connection, ROLLBACK).is_ok()
        {
            self.pool.idle.release(connection);
        }
    }
}

/// Executes a statement without rows and without a bound, which the statement before it has left behind.
fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.progress_handler(0, None::<fn() -> bool>)?;
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

//! The transaction of a write.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use entity::counter;
use entity::id::ActivityId;
use entity::party::Party;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, TransactionTrait,
};
use uuid::Timestamp;

use crate::domain::viewer::Actor;
use crate::error::{Error, Result};
use crate::store::activity::{ActivityEntry, LogPosition};
use crate::store::request_work::current_trace;
use crate::store::watchdog::Session;
use crate::store::{Database, Permit, begin};

const ACTIVITY: &str = "activity";
const ACTOR_MAX: usize = 500;
/// Maximum number of log entries inserted per statement.
const MAX_ENTRIES_PER_STATEMENT: usize = 500;
/// Counter bits of an id within a millisecond, as RFC 9562 suggests; 32 random bits follow.
const COUNTER_BITS: u8 = 42;
/// Ids of the same millisecond sort in the order of their writes if no write creates more than this per log entry.
const IDS_PER_ENTRY: u64 = 8;

/// A write in progress. Dropping it rolls it back.
#[derive(Debug)]
pub struct WriteTransaction {
    transaction: DatabaseTransaction,
    _permit: Permit,
    actor: Actor,
    now: DateTime<Utc>,
    /// The first position in the log, until it is used.
    first: Option<LogPosition>,
    /// The last one that was used.
    last: LogPosition,
    /// What is still to be added to the log.
    entries: Vec<ActivityEntry>,
    db: Database,
    /// Total number of log entries.
    logged: usize,
    /// Number of ids created so far.
    ids: AtomicU64,
}

impl WriteTransaction {
    /// Begins by allocating the first log position. This locks the counter's row, which serializes all writers: what
    /// the rules read stays valid, and positions have the order of commits.
    pub async fn begin(db: &Database, actor: Actor, now: DateTime<Utc>) -> Result<Self, DbErr> {
        let (transaction, permit) = begin(db).await?;
        let writing = Self::within(db, transaction, permit, actor, now).await?;
        db.is_next(writing.last.position);
        Ok(writing)
    }

    /// The same for a write of any length, with the session of its transaction.
    pub async fn begin_long(
        db: &Database,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<(Self, Session), DbErr> {
        let (transaction, permit) = begin(db).await?;
        let session = db.session(&transaction).await?;
        let within = Self::within(db, transaction, permit, actor, now);
        let writing = db.watched(session, within).await?;
        db.is_next(writing.last.position);
        Ok((writing, session))
    }

    /// Begins on a copy of the register that only `transaction` sees.
    pub async fn on_copy(
        db: &Database,
        transaction: DatabaseTransaction,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Self, DbErr> {
        Self::within(db, transaction, None, actor, now).await
    }

    async fn within(
        db: &Database,
        transaction: DatabaseTransaction,
        permit: Permit,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Self, DbErr> {
        // The database stores microseconds; the response must equal a later read.
        let now = now.trunc_subsecs(6);
        let position = increment_counter(&transaction, ACTIVITY, 1).await?;
        let ids = AtomicU64::new(position.unsigned_abs().wrapping_mul(IDS_PER_ENTRY));
        let first = LogPosition {
            position,
            id: new_key(now, &ids),
        };
        Ok(Self {
            transaction,
            _permit: permit,
            actor,
            now,
            first: Some(first),
            last: first,
            entries: Vec::new(),
            logged: 0,
            ids,
            db: db.clone(),
        })
    }

    /// Begins a nested write that is only tried; it must end with [`rollback`](Self::rollback).
    pub async fn savepoint(&self) -> Result<Self, DbErr> {
        Ok(Self {
            transaction: self.transaction.begin().await?,
            _permit: None,
            actor: self.actor.clone(),
            now: self.now,
            first: None,
            last: self.last,
            entries: Vec::new(),
            logged: 0,
            ids: AtomicU64::new(self.ids.load(Ordering::Relaxed)),
            db: self.db.clone(),
        })
    }

    #[must_use]
    pub fn db(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Returns the party that writes.
    #[must_use]
    pub fn party(&self) -> Party {
        self.actor.party
    }

    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Returns the current date in UTC.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.now.date_naive()
    }

    /// Returns a new id. Ids sort by time, and within a millisecond in the order of the writes, so that lists which are
    /// sorted by id at last have the order in which their records were created.
    #[must_use]
    pub fn new_id<I: From<Uuid>>(&self) -> I {
        new_key(self.now, &self.ids).into()
    }

    /// The last position in the log that was used: the first one of this write until it has added to the log.
    #[must_use]
    pub fn position(&self) -> LogPosition {
        self.last
    }

    /// Allocates the next number of a counter. A rollback releases it.
    pub async fn next_number(&self, counter: &str) -> Result<i32, DbErr> {
        let number = increment_counter(&self.transaction, counter, 1).await?;
        i32::try_from(number)
            .map_err(|_| DbErr::Custom(format!("{counter} has run out of numbers")))
    }

    /// Adds an entry to the log.
    pub async fn log(&mut self, entry: ActivityEntry) -> Result<(), DbErr> {
        self.log_all(vec![entry]).await
    }

    /// Adds entries to the log, in this order.
    pub async fn log_all(&mut self, entries: Vec<ActivityEntry>) -> Result<(), DbErr> {
        self.logged += entries.len();
        self.entries.extend(entries);
        if MAX_ENTRIES_PER_STATEMENT <= self.entries.len() {
            self.write_log().await?;
        }
        Ok(())
    }

    /// Returns the number of log entries so far.
    #[must_use]
    pub fn logged(&self) -> usize {
        self.logged
    }

    async fn write_log(&mut self) -> Result<(), DbErr> {
        let entries = std::mem::take(&mut self.entries);
        let taken = self.first.take_if(|_| !entries.is_empty());
        let missing = entries.len() - usize::from(taken.is_some());
        let mut positions: Vec<LogPosition> = taken.into_iter().collect();
        if missing > 0 {
            let missing = i64::try_from(missing).unwrap_or(i64::MAX);
            let last = increment_counter(&self.transaction, ACTIVITY, missing).await?;
            let more = last - missing + 1..=last;
            positions.extend(more.map(|position| LogPosition {
                position,
                id: new_key(self.now, &self.ids),
            }));
        }
        self.last = positions.last().copied().unwrap_or(self.last);
        let actor: String = self.actor.subject.chars().take(ACTOR_MAX).collect();
        let party = self.actor.party;
        let trace = current_trace().map(|trace| trace.as_str().to_owned());
        let rows: Vec<_> = positions
            .into_iter()
            .zip(entries)
            .map(|(at, entry)| {
                let id = ActivityId::from(at.id);
                entry.row(
                    id,
                    at.position,
                    self.now,
                    actor.clone(),
                    party,
                    trace.clone(),
                )
            })
            .collect();
        for rows in rows.chunks(MAX_ENTRIES_PER_STATEMENT) {
            entity::activity::Entity::insert_many(rows.to_vec())
                .exec_without_returning(&self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Rolls the write back.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.transaction.rollback().await
    }

    /// Commits the write. Without log entries nothing was changed, so it is rolled back, which releases the log
    /// position.
    ///
    /// # Errors
    /// Returns [`Error::OutcomeUnknown`] if the connection is lost during commit: the change may have been stored.
    pub async fn commit(mut self) -> Result<()> {
        self.write_log().await?;
        if self.first.is_some() {
            return Ok(self.rollback().await?);
        }
        self.transaction.commit().await.map_err(Error::of_commit)?;
        // Within an outer transaction the write is not visible to others yet.
        if self.db.outer_transaction.is_none() {
            self.db.advance_to(self.last);
            self.db.notify();
        }
        Ok(())
    }
}

fn new_key(now: DateTime<Utc>, ids: &AtomicU64) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let nanos = now.timestamp_subsec_nanos();
    let count = ids.fetch_add(1, Ordering::Relaxed) & ((1 << COUNTER_BITS) - 1);
    let time = Timestamp::from_unix_time(seconds, nanos, count.into(), COUNTER_BITS);
    Uuid::new_v7(time)
}

/// Increments a counter and returns its new value.
async fn increment_counter(
    transaction: &DatabaseTransaction,
    name: &str,
    by: i64,
) -> Result<i64, DbErr> {
    let rows = counter::Entity::update_many()
        .col_expr(
            counter::Column::Value,
            Expr::col(counter::Column::Value).add(by),
        )
        .filter(counter::Column::Name.eq(name))
        .exec_with_returning(transaction)
        .await?;
    rows.first()
        .map(|row| row.value)
        .ok_or_else(|| DbErr::RecordNotFound(format!("the counter {name}")))
}

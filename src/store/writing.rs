//! The transaction that every write runs in.

use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use entity::counter;
use entity::party::Party;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{DatabaseTransaction, DbErr, EntityTrait, QueryFilter};
use uuid::{NoContext, Timestamp};

use super::activity::Entry;
use super::{Database, begin};
use crate::rules::viewer::Actor;

const ACTIVITY: &str = "activity";
const ACTOR_MAX: usize = 500;

/// A write that is under way; dropping it undoes everything.
#[derive(Debug)]
pub struct Writing {
    transaction: DatabaseTransaction,
    actor: Actor,
    now: DateTime<Utc>,
    /// The place of the next activity, where it is taken already.
    position: Option<i64>,
}

impl Writing {
    /// Begins by taking the first place in the log. That row is the lock of all writers: from here on
    /// nobody else writes, so what the rules read stays true, and the order of places is the order of commits.
    pub async fn begin(db: &Database, actor: Actor, now: DateTime<Utc>) -> Result<Self, DbErr> {
        let transaction = begin(db).await?;
        let position = next(&transaction, ACTIVITY).await?;
        Ok(Self {
            transaction,
            actor,
            // The database keeps no more, and an answer shows what a later one will.
            now: now.trunc_subsecs(6),
            position: Some(position),
        })
    }

    #[must_use]
    pub fn db(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// The party that writes.
    #[must_use]
    pub fn party(&self) -> Party {
        self.actor.party
    }

    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The day it is (UTC).
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.now.date_naive()
    }

    /// A key for a new record; keys grow with time.
    #[must_use]
    pub fn new_id<I: From<Uuid>>(&self) -> I {
        let seconds = u64::try_from(self.now.timestamp()).unwrap_or_default();
        let nanos = self.now.timestamp_subsec_nanos();
        Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos)).into()
    }

    /// The next number of a counter; a write that fails gives it back.
    pub async fn number(&self, counter: &str) -> Result<i32, DbErr> {
        let number = next(&self.transaction, counter).await?;
        i32::try_from(number)
            .map_err(|_| DbErr::Custom(format!("{counter} has run out of numbers")))
    }

    /// Adds to the log what was done.
    pub async fn log(&mut self, entry: Entry) -> Result<(), DbErr> {
        let position = match self.position.take() {
            Some(position) => position,
            None => next(&self.transaction, ACTIVITY).await?,
        };
        let actor = self.actor.subject.chars().take(ACTOR_MAX).collect();
        let row = entry.row(self.new_id(), position, self.now, actor, self.actor.party);
        entity::activity::Entity::insert(row)
            .exec_without_returning(&self.transaction)
            .await?;
        Ok(())
    }

    pub async fn commit(self) -> Result<(), DbErr> {
        self.transaction.commit().await
    }
}

async fn next(transaction: &DatabaseTransaction, name: &str) -> Result<i64, DbErr> {
    let rows = counter::Entity::update_many()
        .col_expr(
            counter::Column::Value,
            Expr::col(counter::Column::Value).add(1),
        )
        .filter(counter::COLUMN.name.eq(name))
        .exec_with_returning(transaction)
        .await?;
    rows.first()
        .map(|row| row.value)
        .ok_or_else(|| DbErr::RecordNotFound(format!("the counter {name}")))
}

//! The state of deliveries: leases, progress and failures.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::activity;
use entity::delivery::{self, Column};
use entity::id::WebhookId;
use entity::webhook::{self, Entity, Model};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, SelectStatement};
use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder};

use super::Database;
use super::activity::{ChangeSet, LogPosition};
use super::webhook::save;
use crate::domain::viewer::Actor;
use crate::domain::webhook::next_attempt;
use crate::error::Result;
use crate::store::transaction::WriteTransaction;

/// Duration of a lease. A process renews it while it delivers; after it expires, another process takes over.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);

/// Retention of delivered messages.
const RETENTION: TimeDelta = TimeDelta::days(30);
/// Maximum number of expired deliveries deleted per delivery: more than one, so that they do not accumulate.
const PURGE_BATCH: u64 = 20;

/// The result of a delivery attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub delivered: bool,
    /// Whether the endpoint responded 410 Gone.
    pub gone: bool,
    pub status: Option<u16>,
    /// The start of the response body, or the reason why there was none; at most 1,024 characters.
    pub response: String,
    /// `Retry-After` of the response.
    pub retry_after: Option<Duration>,
}

/// The webhooks that this process may deliver to now, and has something to deliver to: a ping, something that is later
/// than their position, or a history that was replaced. Those that it holds already are among them: a delivery may have
/// been aborted.
pub async fn due(
    db: &Database,
    process: Uuid,
    newest: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Model>, DbErr> {
    let free =
        unset_or_past(webhook::Column::LeasedUntil, now).add(webhook::Column::Lease.eq(process));
    let due = Entity::find()
        .filter(webhook::Column::Enabled.eq(true))
        .filter(
            Condition::any()
                .add(webhook::Column::Position.ne(newest))
                .add(webhook::Column::PingedAt.is_null()),
        )
        .filter(unset_or_past(webhook::Column::NextAttemptAt, now))
        .filter(free);
    db.query(due.all(&db.orm_read)).await
}

/// How far the deliveries to all webhooks are.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryProgress {
    /// The number of enabled webhooks whose last attempt has not failed.
    pub working: u32,
    pub failing: u32,
    pub disabled: u32,
    /// The position up to which all enabled webhooks have got what they want; `None` if there are none.
    pub passed: Option<i64>,
    /// When the first activity after that was added; `None` if there is none.
    pub waiting_since: Option<DateTime<Utc>>,
}

impl Database {
    /// Returns how far the deliveries to all webhooks are.
    pub async fn delivery_progress(&self) -> Result<DeliveryProgress, DbErr> {
        let webhooks = self.query(Entity::find().all(&self.orm_read)).await?;
        let mut progress = DeliveryProgress::default();
        for webhook in &webhooks {
            if !webhook.enabled {
                progress.disabled += 1;
                continue;
            }
            if webhook.failing_since.is_some() {
                progress.failing += 1;
            } else {
                progress.working += 1;
            }
            let passed = progress.passed.into_iter().chain([webhook.position]);
            progress.passed = passed.min();
        }
        if let Some(passed) = progress.passed {
            let next = activity::Entity::find()
                .filter(activity::Column::Position.gt(passed))
                .order_by_asc(activity::Column::Position);
            let next = self.query(next.one(&self.orm_read)).await?;
            progress.waiting_since = next.map(|activity| activity.at);
        }
        Ok(progress)
    }
}

/// Leases a webhook to a process; `None` if another process holds the lease.
pub async fn lease(
    db: &Database,
    id: WebhookId,
    process: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Model>, DbErr> {
    let free = Condition::any()
        .add(unset_or_past(webhook::Column::LeasedUntil, now))
        .add(webhook::Column::Lease.eq(process));
    let taken = Entity::update_many()
        .col_expr(webhook::Column::Lease, Expr::val(process))
        .col_expr(webhook::Column::LeasedUntil, Expr::val(now + LEASE))
        .filter(webhook::Column::Id.eq(id))
        .filter(webhook::Column::Enabled.eq(true))
        .filter(free)
        .exec_with_returning(&db.orm_write);
    let taken = db.execute(taken).await?;
    Ok(taken.into_iter().next())
}

/// Releases a lease before it expires.
pub async fn release(db: &Database, id: WebhookId, process: Uuid) -> Result<(), DbErr> {
    let released = Entity::update_many()
        .col_expr(
            webhook::Column::LeasedUntil,
            Expr::val(None::<DateTime<Utc>>),
        )
        .filter(webhook::Column::Id.eq(id))
        .filter(webhook::Column::Lease.eq(process))
        .exec(&db.orm_write);
    db.execute(released).await?;
    Ok(())
}

/// A delivery attempt: the process, the webhook as it was read, and the activity.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub process: Uuid,
    pub webhook: &'a Model,
    pub at: LogPosition,
    pub now: DateTime<Utc>,
}

/// Records that the ping was sent, and its outcome. Returns false if the lease is lost or the webhook has changed;
/// the ping may then be sent again.
pub async fn pinged(
    db: &Database,
    process: Uuid,
    webhook: &Model,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let pinged = renew_lease(process, webhook, now)
        .col_expr(webhook::Column::PingedAt, Expr::val(now))
        .col_expr(
            webhook::Column::PingStatus,
            Expr::val(outcome.status.map(i32::from)),
        )
        .col_expr(
            webhook::Column::PingResponse,
            Expr::val(outcome.response.clone()),
        )
        .exec(&db.orm_write);
    let pinged = db.execute(pinged).await?;
    Ok(pinged.rows_affected == 1)
}

/// Returns the position up to which all is delivered that is wanted.
#[must_use]
pub fn position(webhook: &Model) -> LogPosition {
    LogPosition {
        position: webhook.position,
        id: webhook.activity_id.map(Into::into).unwrap_or_default(),
    }
}

/// Skips to this position. Returns false if the lease is lost, the webhook has changed, or the log lacks the position.
pub async fn skip_to(
    db: &Database,
    process: Uuid,
    webhook: &Model,
    at: LogPosition,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let held = SelectStatement::new()
        .expr(Expr::val(1))
        .from(activity::Entity)
        .and_where(activity::Column::Position.eq(at.position))
        .and_where(activity::Column::Id.eq(at.id))
        .take();
    let moved = renew_lease(process, webhook, now)
        .col_expr(webhook::Column::Position, Expr::val(at.position))
        .col_expr(webhook::Column::ActivityId, Expr::val(at.id))
        .filter(Expr::exists(held))
        .exec(&db.orm_write);
    let moved = db.execute(moved).await?;
    Ok(moved.rows_affected == 1)
}

/// Records a delivery. Returns false if the lease is lost or the webhook has changed; it may then be delivered again.
pub async fn delivered(
    db: &Database,
    attempt: Attempt<'_>,
    outcome: &Outcome,
) -> Result<bool, DbErr> {
    let (transaction, _permit) = super::begin(db).await?;
    let moved = renew_lease(attempt.process, attempt.webhook, attempt.now)
        .col_expr(webhook::Column::Position, Expr::val(attempt.at.position))
        .col_expr(webhook::Column::ActivityId, Expr::val(attempt.at.id))
        .col_expr(
            webhook::Column::FailingSince,
            Expr::val(None::<DateTime<Utc>>),
        )
        .col_expr(
            webhook::Column::NextAttemptAt,
            Expr::val(None::<DateTime<Utc>>),
        )
        .col_expr(webhook::Column::Attempts, Expr::val(0))
        .exec(&transaction)
        .await?;
    record_attempt(&transaction, attempt, outcome, None).await?;
    purge(&transaction, attempt.now).await?;
    transaction.commit().await?;
    Ok(moved.rows_affected == 1)
}

/// Records a failed attempt and the time of the next one. After the last attempt, disables the webhook and logs that.
pub async fn failed(
    db: &Database,
    attempt: Attempt<'_>,
    outcome: &Outcome,
    chance: u32,
) -> Result<()> {
    let Attempt { webhook, now, .. } = attempt;
    let since = webhook.failing_since.unwrap_or(now);
    let attempts = webhook.attempts + 1;
    let next = next_attempt(since, attempts, now, chance, outcome.retry_after);
    let next = next.filter(|_| !outcome.gone);
    if next.is_none() {
        return disable(db, attempt, outcome).await;
    }
    let (transaction, _permit) = super::begin(db).await?;
    let renewed = renew_lease(attempt.process, webhook, now)
        .col_expr(webhook::Column::FailingSince, Expr::val(since))
        .col_expr(webhook::Column::Attempts, Expr::val(attempts))
        .col_expr(webhook::Column::NextAttemptAt, Expr::val(next))
        .exec(&transaction)
        .await?;
    // Otherwise its party has changed the webhook meanwhile, perhaps to skip this delivery.
    let next = next.filter(|_| renewed.rows_affected == 1);
    record_attempt(&transaction, attempt, outcome, next).await?;
    transaction.commit().await?;
    Ok(())
}

async fn disable(db: &Database, attempt: Attempt<'_>, outcome: &Outcome) -> Result<()> {
    let Attempt { webhook, now, .. } = attempt;
    let writing = WriteTransaction::begin(db, actor(webhook), now).await?;
    record_attempt(writing.db(), attempt, outcome, None).await?;
    let reason = if outcome.gone {
        "The endpoint responded 410 Gone."
    } else {
        "Each attempt of three days has failed."
    };
    switch_off(writing, webhook, reason).await
}

/// Disables a webhook whose position is of a history that was replaced: what it has missed is unknown.
pub async fn stop(db: &Database, webhook: &Model, now: DateTime<Utc>) -> Result<()> {
    let writing = WriteTransaction::begin(db, actor(webhook), now).await?;
    let reason = "The history was replaced since the last delivery, for example by an older backup: read the records again, then enable the webhook with `redeliverAfter`.";
    switch_off(writing, webhook, reason).await
}

fn actor(webhook: &Model) -> Actor {
    Actor {
        subject: "liaison: deliveries".to_owned(),
        party: webhook.party,
    }
}

/// Disables a webhook, unless its party has changed it since it was read.
async fn switch_off(mut writing: WriteTransaction, read: &Model, reason: &str) -> Result<()> {
    let found = Entity::find_by_id(read.id).one(writing.db()).await?;
    let unchanged = |found: &Model| {
        found.version == read.version && position(found) == position(read) && found.enabled
    };
    let Some(mut webhook) = found.filter(unchanged) else {
        return Ok(());
    };
    let mut changes = ChangeSet::default();
    let [was, is] = [true, false].map(|enabled| enabled.to_string());
    changes.add("enabled", Some(was), Some(is));
    changes.added("reason", reason.to_owned());
    webhook.enabled = false;
    save(&mut writing, webhook, changes).await?;
    writing.commit().await
}

/// Starts an update that renews the lease. It matches no row if another process holds the lease, or the webhook has
/// changed since it was read.
fn renew_lease(process: Uuid, webhook: &Model, now: DateTime<Utc>) -> sea_orm::UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(webhook::Column::LeasedUntil, Expr::val(now + LEASE))
        .filter(webhook::Column::Id.eq(webhook.id))
        .filter(webhook::Column::Lease.eq(process))
        .filter(webhook::Column::Version.eq(webhook.version))
        .filter(webhook::Column::Position.eq(webhook.position))
}

async fn record_attempt(
    db: &impl sea_orm::ConnectionTrait,
    attempt: Attempt<'_>,
    outcome: &Outcome,
    next: Option<DateTime<Utc>>,
) -> Result<(), DbErr> {
    let row = delivery::ActiveModel {
        id: Set(Uuid::now_v7()),
        webhook_id: Set(attempt.webhook.id),
        activity_id: Set(attempt.at.id.into()),
        position: Set(attempt.at.position),
        attempts: Set(1),
        delivered: Set(outcome.delivered),
        status: Set(outcome.status.map(i32::from)),
        response: Set(Some(outcome.response.clone())),
        last_attempt_at: Set(attempt.now),
        next_attempt_at: Set(next),
    };
    let again = OnConflict::columns([Column::WebhookId, Column::Position])
        .update_columns([
            Column::Delivered,
            Column::Status,
            Column::Response,
            Column::LastAttemptAt,
            Column::NextAttemptAt,
        ])
        .value(
            Column::Attempts,
            Expr::col((delivery::Entity, Column::Attempts)).add(1),
        )
        .to_owned();
    delivery::Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Deletes some deliveries whose retention has expired.
async fn purge(db: &impl sea_orm::ConnectionTrait, now: DateTime<Utc>) -> Result<(), DbErr> {
    let old = SelectStatement::new()
        .column(Column::Id)
        .from(delivery::Entity)
        .and_where(Column::LastAttemptAt.lt(now - RETENTION))
        .and_where(Column::Delivered.eq(true))
        .order_by(Column::LastAttemptAt, sea_orm::Order::Asc)
        .limit(PURGE_BATCH)
        .take();
    delivery::Entity::delete_many()
        .filter(Column::Id.in_subquery(old))
        .exec(db)
        .await?;
    Ok(())
}

fn unset_or_past(column: webhook::Column, now: DateTime<Utc>) -> Condition {
    Condition::any().add(column.is_null()).add(column.lte(now))
}

//! Creating, updating and deleting webhooks.

use async_graphql::{ID, MaybeUndefined};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::delivery;
use entity::id::WebhookId;
use entity::party::Party;
use entity::webhook::{ActiveModel, Entity, Model};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter};

use super::activity::{ActivityEntry, ChangeSet, LogPosition};
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::version::check_version;
use crate::domain::viewer::Viewer;
use crate::domain::webhook::{self as rules, WebhookTargets};
use crate::error::Result;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// A new webhook.
pub struct NewWebhook {
    pub url: String,
    /// The validated filter as JSON text; `None` delivers every activity.
    pub filter: Option<String>,
    /// The position in the log after which it begins; none: now.
    pub after: Option<LogPosition>,
    pub secret: String,
    pub targets: WebhookTargets,
}

/// An update of a webhook.
pub struct WebhookChange {
    pub id: ID,
    pub version: i32,
    pub url: MaybeUndefined<String>,
    pub filter: MaybeUndefined<String>,
    pub enabled: MaybeUndefined<bool>,
    /// The secret that replaces the current one.
    pub secret: Option<String>,
    /// Whether to make the next attempt now.
    pub retry_now: bool,
    /// Whether to send another ping.
    pub ping: bool,
    /// The position in the log after which all is delivered again.
    pub redeliver_after: Option<LogPosition>,
    pub targets: WebhookTargets,
}

/// Generates a random secret in the format of Standard Webhooks.
///
/// # Errors
/// Returns an error if the system has no random bytes.
pub fn new_secret() -> Result<String, DbErr> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| DbErr::Custom(format!("no random bytes for a secret: {error}")))?;
    Ok(format!("whsec_{}", BASE64_STANDARD.encode(bytes)))
}

/// Returns how many webhooks a party has.
pub async fn count(db: &impl ConnectionTrait, party: Party) -> Result<u64, DbErr> {
    Entity::find()
        .filter(entity::webhook::Column::Party.eq(party))
        .filter(entity::webhook::Column::Deleted.eq(false))
        .count(db)
        .await
}

/// Makes a webhook of the party that writes.
pub async fn make(writing: &mut WriteTransaction, new: NewWebhook) -> Result<WebhookId> {
    rules::check_quota(count(writing.db(), writing.party()).await?)?;
    let mut problems = ValidationErrors::default();
    problems.check("url", rules::validate_url(&new.url, &new.targets));
    problems.into_result()?;

    let id: WebhookId = writing.new_id();
    let after = new.after.unwrap_or_else(|| writing.position());
    let mut changes = ChangeSet::default();
    changes.added("url", new.url.clone());
    changes.added("filter", new.filter.clone());
    let row = ActiveModel {
        id: Set(id),
        party: Set(writing.party()),
        url: Set(new.url),
        filter: Set(new.filter),
        enabled: Set(true),
        deleted: Set(false),
        secret: Set(new.secret),
        position: Set(after.position),
        activity_id: Set(Some(after.id.into())),
        attempts: Set(0),
        version: Set(1),
        created_at: Set(writing.now()),
        updated_at: Set(writing.now()),
        ..ActiveModel::default()
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await?;
    let entry = ActivityEntry::new(ActivityVerb::Created, id, changes);
    writing.log(of(writing.party(), entry)).await?;
    Ok(id)
}

pub async fn update(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: WebhookChange,
) -> Result<WebhookId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let before = find(&writing, &input.id).await?;
    check_version(Ok(()), before.id, before.version, input.version)?;

    let mut problems = ValidationErrors::default();
    let mut after = before.clone();
    after.url = resolve::required_or_current(&mut problems, "url", input.url, before.url.clone());
    if after.url != before.url {
        problems.check("url", rules::validate_url(&after.url, &input.targets));
    }
    after.filter = resolve::optional_or_current(input.filter, before.filter.clone());
    after.enabled =
        resolve::required_or_current(&mut problems, "enabled", input.enabled, before.enabled);
    for (field, is_requested) in [("retryNow", input.retry_now), ("ping", input.ping)] {
        if is_requested {
            problems.check(field, rules::can_retry(after.enabled));
        }
    }
    problems.into_result()?;
    let mut changes = ChangeSet::default();
    changes.add("url", Some(before.url), Some(after.url.clone()));
    changes.add("filter", before.filter, after.filter.clone());
    let [was, is] = [before.enabled, after.enabled].map(|value| value.to_string());
    changes.add("enabled", Some(was), Some(is));
    if let Some(secret) = input.secret {
        changes.added("secret", "another".to_owned());
        after.former_secret = Some(std::mem::replace(&mut after.secret, secret));
        after.former_until = Some(writing.now() + rules::PREVIOUS_SECRET_VALIDITY);
    }
    if let Some(position) = input.redeliver_after {
        let [was, is] = [before.position, position.position].map(|position| position.to_string());
        changes.add("position", Some(was), Some(is));
    }
    if input.retry_now {
        changes.added("retryNow", true.to_string());
    }
    if input.ping {
        changes.added("ping", true.to_string());
    }
    if changes.is_empty() {
        return Ok(after.id);
    }
    let id = after.id;
    save(&mut writing, after, changes).await?;
    if let Some(position) = input.redeliver_after {
        Entity::update_many()
            .col_expr(
                entity::webhook::Column::Position,
                Expr::val(position.position),
            )
            .col_expr(entity::webhook::Column::ActivityId, Expr::val(position.id))
            .filter(entity::webhook::Column::Id.eq(id))
            .exec(writing.db())
            .await?;
        // What is skipped is not tried again.
        delivery::Entity::update_many()
            .col_expr(
                delivery::Column::NextAttemptAt,
                Expr::value(None::<DateTime<Utc>>),
            )
            .filter(delivery::Column::WebhookId.eq(id))
            .filter(delivery::Column::NextAttemptAt.is_not_null())
            .filter(delivery::Column::Position.lte(position.position))
            .exec(writing.db())
            .await?;
    }
    if input.ping {
        Entity::update_many()
            .col_expr(
                entity::webhook::Column::PingedAt,
                Expr::value(None::<DateTime<Utc>>),
            )
            .col_expr(
                entity::webhook::Column::PingStatus,
                Expr::value(None::<i32>),
            )
            .col_expr(
                entity::webhook::Column::PingResponse,
                Expr::value(None::<String>),
            )
            .filter(entity::webhook::Column::Id.eq(id))
            .exec(writing.db())
            .await?;
    }
    writing.commit().await?;
    Ok(id)
}

/// Deletes a webhook: it is no longer visible, and nothing is delivered to it.
pub async fn delete(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    id: &ID,
    version: i32,
) -> Result<WebhookId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let mut webhook = find(&writing, id).await?;
    check_version(Ok(()), webhook.id, webhook.version, version)?;

    let mut changes = ChangeSet::default();
    changes.add("url", Some(webhook.url.clone()), None);
    webhook.enabled = false;
    webhook.deleted = true;
    webhook.former_secret = None;
    let id = webhook.id;
    save(&mut writing, webhook, changes).await?;
    writing.commit().await?;
    Ok(id)
}

/// Returns whether this is the current signing secret of a webhook.
pub async fn has_secret(db: &Database, id: WebhookId, secret: &str) -> Result<bool, DbErr> {
    let found = Entity::find_by_id(id).filter(entity::webhook::Column::Secret.eq(secret));
    let found = db.execute(found.count(&db.orm_write)).await?;
    Ok(found > 0)
}

/// Stores the next version of a webhook with its log entry. An update may have fixed a problem, so the next attempt is
/// due at once.
pub(super) async fn save(
    writing: &mut WriteTransaction,
    after: Model,
    changes: ChangeSet,
) -> Result<(), DbErr> {
    let id = after.id;
    // Position and lease are omitted, because deliveries may have changed them since the webhook was read.
    let row = ActiveModel {
        id: Set(id),
        url: Set(after.url),
        filter: Set(after.filter),
        enabled: Set(after.enabled),
        deleted: Set(after.deleted),
        secret: Set(after.secret),
        former_secret: Set(after.former_secret),
        former_until: Set(after.former_until),
        failing_since: Set(None),
        attempts: Set(0),
        next_attempt_at: Set(None),
        version: Set(after.version + 1),
        updated_at: Set(writing.now()),
        ..ActiveModel::default()
    };
    Entity::update(row).exec(writing.db()).await?;
    let entry = ActivityEntry::new(ActivityVerb::Updated, id, changes);
    writing.log(of(writing.party(), entry)).await
}

/// Restricts a log entry to the side of the webhook's party.
fn of(party: Party, entry: ActivityEntry) -> ActivityEntry {
    entry.of_sides(&[party.side()])
}

async fn find(writing: &WriteTransaction, id: &ID) -> Result<Model> {
    let found = resolve::load_target::<Entity, WebhookId>(writing.db(), "id", id).await?;
    rules::check_owner(writing.party(), found.party, found.deleted)?;
    Ok(found)
}

//! Concluding a committee.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::committee::{CommitteeStatus, Entity, Model};
use entity::id::CommitteeId;
use entity::scalar::Date;
use entity::topic_committee::CommitteeRole;
use entity::{action_item, topic, topic_committee};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect,
    QueryTrait,
};

use super::{changed, save};
use crate::domain::committee as rules;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::version::check_version;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// Identifies the committee to conclude. It must not lead an open topic (PROPOSED, ACTIVE or CLOSING) or own an open action item (REQUESTED, OPEN, `IN_PROGRESS` or POSTPONED).
#[derive(Clone, Debug, InputObject)]
pub struct CommitteeConcludeInput {
    /// The id of the committee.
    pub id: ID,
    /// The `version` of the record that the change is based on. If the record has another version by now, nothing is changed and `userErrors` has the error STALE.
    pub version: i32,
    /// Its last day, not before `startsOn`. Default: its current `endsOn`, or today (UTC) if that is null.
    pub ends_on: Option<Date>,
}

pub async fn conclude(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: CommitteeConcludeInput,
) -> Result<CommitteeId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let before = resolve::load_target::<Entity, CommitteeId>(writing.db(), "id", &input.id).await?;
    let facts = facts(writing.db(), &before).await?;
    let decision = rules::conclude(writing.party(), &facts);
    check_version(decision, before.id, before.version, input.version)?;

    let given = input.ends_on.map(|date| date.0);
    let mut after = before.clone();
    after.status = CommitteeStatus::Concluded;
    after.ends_on = given.or(before.ends_on).or(Some(writing.today()));
    let mut problems = ValidationErrors::default();
    problems.check(
        "endsOn",
        rules::validate_dates(after.starts_on, after.ends_on),
    );
    problems.into_result()?;

    let id = before.id;
    let changes = changed(&before, &after);
    save(&mut writing, after, ActivityVerb::Concluded, changes).await?;
    writing.commit().await?;
    Ok(id)
}

async fn facts(
    db: &impl ConnectionTrait,
    committee: &Model,
) -> Result<rules::CommitteeFacts, DbErr> {
    let led = topic_committee::Entity::find()
        .select_only()
        .column(topic_committee::Column::TopicId)
        .filter(topic_committee::Column::CommitteeId.eq(committee.id))
        .filter(topic_committee::Column::Role.eq(CommitteeRole::Lead));
    let leads_open_topics = topic::Entity::find()
        .filter(topic::Column::Id.in_subquery(led.into_query()))
        .filter(topic::Column::Status.is_in(crate::domain::topic::OPEN))
        .count(db)
        .await?;
    let open_items = action_item::Entity::find()
        .filter(action_item::Column::CommitteeId.eq(committee.id))
        .filter(action_item::Column::Status.is_in(crate::domain::action_item::OPEN))
        .count(db)
        .await?;
    Ok(rules::CommitteeFacts {
        side: committee.side,
        party: committee.party,
        status: committee.status,
        leads_open_topics: i64::try_from(leads_open_topics).unwrap_or(i64::MAX),
        open_items: i64::try_from(open_items).unwrap_or(i64::MAX),
    })
}

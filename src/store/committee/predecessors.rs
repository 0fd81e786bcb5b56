//! The predecessors of a committee.

use async_graphql::ID;
use entity::committee::{self, Model};
use entity::committee_predecessor::{ActiveModel, Column, Entity};
use entity::id::CommitteeId;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::domain::committee::{MAX_PREDECESSORS, validate_predecessors};
use crate::domain::validation_errors::ValidationErrors;
use crate::store::activity::ChangeSet;
use crate::store::resolve;

const FIELD: &str = "predecessorIds";

/// Resolves the predecessors of an input.
pub async fn listed(
    db: &impl ConnectionTrait,
    problems: &mut ValidationErrors,
    given: &[ID],
    itself: CommitteeId,
) -> Result<Vec<Model>, DbErr> {
    let found = resolve::resolve_ids::<committee::Entity, CommitteeId>(
        db,
        problems,
        FIELD,
        given,
        MAX_PREDECESSORS,
        |row| row.id,
    )
    .await?;
    let includes_itself = found.iter().any(|committee| committee.id == itself);
    problems.check(FIELD, validate_predecessors(includes_itself));
    Ok(found)
}

pub async fn insert(
    db: &impl ConnectionTrait,
    committee: CommitteeId,
    predecessors: &[Model],
) -> Result<(), DbErr> {
    if predecessors.is_empty() {
        return Ok(());
    }
    let rows = predecessors.iter().map(|predecessor| ActiveModel {
        committee_id: Set(committee),
        predecessor_id: Set(predecessor.id),
    });
    Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}

/// Replaces the predecessors of a committee.
pub async fn replace(
    db: &impl ConnectionTrait,
    committee: CommitteeId,
    predecessors: &[Model],
) -> Result<ChangeSet, DbErr> {
    let of_committee = Column::CommitteeId.eq(committee);
    let links = Entity::find().filter(of_committee.clone()).all(db).await?;
    let ids = links.iter().map(|link| link.predecessor_id);
    let current = committee::Entity::find()
        .filter(committee::Column::Id.is_in(ids))
        .order_by_asc(committee::Column::CodeKey)
        .order_by_asc(committee::Column::Id)
        .all(db)
        .await?;
    let stays = |committee: &Model| predecessors.iter().any(|other| other.id == committee.id);
    let mut changes = ChangeSet::default();
    if current.len() != predecessors.len() || !current.iter().all(stays) {
        let before = labels(db, &current).await?;
        changes.add("predecessors", before, labels(db, predecessors).await?);
        Entity::delete_many().filter(of_committee).exec(db).await?;
        insert(db, committee, predecessors).await?;
    }
    Ok(changes)
}

/// Returns the display names of committees, separated by commas; `None` if there are none.
pub async fn labels(
    db: &impl ConnectionTrait,
    committees: &[Model],
) -> Result<Option<String>, DbErr> {
    let labels = super::labels(db, committees).await?;
    Ok((!labels.is_empty()).then(|| labels.join(", ")))
}

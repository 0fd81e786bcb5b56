//! The provisions that a topic responds to.

use async_graphql::ID;
use entity::id::{ProvisionId, TopicId};
use entity::mandate;
use entity::provision::{self, Model};
use entity::topic_provision::{ActiveModel, Column, Entity};
use entity::word::enum_name;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::domain::validation_errors::ValidationErrors;
use crate::store::activity::ChangeSet;
use crate::store::resolve;

const FIELD: &str = "provisionIds";
const MAX: usize = 100;

/// Resolves the provisions of an input.
pub async fn listed(
    db: &impl ConnectionTrait,
    problems: &mut ValidationErrors,
    given: &[ID],
) -> Result<Vec<Model>, DbErr> {
    resolve::resolve_ids::<provision::Entity, ProvisionId>(db, problems, FIELD, given, MAX, |row| {
        row.id
    })
    .await
}

pub async fn insert(
    db: &impl ConnectionTrait,
    topic: TopicId,
    provisions: &[Model],
) -> Result<(), DbErr> {
    if provisions.is_empty() {
        return Ok(());
    }
    let rows = provisions.iter().map(|provision| ActiveModel {
        topic_id: Set(topic),
        provision_id: Set(provision.id),
    });
    Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}

/// Replaces the provisions of a topic.
pub async fn replace(
    db: &impl ConnectionTrait,
    topic: TopicId,
    provisions: &[Model],
) -> Result<ChangeSet, DbErr> {
    let of_topic = Column::TopicId.eq(topic);
    let links = Entity::find().filter(of_topic.clone()).all(db).await?;
    let ids = links.iter().map(|link| link.provision_id);
    let current = provision::Entity::find()
        .filter(provision::Column::Id.is_in(ids))
        .order_by_asc(provision::Column::MandateId)
        .order_by_asc(provision::Column::Ordinal)
        .all(db)
        .await?;
    let stays = |provision: &Model| provisions.iter().any(|other| other.id == provision.id);
    let mut changes = ChangeSet::default();
    if current.len() != provisions.len() || !current.iter().all(stays) {
        let before = labels(db, &current).await?;
        changes.add("provisions", before, labels(db, provisions).await?);
        Entity::delete_many().filter(of_topic).exec(db).await?;
        insert(db, topic, provisions).await?;
    }
    Ok(changes)
}

/// Returns the names of provisions, separated by commas; `None` if there are none.
pub async fn labels(
    db: &impl ConnectionTrait,
    provisions: &[Model],
) -> Result<Option<String>, DbErr> {
    let names = names(db, provisions).await?;
    Ok((!names.is_empty()).then(|| names.join(", ")))
}

/// Returns the names of provisions: `RES-11-DUBAI-2012 RECOGNIZING a`.
pub async fn names(db: &impl ConnectionTrait, provisions: &[Model]) -> Result<Vec<String>, DbErr> {
    let mandates = provisions.iter().map(|provision| provision.mandate_id);
    let mandates = mandate::Entity::find()
        .filter(mandate::Column::Id.is_in(mandates))
        .all(db)
        .await?;
    let name = |provision: &Model| {
        let mandate = mandates
            .iter()
            .find(|mandate| mandate.id == provision.mandate_id);
        let code = mandate.map_or("", |mandate| &mandate.code);
        let letter = provision.letter.as_deref().unwrap_or_default();
        let name = format!("{code} {} {letter}", enum_name(provision.section));
        name.trim().to_owned()
    };
    Ok(provisions.iter().map(name).collect())
}

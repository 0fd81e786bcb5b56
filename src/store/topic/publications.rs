//! The publications that a topic is about.

use std::collections::BTreeSet;

use async_graphql::ID;
use entity::activity::ActivityVerb;
use entity::id::{PublicationId, TopicId};
use entity::publication::{self, Model};
use entity::topic;
use entity::topic_publication::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::domain::validation_errors::ValidationErrors;
use crate::store::activity::{ActivityEntry, ChangeSet};
use crate::store::resolve;
use crate::store::transaction::WriteTransaction;

const FIELD: &str = "publications";
const MAX: usize = 100;

/// Resolves the publications of an input.
pub async fn listed(
    db: &impl ConnectionTrait,
    problems: &mut ValidationErrors,
    given: &[ID],
) -> Result<Vec<Model>, DbErr> {
    resolve::resolve_ids::<publication::Entity, PublicationId>(
        db,
        problems,
        "publicationIds",
        given,
        MAX,
        |row| row.id,
    )
    .await
}

/// Links the publications of a new topic.
pub async fn insert(
    db: &impl ConnectionTrait,
    topic: TopicId,
    publications: &[Model],
) -> Result<ChangeSet, DbErr> {
    link(
        db,
        publications
            .iter()
            .map(|publication| (topic, publication.id)),
    )
    .await?;
    let mut changes = ChangeSet::default();
    changes.added(FIELD, numbers(publications));
    Ok(changes)
}

/// Replaces the publications of a topic.
pub async fn replace(
    db: &impl ConnectionTrait,
    topic: TopicId,
    publications: &[Model],
) -> Result<ChangeSet, DbErr> {
    let of_topic = Column::TopicId.eq(topic);
    let links = Entity::find().filter(of_topic.clone()).all(db).await?;
    let ids = links.iter().map(|link| link.publication_id);
    let current = publication::Entity::find()
        .filter(publication::Column::Id.is_in(ids))
        .order_by_asc(publication::Column::NumberKey)
        .order_by_asc(publication::Column::Id)
        .all(db)
        .await?;
    let stays = |publication: &Model| publications.iter().any(|other| other.id == publication.id);
    let mut changes = ChangeSet::default();
    if current.len() != publications.len() || !current.iter().all(stays) {
        changes.add(FIELD, numbers(&current), numbers(publications));
        Entity::delete_many().filter(of_topic).exec(db).await?;
        link(
            db,
            publications
                .iter()
                .map(|publication| (topic, publication.id)),
        )
        .await?;
    }
    Ok(changes)
}

/// Links new publications, each given with its number, to topics, and increments the topics' versions.
pub async fn attach(
    writing: &mut WriteTransaction,
    links: &[(TopicId, PublicationId, String)],
) -> Result<(), DbErr> {
    if links.is_empty() {
        return Ok(());
    }
    let topics: BTreeSet<TopicId> = links.iter().map(|link| link.0).collect();
    let publications: BTreeSet<PublicationId> = links.iter().map(|link| link.1).collect();
    link(writing.db(), links.iter().map(|link| (link.0, link.1))).await?;
    // The version increases by one per publication.
    let added = SelectStatement::new()
        .expr(Expr::col(Asterisk).count())
        .from(Entity)
        .and_where(Expr::col((Entity, Column::TopicId)).equals((topic::Entity, topic::Column::Id)))
        .and_where(Column::PublicationId.is_in(publications))
        .take();
    topic::Entity::update_many()
        .col_expr(
            topic::Column::Version,
            Expr::col(topic::Column::Version).add(Expr::SubQuery(None, Box::new(added.into()))),
        )
        .col_expr(topic::Column::UpdatedAt, Expr::val(writing.now()))
        .filter(topic::Column::Id.is_in(topics))
        .exec(writing.db())
        .await?;
    let entries = links.iter().map(|(topic, _, number)| {
        let mut changes = ChangeSet::default();
        changes.added(FIELD, number.clone());
        ActivityEntry::new(ActivityVerb::Updated, *topic, changes).of_topic(*topic)
    });
    writing.log_all(entries.collect()).await
}

async fn link(
    db: &impl ConnectionTrait,
    links: impl Iterator<Item = (TopicId, PublicationId)>,
) -> Result<(), DbErr> {
    let rows: Vec<ActiveModel> = links
        .map(|(topic, publication)| ActiveModel {
            topic_id: Set(topic),
            publication_id: Set(publication),
        })
        .collect();
    if !rows.is_empty() {
        Entity::insert_many(rows).exec_without_returning(db).await?;
    }
    Ok(())
}

fn numbers(publications: &[Model]) -> Option<String> {
    let numbers: Vec<&str> = publications
        .iter()
        .map(|publication| publication.number.as_str())
        .collect();
    (!numbers.is_empty()).then(|| numbers.join(", "))
}

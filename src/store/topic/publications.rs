//! The publications that a topic is about.

use async_graphql::ID;
use entity::activity::ActivityVerb;
use entity::id::{PublicationId, TopicId};
use entity::publication::{self, Model};
use entity::topic;
use entity::topic_publication::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::rules::problems::Problems;
use crate::store::activity::{Changes, Entry};
use crate::store::input;
use crate::store::writing::Writing;

const FIELD: &str = "publications";
const MAX: usize = 100;

/// The publications that an input lists.
pub async fn listed(
    db: &impl ConnectionTrait,
    problems: &mut Problems,
    given: &[ID],
) -> Result<Vec<Model>, DbErr> {
    input::listed::<publication::Entity, PublicationId>(
        db,
        problems,
        "publicationIds",
        given,
        MAX,
        |row| row.id,
    )
    .await
}

/// Puts these in the place of those there are.
pub async fn replace(
    db: &impl ConnectionTrait,
    topic: TopicId,
    publications: &[Model],
) -> Result<Changes, DbErr> {
    let of_topic = Column::TopicId.eq(topic);
    let links = Entity::find().filter(of_topic.clone()).all(db).await?;
    let ids = links.iter().map(|it| it.publication_id);
    let current = publication::Entity::find()
        .filter(publication::COLUMN.id.is_in(ids))
        .order_by_asc(publication::Column::NumberKey)
        .all(db)
        .await?;
    let stays = |it: &Model| publications.iter().any(|other| other.id == it.id);
    let mut changes = Changes::default();
    if current.len() != publications.len() || !current.iter().all(stays) {
        changes.add(FIELD, numbers(&current), numbers(publications));
        Entity::delete_many().filter(of_topic).exec(db).await?;
        link(db, publications.iter().map(|it| (topic, it.id))).await?;
    }
    Ok(changes)
}

/// Adds a new publication to topics, each of which changes by that.
pub async fn attach(
    writing: &mut Writing,
    topics: &[topic::Model],
    publication: PublicationId,
    number: &str,
) -> Result<(), DbErr> {
    if topics.is_empty() {
        return Ok(());
    }
    link(writing.db(), topics.iter().map(|it| (it.id, publication))).await?;
    topic::Entity::update_many()
        .col_expr(
            topic::Column::Version,
            Expr::col(topic::Column::Version).add(1),
        )
        .col_expr(topic::Column::UpdatedAt, Expr::val(writing.now()))
        .filter(topic::COLUMN.id.is_in(topics.iter().map(|it| it.id)))
        .exec(writing.db())
        .await?;
    let entries = topics.iter().map(|it| {
        let mut changes = Changes::default();
        changes.given(FIELD, number.to_owned());
        Entry::new(ActivityVerb::Updated, it.id, changes).of_topic(it.id)
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
    let numbers: Vec<&str> = publications.iter().map(|it| it.number.as_str()).collect();
    (!numbers.is_empty()).then(|| numbers.join(", "))
}

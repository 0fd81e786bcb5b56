//! Relating publications of different sides.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::id::PublicationId;
use entity::publication::{Column, Entity, Model};
use entity::{publication, publication_relation};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::domain::publication as rules;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::activity::{ActivityEntry, ChangeSet};
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// Two publications on the same subject. Each is then listed in `related` of the other.
#[derive(Clone, Debug, InputObject)]
pub struct PublicationRelateInput {
    /// The id of one publication.
    pub id: ID,
    /// The id of the other publication. It must not be of the same side. A publication of a partner can be related to one of ITU or UPU, but not to one of a partner.
    pub related_id: ID,
}

pub async fn relate(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: PublicationRelateInput,
) -> Result<PublicationId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let mut problems = ValidationErrors::default();
    let mut both = Vec::new();
    for (field, id) in [("id", &input.id), ("relatedId", &input.related_id)] {
        let db = writing.db();
        both.extend(
            resolve::named::<Entity, PublicationId>(db, &mut problems, field, Some(id)).await?,
        );
    }
    if let [one, other] = both.as_slice() {
        problems.check("relatedId", rules::can_relate(one.side, other.side));
    }
    let [one, other]: [Model; 2] = problems.found(both.try_into().ok())?;

    let related = publication_relation::Entity::find_by_id((one.id, other.id));
    if related.one(writing.db()).await?.is_some() {
        return Ok(one.id);
    }
    let rows = [(one.id, other.id), (other.id, one.id)];
    let rows = rows.map(|(publication, related)| publication_relation::ActiveModel {
        publication_id: Set(publication),
        related_id: Set(related),
    });
    publication_relation::Entity::insert_many(rows)
        .exec_without_returning(writing.db())
        .await?;
    Entity::update_many()
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::UpdatedAt, Expr::val(writing.now()))
        .filter(publication::Column::Id.is_in([one.id, other.id]))
        .exec(writing.db())
        .await?;
    let entries = [(&one, &other), (&other, &one)].map(|(publication, related)| {
        let mut changes = ChangeSet::default();
        changes.added("related", related.number.clone());
        ActivityEntry::new(ActivityVerb::Updated, publication.id, changes)
    });
    writing.log_all(entries.into()).await?;
    writing.commit().await?;
    Ok(one.id)
}

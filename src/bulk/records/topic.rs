//! Topics, known by the codes that the register gave them: an import updates them. A new one is proposed.

use std::collections::HashMap;

use async_graphql::{ID, MaybeUndefined};
use entity::id::PublicationId;
use entity::publication;
use entity::scalar::Date;
use entity::topic::Entity;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{Entering, public};
use crate::bulk::Fault;
use crate::bulk::fields::{Fields, same};
use crate::bulk::report::Done;
use crate::rules::text;
use crate::store::topic::{self, TopicUpdateInput};

impl Entering {
    /// Updates one; none where something is wrong.
    pub(super) async fn topic(&mut self, fields: &mut Fields) -> Result<Option<Done>, Fault> {
        let code = fields.key("code", text::CODE);
        let title = fields.text("title", text::NAME);
        let summary = fields.text("summary", text::LONG);
        let provisions = fields.listed("provisions", &self.names.provisions);
        let publications = self.publications(fields).await?;
        let review_on = fields.value::<Date>("reviewOn");
        fields.nothing_else("Topic");

        let Some(code) = code else {
            return Ok(None);
        };
        let before = match self.names.topics.get(&code) {
            Some(id) => Entity::find_by_id(*id).one(self.writing.db()).await?,
            None => None,
        };
        let Some(before) = before else {
            fields.no_such("code", "Topic", &code);
            return Ok(None);
        };
        let unchanged = same(&title, Some(&before.title))
            && same(&summary, Some(&before.summary))
            && same(&review_on, before.review_on.map(Date).as_ref())
            && provisions.is_undefined()
            && publications.is_undefined();
        if unchanged && fields.is_right() {
            return Ok(Some(Done::Unchanged));
        }
        let input = TopicUpdateInput {
            id: public(before.id),
            version: before.version,
            title,
            summary,
            provision_ids: provisions,
            publication_ids: publications,
            review_on,
        };
        self.update(fields, async |writing| {
            topic::change(writing, input).await.map(|_| ())
        })
        .await
    }

    /// The publications that a line lists by their numbers.
    async fn publications(&self, fields: &mut Fields) -> Result<MaybeUndefined<Vec<ID>>, Fault> {
        const FIELD: &str = "publications";
        let numbers = match fields.texts(FIELD) {
            MaybeUndefined::Value(numbers) => numbers,
            MaybeUndefined::Null => return Ok(MaybeUndefined::Null),
            MaybeUndefined::Undefined => return Ok(MaybeUndefined::Undefined),
        };
        let found = publication::Entity::find()
            .filter(publication::Column::Number.is_in(&numbers))
            .all(self.writing.db())
            .await?;
        let known: HashMap<String, PublicationId> =
            found.into_iter().map(|it| (it.number, it.id)).collect();
        let ids = numbers
            .iter()
            .filter_map(|it| fields.find(FIELD, &known, it));
        Ok(MaybeUndefined::Value(ids.collect()))
    }
}

//! Import of examinations, identified by publication. A publication has at most one open examination.

use entity::examination::{Column, Entity, Model};
use entity::id::PublicationId;
use entity::scalar::Date;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{Entering, public};
use crate::bulk::Fault;
use crate::bulk::fields::{Fields, same};
use crate::bulk::report::Done;
use crate::rules::text;
use crate::store::creation::Idempotency;
use crate::store::examination::ExaminationRequestInput;

impl Entering {
    /// Requests an examination; `None` if the record has errors.
    pub(super) async fn examination(&mut self, fields: &mut Fields) -> Result<Option<Done>, Fault> {
        let number = fields.key("publication", text::KEY);
        let reason = fields.text("reason", text::LONG);
        let due_on = fields.value::<Date>("dueOn");
        fields.nothing_else("Examination");

        let number = number.as_deref();
        let Some(publication) = self.publication(fields, "publication", number).await? else {
            return Ok(None);
        };
        if let Some(before) = self.examination_of(publication.id).await? {
            let day = before.due_on.map(Date);
            let asked = same(&reason, before.reason.as_ref()) && same(&due_on, day.as_ref());
            if !before.complete {
                fields.lasting("reason", &reason, before.reason.as_ref());
                fields.lasting("dueOn", &due_on, day.as_ref());
                return Ok(Some(Done::Unchanged).filter(|_| fields.is_right()));
            }
            // Importing a file again does not repeat a request whose examination is complete.
            if asked && before.requested_by == self.writing.party() && fields.is_right() {
                return Ok(Some(Done::Unchanged));
            }
        }
        let input = ExaminationRequestInput {
            publication_id: public(publication.id),
            reason: reason.take(),
            due_on: due_on.take(),
            idempotency: Idempotency::default(),
        };
        let made = self.create(fields, input).await?;
        Ok(made.map(|_| Done::Created))
    }

    /// Returns the open examination of a publication, or else the last one.
    pub(super) async fn examination_of(
        &self,
        publication: PublicationId,
    ) -> Result<Option<Model>, Fault> {
        let found = Entity::find()
            .filter(Column::PublicationId.eq(publication))
            .order_by_asc(Column::Complete)
            .order_by_desc(Column::Id)
            .one(self.writing.db())
            .await?;
        Ok(found)
    }
}

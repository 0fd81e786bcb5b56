//! Import of examinations, identified by publication. A publication has at most one open examination.

use entity::examination::{Column, Entity, Model};
use entity::id::PublicationId;
use entity::scalar::Date;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::domain::text;
use crate::import_export::ImportError;
use crate::import_export::fields::{RecordFields, is_unchanged};
use crate::import_export::progress::ImportOutcome;
use crate::import_export::records::{Importer, public};
use crate::store::examination::ExaminationRequestInput;
use crate::store::idempotency::Idempotency;

impl Importer {
    /// Requests an examination; `None` if the record has errors.
    pub(super) async fn examination(
        &mut self,
        fields: &mut RecordFields,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let number = fields.key("publication", text::MAX_KEY_LENGTH);
        let reason = fields.text("reason", text::MAX_TEXT_LENGTH);
        let due_on = fields.value::<Date>("dueOn");
        fields.reject_unknown("Examination");

        let number = number.as_deref();
        let Some(publication) = self.publication(fields, "publication", number).await? else {
            return Ok(None);
        };
        if let Some(before) = self.examination_of(publication.id).await? {
            let day = before.due_on.map(Date);
            let is_requested = is_unchanged(&reason, before.reason.as_ref())
                && is_unchanged(&due_on, day.as_ref());
            if !before.complete {
                fields.immutable("reason", &reason, before.reason.as_ref());
                fields.immutable("dueOn", &due_on, day.as_ref());
                return Ok(Some(ImportOutcome::Unchanged).filter(|_| fields.is_valid()));
            }
            // Importing a file again does not repeat a request whose examination is complete.
            if is_requested && before.requested_by == self.writing.party() && fields.is_valid() {
                return Ok(Some(ImportOutcome::Unchanged));
            }
        }
        let input = ExaminationRequestInput {
            publication_id: public(publication.id),
            reason: reason.take(),
            due_on: due_on.take(),
            idempotency: Idempotency::default(),
        };
        let made = self.create(fields, input).await?;
        Ok(made.map(|_| ImportOutcome::Created))
    }

    /// Returns the open examination of a publication, or else the last one.
    pub(super) async fn examination_of(
        &self,
        publication: PublicationId,
    ) -> Result<Option<Model>, ImportError> {
        let found = Entity::find()
            .filter(Column::PublicationId.eq(publication))
            .order_by_asc(Column::Complete)
            .order_by_desc(Column::Id)
            .one(self.writing.db())
            .await?;
        Ok(found)
    }
}

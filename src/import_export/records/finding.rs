//! Import of the findings of a side, identified by publication.

use async_graphql::MaybeUndefined;
use entity::finding::{Entity, Impact};
use sea_orm::EntityTrait;

use crate::domain::rejection::Code;
use crate::domain::text;
use crate::import_export::ImportError;
use crate::import_export::fields::{RecordFields, is_unchanged};
use crate::import_export::progress::ImportOutcome;
use crate::import_export::records::{Importer, public};
use crate::store::examination::{self, ExaminationRecordFindingInput};

impl Importer {
    /// Records or replaces a finding; `None` if the record has errors.
    pub(super) async fn finding(
        &mut self,
        fields: &mut RecordFields,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let number = fields.key("publication", text::MAX_KEY_LENGTH);
        let impact = fields.enum_value::<Impact>("impact");
        let statement = fields.text("statement", text::MAX_TEXT_LENGTH);
        let committee = fields.named("committee", &self.names.committees);
        fields.reject_unknown("Finding");

        let number = number.as_deref();
        let Some(publication) = self.publication(fields, "publication", number).await? else {
            return Ok(None);
        };
        let Some(examination) = self.examination_of(publication.id).await? else {
            let message =
                "It has no examination: request one first, with a record of the type Examination.";
            fields.add_error(Code::NotFound, "publication", message);
            return Ok(None);
        };
        // The TSB has no side; the rules reject its findings.
        let before = match self.writing.party().side() {
            Some(side) => {
                Entity::find_by_id((examination.id, side))
                    .one(self.writing.db())
                    .await?
            }
            None => None,
        };
        let found_by = before
            .as_ref()
            .and_then(|finding| finding.committee_id)
            .map(public);
        let unchanged = before.as_ref().is_some_and(|before| {
            is_unchanged(&impact, Some(&before.impact))
                && is_unchanged(&statement, Some(&before.statement))
                && is_unchanged(&committee, found_by.as_ref())
        });
        if unchanged && fields.is_valid() {
            return Ok(Some(ImportOutcome::Unchanged));
        }
        let is_new = before.is_none();
        let (impact, statement) = match before {
            Some(before) => (
                stays(impact, before.impact),
                stays(statement, before.statement),
            ),
            None => (impact, statement),
        };
        let impact = fields.required("impact", impact);
        let input = ExaminationRecordFindingInput {
            id: public(examination.id),
            impact: impact.unwrap_or(Impact::None),
            statement: fields.required_text("statement", statement),
            committee_id: match committee {
                MaybeUndefined::Undefined => found_by,
                given => given.take(),
            },
        };
        let done = self
            .update(fields, async |writing| {
                examination::find(writing, input).await.map(|_| ())
            })
            .await?;
        Ok(done.map(|done| if is_new { ImportOutcome::Created } else { done }))
    }
}

/// Returns the given value, or the current one if it is omitted.
fn stays<T>(given: MaybeUndefined<T>, is: T) -> MaybeUndefined<T> {
    match given {
        MaybeUndefined::Undefined => MaybeUndefined::Value(is),
        given => given,
    }
}

//! Import of translations, identified by record, field and language.

use async_graphql::{ID, MaybeUndefined};
use entity::id::split;
use entity::translation::{Entity, TranslatableField, TranslationKind};
use sea_orm::EntityTrait;

use crate::domain::text;
use crate::import_export::ImportError;
use crate::import_export::fields::{RecordFields, is_unchanged};
use crate::import_export::progress::ImportOutcome;
use crate::import_export::records::{Importer, public};
use crate::store::translation::{self, TranslationSetInput};

/// The fields that can name the record whose text is translated.
pub const TRANSLATED: [&str; 5] = [
    "organization",
    "committee",
    "topic",
    "actionItem",
    "publication",
];

impl Importer {
    /// Sets or removes a translation of the record as it is now; `None` if the line has errors. The same translation
    /// changes nothing, also if it is outdated.
    pub(super) async fn translation(
        &mut self,
        fields: &mut RecordFields,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let subject = self.translated(fields).await?;
        let field = fields.enum_value::<TranslatableField>("field");
        let field = fields.required("field", field);
        let language = fields.enum_value("language");
        let language = fields.required("language", language);
        let text = fields.text("text", text::MAX_TEXT_LENGTH);
        let kind = fields.enum_value::<TranslationKind>("kind");
        fields.reject_unknown("Translation");

        let (Some(subject_id), Some(field), Some(language)) = (subject, field, language) else {
            return Ok(None);
        };
        let key = split(&subject_id).map(|id| id.1).unwrap_or_default();
        let before = Entity::find_by_id((key, field, language))
            .one(self.writing.db())
            .await?;
        let unchanged = before.as_ref().is_some_and(|before| {
            is_unchanged(&text, Some(&before.text)) && is_unchanged(&kind, Some(&before.kind))
        });
        if unchanged && fields.is_valid() {
            return Ok(Some(ImportOutcome::Unchanged));
        }
        let is_new = before.is_none() && text != MaybeUndefined::Null;
        let done = self
            .update(fields, async |writing| {
                let input = TranslationSetInput {
                    version: translation::subject_version(writing, &subject_id).await?,
                    subject_id,
                    field,
                    language,
                    text,
                    kind: kind.take(),
                };
                translation::change(writing, input).await.map(|_| ())
            })
            .await?;
        Ok(done.map(|done| if is_new { ImportOutcome::Created } else { done }))
    }

    /// Returns the record that a line names.
    async fn translated(&self, fields: &mut RecordFields) -> Result<Option<ID>, ImportError> {
        fields.require_one_of(&TRANSLATED);
        let organization = fields.named("organization", &self.names.organizations);
        let committee = fields.named("committee", &self.names.committees);
        let topic = fields.named("topic", &self.names.topics);
        let item = self.item(fields).await?;
        let number = fields.text("publication", text::MAX_KEY_LENGTH).take();
        let publication = self.publication(fields, "publication", number.as_deref());
        let publication = publication.await?.map(|publication| public(publication.id));
        let named = [organization, committee, topic].map(MaybeUndefined::take);
        let mut found = named.into_iter().chain([item, publication]).flatten();
        Ok(found.next())
    }
}

//! Import of notes, identified by party, subject and body: the same note is added only once.

use async_graphql::ID;
use entity::id::split;
use entity::note::{Column, Entity};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::domain::note::SUBJECTS;
use crate::domain::rejection::Code;
use crate::domain::text;
use crate::import_export::ImportError;
use crate::import_export::fields::RecordFields;
use crate::import_export::progress::ImportOutcome;
use crate::import_export::records::{Importer, public};
use crate::store::idempotency::Idempotency;
use crate::store::note::NoteAddInput;

/// The fields that can name the subject of a note: one for each type in `SUBJECTS`.
const SUBJECT_FIELDS: [&str; SUBJECTS.len()] = [
    "topic",
    "actionItem",
    "publication",
    "examination",
    "statement",
];

impl Importer {
    /// Adds a note; `None` if the record has errors. A retracted note has no body to compare with, so the note is added
    /// again.
    pub(super) async fn note(
        &mut self,
        fields: &mut RecordFields,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let subject = self.subject(fields).await?;
        let body = fields.key("body", text::MAX_BODY_LENGTH);
        fields.reject_unknown("Note");

        let (Some(subject_id), Some(body)) = (subject, body) else {
            return Ok(None);
        };
        let there = Entity::find()
            .filter(Column::SubjectId.eq(split(&subject_id).map(|id| id.1)))
            .filter(Column::Party.eq(self.writing.party()))
            .filter(Column::Body.eq(&body))
            .count(self.writing.db())
            .await?;
        if 0 < there && fields.is_valid() {
            return Ok(Some(ImportOutcome::Unchanged));
        }
        let input = NoteAddInput {
            subject_id,
            body,
            idempotency: Idempotency::default(),
        };
        let made = self.create(fields, input).await?;
        Ok(made.map(|_| ImportOutcome::Created))
    }

    /// Returns the record that a line names as the subject of a note.
    async fn subject(&self, fields: &mut RecordFields) -> Result<Option<ID>, ImportError> {
        fields.require_one_of(&SUBJECT_FIELDS);
        let topic = fields.named("topic", &self.names.topics).take();
        let statement = fields.named("statement", &self.names.statements).take();
        let number = fields.text("publication", text::MAX_KEY_LENGTH).take();
        let publication = self.publication(fields, "publication", number.as_deref());
        let publication = publication.await?.map(|publication| public(publication.id));
        let examination = self.examined(fields).await?;
        let item = self.item(fields).await?;
        Ok(topic.or(statement).or(publication).or(examination).or(item))
    }

    /// Looks up the examination of the publication whose number a line gives.
    async fn examined(&self, fields: &mut RecordFields) -> Result<Option<ID>, ImportError> {
        const FIELD: &str = "examination";
        let number = fields.text(FIELD, text::MAX_KEY_LENGTH).take();
        let publication = self.publication(fields, FIELD, number.as_deref()).await?;
        let Some(publication) = publication else {
            return Ok(None);
        };
        let found = self.examination_of(publication.id).await?;
        if found.is_none() {
            let message = format!("There is no examination of {}.", publication.number);
            fields.add_error(Code::NotFound, FIELD, message);
        }
        Ok(found.map(|examination| public(examination.id)))
    }

    /// Looks up the action item by the party's external key.
    pub(super) async fn item(&self, fields: &mut RecordFields) -> Result<Option<ID>, ImportError> {
        const FIELD: &str = "actionItem";
        let Some(key) = fields.text(FIELD, text::MAX_KEY_LENGTH).take() else {
            return Ok(None);
        };
        let found = self.item_of(&key).await?;
        if found.is_none() {
            let message = format!("Your party has requested no action item with the key `{key}`.");
            fields.add_error(Code::NotFound, FIELD, message);
        }
        Ok(found.map(|item| public(item.id)))
    }
}

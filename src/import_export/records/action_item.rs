//! Import of action items, identified by the external keys of the party.

use entity::action_item::{Column, Entity, Model, Priority};
use entity::party::Language;
use entity::scalar::Date;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::domain::text;
use crate::import_export::ImportError;
use crate::import_export::fields::{RecordFields, if_changed};
use crate::import_export::progress::ImportOutcome;
use crate::import_export::records::{Importer, public};
use crate::store::action_item::{self, ActionItemCreateInput, ActionItemUpdateInput};
use crate::store::idempotency::Idempotency;

impl Importer {
    /// Creates or updates an action item; `None` if the record has errors.
    pub(super) async fn action_item(
        &mut self,
        fields: &mut RecordFields,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let external_key = fields.key("externalKey", text::MAX_KEY_LENGTH);
        let topic = fields.named("topic", &self.names.topics);
        let committee = fields.named("committee", &self.names.committees);
        let title = fields.text("title", text::MAX_NAME_LENGTH);
        let description = fields.text("description", text::MAX_TEXT_LENGTH);
        let counterpart = fields.named("counterpart", &self.names.committees);
        let priority = fields.enum_value::<Priority>("priority");
        let due_on = fields.value::<Date>("dueOn");
        let language = fields.enum_value::<Language>("language");
        fields.reject_unknown("ActionItem");

        let before = match &external_key {
            Some(key) => self.item_of(key).await?,
            None => None,
        };
        if let Some(before) = before {
            fields.immutable("topic", &topic, Some(&public(before.topic_id)));
            fields.immutable("committee", &committee, Some(&public(before.committee_id)));
            fields.immutable("language", &language, Some(&before.original_language));
            let target = ActionItemUpdateInput {
                id: public(before.id),
                version: before.version,
                ..ActionItemUpdateInput::default()
            };
            let input = ActionItemUpdateInput {
                id: target.id.clone(),
                version: target.version,
                title: if_changed(title, Some(&before.title)),
                description: if_changed(description, before.description.as_ref()),
                counterpart_id: if_changed(counterpart, before.counterpart_id.map(public).as_ref()),
                priority: if_changed(priority, Some(&before.priority)),
                due_on: if_changed(due_on, before.due_on.map(Date).as_ref()),
            };
            // An unchanged record is not an update, and valid even if the party may not update the item any more.
            if input == target && fields.is_valid() {
                return Ok(Some(ImportOutcome::Unchanged));
            }
            return self
                .update(fields, async |writing| {
                    action_item::change(writing, input).await.map(|_| ())
                })
                .await;
        }
        let topic = fields.required("topic", topic);
        let committee = fields.required("committee", committee);
        let title = fields.required_text("title", title);
        let (Some(topic_id), Some(committee_id)) = (topic, committee) else {
            return Ok(None);
        };
        let input = ActionItemCreateInput {
            topic_id,
            committee_id,
            title,
            description: description.take(),
            counterpart_id: counterpart.take(),
            priority: priority.take(),
            due_on: due_on.take(),
            external_key,
            language: language.take(),
            idempotency: Idempotency::default(),
        };
        let made = self.create(fields, input).await?;
        Ok(made.map(|_| ImportOutcome::Created))
    }

    /// Looks up the action item by the party's external key.
    pub(super) async fn item_of(&self, external_key: &str) -> Result<Option<Model>, ImportError> {
        let found = Entity::find()
            .filter(Column::RequestedBy.eq(self.writing.party()))
            .filter(Column::ExternalKey.eq(external_key))
            .one(self.writing.db())
            .await?;
        Ok(found)
    }
}

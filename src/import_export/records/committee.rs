//! Import of committees, identified by organization, code and period.

use entity::committee::{CommitteeKind, Entity};
use entity::party::Language;
use entity::scalar::Date;
use sea_orm::EntityTrait;

use crate::domain::text;
use crate::import_export::ImportError;
use crate::import_export::fields::{RecordFields, if_changed};
use crate::import_export::progress::ImportOutcome;
use crate::import_export::records::{Importer, public};
use crate::store::committee::{self, CommitteeCreateInput, CommitteeUpdateInput};
use crate::store::idempotency::Idempotency;

impl Importer {
    /// Creates or updates a committee; `None` if the record has errors.
    pub(super) async fn committee(
        &mut self,
        fields: &mut RecordFields,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let organization = fields.key("organization", text::MAX_CODE_LENGTH);
        let code = fields.key("code", text::MAX_CODE_LENGTH);
        let period = fields.key("period", text::MAX_CODE_LENGTH);
        let name = fields.text("name", text::MAX_NAME_LENGTH);
        let kind = fields.enum_value::<CommitteeKind>("kind");
        let parent = fields.named("parent", &self.names.committees);
        let mandate = fields.text("mandate", text::MAX_TEXT_LENGTH);
        let starts_on = fields.value::<Date>("startsOn");
        let ends_on = fields.value::<Date>("endsOn");
        let predecessors = fields.references("predecessors", &self.names.committees);
        let language = fields.enum_value::<Language>("language");
        fields.reject_unknown("Committee");

        let known = organization.as_ref().map(|acronym| {
            let found = self.names.organizations.get(acronym);
            if found.is_none() {
                fields.add_not_found("organization", "Organization", acronym);
            }
            found.copied()
        });
        let label = match (&organization, &code, &period) {
            (Some(organization), Some(code), Some(period)) => {
                committee::named(organization, code, period)
            }
            _ => String::new(),
        };
        let before = match self.names.committees.get(&label) {
            Some(id) => Entity::find_by_id(*id).one(self.writing.db()).await?,
            None => None,
        };
        if let Some(before) = before {
            fields.immutable("kind", &kind, Some(&before.kind));
            fields.immutable("parent", &parent, before.parent_id.map(public).as_ref());
            fields.immutable("language", &language, Some(&before.original_language));
            let target = CommitteeUpdateInput {
                id: public(before.id),
                version: before.version,
                ..CommitteeUpdateInput::default()
            };
            let input = CommitteeUpdateInput {
                id: target.id.clone(),
                version: target.version,
                name: if_changed(name, Some(&before.name)),
                mandate: if_changed(mandate, before.mandate.as_ref()),
                starts_on: if_changed(starts_on, before.starts_on.map(Date).as_ref()),
                ends_on: if_changed(ends_on, before.ends_on.map(Date).as_ref()),
                predecessor_ids: predecessors,
            };
            if input == target && fields.is_valid() {
                return Ok(Some(ImportOutcome::Unchanged));
            }
            return self
                .update(fields, async |writing| {
                    committee::change(writing, input).await.map(|_| ())
                })
                .await;
        }
        let name = fields.required_text("name", name);
        let kind = fields.required("kind", kind);
        let Some(Some(organization)) = known else {
            return Ok(None);
        };
        let input = CommitteeCreateInput {
            organization_id: public(organization),
            code: code.unwrap_or_default(),
            period: period.unwrap_or_default(),
            name,
            kind: kind.unwrap_or(CommitteeKind::Group),
            parent_id: parent.take(),
            mandate: mandate.take(),
            starts_on: starts_on.take(),
            ends_on: ends_on.take(),
            predecessor_ids: predecessors.take(),
            language: language.take(),
            idempotency: Idempotency::default(),
        };
        let made = self.create(fields, input).await?;
        Ok(made.map(|id| {
            self.names.committees.insert(label, id);
            ImportOutcome::Created
        }))
    }
}

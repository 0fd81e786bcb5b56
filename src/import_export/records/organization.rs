//! Import of organizations, identified by their acronyms.

use entity::organization::{Entity, OrganizationKind};
use entity::party::{Language, Side};
use entity::scalar::Url;
use sea_orm::EntityTrait;

use crate::domain::text;
use crate::import_export::ImportError;
use crate::import_export::fields::{RecordFields, if_changed};
use crate::import_export::progress::ImportOutcome;
use crate::import_export::records::{Importer, public};
use crate::store::idempotency::Idempotency;
use crate::store::organization::{self, OrganizationCreateInput, OrganizationUpdateInput};

impl Importer {
    /// Creates or updates an organization; `None` if the record has errors.
    pub(super) async fn organization(
        &mut self,
        fields: &mut RecordFields,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let acronym = fields.key("acronym", text::MAX_CODE_LENGTH);
        let name = fields.text("name", text::MAX_NAME_LENGTH);
        let kind = fields.enum_value::<OrganizationKind>("kind");
        let side = fields.enum_value::<Side>("side");
        let parent = fields.named("parent", &self.names.organizations);
        let website = fields.value::<Url>("website");
        let language = fields.enum_value::<Language>("language");
        fields.reject_unknown("Organization");

        let known = acronym
            .as_ref()
            .and_then(|acronym| self.names.organizations.get(acronym));
        let before = match known {
            Some(id) => Entity::find_by_id(*id).one(self.writing.db()).await?,
            None => None,
        };
        if let Some(before) = before {
            fields.immutable("kind", &kind, Some(&before.kind));
            fields.immutable("side", &side, before.side.as_ref());
            fields.immutable("parent", &parent, before.parent_id.map(public).as_ref());
            fields.immutable("language", &language, Some(&before.original_language));
            let target = OrganizationUpdateInput {
                id: public(before.id),
                version: before.version,
                ..OrganizationUpdateInput::default()
            };
            let input = OrganizationUpdateInput {
                id: target.id.clone(),
                version: target.version,
                name: if_changed(name, Some(&before.name)),
                website: if_changed(website, before.website.map(Url).as_ref()),
            };
            if input == target && fields.is_valid() {
                return Ok(Some(ImportOutcome::Unchanged));
            }
            return self
                .update(fields, async |writing| {
                    organization::change(writing, input).await.map(|_| ())
                })
                .await;
        }
        let name = fields.required_text("name", name);
        let kind = fields.required("kind", kind);
        let input = OrganizationCreateInput {
            acronym: acronym.clone().unwrap_or_default(),
            name,
            kind: kind.unwrap_or(OrganizationKind::Sector),
            side: side.take(),
            parent_id: parent.take(),
            website: website.take(),
            language: language.take(),
            idempotency: Idempotency::default(),
        };
        let made = self.create(fields, input).await?;
        Ok(made.map(|id| {
            self.names
                .organizations
                .extend(acronym.map(|acronym| (acronym, id)));
            ImportOutcome::Created
        }))
    }
}

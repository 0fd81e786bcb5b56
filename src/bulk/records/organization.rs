//! Import of organizations, identified by their acronyms.

use entity::organization::{Entity, OrganizationKind};
use entity::party::{Language, Side};
use entity::scalar::Url;
use sea_orm::EntityTrait;

use super::{Entering, public};
use crate::bulk::Fault;
use crate::bulk::fields::{Fields, same};
use crate::bulk::report::Done;
use crate::rules::text;
use crate::store::creation::Idempotency;
use crate::store::organization::{self, OrganizationCreateInput, OrganizationUpdateInput};

impl Entering {
    /// Creates or updates an organization; `None` if the record has errors.
    pub(super) async fn organization(
        &mut self,
        fields: &mut Fields,
    ) -> Result<Option<Done>, Fault> {
        let acronym = fields.key("acronym", text::CODE);
        let name = fields.text("name", text::NAME);
        let kind = fields.word::<OrganizationKind>("kind");
        let side = fields.word::<Side>("side");
        let parent = fields.named("parent", &self.names.organizations);
        let website = fields.value::<Url>("website");
        let language = fields.word::<Language>("language");
        fields.nothing_else("Organization");

        let known = acronym
            .as_ref()
            .and_then(|acronym| self.names.organizations.get(acronym));
        let before = match known {
            Some(id) => Entity::find_by_id(*id).one(self.writing.db()).await?,
            None => None,
        };
        if let Some(before) = before {
            fields.lasting("kind", &kind, Some(&before.kind));
            fields.lasting("side", &side, before.side.as_ref());
            fields.lasting("parent", &parent, before.parent_id.map(public).as_ref());
            fields.lasting("language", &language, Some(&before.original_language));
            let unchanged =
                same(&name, Some(&before.name)) && same(&website, before.website.map(Url).as_ref());
            if unchanged && fields.is_right() {
                return Ok(Some(Done::Unchanged));
            }
            let input = OrganizationUpdateInput {
                id: public(before.id),
                version: before.version,
                name,
                website,
            };
            return self
                .update(fields, async |writing| {
                    organization::change(writing, input).await.map(|_| ())
                })
                .await;
        }
        let name = fields.needed_text("name", name);
        let kind = fields.needed("kind", kind);
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
            Done::Created
        }))
    }
}

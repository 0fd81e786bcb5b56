//! Import of committees, identified by organization, code and period.

use entity::committee::{CommitteeKind, Entity};
use entity::party::Language;
use entity::scalar::Date;
use sea_orm::EntityTrait;

use super::{Entering, public};
use crate::bulk::Fault;
use crate::bulk::fields::{Fields, same};
use crate::bulk::report::Done;
use crate::rules::text;
use crate::store::committee::{self, CommitteeCreateInput, CommitteeUpdateInput};
use crate::store::creation::Idempotency;

impl Entering {
    /// Creates or updates a committee; `None` if the record has errors.
    pub(super) async fn committee(&mut self, fields: &mut Fields) -> Result<Option<Done>, Fault> {
        let organization = fields.key("organization", text::CODE);
        let code = fields.key("code", text::CODE);
        let period = fields.key("period", text::CODE);
        let name = fields.text("name", text::NAME);
        let kind = fields.word::<CommitteeKind>("kind");
        let parent = fields.named("parent", &self.names.committees);
        let mandate = fields.text("mandate", text::LONG);
        let starts_on = fields.value::<Date>("startsOn");
        let ends_on = fields.value::<Date>("endsOn");
        let predecessors = fields.listed("predecessors", &self.names.committees);
        let language = fields.word::<Language>("language");
        fields.nothing_else("Committee");

        let known = organization.as_ref().map(|acronym| {
            let found = self.names.organizations.get(acronym);
            if found.is_none() {
                fields.no_such("organization", "Organization", acronym);
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
            fields.lasting("kind", &kind, Some(&before.kind));
            fields.lasting("parent", &parent, before.parent_id.map(public).as_ref());
            fields.lasting("language", &language, Some(&before.original_language));
            let unchanged = same(&name, Some(&before.name))
                && same(&mandate, before.mandate.as_ref())
                && same(&starts_on, before.starts_on.map(Date).as_ref())
                && same(&ends_on, before.ends_on.map(Date).as_ref())
                && predecessors.is_undefined();
            if unchanged && fields.is_right() {
                return Ok(Some(Done::Unchanged));
            }
            let input = CommitteeUpdateInput {
                id: public(before.id),
                version: before.version,
                name,
                mandate,
                starts_on,
                ends_on,
                predecessor_ids: predecessors,
            };
            return self
                .update(fields, async |writing| {
                    committee::change(writing, input).await.map(|_| ())
                })
                .await;
        }
        let name = fields.needed_text("name", name);
        let kind = fields.needed("kind", kind);
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
            Done::Created
        }))
    }
}

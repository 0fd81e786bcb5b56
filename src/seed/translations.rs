//! The names of the facts in other languages.

use std::collections::HashSet;

use async_graphql::{ID, MaybeUndefined};
use entity::activity::{ActivityVerb, Column};
use entity::party::{Language, Party};
use entity::translation::TranslatableField;
use entity::{activity, committee, organization, topic};
use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::editors::viewer;
use super::facts::Translation;
use super::{Loader, public};
use crate::error::Result;
use crate::store;
use crate::store::translation::TranslationSetInput;

/// Returns the records of which translations have been set, also if they were taken back.
pub async fn subjects(entered: &DatabaseTransaction) -> Result<HashSet<Uuid>, DbErr> {
    let subjects: Vec<Uuid> = activity::Entity::find()
        .select_only()
        .column(Column::SubjectId)
        .distinct()
        .filter(Column::Verb.eq(ActivityVerb::Translated))
        .into_tuple()
        .all(entered)
        .await?;
    Ok(subjects.into_iter().collect())
}

/// A record that a translation is of.
struct Subject {
    id: ID,
    key: Uuid,
    version: i32,
    original_language: Language,
    field: TranslatableField,
    /// The party that translates it.
    party: Party,
}

impl Loader<'_> {
    /// Sets a translation of records that are in the register, unless theirs were set before.
    pub async fn translation(&mut self, fact: &Translation) -> Result<()> {
        let Some(kind) = fact.kind() else {
            return Ok(());
        };
        for subject in self.subjects(fact).await? {
            let known = self.translated.contains(&subject.key);
            if known || subject.original_language == fact.language {
                continue;
            }
            let input = TranslationSetInput {
                subject_id: subject.id,
                version: subject.version,
                field: subject.field,
                language: fact.language,
                text: MaybeUndefined::Value(fact.text.clone()),
                kind: Some(kind),
            };
            let viewer = viewer(subject.party);
            store::translation::set(self.db, &viewer, self.now, input).await?;
            self.loaded.translations += 1;
        }
        Ok(())
    }

    async fn subjects(&self, fact: &Translation) -> Result<Vec<Subject>, DbErr> {
        let mut subjects = Vec::new();
        let organization = fact.organization.as_ref();
        if let Some(id) = organization.and_then(|acronym| self.organizations.get(acronym)) {
            let found = organization::Entity::find_by_id(*id)
                .one(self.entered)
                .await?;
            subjects.extend(found.map(|organization| {
                Subject {
                    id: public(organization.id),
                    key: organization.id.into(),
                    version: organization.version,
                    original_language: organization.original_language,
                    field: TranslatableField::Name,
                    party: organization
                        .side
                        .map_or(Party::Tsb, entity::party::Side::party),
                }
            }));
        }
        for name in &fact.committees {
            let Some(id) = self.committees.get(name) else {
                continue;
            };
            let found = committee::Entity::find_by_id(*id).one(self.entered).await?;
            subjects.extend(found.map(|committee| Subject {
                id: public(committee.id),
                key: committee.id.into(),
                version: committee.version,
                original_language: committee.original_language,
                field: TranslatableField::Name,
                party: committee.party.unwrap_or(Party::Tsb),
            }));
        }
        if let Some(id) = fact.topic.as_ref().and_then(|title| self.topics.get(title)) {
            let found = topic::Entity::find_by_id(*id).one(self.entered).await?;
            subjects.extend(found.map(|topic| Subject {
                id: public(topic.id),
                key: topic.id.into(),
                version: topic.version,
                original_language: topic.original_language,
                field: TranslatableField::Title,
                party: Party::Tsb,
            }));
        }
        Ok(subjects)
    }
}

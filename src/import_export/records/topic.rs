//! Import of topics, identified by their codes; without a code, by the title of the party's own proposal.

use std::collections::HashMap;

use async_graphql::{ID, MaybeUndefined};
use entity::id::{Id, PublicationId};
use entity::party::Language;
use entity::scalar::Date;
use entity::topic::{Column, Entity, Model};
use entity::topic_committee::CommitteeRole;
use entity::{publication, topic_committee, topic_provision, topic_publication};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::domain::rejection::Code;
use crate::domain::text;
use crate::import_export::ImportError;
use crate::import_export::fields::{RecordFields, if_changed, if_list_changed, is_unchanged};
use crate::import_export::progress::ImportOutcome;
use crate::import_export::records::{Importer, public};
use crate::store::idempotency::Idempotency;
use crate::store::topic::{self, TopicProposeInput, TopicUpdateInput};

impl Importer {
    /// Proposes or updates a topic; `None` if the record has errors.
    pub(super) async fn topic(
        &mut self,
        fields: &mut RecordFields,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let code = fields.text("code", text::MAX_CODE_LENGTH);
        let title = fields.text("title", text::MAX_NAME_LENGTH);
        let summary = fields.text("summary", text::MAX_TEXT_LENGTH);
        let lead = fields.named("leadCommittee", &self.names.committees);
        let provisions = fields.references("provisions", &self.names.provisions);
        let publications = self.publications(fields).await?;
        let review_on = fields.value::<Date>("reviewOn");
        let language = fields.enum_value::<Language>("language");
        fields.reject_unknown("Topic");

        let before = match (code.take(), title.value()) {
            (Some(code), _) => {
                let Some(id) = self.names.topics.get(&code) else {
                    fields.add_not_found("code", "Topic", &code);
                    return Ok(None);
                };
                Entity::find_by_id(*id).one(self.writing.db()).await?
            }
            (None, _) if fields.has_error("code") => return Ok(None),
            (None, Some(title)) => self.proposal(title).await?,
            (None, None) => None,
        };
        if let Some(before) = before {
            fields.immutable("language", &language, Some(&before.original_language));
            self.leads(fields, &before, &lead).await?;
            let target = TopicUpdateInput {
                id: public(before.id),
                version: before.version,
                ..TopicUpdateInput::default()
            };
            let input = TopicUpdateInput {
                id: target.id.clone(),
                version: target.version,
                title: if_changed(title, Some(&before.title)),
                summary: if_changed(summary, Some(&before.summary)),
                provision_ids: self.new_provisions(&before, provisions).await?,
                publication_ids: self.new_publications(&before, publications).await?,
                review_on: if_changed(review_on, before.review_on.map(Date).as_ref()),
            };
            if input == target && fields.is_valid() {
                return Ok(Some(ImportOutcome::Unchanged));
            }
            return self
                .update(fields, async |writing| {
                    topic::change(writing, input).await.map(|_| ())
                })
                .await;
        }
        let publications = publications.take().unwrap_or_default();
        let input = TopicProposeInput {
            title: fields.required_text("title", title),
            summary: fields.required_text("summary", summary),
            lead_committee_id: lead.take(),
            provision_ids: provisions.take(),
            review_on: review_on.take(),
            language: language.take(),
            idempotency: Idempotency::default(),
        };
        let made = fields
            .apply(&mut self.writing, async |writing| {
                topic::propose_about(writing, input, &publications).await
            })
            .await?;
        Ok(made.map(|_| ImportOutcome::Created))
    }

    /// Returns the last topic that the party has proposed with this title, whatever its status: importing a file again
    /// does not repeat a proposal that was declined.
    async fn proposal(&self, title: &str) -> Result<Option<Model>, ImportError> {
        let found = Entity::find()
            .filter(Column::ProposedBy.eq(self.writing.party()))
            .filter(Column::Title.eq(title))
            .order_by_desc(Column::Number)
            .one(self.writing.db())
            .await?;
        Ok(found)
    }

    /// Adds an error if a line names another lead committee than the party's current one, which an update cannot
    /// change.
    async fn leads(
        &self,
        fields: &mut RecordFields,
        topic: &Model,
        given: &MaybeUndefined<ID>,
    ) -> Result<(), ImportError> {
        if given.is_undefined() {
            return Ok(());
        }
        let lead = topic_committee::Entity::find()
            .filter(topic_committee::Column::TopicId.eq(topic.id))
            .filter(topic_committee::Column::Role.eq(CommitteeRole::Lead))
            .filter(topic_committee::Column::Party.eq(self.writing.party()))
            .one(self.writing.db())
            .await?;
        if !is_unchanged(given, lead.map(|link| public(link.committee_id)).as_ref()) {
            let message = "Differs from the current lead: omit it, and link the new one as LEAD by `topicLinkCommittee`.";
            fields.add_error(Code::Invalid, "leadCommittee", message);
        }
        Ok(())
    }

    /// Returns the provisions of a line if they differ from the topic's.
    async fn new_provisions(
        &self,
        topic: &Model,
        given: MaybeUndefined<Vec<ID>>,
    ) -> Result<MaybeUndefined<Vec<ID>>, ImportError> {
        if given.is_undefined() {
            return Ok(given);
        }
        let links = topic_provision::Entity::find()
            .filter(topic_provision::Column::TopicId.eq(topic.id))
            .all(self.writing.db())
            .await?;
        let current = links.iter().map(|link| public(link.provision_id));
        Ok(if_list_changed(given, current))
    }

    /// Returns the publications of a line if they differ from the topic's.
    async fn new_publications(
        &self,
        topic: &Model,
        given: MaybeUndefined<Vec<ID>>,
    ) -> Result<MaybeUndefined<Vec<ID>>, ImportError> {
        if given.is_undefined() {
            return Ok(given);
        }
        let links = topic_publication::Entity::find()
            .filter(topic_publication::Column::TopicId.eq(topic.id))
            .all(self.writing.db())
            .await?;
        let current = links.iter().map(|link| public(link.publication_id));
        Ok(if_list_changed(given, current))
    }

    /// Parses the publications of a line, listed by number.
    async fn publications(
        &self,
        fields: &mut RecordFields,
    ) -> Result<MaybeUndefined<Vec<ID>>, ImportError> {
        const FIELD: &str = "publications";
        let numbers = match fields.text_list(FIELD, text::MAX_NAME_LENGTH) {
            MaybeUndefined::Value(numbers) => numbers,
            MaybeUndefined::Null => return Ok(MaybeUndefined::Null),
            MaybeUndefined::Undefined => return Ok(MaybeUndefined::Undefined),
        };
        let found = publication::Entity::find()
            .filter(
                publication::Column::NumberIdentity
                    .is_in(numbers.iter().map(|number| text::number_identity(number))),
            )
            .all(self.writing.db())
            .await?;
        let known: HashMap<String, PublicationId> = found
            .into_iter()
            .map(|publication| (publication.number_identity, publication.id))
            .collect();
        let ids = numbers.iter().filter_map(|number| {
            let found = known.get(&text::number_identity(number));
            if found.is_none() {
                fields.add_not_found(FIELD, PublicationId::TYPE, number);
            }
            found.map(|id| ID(id.to_global_id()))
        });
        Ok(MaybeUndefined::Value(ids.collect()))
    }
}

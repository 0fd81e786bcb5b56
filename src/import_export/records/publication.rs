//! Import of publications, identified by their numbers. There may be tens of thousands, so they are written in batches.

use std::collections::{HashMap, HashSet};

use async_graphql::{ID, MaybeUndefined};
use entity::id::{Id, PublicationId};
use entity::party::Language;
use entity::publication::{Column, Entity, Model, PublicationKind, PublicationStatus};
use entity::scalar::{Date, Url};
use entity::topic_publication;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::domain::rejection::Code;
use crate::domain::text;
use crate::import_export::fields::{RecordFields, if_changed};
use crate::import_export::names::Names;
use crate::import_export::order::{ImportOrder, Record, RecordKey};
use crate::import_export::progress::{ImportOutcome, ImportReport};
use crate::import_export::records::{Importer, RecordType, public};
use crate::import_export::{BATCH, ImportError};
use crate::store::idempotency::Idempotency;
use crate::store::publication::{self, PublicationAddInput, PublicationUpdateInput};

/// A batch of parsed records, none of which refers to another one of the batch.
#[derive(Default)]
pub struct Publications {
    lines: Vec<Line>,
    /// Number of records deferred since the last batch was written.
    pub held_back: usize,
}

struct Line {
    row_number: u64,
    key: Option<RecordKey>,
    fields: RecordFields,
    number: Option<String>,
    title: MaybeUndefined<String>,
    kind: MaybeUndefined<PublicationKind>,
    organization: MaybeUndefined<ID>,
    status: MaybeUndefined<PublicationStatus>,
    publisher_status: MaybeUndefined<String>,
    committee: MaybeUndefined<ID>,
    approved_on: MaybeUndefined<Date>,
    url: MaybeUndefined<Url>,
    /// The number of another publication.
    supersedes: MaybeUndefined<String>,
    topics: MaybeUndefined<Vec<ID>>,
    language: MaybeUndefined<Language>,
}

impl Publications {
    /// Returns whether the batch is large enough to be written.
    pub fn are_many(&self) -> bool {
        BATCH <= self.lines.len().max(self.held_back)
    }

    pub fn are_none(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn have(&self, key: &RecordKey) -> bool {
        self.lines.iter().any(|line| line.key.as_ref() == Some(key))
    }

    pub fn add(&mut self, record: Record, names: &Names) {
        let mut fields = record.fields;
        let line = Line {
            row_number: record.number,
            key: record.key,
            number: fields.key("number", text::MAX_KEY_LENGTH),
            title: fields.text("title", text::MAX_NAME_LENGTH),
            kind: fields.enum_value("kind"),
            organization: fields.named("organization", &names.organizations),
            status: fields.enum_value("status"),
            publisher_status: fields.text("publisherStatus", text::MAX_KEY_LENGTH),
            committee: fields.named("committee", &names.committees),
            approved_on: fields.value("approvedOn"),
            url: fields.value("url"),
            supersedes: fields.text("supersedes", text::MAX_KEY_LENGTH),
            topics: fields.references("topics", &names.topics),
            language: fields.enum_value("language"),
            fields,
        };
        self.lines.push(line);
        if let Some(line) = self.lines.last_mut() {
            line.fields.reject_unknown("Publication");
        }
    }
}

impl Importer {
    /// Writes the batch and reports the errors.
    pub(super) async fn enter(
        &mut self,
        publications: &mut Publications,
        order: &mut ImportOrder,
        report: &mut ImportReport,
    ) -> Result<(), ImportError> {
        if publications.are_none() {
            return Ok(());
        }
        let lines = std::mem::take(publications).lines;
        for (line, done) in self.enter_at_once(lines).await? {
            order.mark_imported(line.row_number, line.key.as_ref());
            match done {
                Some(done) => report.count(RecordType::Publication.name(), done),
                None => report.add(line.row_number, line.fields),
            }
        }
        Ok(())
    }

    async fn enter_at_once(
        &mut self,
        lines: Vec<Line>,
    ) -> Result<Vec<(Line, Option<ImportOutcome>)>, ImportError> {
        let known = self.known(&lines).await?;
        let linked = self.linked(&lines, &known).await?;
        let mut entered = Vec::with_capacity(lines.len());
        let mut new = Vec::new();
        let mut inputs = Vec::new();
        for mut line in lines {
            let superseded = line.superseded(&known);
            let before = line
                .number
                .as_ref()
                .and_then(|number| known.get(&text::number_identity(number)));
            let Some(before) = before else {
                match line.add(superseded) {
                    Some(input) if line.fields.is_valid() => {
                        new.push(line);
                        inputs.push(input);
                    }
                    Some(input) => {
                        let add = async |writing: &mut _| {
                            let added = publication::add_all(writing, vec![input]).await?;
                            added.into_iter().collect::<Result<Vec<_>, _>>()
                        };
                        line.fields.apply(&mut self.writing, add).await?;
                        entered.push((line, None));
                    }
                    None => entered.push((line, None)),
                }
                continue;
            };
            let Some(input) = line.update(before, superseded, &linked) else {
                entered.push((line, Some(ImportOutcome::Unchanged)));
                continue;
            };
            let change =
                async |writing: &mut _| publication::change(writing, input).await.map(|_| ());
            let done = self.update(&mut line.fields, change).await?;
            entered.push((line, done));
        }
        let added = publication::add_all(&mut self.writing, inputs).await?;
        for (mut line, added) in new.into_iter().zip(added) {
            let done = match added {
                Ok(_) => Some(ImportOutcome::Created),
                Err(error) => {
                    line.fields.reject(error)?;
                    None
                }
            };
            entered.push((line, done));
        }
        Ok(entered)
    }

    /// Returns the linked topics of existing publications whose lines list topics.
    async fn linked(
        &self,
        lines: &[Line],
        known: &HashMap<String, Model>,
    ) -> Result<Linked, ImportError> {
        let lines = lines.iter().filter(|line| line.topics.is_value());
        let numbers = lines.filter_map(|line| line.number.as_ref());
        let ids: Vec<PublicationId> = numbers
            .filter_map(|number| known.get(&text::number_identity(number)))
            .map(|publication| publication.id)
            .collect();
        if ids.is_empty() {
            return Ok(Linked::new());
        }
        let links = topic_publication::Entity::find()
            .filter(topic_publication::Column::PublicationId.is_in(ids))
            .all(self.writing.db())
            .await?;
        let keyed = links
            .iter()
            .map(|link| (link.publication_id, link.topic_id.to_global_id()));
        Ok(keyed.collect())
    }

    /// Looks up the publication whose number a field holds.
    pub(super) async fn publication(
        &self,
        fields: &mut RecordFields,
        field: &str,
        number: Option<&str>,
    ) -> Result<Option<Model>, ImportError> {
        let Some(number) = number else {
            return Ok(None);
        };
        let found = Entity::find()
            .filter(Column::NumberIdentity.eq(text::number_identity(number)))
            .one(self.writing.db())
            .await?;
        if found.is_none() {
            fields.add_not_found(field, "Publication", number);
        }
        Ok(found)
    }

    /// Returns the publications that lines refer to, by the identity of their numbers.
    async fn known(&self, lines: &[Line]) -> Result<HashMap<String, Model>, ImportError> {
        let superseded = lines.iter().filter_map(|line| line.supersedes.value());
        let numbers = lines.iter().filter_map(|line| line.number.as_ref());
        let numbers: HashSet<String> = numbers
            .chain(superseded)
            .map(|number| text::number_identity(number))
            .collect();
        let known = Entity::find()
            .filter(Column::NumberIdentity.is_in(numbers))
            .all(self.writing.db())
            .await?;
        Ok(known
            .into_iter()
            .map(|publication| (publication.number_identity.clone(), publication))
            .collect())
    }
}

/// Pairs of a publication and the public id of one of its topics.
type Linked = HashSet<(PublicationId, String)>;

impl Line {
    fn superseded(&mut self, known: &HashMap<String, Model>) -> MaybeUndefined<ID> {
        match std::mem::take(&mut self.supersedes) {
            MaybeUndefined::Value(number) => {
                if let Some(found) = known.get(&text::number_identity(&number)) {
                    return MaybeUndefined::Value(public(found.id));
                }
                self.fields
                    .add_not_found("supersedes", "Publication", &number);
                MaybeUndefined::Undefined
            }
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
        }
    }

    /// Returns the input that adds the publication; `None` if its organization is unknown.
    fn add(&mut self, supersedes: MaybeUndefined<ID>) -> Option<PublicationAddInput> {
        let title = self.fields.required_text("title", self.title.clone());
        let kind = self.fields.required("kind", self.kind);
        let organization = self
            .fields
            .required("organization", self.organization.clone());
        Some(PublicationAddInput {
            number: self.number.clone().unwrap_or_default(),
            title,
            kind: kind.unwrap_or(PublicationKind::Other),
            organization_id: organization?,
            status: self.status.take(),
            publisher_status: self.publisher_status.clone().take(),
            committee_id: self.committee.clone().take(),
            approved_on: self.approved_on.take(),
            url: self.url.clone().take(),
            supersedes_id: supersedes.take(),
            topic_ids: self.topics.clone().take(),
            language: self.language.take(),
            idempotency: Idempotency::default(),
        })
    }

    /// Returns the input that updates the publication; `None` if the line has no errors and changes nothing.
    fn update(
        &mut self,
        before: &Model,
        supersedes: MaybeUndefined<ID>,
        linked: &Linked,
    ) -> Option<PublicationUpdateInput> {
        let topics = self.topics.clone().take().unwrap_or_default();
        let is_linked = |topic: &ID| linked.contains(&(before.id, topic.0.clone()));
        if !topics.iter().all(is_linked) {
            let message = "Names a topic that is not about it yet: import the topic with all its `publications`.";
            self.fields.add_error(Code::Invalid, "topics", message);
        }
        let organization = public(before.organization_id);
        self.fields
            .immutable("kind", &self.kind, Some(&before.kind));
        self.fields
            .immutable("organization", &self.organization, Some(&organization));
        self.fields
            .immutable("language", &self.language, Some(&before.original_language));
        let publisher_status = self.publisher_status.clone();
        let committee = before.committee_id.map(public);
        let url = before.url.clone().map(Url);
        let superseded = before.supersedes_id.map(public);
        let target = PublicationUpdateInput {
            id: public(before.id),
            version: before.version,
            ..PublicationUpdateInput::default()
        };
        let input = PublicationUpdateInput {
            id: target.id.clone(),
            version: target.version,
            title: if_changed(self.title.clone(), Some(&before.title)),
            status: if_changed(self.status, before.status.as_ref()),
            publisher_status: if_changed(publisher_status, before.publisher_status.as_ref()),
            committee_id: if_changed(self.committee.clone(), committee.as_ref()),
            approved_on: if_changed(self.approved_on, before.approved_on.map(Date).as_ref()),
            url: if_changed(self.url.clone(), url.as_ref()),
            supersedes_id: if_changed(supersedes, superseded.as_ref()),
        };
        Some(input).filter(|input| *input != target || !self.fields.is_valid())
    }
}

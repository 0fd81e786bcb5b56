//! The seed data: facts from public sources, and a few action items that are marked as illustrative.

mod editors;
pub mod facts;
mod translations;

use std::collections::{HashMap, HashSet};

use async_graphql::{ID, MaybeUndefined};
use chrono::{DateTime, Days, Utc};
use entity::id::{CommitteeId, Id, OrganizationId, ProvisionId, PublicationId, TopicId};
use entity::party::Party;
use entity::scalar::{Date, Url};
use entity::topic::Position;
use entity::topic_committee::CommitteeRole;
use entity::{action_item, committee, mandate, organization, provision, publication, topic};
use sea_orm::prelude::Uuid;
use sea_orm::{DatabaseTransaction, DbErr, EntityTrait};

use self::editors::{editor_of, viewer};
use self::facts::{ActionItem, Committee, Facts, Mandate, Organization, Publication, Topic};
use crate::error::Result;
use crate::store::action_item::{ActionItemCreateInput, ActionItemMoveInput};
use crate::store::committee::{CommitteeConcludeInput, CommitteeCreateInput, CommitteeUpdateInput};
use crate::store::idempotency::Idempotency;
use crate::store::mandate::{NewMandate, NewProvision};
use crate::store::note::NoteAddInput;
use crate::store::organization::OrganizationCreateInput;
use crate::store::publication::{PublicationAddInput, PublicationRelateInput};
use crate::store::topic::{
    TopicLinkCommitteeInput, TopicProposeInput, TopicTakePositionInput, TopicUpdateInput,
};
use crate::store::{self, Database};

/// Numbers of records created; existing records are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub organizations: usize,
    pub mandates: usize,
    pub committees: usize,
    pub topics: usize,
    pub action_items: usize,
    pub publications: usize,
    pub translations: usize,
}

/// Loads the facts that come with the program.
///
/// # Errors
/// Returns an error if the database fails or a rule refuses a fact.
pub async fn load(db: &Database, now: DateTime<Utc>) -> Result<Loaded> {
    load_facts(db, now, &Facts::built_in()).await
}

/// Adds missing records by the functions that mutations use, each as the acting party: all of them, or
/// nothing if it is interrupted. Existing records are unchanged.
///
/// # Errors
/// Returns an error if the database fails or a rule refuses a fact.
pub async fn load_facts(db: &Database, now: DateTime<Utc>, facts: &Facts) -> Result<Loaded> {
    db.in_transaction(async |db: &Database, entered: &DatabaseTransaction| {
        enter(facts, Loader::new(db, entered, now).await?).await
    })
    .await
}

async fn enter(facts: &Facts, mut loader: Loader<'_>) -> Result<Loaded> {
    for organization in &facts.organizations {
        loader.organization(organization).await?;
    }
    for mandate in &facts.mandates {
        loader.mandate(mandate).await?;
    }
    loader.provisions().await?;
    for committee in &facts.committees {
        loader.committee(committee).await?;
    }
    for topic in &facts.topics {
        loader.topic(topic).await?;
    }
    for item in &facts.action_items {
        loader.action_item(item).await?;
    }
    for publication in &facts.publications {
        loader.publication(publication).await?;
    }
    for [one, other] in &facts.related_publications {
        loader.relation(one, other).await?;
    }
    loader.topic_publications(&facts.publications).await?;
    for committee in &facts.committees {
        loader.conclusion(committee).await?;
    }
    for translation in &facts.translations {
        loader.translation(translation).await?;
    }
    Ok(loader.loaded)
}

/// Loads facts; maps the names used in the facts to record ids.
struct Loader<'a> {
    db: &'a Database,
    /// The transaction, through which created records can be read.
    entered: &'a DatabaseTransaction,
    now: DateTime<Utc>,
    organizations: HashMap<String, OrganizationId>,
    /// Keys are organization, code and period.
    committees: HashMap<String, CommitteeId>,
    mandates: Vec<String>,
    /// Keys are section and letter.
    provisions: HashMap<String, ProvisionId>,
    topics: HashMap<String, TopicId>,
    /// Those that this load has entered, with the party that proposed them.
    new_topics: Vec<(String, Party)>,
    new_committees: Vec<CommitteeId>,
    /// By the key that the facts give.
    items: Vec<String>,
    /// Keys are numbers.
    publications: HashMap<String, PublicationId>,
    /// The records of which translations were set before this load: what was taken back is not set again.
    translated: HashSet<Uuid>,
    loaded: Loaded,
}

impl<'a> Loader<'a> {
    /// Reads the existing records.
    async fn new(
        db: &'a Database,
        entered: &'a DatabaseTransaction,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let organizations = organization::Entity::find().all(entered).await?;
        let acronyms: HashMap<OrganizationId, String> = organizations
            .iter()
            .map(|organization| (organization.id, organization.acronym.clone()))
            .collect();
        let committees = committee::Entity::find().all(entered).await?;
        let committees = committees.into_iter().map(|committee| {
            let acronym = &acronyms[&committee.organization_id];
            (
                name(acronym, &committee.code, &committee.period),
                committee.id,
            )
        });
        let mandates = mandate::Entity::find().all(entered).await?;
        let topics = topic::Entity::find().all(entered).await?;
        let items = action_item::Entity::find().all(entered).await?;
        let publications = publication::Entity::find().all(entered).await?;
        Ok(Self {
            db,
            entered,
            now,
            committees: committees.collect(),
            organizations: organizations
                .into_iter()
                .map(|organization| (organization.acronym, organization.id))
                .collect(),
            mandates: mandates.into_iter().map(|mandate| mandate.code).collect(),
            provisions: HashMap::new(),
            topics: topics
                .into_iter()
                .map(|topic| (topic.title, topic.id))
                .collect(),
            new_topics: Vec::new(),
            new_committees: Vec::new(),
            items: items
                .into_iter()
                .filter_map(|item| item.external_key)
                .collect(),
            publications: publications
                .into_iter()
                .map(|publication| (publication.number, publication.id))
                .collect(),
            translated: translations::subjects(entered).await?,
            loaded: Loaded::default(),
        })
    }

    async fn organization(&mut self, fact: &Organization) -> Result<()> {
        if self.organizations.contains_key(&fact.acronym) {
            return Ok(());
        }
        let parent = fact
            .parent
            .as_ref()
            .map(|acronym| self.organizations[acronym]);
        let language = fact.original_language;
        let in_french = language.and(fact.name_fr.as_ref());
        let input = OrganizationCreateInput {
            acronym: fact.acronym.clone(),
            name: in_french.unwrap_or(&fact.name).clone(),
            kind: fact.kind,
            side: fact.side,
            parent_id: parent.map(public),
            website: None,
            language,
            idempotency: Idempotency::default(),
        };
        // The TSB writes organizations of ITU and partners; the UPU writes its own.
        let viewer = viewer(fact.side.map_or(Party::Tsb, entity::party::Side::party));
        let id = store::idempotency::create(self.db, &viewer, self.now, input).await?;
        self.organizations.insert(fact.acronym.clone(), id);
        self.loaded.organizations += 1;
        Ok(())
    }

    async fn mandate(&mut self, fact: &Mandate) -> Result<()> {
        if self.mandates.contains(&fact.code) {
            return Ok(());
        }
        let provisions = fact.provisions.iter().map(|provision| NewProvision {
            section: provision.section,
            letter: provision.letter.clone(),
            summary: provision.summary.clone(),
        });
        let new = NewMandate {
            code: fact.code.clone(),
            title: fact.title.clone(),
            edition: fact.edition.clone(),
            adopted_on: None,
            history: fact.history.clone(),
            provisions: provisions.collect(),
        };
        store::mandate::create(self.db, &viewer(Party::Tsb), self.now, new).await?;
        self.loaded.mandates += 1;
        Ok(())
    }

    async fn provisions(&mut self) -> Result<()> {
        for provision in provision::Entity::find().all(self.entered).await? {
            let section = entity::word::enum_name(provision.section);
            let name = match &provision.letter {
                Some(letter) => format!("{section} {letter}"),
                None => section,
            };
            self.provisions.insert(name, provision.id);
        }
        Ok(())
    }

    async fn committee(&mut self, fact: &Committee) -> Result<()> {
        let named = |code: &str| name(&fact.organization, code, &fact.period);
        if self.committees.contains_key(&named(&fact.code)) {
            return Ok(());
        }
        let parent = fact
            .parent
            .as_deref()
            .map(|parent| self.committees[&named(parent)]);
        let predecessors = fact.predecessors.iter();
        let predecessors = predecessors
            .map(|code| public(self.committees[&format!("{} {code}", fact.organization)]));
        let input = CommitteeCreateInput {
            organization_id: public(self.organizations[&fact.organization]),
            code: fact.code.clone(),
            period: fact.period.clone(),
            name: fact.name.clone(),
            kind: fact.kind,
            parent_id: parent.map(public),
            mandate: fact.description(),
            starts_on: fact.starts_on.map(Date),
            ends_on: fact.ends_on.map(Date),
            predecessor_ids: Some(predecessors.collect()),
            language: None,
            idempotency: Idempotency::default(),
        };
        let viewer = editor_of(&fact.organization);
        let id = store::idempotency::create(self.db, &viewer, self.now, input).await?;
        self.committees.insert(named(&fact.code), id);
        self.new_committees.push(id);
        self.loaded.committees += 1;
        Ok(())
    }

    /// Concludes a committee that this load has entered, if it has ended.
    async fn conclusion(&mut self, fact: &Committee) -> Result<()> {
        let id = self.committees[&name(&fact.organization, &fact.code, &fact.period)];
        if !fact.concluded || !self.new_committees.contains(&id) {
            return Ok(());
        }
        let viewer = editor_of(&fact.organization);
        let input = CommitteeConcludeInput {
            id: public(id),
            version: 1,
            ends_on: None,
        };
        store::committee::conclude(self.db, &viewer, self.now, input).await?;
        if fact.ends_on.is_none() {
            // Its last day is not known: certainly it is not today.
            let unknown = CommitteeUpdateInput {
                id: public(id),
                version: 2,
                name: MaybeUndefined::Undefined,
                mandate: MaybeUndefined::Undefined,
                starts_on: MaybeUndefined::Undefined,
                ends_on: MaybeUndefined::Null,
                predecessor_ids: MaybeUndefined::Undefined,
            };
            store::committee::update(self.db, &viewer, self.now, unknown).await?;
        }
        Ok(())
    }

    async fn topic(&mut self, fact: &Topic) -> Result<()> {
        if self.topics.contains_key(&fact.title) {
            return Ok(());
        }
        let provisions = fact
            .provisions
            .iter()
            .map(|name| public(self.provisions[name]));
        // The side with a lead committee agrees. A topic without an ITU lead is proposed by the TSB.
        let proposer = if fact.itu_lead.is_some() {
            Party::Itu
        } else {
            Party::Tsb
        };
        let input = TopicProposeInput {
            title: fact.title.clone(),
            summary: fact.summary.clone(),
            lead_committee_id: fact
                .itu_lead
                .as_ref()
                .map(|name| public(self.committees[name])),
            provision_ids: Some(provisions.collect()),
            review_on: None,
            language: None,
            idempotency: Idempotency::default(),
        };
        let id = store::idempotency::create(self.db, &viewer(proposer), self.now, input).await?;
        if let Some(lead) = &fact.upu_lead {
            let input = TopicTakePositionInput {
                id: public(id),
                position: Position::Agreed,
                lead_committee_id: Some(public(self.committees[lead])),
                reason: None,
            };
            store::topic::take_position(self.db, &viewer(Party::Upu), self.now, input).await?;
        }
        for committee in &fact.itu_contributing {
            let input = TopicLinkCommitteeInput {
                id: public(id),
                committee_id: public(self.committees[committee]),
                role: CommitteeRole::Contributing,
            };
            store::topic::link_committee(self.db, &viewer(Party::Itu), self.now, input).await?;
        }
        if let Some(remark) = &fact.remark {
            let note = NoteAddInput {
                subject_id: public(id),
                body: remark.clone(),
                idempotency: Idempotency::default(),
            };
            store::idempotency::create(self.db, &viewer(Party::Tsb), self.now, note).await?;
        }
        self.topics.insert(fact.title.clone(), id);
        self.new_topics.push((fact.title.clone(), proposer));
        self.loaded.topics += 1;
        Ok(())
    }

    async fn action_item(&mut self, fact: &ActionItem) -> Result<()> {
        if self.items.contains(&fact.key) {
            return Ok(());
        }
        let today = self.now.date_naive();
        let due = fact.due_in_days.and_then(|days| {
            let distance = Days::new(days.unsigned_abs());
            if days < 0 {
                today.checked_sub_days(distance)
            } else {
                today.checked_add_days(distance)
            }
        });
        let input = ActionItemCreateInput {
            topic_id: public(self.topics[&fact.topic]),
            committee_id: public(self.committees[&fact.owner]),
            title: fact.title.clone(),
            description: fact.description.clone(),
            counterpart_id: fact
                .counterpart
                .as_ref()
                .map(|name| public(self.committees[name])),
            priority: Some(fact.priority),
            due_on: due.map(Date),
            external_key: Some(fact.key.clone()),
            language: None,
            idempotency: Idempotency::default(),
        };
        let asker = viewer(fact.asked_by);
        let id = store::action_item::create_illustrative(self.db, &asker, self.now, input).await?;
        for (version, step) in (1..).zip(&fact.moves) {
            let input = ActionItemMoveInput {
                id: public(id),
                version,
                to: step.to,
                note: step.note.clone(),
            };
            store::action_item::move_to(self.db, &viewer(step.by), self.now, input).await?;
        }
        self.loaded.action_items += 1;
        Ok(())
    }

    async fn publication(&mut self, fact: &Publication) -> Result<()> {
        if self.publications.contains_key(&fact.number) {
            return Ok(());
        }
        let committee = fact.committee.as_ref().zip(fact.approved_on);
        let committee = committee.and_then(|(code, day)| {
            let of_code = format!("{} {code} ", fact.organization);
            let mut known = self.committees.iter();
            let found = known.find(|(name, _)| {
                let period = name.strip_prefix(&of_code);
                period.is_some_and(|period| match &fact.committee_period {
                    Some(given) => period == given,
                    None => facts::falls_in(day, period),
                })
            });
            found.map(|(_, id)| public(*id))
        });
        let input = PublicationAddInput {
            number: fact.number.clone(),
            title: fact.title.clone(),
            kind: fact.kind,
            organization_id: public(self.organizations[&fact.organization]),
            status: fact.status,
            publisher_status: fact.publisher_status.clone(),
            committee_id: committee,
            approved_on: fact.approved_on.map(Date),
            url: fact.url.clone().map(Url),
            supersedes_id: fact
                .supersedes
                .as_ref()
                .map(|number| public(self.publications[number])),
            topic_ids: None,
            language: None,
            idempotency: Idempotency::default(),
        };
        let party = if fact.organization == "UPU" {
            Party::Upu
        } else {
            Party::Itu
        };
        let id = store::idempotency::create(self.db, &viewer(party), self.now, input).await?;
        self.publications.insert(fact.number.clone(), id);
        self.loaded.publications += 1;
        Ok(())
    }

    /// Links the publications to the topics that this load has entered.
    async fn topic_publications(&self, facts: &[Publication]) -> Result<()> {
        for (title, proposer) in &self.new_topics {
            let about = facts.iter().filter(|fact| fact.topics.contains(title));
            let about: Vec<ID> = about
                .map(|fact| public(self.publications[&fact.number]))
                .collect();
            if about.is_empty() {
                continue;
            }
            let topic = topic::Entity::find_by_id(self.topics[title]);
            let topic = topic.one(self.entered).await?;
            let topic = topic.ok_or_else(|| DbErr::RecordNotFound(title.clone()))?;
            let input = TopicUpdateInput {
                id: public(topic.id),
                version: topic.version,
                title: MaybeUndefined::Undefined,
                summary: MaybeUndefined::Undefined,
                provision_ids: MaybeUndefined::Undefined,
                publication_ids: MaybeUndefined::Value(about),
                review_on: MaybeUndefined::Undefined,
            };
            store::topic::update(self.db, &viewer(*proposer), self.now, input).await?;
        }
        Ok(())
    }

    /// Relates two publications, unless they are related already.
    async fn relation(&self, one: &str, other: &str) -> Result<()> {
        let input = PublicationRelateInput {
            id: public(self.publications[one]),
            related_id: public(self.publications[other]),
        };
        store::publication::relate(self.db, &viewer(Party::Tsb), self.now, input).await?;
        Ok(())
    }
}

fn name(organization: &str, code: &str, period: &str) -> String {
    format!("{organization} {code} {period}")
}

fn public(id: impl Id) -> ID {
    ID(id.to_global_id())
}

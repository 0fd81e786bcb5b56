//! Topics: proposing and updating them.

use async_graphql::{ID, InputObject, MaybeUndefined};
use chrono::{DateTime, NaiveDate, Utc};
use entity::activity::ActivityVerb;
use entity::id::TopicId;
use entity::party::Language;
use entity::scalar::Date;
use entity::topic::{ActiveModel, Entity, Model};
use entity::topic_committee::CommitteeRole;
use entity::{action_item, topic};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter,
};

use super::activity::{ActivityEntry, ChangeSet};
use crate::domain::action_item::OPEN;
use crate::domain::collation::collation_key;
use crate::domain::text::{self, search_text};
use crate::domain::topic as rules;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::version::check_version;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::idempotency::{CreateInput, Idempotency};
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve, translation};

mod lead;
mod link;
mod links;
mod position;
mod provisions;
pub(super) mod publications;
mod reaffirm;

pub use link::{
    TopicLinkCommitteeInput, TopicUnlinkCommitteeInput, link_committee, unlink_committee,
};
pub(super) use links::Links;
pub use position::{TopicTakePositionInput, take_position};
pub use provisions::names as provision_names;
pub use reaffirm::{TopicReaffirmInput, reaffirm};

/// A new topic. A side that proposes it also agrees to it; the other side then takes its position.
#[derive(Clone, Debug, InputObject)]
pub struct TopicProposeInput {
    /// What it is about, in a few words; at most 500 characters.
    pub title: String,
    /// What it is about and why it concerns both sides; at most 8,000 characters.
    pub summary: String,
    /// The id of an ACTIVE committee of the side that proposes the topic, which then leads it for this side. Required for ITU and UPU; not allowed for the TSB.
    pub lead_committee_id: Option<ID>,
    /// The ids of the provisions that it implements, at most 100. Default: none.
    pub provision_ids: Option<Vec<ID>>,
    /// The date of its next review, in the future. Default: none.
    pub review_on: Option<Date>,
    /// The language of the texts in this input.
    #[graphql(
        default_with = "Some(Language::En)",
        process_with = "crate::store::resolve::english_if_null"
    )]
    pub language: Option<Language>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

/// Changes to a topic. A field that is left out keeps its value.
#[derive(Clone, Debug, Default, PartialEq, InputObject)]
pub struct TopicUpdateInput {
    /// The id of the topic.
    pub id: ID,
    /// The `version` of the record that the change is based on. If the record has another version by now, nothing is changed and `userErrors` has the error STALE.
    pub version: i32,
    /// What it is about, in a few words; at most 500 characters, in the record's `originalLanguage`. Cannot be null.
    pub title: MaybeUndefined<String>,
    /// What it is about and why it concerns both sides; at most 8,000 characters, in the record's `originalLanguage`. Cannot be null.
    pub summary: MaybeUndefined<String>,
    /// The ids of all provisions that it implements, at most 100. Null or an empty list: none.
    pub provision_ids: MaybeUndefined<Vec<ID>>,
    /// The ids of all publications to link to the topic, at most 100. Null or an empty list: none.
    pub publication_ids: MaybeUndefined<Vec<ID>>,
    /// The date of its next review, in the future. Null removes it.
    pub review_on: MaybeUndefined<Date>,
}

impl CreateInput for TopicProposeInput {
    const MUTATION: &'static str = "topicPropose";
    type Id = TopicId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut WriteTransaction) -> Result<TopicId> {
        propose_about(writing, self, &[]).await
    }
}

/// Proposes a topic with publications.
pub async fn propose_about(
    writing: &mut WriteTransaction,
    input: TopicProposeInput,
    publications: &[ID],
) -> Result<TopicId> {
    let party = writing.party();

    let mut problems = ValidationErrors::default();
    let title = problems.text("title", &input.title, text::MAX_NAME_LENGTH);
    let summary = problems.text("summary", &input.summary, text::MAX_TEXT_LENGTH);
    let lead = input.lead_committee_id.as_ref();
    problems.check(
        lead::FIELD,
        rules::proposal_names_lead(party, lead.is_some()),
    );
    let lead = match party.side() {
        Some(side) => lead::named(writing.db(), &mut problems, lead, side).await?,
        None => None,
    };
    let provisions = input.provision_ids.unwrap_or_default();
    let provisions = provisions::listed(writing.db(), &mut problems, &provisions).await?;
    let publications = publications::listed(writing.db(), &mut problems, publications).await?;
    let review_on = input.review_on.map(|date| date.0);
    if let Some(day) = review_on {
        problems.check("reviewOn", rules::validate_review(day, writing.today()));
    }
    problems.into_result()?;

    let id: TopicId = writing.new_id();
    let number = writing.next_number("topic").await?;
    let mut changes = ChangeSet::default();
    changes.added("title", title.clone());
    changes.added("summary", summary.clone());
    changes.added(
        "provisions",
        provisions::labels(writing.db(), &provisions).await?,
    );
    changes.added("reviewOn", review_on.map(|date| date.to_string()));

    let (itu, upu) = rules::proposed(party);
    let taken = |position| (position != topic::Position::Pending).then_some(writing.now());
    let language = input.language.unwrap_or(Language::En);
    let row = ActiveModel {
        id: Set(id),
        number: Set(number),
        title_key: Set(collation_key(&title, language)),
        folded: Set(folded(number, &title, &summary)),
        title: Set(title),
        summary: Set(summary),
        proposed_by: Set(party),
        itu_position: Set(itu),
        itu_reason: NotSet,
        itu_taken_at: Set(taken(itu)),
        upu_position: Set(upu),
        upu_reason: NotSet,
        upu_taken_at: Set(taken(upu)),
        // The database computes it.
        status: NotSet,
        review_on: Set(review_on),
        illustrative: Set(false),
        original_language: Set(language),
        version: Set(1),
        created_at: Set(writing.now()),
        updated_at: Set(writing.now()),
    };
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await?;
    provisions::insert(writing.db(), id, &provisions).await?;
    changes.append(publications::insert(writing.db(), id, &publications).await?);
    if let Some(lead) = lead {
        let links = Links::none(id);
        changes.append(links.set(writing.db(), &lead, CommitteeRole::Lead).await?);
    }
    let entry = ActivityEntry::new(ActivityVerb::Created, id, changes).of_topic(id);
    writing.log(entry).await?;
    Ok(id)
}

pub async fn update(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: TopicUpdateInput,
) -> Result<TopicId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let id = change(&mut writing, input).await?;
    writing.commit().await?;
    Ok(id)
}

/// Updates a topic as part of a write.
pub async fn change(writing: &mut WriteTransaction, input: TopicUpdateInput) -> Result<TopicId> {
    let before = resolve::load_target::<Entity, TopicId>(writing.db(), "id", &input.id).await?;
    let decision = rules::update(writing.party(), &facts(&before, 0));
    check_version(decision, before.id, before.version, input.version)?;

    let mut problems = ValidationErrors::default();
    let mut after = before.clone();
    after.title = resolve::required_text_or_current(
        &mut problems,
        "title",
        input.title,
        text::MAX_NAME_LENGTH,
        &before.title,
    );
    after.summary = resolve::required_text_or_current(
        &mut problems,
        "summary",
        input.summary,
        text::MAX_TEXT_LENGTH,
        &before.summary,
    );
    let provisions = match &input.provision_ids {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(Vec::new()),
        MaybeUndefined::Value(ids) => {
            Some(provisions::listed(writing.db(), &mut problems, ids).await?)
        }
    };
    let publications = match &input.publication_ids {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(Vec::new()),
        MaybeUndefined::Value(ids) => {
            Some(publications::listed(writing.db(), &mut problems, ids).await?)
        }
    };
    after.review_on = resolve::optional_or_current(input.review_on, before.review_on.map(Date))
        .map(|date| date.0);
    if let Some(day) = after
        .review_on
        .filter(|_| after.review_on != before.review_on)
    {
        problems.check("reviewOn", rules::validate_review(day, writing.today()));
    }
    problems.into_result()?;

    let mut changes = ChangeSet::default();
    let day = |date: Option<NaiveDate>| date.map(|date| date.to_string());
    changes.add("title", Some(before.title), Some(after.title.clone()));
    changes.add("summary", Some(before.summary), Some(after.summary.clone()));
    changes.add("reviewOn", day(before.review_on), day(after.review_on));
    if let Some(provisions) = provisions {
        changes.append(provisions::replace(writing.db(), after.id, &provisions).await?);
    }
    if let Some(publications) = publications {
        changes.append(publications::replace(writing.db(), after.id, &publications).await?);
    }
    if changes.is_empty() {
        return Ok(after.id);
    }
    let id = after.id;
    save(writing, after, ActivityVerb::Updated, changes).await?;
    Ok(id)
}

/// Stores the next version of a topic with its log entry.
pub(super) async fn save(
    writing: &mut WriteTransaction,
    after: Model,
    verb: ActivityVerb,
    mut changes: ChangeSet,
) -> Result<(), DbErr> {
    let id = after.id;
    let row = ActiveModel {
        title_key: Set(collation_key(&after.title, after.original_language)),
        folded: Set(folded(after.number, &after.title, &after.summary)),
        // The database computes it.
        status: NotSet,
        version: Set(after.version + 1),
        updated_at: Set(writing.now()),
        ..after.into_active_model().reset_all()
    };
    Entity::update(row).exec(writing.db()).await?;
    translation::mark_outdated(writing, id, &mut changes).await?;
    writing
        .log(ActivityEntry::new(verb, id, changes).of_topic(id))
        .await
}

/// Returns the facts for the rules of a write. Links are not included; the rules receive them per committee.
pub(super) fn facts(topic: &Model, open_items: i64) -> rules::TopicFacts {
    rules::TopicFacts {
        itu: topic.itu_position,
        upu: topic.upu_position,
        proposed_by: topic.proposed_by,
        open_items,
        own_lead: false,
        own_others: false,
    }
}

async fn open_items(db: &impl ConnectionTrait, topic: TopicId) -> Result<i64, DbErr> {
    let open = action_item::Entity::find()
        .filter(action_item::Column::TopicId.eq(topic))
        .filter(action_item::Column::Status.is_in(OPEN))
        .count(db)
        .await?;
    Ok(i64::try_from(open).unwrap_or(i64::MAX))
}

/// Returns the public code of a topic: `T-12`.
#[must_use]
pub fn code(number: i32) -> String {
    format!("T-{number}")
}

/// Returns the search text of a topic.
#[must_use]
pub fn folded(number: i32, title: &str, summary: &str) -> String {
    search_text(&[&code(number), title, summary])
}

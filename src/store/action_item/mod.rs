//! Action items: creating and updating them.

use async_graphql::{ID, InputObject, MaybeUndefined};
use chrono::{DateTime, NaiveDate, Utc};
use entity::action_item::{ActionItemStatus, ActiveModel, Entity, Model, Priority};
use entity::activity::ActivityVerb;
use entity::id::{ActionItemId, CommitteeId, TopicId};
use entity::party::Language;
use entity::scalar::Date;
use entity::topic_committee::CommitteeRole;
use entity::word::enum_name;
use entity::{committee, topic};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait, DbErr, EntityTrait, IntoActiveModel};

use super::activity::{ActivityEntry, ChangeSet};
use super::committee::{label, label_of};
use super::topic::{self as topics, Links};
use crate::domain::action_item as rules;
use crate::domain::collation::collation_key;
use crate::domain::committee::can_own_items;
use crate::domain::text::{self, search_text};
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::version::check_version;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::idempotency::{CreateInput, Idempotency};
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve, translation};

mod moves;
mod remind;

pub use moves::{ActionItemMoveInput, move_to};
pub use remind::{ActionItemRemindInput, remind};

/// A new action item on an ACTIVE topic. If the committee of `committeeId` belongs to the viewer's own party it starts as OPEN, otherwise as REQUESTED.
#[derive(Clone, Debug, InputObject)]
pub struct ActionItemCreateInput {
    /// The id of the topic that it belongs to, which has to be ACTIVE.
    pub topic_id: ID,
    /// The id of the committee that has to do it: an ACTIVE committee of ITU, UPU or the TSB.
    pub committee_id: ID,
    /// What has to be done; at most 500 characters.
    pub title: String,
    /// Details; at most 8,000 characters. Default: none.
    pub description: Option<String>,
    /// The id of a second committee that takes part: it requests the action item, or works on it together with the owner. Default: none.
    pub counterpart_id: Option<ID>,
    /// How urgent it is.
    #[graphql(
        default_with = "Some(Priority::Normal)",
        process_with = "crate::store::resolve::normal_if_null"
    )]
    pub priority: Option<Priority>,
    /// The due date. Default: none.
    pub due_on: Option<Date>,
    /// Its key in a system of the viewer's party, to look it up later; at most 100 characters. A party can use each key only once. Default: none.
    pub external_key: Option<String>,
    /// The language of the texts in this input.
    #[graphql(
        default_with = "Some(Language::En)",
        process_with = "crate::store::resolve::english_if_null"
    )]
    pub language: Option<Language>,
    #[graphql(flatten)]
    pub idempotency: Idempotency,
}

/// Changes to an action item. A field that is left out keeps its value.
#[derive(Clone, Debug, Default, PartialEq, InputObject)]
pub struct ActionItemUpdateInput {
    /// The id of the action item.
    pub id: ID,
    /// The `version` of the record that the change is based on. If the record has another version by now, nothing is changed and `userErrors` has the error STALE.
    pub version: i32,
    /// What has to be done; at most 500 characters, in the record's `originalLanguage`. Cannot be null.
    pub title: MaybeUndefined<String>,
    /// Details; at most 8,000 characters, in the record's `originalLanguage`. Null removes them.
    pub description: MaybeUndefined<String>,
    /// The id of a second committee that takes part: it requests the action item, or works on it together with the owner. Null removes it.
    pub counterpart_id: MaybeUndefined<ID>,
    /// How urgent it is. Cannot be null.
    pub priority: MaybeUndefined<Priority>,
    /// The due date. Null removes it.
    pub due_on: MaybeUndefined<Date>,
}

/// Creates an item that is marked as sample data.
pub async fn create_illustrative(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: ActionItemCreateInput,
) -> Result<ActionItemId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let id = make(&mut writing, input, true).await?;
    writing.commit().await?;
    Ok(id)
}

impl CreateInput for ActionItemCreateInput {
    const MUTATION: &'static str = "actionItemCreate";
    type Id = ActionItemId;

    fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    async fn make(self, writing: &mut WriteTransaction) -> Result<ActionItemId> {
        make(writing, self, false).await
    }
}

async fn make(
    writing: &mut WriteTransaction,
    input: ActionItemCreateInput,
    illustrative: bool,
) -> Result<ActionItemId> {
    let topic =
        resolve::load_target::<topic::Entity, TopicId>(writing.db(), "topicId", &input.topic_id)
            .await?;
    rules::create(topic.status)?;

    let mut problems = ValidationErrors::default();
    let owner = named(
        writing,
        &mut problems,
        "committeeId",
        Some(&input.committee_id),
    )
    .await?;
    let links = Links::of(writing.db(), topic.id).await?;
    let mut status = ActionItemStatus::Requested;
    if let Some(owner) = &owner {
        problems.check("committeeId", can_own_items(owner.party, owner.status));
        if let Some(party) = owner.party {
            status = rules::first(writing.party(), party);
        }
        if status == ActionItemStatus::Open {
            problems.check("committeeId", links.check_capacity(owner));
        }
    }
    let title = problems.text("title", &input.title, text::MAX_NAME_LENGTH);
    let description = problems.optional_text(
        "description",
        input.description.as_deref(),
        text::MAX_TEXT_LENGTH,
    );
    let counterpart = input.counterpart_id.as_ref();
    let counterpart = named(writing, &mut problems, "counterpartId", counterpart).await?;
    let external_key = problems.optional_identifier(
        "externalKey",
        input.external_key.as_deref(),
        text::MAX_KEY_LENGTH,
    );
    // A committee without a party cannot own an item.
    let owner = owner.and_then(|committee| Some((committee.side?, committee.party?, committee)));
    let (side, owned_by, owner) = problems.found(owner)?;

    let id: ActionItemId = writing.new_id();
    let number = writing.next_number("action_item").await?;
    let priority = input.priority.unwrap_or(Priority::Normal);
    let due_on = input.due_on.map(|date| date.0);
    let mut changes = ChangeSet::default();
    changes.added("topic", topics::code(topic.number));
    changes.added("title", title.clone());
    changes.added("description", description.clone());
    changes.added("status", enum_name(status));
    changes.added("priority", enum_name(priority));
    changes.added("dueOn", due_on.map(|date| date.to_string()));
    changes.added("committee", label(writing.db(), &owner).await?);
    if let Some(counterpart) = &counterpart {
        changes.added("counterpart", label(writing.db(), counterpart).await?);
    }
    changes.added("externalKey", external_key.clone());
    let language = input.language.unwrap_or(Language::En);
    let row = ActiveModel {
        id: Set(id),
        number: Set(number),
        topic_id: Set(topic.id),
        committee_id: Set(owner.id),
        counterpart_id: Set(counterpart.map(|committee| committee.id)),
        title_key: Set(collation_key(&title, language)),
        folded: Set(folded(number, &title, description.as_deref())),
        title: Set(title),
        description: Set(description),
        status: Set(status),
        priority: Set(priority),
        due_on: Set(due_on),
        side: Set(side),
        owned_by: Set(owned_by),
        requested_by: Set(writing.party()),
        status_reason: NotSet,
        outcome: NotSet,
        completed_at: NotSet,
        reminders: Set(0),
        external_key: Set(external_key),
        illustrative: Set(illustrative),
        original_language: Set(language),
        version: Set(1),
        created_at: Set(writing.now()),
        updated_at: Set(writing.now()),
    };
    let in_use = "Your party has given this key to another action item already.";
    Entity::insert(row)
        .exec_without_returning(writing.db())
        .await
        .map_err(|error| resolve::unique_violation(error, "externalKey", in_use))?;
    let entry = ActivityEntry::new(ActivityVerb::Created, id, changes).of_topic(topic.id);
    writing.log(entry).await?;
    if status == ActionItemStatus::Open {
        take_part(writing, topic, &links, &owner).await?;
    }
    Ok(id)
}

pub async fn update(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: ActionItemUpdateInput,
) -> Result<ActionItemId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let id = change(&mut writing, input).await?;
    writing.commit().await?;
    Ok(id)
}

/// Updates an action item as part of a write.
pub async fn change(
    writing: &mut WriteTransaction,
    input: ActionItemUpdateInput,
) -> Result<ActionItemId> {
    let before =
        resolve::load_target::<Entity, ActionItemId>(writing.db(), "id", &input.id).await?;
    let decision = rules::update(writing.party(), &facts(&before));
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
    after.description = resolve::optional_text_or_current(
        &mut problems,
        "description",
        &input.description,
        text::MAX_TEXT_LENGTH,
        before.description.as_deref(),
    );
    after.counterpart_id = match &input.counterpart_id {
        MaybeUndefined::Undefined => before.counterpart_id,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(id) => named(writing, &mut problems, "counterpartId", Some(id))
            .await?
            .map(|committee| committee.id),
    };
    after.priority =
        resolve::required_or_current(&mut problems, "priority", input.priority, before.priority);
    after.due_on =
        resolve::optional_or_current(input.due_on, before.due_on.map(Date)).map(|date| date.0);
    problems.into_result()?;

    let mut changes = ChangeSet::default();
    let day = |date: Option<NaiveDate>| date.map(|date| date.to_string());
    changes.add("title", Some(before.title), Some(after.title.clone()));
    changes.add("description", before.description, after.description.clone());
    if after.counterpart_id != before.counterpart_id {
        let was = label_of(writing.db(), before.counterpart_id).await?;
        let is = label_of(writing.db(), after.counterpart_id).await?;
        changes.add("counterpart", was, is);
    }
    let [was, is] = [before.priority, after.priority].map(enum_name);
    changes.add("priority", Some(was), Some(is));
    changes.add("dueOn", day(before.due_on), day(after.due_on));
    if changes.is_empty() {
        return Ok(after.id);
    }
    let id = after.id;
    save(writing, after, ActivityVerb::Updated, changes).await?;
    Ok(id)
}

/// Stores the next version of an action item with its log entry.
async fn save(
    writing: &mut WriteTransaction,
    after: Model,
    verb: ActivityVerb,
    mut changes: ChangeSet,
) -> Result<(), DbErr> {
    let (id, topic) = (after.id, after.topic_id);
    let description = after.description.as_deref();
    let row = ActiveModel {
        title_key: Set(collation_key(&after.title, after.original_language)),
        folded: Set(folded(after.number, &after.title, description)),
        version: Set(after.version + 1),
        updated_at: Set(writing.now()),
        ..after.into_active_model().reset_all()
    };
    Entity::update(row).exec(writing.db()).await?;
    translation::mark_outdated(writing, id, &mut changes).await?;
    writing
        .log(ActivityEntry::new(verb, id, changes).of_topic(topic))
        .await
}

/// Links the owner committee of an item that becomes OPEN to the topic, if it is not linked yet.
async fn take_part(
    writing: &mut WriteTransaction,
    topic: topic::Model,
    links: &Links,
    owner: &committee::Model,
) -> Result<(), DbErr> {
    if links.role(owner).is_some() {
        return Ok(());
    }
    let role = CommitteeRole::Contributing;
    let changes = links.set(writing.db(), owner, role).await?;
    super::topic::save(writing, topic, ActivityVerb::CommitteeLinked, changes).await
}

async fn named(
    writing: &WriteTransaction,
    problems: &mut ValidationErrors,
    field: &str,
    given: Option<&ID>,
) -> Result<Option<committee::Model>, DbErr> {
    resolve::named::<committee::Entity, CommitteeId>(writing.db(), problems, field, given).await
}

fn facts(item: &Model) -> rules::ActionItemFacts {
    rules::ActionItemFacts {
        status: item.status,
        owned_by: item.owned_by,
        requested_by: item.requested_by,
    }
}

/// Returns the code of an action item: `A-12`.
#[must_use]
pub fn code(number: i32) -> String {
    format!("A-{number}")
}

/// Returns the search text of an action item.
#[must_use]
pub fn folded(number: i32, title: &str, description: Option<&str>) -> String {
    search_text(&[&code(number), title, description.unwrap_or_default()])
}

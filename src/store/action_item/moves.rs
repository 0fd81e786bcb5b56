//! Status transitions of action items.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::action_item::{ActionItemStatus, Entity};
use entity::activity::ActivityVerb;
use entity::id::ActionItemId;
use entity::permission::NoteRequirement;
use entity::word::enum_name;
use entity::{committee, topic};
use sea_orm::{DbErr, EntityTrait};

use super::{facts, save, take_part};
use crate::domain::action_item as rules;
use crate::domain::text;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::version::check_version;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::activity::ChangeSet;
use crate::store::topic::Links;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// A move of an action item to another status. `ActionItem.nextMoves` lists the moves that the viewer may make.
#[derive(Clone, Debug, InputObject)]
pub struct ActionItemMoveInput {
    /// The id of the action item.
    pub id: ID,
    /// The `version` of the record that the change is based on. If the record has another version by now, nothing is changed and `userErrors` has the error STALE.
    pub version: i32,
    /// The new status, one of `ActionItem.nextMoves`.
    pub to: ActionItemStatus,
    /// The outcome if `to` is DONE; the reason if `to` is POSTPONED, DECLINED or WITHDRAWN, or if the action item is reopened (DONE to `IN_PROGRESS`). Required for these moves, optional for all others. At most 8,000 characters.
    pub note: Option<String>,
}

pub async fn move_to(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: ActionItemMoveInput,
) -> Result<ActionItemId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let before =
        resolve::load_target::<Entity, ActionItemId>(writing.db(), "id", &input.id).await?;
    let decision = rules::move_to(writing.party(), &facts(&before), input.to);
    check_version(decision, before.id, before.version, input.version)?;

    let mut problems = ValidationErrors::default();
    let requirement = rules::note_requirement(before.status, input.to);
    let given = input.note.as_deref();
    let missing = match requirement {
        NoteRequirement::None => None,
        NoteRequirement::Reason => Some(format!(
            "Say why: moving it to {} needs a reason.",
            enum_name(input.to)
        )),
        NoteRequirement::Outcome => Some("Say what came of it: DONE needs an outcome.".to_owned()),
    };
    let note = match missing {
        None => problems.optional_text("note", given, text::MAX_TEXT_LENGTH),
        Some(missing) => {
            Some(problems.required_text("note", given, text::MAX_TEXT_LENGTH, &missing))
        }
    };
    let part = if input.to == ActionItemStatus::Open {
        Some(parts(&writing, before.topic_id, before.committee_id).await?)
    } else {
        None
    };
    if let Some((_, links, owner)) = &part {
        problems.check("to", links.check_capacity(owner));
    }
    problems.into_result()?;

    let mut after = before.clone();
    after.status = input.to;
    after.status_reason = note
        .clone()
        .filter(|_| requirement == NoteRequirement::Reason);
    if requirement == NoteRequirement::Outcome {
        after.outcome.clone_from(&note);
        after.completed_at = Some(writing.now());
    } else if before.status == ActionItemStatus::Done && input.to == ActionItemStatus::InProgress {
        after.outcome = None;
        after.completed_at = None;
    }
    let mut changes = ChangeSet::default();
    let [was, is] = [before.status, after.status].map(enum_name);
    changes.add("status", Some(was), Some(is));
    changes.add("outcome", before.outcome, after.outcome.clone());
    changes.add(
        "statusReason",
        before.status_reason,
        after.status_reason.clone(),
    );
    if requirement == NoteRequirement::None {
        changes.added("note", note);
    }
    let id = after.id;
    save(&mut writing, after, ActivityVerb::StatusChanged, changes).await?;
    if let Some((topic, links, owner)) = part {
        take_part(&mut writing, topic, &links, &owner).await?;
    }
    writing.commit().await?;
    Ok(id)
}

/// Loads what is needed to link the owner committee to the topic.
async fn parts(
    writing: &WriteTransaction,
    topic: entity::id::TopicId,
    owner: entity::id::CommitteeId,
) -> Result<(topic::Model, Links, committee::Model), DbErr> {
    let db = writing.db();
    let missing = |what: &str| DbErr::RecordNotFound(format!("the {what} of an action item"));
    let links = Links::of(db, topic).await?;
    let topic = topic::Entity::find_by_id(topic).one(db).await?;
    let owner = committee::Entity::find_by_id(owner).one(db).await?;
    let topic = topic.ok_or_else(|| missing("topic"))?;
    let owner = owner.ok_or_else(|| missing("committee"))?;
    Ok((topic, links, owner))
}

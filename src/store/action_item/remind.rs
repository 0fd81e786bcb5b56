//! Reminders of open action items.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::action_item::Entity;
use entity::activity::ActivityVerb;
use entity::id::ActionItemId;

use super::{facts, save};
use crate::domain::action_item as rules;
use crate::domain::text;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::activity::ChangeSet;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// A reminder to the owner of an open action item, sent by the TSB.
#[derive(Clone, Debug, InputObject)]
pub struct ActionItemRemindInput {
    /// The id of the action item, which has to be REQUESTED, OPEN, `IN_PROGRESS` or POSTPONED.
    pub id: ID,
    /// The text of the reminder, which is recorded in the history; at most 8,000 characters.
    pub message: String,
}

pub async fn remind(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: ActionItemRemindInput,
) -> Result<ActionItemId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let mut item =
        resolve::load_target::<Entity, ActionItemId>(writing.db(), "id", &input.id).await?;
    rules::remind(writing.party(), &facts(&item))?;

    let mut problems = ValidationErrors::default();
    let message = problems.text("message", &input.message, text::MAX_TEXT_LENGTH);
    problems.into_result()?;

    let mut changes = ChangeSet::default();
    let before = item.reminders;
    item.reminders += 1;
    let [was, is] = [before, item.reminders].map(|count| count.to_string());
    changes.add("reminders", Some(was), Some(is));
    changes.added("message", message);
    let id = item.id;
    save(&mut writing, item, ActivityVerb::Reminded, changes).await?;
    writing.commit().await?;
    Ok(id)
}

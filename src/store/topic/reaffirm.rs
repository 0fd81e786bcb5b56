//! Reaffirming a topic.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::id::TopicId;
use entity::scalar::Date;
use entity::topic::Entity;

use super::{facts, save};
use crate::domain::topic as rules;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::activity::ChangeSet;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// The confirmation that a topic is still of interest.
#[derive(Clone, Debug, InputObject)]
pub struct TopicReaffirmInput {
    /// The id of the topic, which has to be ACTIVE.
    pub id: ID,
    /// The date of its next review, in the future.
    pub review_on: Date,
}

pub async fn reaffirm(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: TopicReaffirmInput,
) -> Result<TopicId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let mut topic = resolve::load_target::<Entity, TopicId>(writing.db(), "id", &input.id).await?;
    rules::reaffirm(writing.party(), &facts(&topic, 0))?;

    let mut problems = ValidationErrors::default();
    let day = input.review_on.0;
    problems.check("reviewOn", rules::validate_review(day, writing.today()));
    problems.into_result()?;

    let mut changes = ChangeSet::default();
    let before = topic.review_on.replace(day);
    changes.add(
        "reviewOn",
        before.map(|date| date.to_string()),
        Some(day.to_string()),
    );
    let id = topic.id;
    save(&mut writing, topic, ActivityVerb::Reaffirmed, changes).await?;
    writing.commit().await?;
    Ok(id)
}

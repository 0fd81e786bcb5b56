//! Reaffirming a topic.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::id::TopicId;
use entity::scalar::Date;
use entity::topic::Entity;

use super::{facts, save};
use crate::error::Result;
use crate::rules::problems::Problems;
use crate::rules::topic as rules;
use crate::rules::viewer::Viewer;
use crate::store::activity::Changes;
use crate::store::writing::Writing;
use crate::store::{Database, input};

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
    let mut writing = Writing::begin(db, viewer.actor()?, now).await?;
    let mut topic = input::subject::<Entity, TopicId>(writing.db(), "id", &input.id).await?;
    rules::reaffirm(writing.party(), &facts(&topic, 0))?;

    let mut problems = Problems::default();
    let day = input.review_on.0;
    problems.check("reviewOn", rules::review_fits(day, writing.today()));
    problems.none()?;

    let mut changes = Changes::default();
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

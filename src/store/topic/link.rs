//! Linking committees to a topic, and unlinking them.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::committee;
use entity::id::{CommitteeId, TopicId};
use entity::topic::{Entity, Model};
use entity::topic_committee::CommitteeRole;

use super::{Links, facts, save};
use crate::domain::committee::{can_lead, can_link};
use crate::domain::topic as rules;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// A committee to link to a topic, or a new role for a linked committee.
#[derive(Clone, Debug, InputObject)]
pub struct TopicLinkCommitteeInput {
    /// The id of the topic, which has to be PROPOSED, ACTIVE or CLOSING. It can link at most 100 committees.
    pub id: ID,
    /// The id of a committee of the viewer's own party. The TSB can also link committees of partners.
    pub committee_id: ID,
    /// What it does on the topic. LEAD needs an ACTIVE committee of ITU or UPU and replaces the lead of its side, which stays linked as CONTRIBUTING.
    pub role: CommitteeRole,
}

/// A committee to unlink from a topic. The lead of a side that has agreed or released cannot be unlinked: link another committee as LEAD first.
#[derive(Clone, Debug, InputObject)]
pub struct TopicUnlinkCommitteeInput {
    /// The id of the topic, which has to be PROPOSED, ACTIVE or CLOSING.
    pub id: ID,
    /// The id of a linked committee of the viewer's own party. The TSB can also unlink committees of partners.
    pub committee_id: ID,
}

pub async fn link_committee(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: TopicLinkCommitteeInput,
) -> Result<TopicId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let (topic, committee) = subjects(&writing, &input.id, &input.committee_id).await?;
    let links = Links::of(writing.db(), topic.id).await?;
    let linked = links.linked(&committee);
    rules::link(writing.party(), &facts(&topic, 0), &linked, input.role)?;

    let mut problems = ValidationErrors::default();
    problems.check("committeeId", can_link(writing.party(), committee.party));
    problems.check("committeeId", links.check_capacity(&committee));
    // A current lead may be concluded: that is possible while the topic is declined.
    if input.role == CommitteeRole::Lead && linked.role != Some(CommitteeRole::Lead) {
        problems.check("committeeId", can_lead(committee.party, committee.status));
    }
    problems.into_result()?;

    let id = topic.id;
    let changes = links.set(writing.db(), &committee, input.role).await?;
    if changes.is_empty() {
        return Ok(id);
    }
    save(&mut writing, topic, ActivityVerb::CommitteeLinked, changes).await?;
    writing.commit().await?;
    Ok(id)
}

pub async fn unlink_committee(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: TopicUnlinkCommitteeInput,
) -> Result<TopicId> {
    let mut writing = WriteTransaction::begin(db, viewer.actor()?, now).await?;
    let (topic, committee) = subjects(&writing, &input.id, &input.committee_id).await?;
    let links = Links::of(writing.db(), topic.id).await?;
    let linked = links.linked(&committee);
    rules::unlink(writing.party(), &facts(&topic, 0), &linked)?;
    let mut problems = ValidationErrors::default();
    problems.check("committeeId", can_link(writing.party(), committee.party));
    problems.into_result()?;

    let id = topic.id;
    let changes = links.remove(writing.db(), &committee).await?;
    save(
        &mut writing,
        topic,
        ActivityVerb::CommitteeUnlinked,
        changes,
    )
    .await?;
    writing.commit().await?;
    Ok(id)
}

/// Loads both records, which the permission check needs.
async fn subjects(
    writing: &WriteTransaction,
    topic: &ID,
    committee: &ID,
) -> Result<(Model, committee::Model)> {
    let mut problems = ValidationErrors::default();
    let db = writing.db();
    let topic = resolve::named::<Entity, TopicId>(db, &mut problems, "id", Some(topic)).await?;
    let committee = resolve::named::<committee::Entity, CommitteeId>(
        db,
        &mut problems,
        "committeeId",
        Some(committee),
    )
    .await?;
    Ok(problems.found(topic.zip(committee))?)
}

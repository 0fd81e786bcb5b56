//! Taking a position on a topic.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::activity::ActivityVerb;
use entity::committee;
use entity::id::TopicId;
use entity::party::Side;
use entity::topic::{Entity, Model, Position};
use entity::topic_committee::CommitteeRole;
use entity::word::enum_name;
use sea_orm::DbErr;

use super::{Links, facts, lead, open_items, save};
use crate::domain::committee::can_lead_for;
use crate::domain::rejection::Code;
use crate::domain::text;
use crate::domain::topic as rules;
use crate::domain::validation_errors::ValidationErrors;
use crate::domain::viewer::Viewer;
use crate::error::Result;
use crate::store::activity::ChangeSet;
use crate::store::transaction::WriteTransaction;
use crate::store::{Database, resolve};

/// The position that the viewer's own side takes.
#[derive(Clone, Debug, InputObject)]
pub struct TopicTakePositionInput {
    /// The id of the topic.
    pub id: ID,
    /// AGREED: the side works on the topic. Possible after PENDING, after RELEASED while the topic is CLOSING, and after DECLINED unless the other side has declined, too. DECLINED: the side will not work on it. Possible after PENDING, and after AGREED while the topic is PROPOSED. RELEASED: the side ends its work. Possible after AGREED while the topic is ACTIVE or CLOSING; the last side can release only if no action item is open. All other changes are the user error NOT_ALLOWED_NOW.
    pub position: Position,
    /// Only with AGREED: the id of an ACTIVE committee of the side, which then leads the topic for it and replaces its current lead. Optional if the side already has a lead.
    pub lead_committee_id: Option<ID>,
    /// The reason; at most 8,000 characters. Required with DECLINED and RELEASED. It replaces the reason of the previous position; without one, there is none any more.
    pub reason: Option<String>,
}

pub async fn take_position(
    db: &Database,
    viewer: &Viewer,
    now: DateTime<Utc>,
    input: TopicTakePositionInput,
) -> Result<TopicId> {
    let actor = viewer.actor()?;
    let side = rules::side_of(actor.party)?;
    let mut writing = WriteTransaction::begin(db, actor, now).await?;
    let topic = resolve::load_target::<Entity, TopicId>(writing.db(), "id", &input.id).await?;
    let facts = facts(&topic, open_items(writing.db(), topic.id).await?);
    rules::take_position(writing.party(), &facts, input.position)?;

    let mut problems = ValidationErrors::default();
    let reason = reason(&mut problems, &input);
    let links = Links::of(writing.db(), topic.id).await?;
    let lead = lead_of(&writing, &mut problems, &topic, &links, side, &input).await?;
    problems.into_result()?;

    let mut changes = ChangeSet::default();
    let before = SidePosition::of(&topic, side);
    let [was, is] = [before.position, input.position].map(enum_name);
    changes.add("position", Some(was), Some(is));
    changes.add("reason", before.reason, reason.clone());
    let status = topic.status;
    if let Some(lead) = lead {
        changes.append(links.set(writing.db(), &lead, CommitteeRole::Lead).await?);
    }
    let id = topic.id;
    let after = SidePosition {
        position: input.position,
        reason,
        taken_at: Some(writing.now()),
    };
    let topic = after.put(topic, side);
    let [was, is] = [
        status,
        rules::status(topic.itu_position, topic.upu_position),
    ]
    .map(enum_name);
    changes.add("status", Some(was), Some(is));
    save(&mut writing, topic, ActivityVerb::PositionTaken, changes).await?;
    writing.commit().await?;
    Ok(id)
}

fn reason(problems: &mut ValidationErrors, input: &TopicTakePositionInput) -> Option<String> {
    let given = input.reason.as_deref();
    if rules::needs_reason(input.position) {
        let missing = format!("Say why: {} needs a reason.", enum_name(input.position));
        Some(problems.required_text("reason", given, text::MAX_TEXT_LENGTH, &missing))
    } else {
        problems.optional_text("reason", given, text::MAX_TEXT_LENGTH)
    }
}

/// Returns the committee that becomes the lead by this position; `None` if the lead does not change.
async fn lead_of(
    writing: &WriteTransaction,
    problems: &mut ValidationErrors,
    topic: &Model,
    links: &Links,
    side: Side,
    input: &TopicTakePositionInput,
) -> Result<Option<committee::Model>, DbErr> {
    let given = input.lead_committee_id.as_ref();
    if given.is_some() {
        problems.check(lead::FIELD, rules::validate_lead_named(input.position));
    }
    if input.position != Position::Agreed {
        return Ok(None);
    }
    if given.is_some() {
        let lead = lead::named(writing.db(), problems, given, side).await?;
        if let Some(lead) = &lead {
            problems.check(lead::FIELD, links.check_capacity(lead));
        }
        return Ok(lead);
    }
    // A side that returns from RELEASED still has its lead.
    if SidePosition::of(topic, side).position == Position::Released {
        return Ok(None);
    }
    match links.lead(writing.db(), Some(side.party())).await? {
        Some(lead) => {
            problems.check(lead::FIELD, can_lead_for(side, lead.party, lead.status));
        }
        None => problems.add(
            Code::Invalid,
            lead::FIELD,
            format!(
                "Name the committee that leads the topic for {}: a side agrees with a lead of its own.",
                enum_name(side)
            ),
        ),
    }
    Ok(None)
}

/// The position of one side on a topic.
struct SidePosition {
    position: Position,
    reason: Option<String>,
    taken_at: Option<DateTime<Utc>>,
}

impl SidePosition {
    fn of(topic: &Model, side: Side) -> Self {
        match side {
            Side::Itu => Self {
                position: topic.itu_position,
                reason: topic.itu_reason.clone(),
                taken_at: topic.itu_taken_at,
            },
            Side::Upu => Self {
                position: topic.upu_position,
                reason: topic.upu_reason.clone(),
                taken_at: topic.upu_taken_at,
            },
        }
    }

    fn put(self, topic: Model, side: Side) -> Model {
        match side {
            Side::Itu => Model {
                itu_position: self.position,
                itu_reason: self.reason,
                itu_taken_at: self.taken_at,
                ..topic
            },
            Side::Upu => Model {
                upu_position: self.position,
                upu_reason: self.reason,
                upu_taken_at: self.taken_at,
                ..topic
            },
        }
    }
}

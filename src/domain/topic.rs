//! Rules for topics: two positions, the status derived from them, and who may do what in each status.

use chrono::NaiveDate;
use entity::party::{Party, Side};
use entity::permission::Permission;
use entity::topic::{Position, TopicStatus};
use entity::topic_committee::CommitteeRole;
use entity::word::enum_name;

use crate::domain::rejection::{Decision, Rejection};
use crate::domain::text::pluralize;
use crate::domain::translation::{TranslatedRecord, translate};

/// Maximum number of committees linked to a topic.
pub const MAX_COMMITTEES: usize = 100;

/// The statuses of topics that are in progress, or can get there without a side revising its position.
pub const OPEN: [TopicStatus; 3] = [
    TopicStatus::Proposed,
    TopicStatus::Active,
    TopicStatus::Closing,
];

/// The facts that the rules for a topic depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    pub itu: Position,
    pub upu: Position,
    pub proposed_by: Party,
    /// Number of its action items in a status of [`crate::domain::action_item::OPEN`].
    pub open_items: i64,
    /// Whether a committee of the viewer's party leads it.
    pub own_lead: bool,
    /// Whether another committee is linked that the viewer's party may link: its own, and for the TSB a partner's.
    pub own_others: bool,
}

/// A committee in relation to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkedCommittee {
    /// The party that acts for the committee; `None` for a partner's.
    pub party: Option<Party>,
    /// Its role on the topic; `None` if it is not linked.
    pub role: Option<CommitteeRole>,
}

impl TopicFacts {
    #[must_use]
    pub const fn status(&self) -> TopicStatus {
        status(self.itu, self.upu)
    }

    const fn position(&self, side: Side) -> Position {
        match side {
            Side::Itu => self.itu,
            Side::Upu => self.upu,
        }
    }
}

/// Returns the status that results from two positions.
#[must_use]
pub const fn status(itu: Position, upu: Position) -> TopicStatus {
    use Position::{Agreed, Declined, Pending, Released};
    match (itu, upu) {
        (Declined, _) | (_, Declined) => TopicStatus::Declined,
        (Pending, _) | (_, Pending) => TopicStatus::Proposed,
        (Agreed, Agreed) => TopicStatus::Active,
        (Released, Released) => TopicStatus::Retired,
        (Agreed, Released) | (Released, Agreed) => TopicStatus::Closing,
    }
}

/// Returns the sides that have yet to agree or decline, given the positions of ITU and UPU.
#[must_use]
pub fn awaiting(itu: Position, upu: Position) -> Vec<Side> {
    let is_proposed = status(itu, upu) == TopicStatus::Proposed;
    let positions = [(Side::Itu, itu), (Side::Upu, upu)].into_iter();
    positions
        .filter(|(_, position)| is_proposed && *position == Position::Pending)
        .map(|(side, _)| side)
        .collect()
}

/// Returns whether a side may move from `from` to `to`, given the other side's position. Defines the whole life cycle.
#[must_use]
pub const fn may_follow(from: Position, to: Position, other: Position) -> bool {
    use Position::{Agreed, Declined, Pending, Released};
    match (from, to) {
        (Pending, Agreed | Declined) => true,
        (Agreed, Declined) => matches!(other, Pending),
        (Declined, Agreed) => !matches!(other, Declined),
        (Agreed, Released) => matches!(other, Agreed | Released),
        (Released, Agreed) => matches!(other, Agreed),
        _ => false,
    }
}

/// Returns the positions of ITU and UPU, in this order, when `party` proposes a topic.
#[must_use]
pub const fn proposed(party: Party) -> (Position, Position) {
    match party {
        Party::Itu => (Position::Agreed, Position::Pending),
        Party::Upu => (Position::Pending, Position::Agreed),
        Party::Tsb => (Position::Pending, Position::Pending),
    }
}

/// Checks that a side proposes with a lead committee, and the TSB, which takes no position, without one.
pub fn proposal_names_lead(party: Party, named: bool) -> Result<(), String> {
    match (party.side(), named) {
        (Some(_), true) | (None, false) => Ok(()),
        (Some(side), false) => Err(format!(
            "Name the committee that leads the topic for {}: a side proposes with a lead of its own.",
            enum_name(side)
        )),
        (None, true) => Err(
            "The TSB proposes without a lead: each side names its own when it agrees.".to_owned(),
        ),
    }
}

/// Checks that `party` may change the texts and dates of a topic now.
pub fn update(party: Party, facts: &TopicFacts) -> Decision {
    match facts.status() {
        TopicStatus::Active | TopicStatus::Closing => Ok(()),
        TopicStatus::Proposed if party == facts.proposed_by => Ok(()),
        TopicStatus::Proposed => Err(Rejection::forbidden(
            "While a topic is PROPOSED, only the party that proposed it may update it.",
        )),
        TopicStatus::Retired | TopicStatus::Declined => Err(closed(facts)),
    }
}

/// Returns the side that `party` takes positions for.
pub fn side_of(party: Party) -> Decision<Side> {
    party.side().ok_or_else(|| {
        Rejection::forbidden("Each side takes its own position; the TSB takes none.")
    })
}

/// Checks that `party` may move its side's position to `to` now.
pub fn take_position(party: Party, facts: &TopicFacts, to: Position) -> Decision {
    let side = side_of(party)?;
    let (from, other) = (facts.position(side), facts.position(side.other()));
    if !may_follow(from, to, other) {
        let when = match to {
            Position::Pending => "A side never goes back to PENDING.",
            Position::Agreed => {
                "AGREED follows PENDING, DECLINED unless the other side has declined too, and RELEASED while the topic is CLOSING."
            }
            Position::Declined => {
                "DECLINED follows PENDING, and AGREED while the topic is PROPOSED."
            }
            Position::Released => "RELEASED follows AGREED while the topic is ACTIVE or CLOSING.",
        };
        return Err(Rejection::not_now(format!(
            "The position of {} is {}, and the topic is {}. {when}",
            enum_name(side),
            enum_name(from),
            enum_name(facts.status())
        )));
    }
    if to == Position::Released && other == Position::Released && 0 < facts.open_items {
        return Err(Rejection::not_now(format!(
            "This would retire the topic, which has {}: finish, decline or withdraw them first.",
            pluralize(facts.open_items, "open action item")
        )));
    }
    Ok(())
}

/// Whether a side says why it takes a position.
#[must_use]
pub const fn needs_reason(position: Position) -> bool {
    matches!(position, Position::Declined | Position::Released)
}

/// A side names a lead committee only when it agrees.
pub fn validate_lead_named(position: Position) -> Result<(), String> {
    match position {
        Position::Agreed => Ok(()),
        Position::Pending | Position::Declined | Position::Released => {
            Err("Only AGREED can name a lead: omit it.".to_owned())
        }
    }
}

/// Checks that `party` may reaffirm a topic now.
pub fn reaffirm(party: Party, facts: &TopicFacts) -> Decision {
    if party.side().is_none() {
        return Err(Rejection::forbidden(
            "Only the two sides reaffirm a topic, not the TSB.",
        ));
    }
    match facts.status() {
        TopicStatus::Active => Ok(()),
        status => Err(Rejection::not_now(format!(
            "The topic is {}: it is reaffirmed while it is ACTIVE.",
            enum_name(status)
        ))),
    }
}

/// Whether `party` may now link a committee in this role, or give a linked one this role. Which committees it may name
/// is the rule of [`crate::domain::committee::can_link`].
pub fn link(
    party: Party,
    facts: &TopicFacts,
    committee: &LinkedCommittee,
    role: CommitteeRole,
) -> Decision {
    links_open(facts)?;
    match (committee.role, role) {
        (Some(CommitteeRole::Lead), CommitteeRole::Contributing | CommitteeRole::Informed)
            if committee.party == Some(party) =>
        {
            lead_is_free(party, facts)
        }
        _ => Ok(()),
    }
}

/// Whether `party` may now take a committee off a topic. As for [`link`].
pub fn unlink(party: Party, facts: &TopicFacts, committee: &LinkedCommittee) -> Decision {
    links_open(facts)?;
    match committee.role {
        None => Err(Rejection::not_now(
            "This committee is not linked to the topic.",
        )),
        Some(CommitteeRole::Lead) if committee.party == Some(party) => lead_is_free(party, facts),
        Some(_) => Ok(()),
    }
}

fn links_open(facts: &TopicFacts) -> Decision {
    if OPEN.contains(&facts.status()) {
        Ok(())
    } else {
        Err(closed(facts))
    }
}

/// Checks that a lead may be removed: a side that has agreed or released needs a lead, which can only be replaced.
fn lead_is_free(party: Party, facts: &TopicFacts) -> Decision {
    match party.side().map(|side| facts.position(side)) {
        Some(position @ (Position::Agreed | Position::Released)) => {
            Err(Rejection::not_now(format!(
                "This committee leads the topic for a side whose position is {}: link another one as LEAD first, which replaces it.",
                enum_name(position)
            )))
        }
        _ => Ok(()),
    }
}

fn closed(facts: &TopicFacts) -> Rejection {
    Rejection::not_now(format!(
        "The topic is {}: it can be changed while it is PROPOSED, ACTIVE or CLOSING.",
        enum_name(facts.status())
    ))
}

/// Returns what `party` may do to a topic now.
#[must_use]
pub fn permissions(party: Option<Party>, facts: &TopicFacts) -> Vec<Permission> {
    let Some(party) = party else {
        return Vec::new();
    };
    let open = links_open(facts).is_ok();
    let unlinks = facts.own_others || (facts.own_lead && lead_is_free(party, facts).is_ok());
    let takes = |to| take_position(party, facts, to).is_ok();
    [
        (Permission::Update, update(party, facts).is_ok()),
        (Permission::LinkCommittee, open),
        (Permission::UnlinkCommittee, open && unlinks),
        (Permission::Agree, takes(Position::Agreed)),
        (Permission::Decline, takes(Position::Declined)),
        (Permission::Release, takes(Position::Released)),
        (Permission::Reaffirm, reaffirm(party, facts).is_ok()),
        (Permission::AddNote, true),
        (
            Permission::Translate,
            translate(party, &TranslatedRecord::Topic).is_ok(),
        ),
    ]
    .into_iter()
    .filter_map(|(permission, given)| given.then_some(permission))
    .collect()
}

/// Checks that a review date is in the future when it is set.
pub fn validate_review(review_on: NaiveDate, today: NaiveDate) -> Result<(), String> {
    if today < review_on {
        Ok(())
    } else {
        Err(format!(
            "Must be a day in the future; today is {today} (UTC)."
        ))
    }
}

/// Returns whether an active topic is past its review date.
#[must_use]
pub fn needs_review(status: TopicStatus, review_on: Option<NaiveDate>, today: NaiveDate) -> bool {
    status == TopicStatus::Active && review_on.is_some_and(|day| day < today)
}

#[cfg(test)]
mod tests;

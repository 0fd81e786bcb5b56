//! The life of a topic: two positions, one derived status, and who may do what at each step.

use chrono::NaiveDate;
use entity::party::{Party, Side};
use entity::permission::Permission;
use entity::topic::{Position, TopicStatus};
use entity::topic_committee::CommitteeRole;
use entity::word::word;

use super::refusal::{Decision, Refusal};
use super::text::counted;

/// The most committees that a topic links.
pub const COMMITTEES: usize = 100;

/// The statuses in which a topic is under way or may get there without anyone changing its mind.
pub const OPEN: [TopicStatus; 3] = [
    TopicStatus::Proposed,
    TopicStatus::Active,
    TopicStatus::Closing,
];

/// What the rules need to know of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub itu: Position,
    pub upu: Position,
    pub proposed_by: Party,
    /// How many of its action items are in one of the statuses of [`super::action_item::OPEN`].
    pub open_items: i64,
    /// Whether a committee of the asking party's own leads it.
    pub own_lead: bool,
    /// Whether another committee is linked that the asking party links: its own, for the TSB a partner's too.
    pub own_others: bool,
}

/// A committee with regard to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Who acts for the committee; none for a partner's.
    pub party: Option<Party>,
    /// Its role on the topic; none while it is not linked.
    pub role: Option<CommitteeRole>,
}

impl Facts {
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

/// The status that follows from the two positions.
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

/// The whole life cycle: whether a side that stands at `from` may move to `to`, by where the other side stands.
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

/// Where the two sides stand when `party` proposes a topic: ITU first, then UPU.
#[must_use]
pub const fn proposed(party: Party) -> (Position, Position) {
    match party {
        Party::Itu => (Position::Agreed, Position::Pending),
        Party::Upu => (Position::Pending, Position::Agreed),
        Party::Tsb => (Position::Pending, Position::Pending),
    }
}

/// A side that proposes names its lead; the TSB, which takes no position, names none.
pub fn proposal_names_lead(party: Party, named: bool) -> Result<(), String> {
    match (party.side(), named) {
        (Some(_), true) | (None, false) => Ok(()),
        (Some(side), false) => Err(format!(
            "Name the committee that leads the topic for {}: a side proposes with a lead of its own.",
            word(side)
        )),
        (None, true) => Err(
            "The TSB proposes without a lead: each side names its own when it agrees.".to_owned(),
        ),
    }
}

/// Whether `party` may change texts and dates of a topic now.
pub fn update(party: Party, facts: &Facts) -> Decision {
    match facts.status() {
        TopicStatus::Active | TopicStatus::Closing => Ok(()),
        TopicStatus::Proposed if party == facts.proposed_by => Ok(()),
        TopicStatus::Proposed => Err(Refusal::forbidden(
            "While a topic is PROPOSED, only the party that proposed it may update it.",
        )),
        TopicStatus::Retired | TopicStatus::Declined => Err(closed(facts)),
    }
}

/// Which side `party` takes positions for.
pub fn side_of(party: Party) -> Decision<Side> {
    party.side().ok_or_else(|| {
        Refusal::forbidden("A side takes its position itself; the TSB takes none for either.")
    })
}

/// Whether `party` may now move its own side's position to `to`.
pub fn take_position(party: Party, facts: &Facts, to: Position) -> Decision {
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
        return Err(Refusal::not_now(format!(
            "{} stands at {}, and the topic is {}. {when}",
            word(side),
            word(from),
            word(facts.status())
        )));
    }
    if to == Position::Released && other == Position::Released && 0 < facts.open_items {
        return Err(Refusal::not_now(format!(
            "This would retire the topic, which has {}: finish, decline or withdraw them first.",
            counted(facts.open_items, "open action item")
        )));
    }
    Ok(())
}

/// Whether `party` may now say that a topic is still of interest.
pub fn reaffirm(party: Party, facts: &Facts) -> Decision {
    if party.side().is_none() {
        return Err(Refusal::forbidden(
            "What is still of interest the two sides say; the TSB reaffirms for neither.",
        ));
    }
    match facts.status() {
        TopicStatus::Active => Ok(()),
        status => Err(Refusal::not_now(format!(
            "The topic is {}: it is reaffirmed while it is ACTIVE.",
            word(status)
        ))),
    }
}

/// Whether `party` may now link a committee in this role, or give a linked one this role. Which committees it may name
/// is the rule of [`super::committee::can_link`].
pub fn link(party: Party, facts: &Facts, committee: &Linked, role: CommitteeRole) -> Decision {
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
pub fn unlink(party: Party, facts: &Facts, committee: &Linked) -> Decision {
    links_open(facts)?;
    match committee.role {
        None => Err(Refusal::not_now(
            "This committee is not linked to the topic.",
        )),
        Some(CommitteeRole::Lead) if committee.party == Some(party) => lead_is_free(party, facts),
        Some(_) => Ok(()),
    }
}

fn links_open(facts: &Facts) -> Decision {
    if OPEN.contains(&facts.status()) {
        Ok(())
    } else {
        Err(closed(facts))
    }
}

/// A side that works on the topic, or has, keeps a lead: another may take its place, but not nobody.
fn lead_is_free(party: Party, facts: &Facts) -> Decision {
    match party.side().map(|side| facts.position(side)) {
        Some(position @ (Position::Agreed | Position::Released)) => Err(Refusal::not_now(format!(
            "This committee leads the topic for a side that stands at {}: link another one as LEAD first, which takes its place.",
            word(position)
        ))),
        _ => Ok(()),
    }
}

fn closed(facts: &Facts) -> Refusal {
    Refusal::not_now(format!(
        "The topic is {}: it can be changed while it is PROPOSED, ACTIVE or CLOSING.",
        word(facts.status())
    ))
}

/// All that `party` may do to a topic now.
#[must_use]
pub fn permissions(party: Option<Party>, facts: &Facts) -> Vec<Permission> {
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
    ]
    .into_iter()
    .filter_map(|(permission, given)| given.then_some(permission))
    .collect()
}

/// The day of the next review lies ahead when it is set.
pub fn review_fits(review_on: NaiveDate, today: NaiveDate) -> Result<(), String> {
    if today < review_on {
        Ok(())
    } else {
        Err(format!(
            "Must be a day in the future; today is {today} (UTC)."
        ))
    }
}

/// Whether the day of its review has passed while it is active.
#[must_use]
pub fn needs_review(status: TopicStatus, review_on: Option<NaiveDate>, today: NaiveDate) -> bool {
    status == TopicStatus::Active && review_on.is_some_and(|day| day < today)
}

#[cfg(test)]
mod tests;

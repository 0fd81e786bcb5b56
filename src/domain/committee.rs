//! Rules for committees: who may write them, and what they may be used for.

use chrono::NaiveDate;
use entity::committee::CommitteeStatus;
use entity::party::{Party, Side};
use entity::permission::Permission;
use entity::word::enum_name;

use crate::domain::rejection::{Decision, Rejection};
use crate::domain::text::pluralize;
use crate::domain::translation::{self, TranslatedRecord};

/// Maximum number of predecessors of a committee.
pub const MAX_PREDECESSORS: usize = 20;

/// The facts that the rules for a committee depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitteeFacts {
    /// Side of its organization; `None` for a partner.
    pub side: Option<Side>,
    /// The party that acts for it; `None` for a partner's committee.
    pub party: Option<Party>,
    pub status: CommitteeStatus,
    /// Number of topics that it leads in a status of [`crate::domain::topic::OPEN`].
    pub leads_open_topics: i64,
    /// Number of action items that it owns in a status of [`crate::domain::action_item::OPEN`].
    pub open_items: i64,
}

/// Returns the party that acts for the committees of an organization: that of its side, but the TSB for its own.
#[must_use]
pub fn party_of(acronym: &str, side: Option<Side>) -> Option<Party> {
    match side {
        Some(Side::Itu) if acronym == "TSB" => Some(Party::Tsb),
        side => side.map(Side::party),
    }
}

/// Checks that `party` may create or change a committee with this side and acting party.
pub fn write(party: Party, side: Option<Side>, acting: Option<Party>) -> Decision {
    match party {
        Party::Tsb if side == Some(Side::Upu) => Err(Rejection::forbidden(
            "The committees of the UPU are written by the UPU side alone; the TSB writes those of ITU and the partners.",
        )),
        Party::Tsb => Ok(()),
        Party::Itu | Party::Upu if acting == Some(party) => Ok(()),
        Party::Itu | Party::Upu => Err(Rejection::forbidden(
            "A side writes its own committees: not those of the other side, of the TSB or of a partner.",
        )),
    }
}

/// A committee is not among its own predecessors.
pub fn validate_predecessors(includes_itself: bool) -> Result<(), String> {
    if includes_itself {
        Err("A committee cannot be its own predecessor.".to_owned())
    } else {
        Ok(())
    }
}

/// Checks that `party` may conclude a committee now.
pub fn conclude(party: Party, facts: &CommitteeFacts) -> Decision {
    write(party, facts.side, facts.party)?;
    if facts.status == CommitteeStatus::Concluded {
        return Err(Rejection::not_now("The committee is CONCLUDED already."));
    }
    match (facts.leads_open_topics, facts.open_items) {
        (0, 0) => Ok(()),
        (topics, items) => Err(Rejection::not_now(format!(
            "The committee leads {} and owns {}: give the topics another lead, and finish or withdraw the items, first.",
            pluralize(topics, "open topic"),
            pluralize(items, "open action item"),
        ))),
    }
}

#[must_use]
pub fn permissions(party: Option<Party>, facts: &CommitteeFacts) -> Vec<Permission> {
    let Some(party) = party else {
        return Vec::new();
    };
    let mut permissions = Vec::new();
    if write(party, facts.side, facts.party).is_ok() {
        permissions.push(Permission::Update);
    }
    if conclude(party, facts).is_ok() {
        permissions.push(Permission::Conclude);
    }
    let record = TranslatedRecord::Committee {
        side: facts.side,
        party: facts.party,
    };
    permissions.extend(translation::permission(party, &record));
    permissions
}

/// A topic is led by an active committee of a side.
pub fn can_lead(acting: Option<Party>, status: CommitteeStatus) -> Result<(), String> {
    match (acting, status) {
        (None | Some(Party::Tsb), _) => Err(
            "A topic is led by a committee of ITU or UPU, not by the TSB or a partner.".to_owned(),
        ),
        (_, CommitteeStatus::Concluded) => {
            Err("The committee is CONCLUDED: a topic is led by an ACTIVE one.".to_owned())
        }
        (_, CommitteeStatus::Active) => Ok(()),
    }
}

/// Checks that a committee can lead a topic for a side: it is active and its own.
pub fn can_lead_for(
    side: Side,
    acting: Option<Party>,
    status: CommitteeStatus,
) -> Result<(), String> {
    is_own(side.party(), acting)?;
    can_lead(acting, status)
}

/// A party names its own committees, wherever it names one that speaks or works for it: as sender, as lead, as the one
/// that found something, and to link.
pub fn is_own(party: Party, acting: Option<Party>) -> Result<(), String> {
    if acting == Some(party) {
        return Ok(());
    }
    let party = enum_name(party);
    Err(format!(
        "This committee is not one of {party}: name one of {party}'s own, which `viewer.committees` lists."
    ))
}

/// A party links and unlinks its own committees; the TSB those of partners, too.
pub fn can_link(party: Party, acting: Option<Party>) -> Result<(), String> {
    match (party, acting) {
        (Party::Tsb, None) => Ok(()),
        _ => is_own(party, acting),
    }
}

/// Checks that a committee can own action items: it is active and a party acts for it.
pub fn can_own_items(acting: Option<Party>, status: CommitteeStatus) -> Result<(), String> {
    match (acting, status) {
        (None, _) => Err("A partner's committee cannot own an action item.".to_owned()),
        (_, CommitteeStatus::Concluded) => {
            Err("The committee is CONCLUDED: an action item is owned by an ACTIVE one.".to_owned())
        }
        (_, CommitteeStatus::Active) => Ok(()),
    }
}

/// Checks that a committee does not end before it starts.
pub fn validate_dates(
    starts_on: Option<NaiveDate>,
    ends_on: Option<NaiveDate>,
) -> Result<(), String> {
    match (starts_on, ends_on) {
        (Some(start), Some(end)) if end < start => {
            Err(format!("It cannot end before it starts, on {start}."))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

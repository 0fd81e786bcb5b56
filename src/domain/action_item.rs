//! Rules for action items: the status transitions, and who may perform them.

use chrono::NaiveDate;
use entity::action_item::ActionItemStatus;
use entity::party::Party;
use entity::permission::{NoteRequirement, Permission};
use entity::topic::TopicStatus;
use entity::word::{all, enum_name};

use crate::domain::rejection::{Decision, Rejection};
use crate::domain::translation::{self, TranslatedRecord};

/// The statuses of unfinished items.
pub const OPEN: [ActionItemStatus; 4] = [
    ActionItemStatus::Requested,
    ActionItemStatus::Open,
    ActionItemStatus::InProgress,
    ActionItemStatus::Postponed,
];

/// The facts that the rules for an action item depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionItemFacts {
    pub status: ActionItemStatus,
    /// Party of the owner committee.
    pub owned_by: Party,
    /// The party that requested it.
    pub requested_by: Party,
}

/// Who may perform a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mover {
    Owner,
    Asker,
    OwnerOrAsker,
    AnyoneButOwner,
}

/// A move that a party may make now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    pub to: ActionItemStatus,
    pub permission: Permission,
    pub note: NoteRequirement,
}

/// The whole life cycle: who may make a move, and the permission for it; `None` if there is no such move.
const fn transition(from: ActionItemStatus, to: ActionItemStatus) -> Option<(Mover, Permission)> {
    use ActionItemStatus::{
        Confirmed, Declined, Done, InProgress, Open, Postponed, Requested, Withdrawn,
    };
    Some(match (from, to) {
        (Requested, Open) => (Mover::Owner, Permission::Accept),
        (Requested, Declined) => (Mover::Owner, Permission::Decline),
        (Open, InProgress) => (Mover::Owner, Permission::Start),
        (Postponed, InProgress) => (Mover::Owner, Permission::Resume),
        (Open | InProgress, Postponed) => (Mover::Owner, Permission::Postpone),
        (Open | InProgress, Done) => (Mover::Owner, Permission::Complete),
        (Requested, Withdrawn) => (Mover::Asker, Permission::Withdraw),
        (Open | InProgress | Postponed, Withdrawn) => (Mover::OwnerOrAsker, Permission::Withdraw),
        (Done, Confirmed) => (Mover::AnyoneButOwner, Permission::Confirm),
        (Done, InProgress) => (Mover::AnyoneButOwner, Permission::Reopen),
        _ => return None,
    })
}

/// Whether the move needs a note, and what the note has to say.
#[must_use]
pub const fn note_requirement(from: ActionItemStatus, to: ActionItemStatus) -> NoteRequirement {
    use ActionItemStatus::{Declined, Done, InProgress, Postponed, Withdrawn};
    match (from, to) {
        (_, Done) => NoteRequirement::Outcome,
        (_, Declined | Postponed | Withdrawn) | (Done, InProgress) => NoteRequirement::Reason,
        _ => NoteRequirement::None,
    }
}

/// Whether a topic in this status takes new action items.
pub fn create(topic: TopicStatus) -> Decision {
    if topic == TopicStatus::Active {
        Ok(())
    } else {
        Err(Rejection::not_now(format!(
            "The topic is {}: action items are created while it is ACTIVE.",
            enum_name(topic)
        )))
    }
}

/// Returns the initial status of an item: OPEN for the creator's own, REQUESTED for another party's.
#[must_use]
pub fn first(asked_by: Party, owned_by: Party) -> ActionItemStatus {
    if asked_by == owned_by {
        ActionItemStatus::Open
    } else {
        ActionItemStatus::Requested
    }
}

/// Checks that `party` may move an action item to `to` now.
pub fn move_to(party: Party, facts: &ActionItemFacts, to: ActionItemStatus) -> Decision {
    let Some((mover, _)) = transition(facts.status, to) else {
        let follow: Vec<String> = all::<ActionItemStatus>()
            .filter(|next| transition(facts.status, *next).is_some())
            .map(enum_name)
            .collect();
        let what_follows = if follow.is_empty() {
            "which is final".to_owned()
        } else {
            format!("from which it moves to {}", follow.join(", "))
        };
        return Err(Rejection::not_now(format!(
            "The action item is {}, {what_follows}.",
            enum_name(facts.status)
        )));
    };
    let owner = party == facts.owned_by;
    let asker = party == facts.requested_by;
    let (may, whose) = match mover {
        Mover::Owner => (owner, "the party that owns the action item"),
        Mover::Asker => (asker, "the party that requested it"),
        Mover::OwnerOrAsker => (
            owner || asker,
            "the party that owns the action item or the one that requested it",
        ),
        Mover::AnyoneButOwner => (
            !owner,
            "any party but the owner: nobody confirms its own work",
        ),
    };
    if may {
        Ok(())
    } else {
        Err(Rejection::forbidden(format!(
            "Moving it from {} to {} is for {whose}.",
            enum_name(facts.status),
            enum_name(to)
        )))
    }
}

/// Checks that `party` may change texts, dates and priority of an action item now.
pub fn update(party: Party, facts: &ActionItemFacts) -> Decision {
    match facts.status {
        ActionItemStatus::Requested if party == facts.requested_by => Ok(()),
        ActionItemStatus::Requested => Err(Rejection::forbidden(
            "While an action item is REQUESTED, only the party that requested it may update it.",
        )),
        ActionItemStatus::Open | ActionItemStatus::InProgress | ActionItemStatus::Postponed => {
            if party == facts.owned_by {
                Ok(())
            } else {
                Err(Rejection::forbidden(
                    "An action item is updated by the party that owns it.",
                ))
            }
        }
        ActionItemStatus::Done
        | ActionItemStatus::Confirmed
        | ActionItemStatus::Declined
        | ActionItemStatus::Withdrawn => Err(Rejection::not_now(format!(
            "The action item is {}: it can be updated while it is REQUESTED, OPEN, IN_PROGRESS or POSTPONED.",
            enum_name(facts.status)
        ))),
    }
}

/// Checks that `party` may remind the owner of an action item now.
pub fn remind(party: Party, facts: &ActionItemFacts) -> Decision {
    if party != Party::Tsb {
        return Err(Rejection::forbidden(
            "Reminders are sent by the TSB; a side adds a note instead.",
        ));
    }
    if is_open(facts.status) {
        Ok(())
    } else {
        Err(Rejection::not_now(format!(
            "The action item is {}: nothing is left to remind of.",
            enum_name(facts.status)
        )))
    }
}

/// Returns the moves that `party` may make now, in the order of the statuses.
#[must_use]
pub fn next_moves(party: Option<Party>, facts: &ActionItemFacts) -> Vec<Move> {
    let Some(party) = party else {
        return Vec::new();
    };
    let next = all::<ActionItemStatus>().filter_map(|to| {
        let (_, permission) = transition(facts.status, to)?;
        let note = note_requirement(facts.status, to);
        let allowed = move_to(party, facts, to).is_ok();
        allowed.then_some(Move {
            to,
            permission,
            note,
        })
    });
    next.collect()
}

/// Returns what `party` may do to an action item now.
#[must_use]
pub fn permissions(party: Option<Party>, facts: &ActionItemFacts) -> Vec<Permission> {
    let next = next_moves(party, facts);
    let mut permissions: Vec<Permission> = next.iter().map(|next| next.permission).collect();
    let Some(party) = party else {
        return permissions;
    };
    permissions.extend(update(party, facts).is_ok().then_some(Permission::Update));
    permissions.extend(remind(party, facts).is_ok().then_some(Permission::Remind));
    permissions.push(Permission::AddNote);
    let record = TranslatedRecord::ActionItem {
        owned_by: facts.owned_by,
    };
    permissions.extend(translation::permission(party, &record));
    permissions.sort_unstable();
    permissions
}

/// Returns whether an item is unfinished.
#[must_use]
pub fn is_open(status: ActionItemStatus) -> bool {
    OPEN.contains(&status)
}

/// Returns whether an item is overdue on `today`.
#[must_use]
pub fn overdue(status: ActionItemStatus, due_on: Option<NaiveDate>, today: NaiveDate) -> bool {
    is_open(status) && due_on.is_some_and(|day| day < today)
}

#[cfg(test)]
mod tests;

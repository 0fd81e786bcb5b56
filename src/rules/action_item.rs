//! The life of an action item: which moves there are, and whose they are.

use chrono::NaiveDate;
use entity::action_item::ActionItemStatus;
use entity::party::Party;
use entity::permission::Permission;
use entity::topic::TopicStatus;
use entity::word::{all, word};

use super::refusal::{Decision, Refusal};

/// The statuses in which something is left to do.
pub const OPEN: [ActionItemStatus; 4] = [
    ActionItemStatus::Requested,
    ActionItemStatus::Open,
    ActionItemStatus::InProgress,
    ActionItemStatus::Postponed,
];

/// What the rules need to know of an action item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub status: ActionItemStatus,
    /// The party of its owner committee.
    pub owned_by: Party,
    /// The party that asked for it.
    pub requested_by: Party,
}

/// Whose a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mover {
    Owner,
    Asker,
    OwnerOrAsker,
    AnyoneButOwner,
}

/// What a move has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What came of it.
    Outcome,
    /// Why.
    Reason,
    Nothing,
}

/// The whole life cycle: whose the move is; none where there is no such move.
const fn mover(from: ActionItemStatus, to: ActionItemStatus) -> Option<Mover> {
    use ActionItemStatus::{
        Confirmed, Declined, Done, InProgress, Open, Postponed, Requested, Withdrawn,
    };
    match (from, to) {
        (Requested, Open | Declined)
        | (Open | Postponed, InProgress)
        | (Open | InProgress, Postponed | Done) => Some(Mover::Owner),
        (Requested, Withdrawn) => Some(Mover::Asker),
        (Open | InProgress | Postponed, Withdrawn) => Some(Mover::OwnerOrAsker),
        (Done, Confirmed | InProgress) => Some(Mover::AnyoneButOwner),
        _ => None,
    }
}

/// What the move has to tell in its note.
#[must_use]
pub const fn told(from: ActionItemStatus, to: ActionItemStatus) -> Told {
    use ActionItemStatus::{Declined, Done, InProgress, Postponed, Withdrawn};
    match (from, to) {
        (_, Done) => Told::Outcome,
        (_, Declined | Postponed | Withdrawn) | (Done, InProgress) => Told::Reason,
        _ => Told::Nothing,
    }
}

/// What `permission` stands for, as a move; none where it is not one.
const fn moved(permission: Permission, from: ActionItemStatus) -> Option<ActionItemStatus> {
    use ActionItemStatus::{
        Confirmed, Declined, Done, InProgress, Open, Postponed, Requested, Withdrawn,
    };
    match (permission, from) {
        (Permission::Decline, Requested) => Some(Declined),
        (Permission::Accept, Requested) => Some(Open),
        (Permission::Start, Open)
        | (Permission::Resume, Postponed)
        | (Permission::Reopen, Done) => Some(InProgress),
        (Permission::Postpone, _) => Some(Postponed),
        (Permission::Complete, _) => Some(Done),
        (Permission::Confirm, _) => Some(Confirmed),
        (Permission::Withdraw, _) => Some(Withdrawn),
        _ => None,
    }
}

/// In the order of the enum.
const MOVES: [Permission; 9] = [
    Permission::Decline,
    Permission::Accept,
    Permission::Start,
    Permission::Postpone,
    Permission::Resume,
    Permission::Complete,
    Permission::Confirm,
    Permission::Reopen,
    Permission::Withdraw,
];

/// Whether a topic in this status takes new action items.
pub fn create(topic: TopicStatus) -> Decision {
    if topic == TopicStatus::Active {
        Ok(())
    } else {
        Err(Refusal::not_now(format!(
            "The topic is {}: action items are created while it is ACTIVE.",
            word(topic)
        )))
    }
}

/// How a new item starts: as a task of one's own, or as a request to another.
#[must_use]
pub fn first(asked_by: Party, owned_by: Party) -> ActionItemStatus {
    if asked_by == owned_by {
        ActionItemStatus::Open
    } else {
        ActionItemStatus::Requested
    }
}

/// Whether `party` may now move an action item to `to`.
pub fn move_to(party: Party, facts: &Facts, to: ActionItemStatus) -> Decision {
    let Some(mover) = mover(facts.status, to) else {
        let follow: Vec<String> = all::<ActionItemStatus>()
            .filter(|next| self::mover(facts.status, *next).is_some())
            .map(word)
            .collect();
        let what_follows = if follow.is_empty() {
            "which is final".to_owned()
        } else {
            format!("from which it moves to {}", follow.join(", "))
        };
        return Err(Refusal::not_now(format!(
            "The action item is {}, {what_follows}.",
            word(facts.status)
        )));
    };
    let owner = party == facts.owned_by;
    let asker = party == facts.requested_by;
    let (may, whose) = match mover {
        Mover::Owner => (owner, "the party that owns the action item"),
        Mover::Asker => (asker, "the party that asked for it"),
        Mover::OwnerOrAsker => (
            owner || asker,
            "the party that owns the action item or the one that asked for it",
        ),
        Mover::AnyoneButOwner => (
            !owner,
            "any party but the owner: nobody confirms its own work",
        ),
    };
    if may {
        Ok(())
    } else {
        Err(Refusal::forbidden(format!(
            "Moving it from {} to {} is for {whose}.",
            word(facts.status),
            word(to)
        )))
    }
}

/// Whether `party` may now change texts, dates and priority of an action item.
pub fn update(party: Party, facts: &Facts) -> Decision {
    match facts.status {
        ActionItemStatus::Requested if party == facts.requested_by => Ok(()),
        ActionItemStatus::Requested => Err(Refusal::forbidden(
            "While an action item is REQUESTED, only the party that asked for it may update it.",
        )),
        ActionItemStatus::Open | ActionItemStatus::InProgress | ActionItemStatus::Postponed => {
            if party == facts.owned_by {
                Ok(())
            } else {
                Err(Refusal::forbidden(
                    "An action item is updated by the party that owns it.",
                ))
            }
        }
        ActionItemStatus::Done
        | ActionItemStatus::Confirmed
        | ActionItemStatus::Declined
        | ActionItemStatus::Withdrawn => Err(Refusal::not_now(format!(
            "The action item is {}: it can be updated while it is REQUESTED, OPEN, IN_PROGRESS or POSTPONED.",
            word(facts.status)
        ))),
    }
}

/// Whether `party` may now remind the owner of an action item.
pub fn remind(party: Party, facts: &Facts) -> Decision {
    if party != Party::Tsb {
        return Err(Refusal::forbidden(
            "Reminders are sent by the TSB; a side adds a note instead.",
        ));
    }
    if is_open(facts.status) {
        Ok(())
    } else {
        Err(Refusal::not_now(format!(
            "The action item is {}: nothing is left to remind of.",
            word(facts.status)
        )))
    }
}

/// All that `party` may move an action item to now.
#[must_use]
pub fn next_statuses(party: Option<Party>, facts: &Facts) -> Vec<ActionItemStatus> {
    let Some(party) = party else {
        return Vec::new();
    };
    all::<ActionItemStatus>()
        .filter(|to| move_to(party, facts, *to).is_ok())
        .collect()
}

/// All that `party` may do to an action item now.
#[must_use]
pub fn permissions(party: Option<Party>, facts: &Facts) -> Vec<Permission> {
    let Some(party) = party else {
        return Vec::new();
    };
    let may_move = |permission: &Permission| {
        moved(*permission, facts.status).is_some_and(|to| move_to(party, facts, to).is_ok())
    };
    let update = update(party, facts).is_ok().then_some(Permission::Update);
    let remind = remind(party, facts).is_ok().then_some(Permission::Remind);
    update
        .into_iter()
        .chain(MOVES.into_iter().filter(may_move))
        .chain(remind)
        .chain([Permission::AddNote])
        .collect()
}

/// Whether something is left to do.
#[must_use]
pub fn is_open(status: ActionItemStatus) -> bool {
    OPEN.contains(&status)
}

/// Whether it should have been done before `today`, and is not.
#[must_use]
pub fn overdue(status: ActionItemStatus, due_on: Option<NaiveDate>, today: NaiveDate) -> bool {
    is_open(status) && due_on.is_some_and(|day| day < today)
}

#[cfg(test)]
mod tests;

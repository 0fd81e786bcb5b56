//! What a viewer may do to a record.

use async_graphql::Enum;

/// What the viewer may do to a record now. The mutation of that name then refuses only what is wrong with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
pub enum Permission {
    /// Change its texts and dates.
    Update,
    /// Close this committee for good.
    Conclude,
    /// Link a committee to this topic, or change the role of one that is linked.
    LinkCommittee,
    /// Take at least one of its linked committees off this topic.
    UnlinkCommittee,
    /// Agree for one's own side.
    Agree,
    /// Decline the topic for one's own side, or the request for an action item: REQUESTED to DECLINED.
    Decline,
    /// Release the topic for one's own side.
    Release,
    /// Accept the request: REQUESTED to OPEN.
    Accept,
    /// Start work: OPEN to `IN_PROGRESS`.
    Start,
    /// Put it off.
    Postpone,
    /// Take it up again after it was postponed.
    Resume,
    /// Report it done.
    Complete,
    /// Confirm the work of another party.
    Confirm,
    /// Send it back: DONE to `IN_PROGRESS`.
    Reopen,
    /// Take it back.
    Withdraw,
    /// Say that the topic is still of interest, and when it is looked at again.
    Reaffirm,
    /// Remind the owner of the action item.
    Remind,
    /// Add a note.
    AddNote,
    /// Reply to the liaison statement.
    Reply,
    /// Ask for the joint examination of the publication.
    Examine,
    /// Add a translation. Given once there are translations.
    Translate,
}

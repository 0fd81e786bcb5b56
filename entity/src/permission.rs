//! What a viewer may do to a record.

use async_graphql::Enum;

/// An action that the viewer may take on a record now, for example to show or hide a button. If it is listed, the mutation is refused only because of problems in its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
pub enum Permission {
    /// Change its fields: `organizationUpdate`, `committeeUpdate`, `topicUpdate`, `actionItemUpdate` or `publicationUpdate`.
    Update,
    /// Conclude the committee: `committeeConclude`.
    Conclude,
    /// Link a committee to the topic, or change the role of a linked one: `topicLinkCommittee`.
    LinkCommittee,
    /// Unlink at least one of the linked committees: `topicUnlinkCommittee`.
    UnlinkCommittee,
    /// Agree to the topic for the viewer's own side: `topicTakePosition`.
    Agree,
    /// Decline the topic for the viewer's own side (`topicTakePosition`), or a requested action item (`actionItemMove`).
    Decline,
    /// Release the topic for the viewer's own side: `topicTakePosition`.
    Release,
    /// Accept the action item, REQUESTED to OPEN: `actionItemMove`.
    Accept,
    /// Start the action item, OPEN to `IN_PROGRESS`: `actionItemMove`.
    Start,
    /// Postpone the action item: `actionItemMove`.
    Postpone,
    /// Resume the action item, POSTPONED to `IN_PROGRESS`: `actionItemMove`.
    Resume,
    /// Report the action item as DONE: `actionItemMove`.
    Complete,
    /// Confirm that the action item is done, DONE to CONFIRMED: `actionItemMove`.
    Confirm,
    /// Reopen the action item, DONE to `IN_PROGRESS`: `actionItemMove`.
    Reopen,
    /// Withdraw the action item: `actionItemMove`.
    Withdraw,
    /// Confirm that the topic is still of interest: `topicReaffirm`.
    Reaffirm,
    /// Remind the owner of the action item: `actionItemRemind`.
    Remind,
    /// Add a note: `noteAdd`.
    AddNote,
    /// Reply to the liaison statement: `liaisonStatementSend` with `inReplyToId`.
    Reply,
    /// Request a joint examination of the publication: `examinationRequest`.
    Examine,
    /// Record or rewrite the finding of the viewer's own side: `examinationRecordFinding`.
    RecordFinding,
    /// Set or remove translations of its texts: `translationSet`.
    Translate,
    /// Dismiss the overlap: `overlapDismiss`.
    Dismiss,
}

/// What a viewer may create now. If it is listed, the mutation is refused only because of problems in its input, such as a topic that is not ACTIVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
pub enum CreatePermission {
    /// Create an organization: `organizationCreate`.
    CreateOrganization,
    /// Create a committee: `committeeCreate`.
    CreateCommittee,
    /// Propose a topic: `topicPropose`.
    ProposeTopic,
    /// Create an action item: `actionItemCreate`.
    CreateActionItem,
    /// Add a publication: `publicationAdd`.
    AddPublication,
    /// Request a joint examination of a publication: `examinationRequest`.
    RequestExamination,
    /// Send a liaison statement: `liaisonStatementSend`.
    SendLiaisonStatement,
    /// Add a note to a record: `noteAdd`.
    AddNote,
    /// Create a webhook: `webhookCreate`. Not listed while the party has 20 webhooks, the maximum.
    CreateWebhook,
}

/// Whether a move of an action item requires a `note`, and what the note must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum NoteRequirement {
    /// A note is optional.
    None,
    /// A note with the reason is required.
    Reason,
    /// A note with the result of the action item is required.
    Outcome,
}

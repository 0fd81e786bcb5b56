//! A task on a topic, owned by a committee.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{ActionItemId, CommitteeId, TopicId};
use crate::party::{Language, Party, Side};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "action_item")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActionItemId,
    pub number: i32,
    pub topic_id: TopicId,
    pub committee_id: CommitteeId,
    pub counterpart_id: Option<CommitteeId>,
    pub title: String,
    /// The title in the order of lists.
    pub title_key: String,
    pub description: Option<String>,
    pub status: ActionItemStatus,
    pub priority: Priority,
    pub due_on: Option<Date>,
    /// Side of the owner committee's organization.
    pub side: Side,
    /// Party of the owner committee.
    pub owned_by: Party,
    pub requested_by: Party,
    /// Why it was moved to its status, where that move needed a reason.
    pub status_reason: Option<String>,
    pub outcome: Option<String>,
    pub completed_at: Option<DateTimeUtc>,
    /// Number of reminders sent by the TSB.
    pub reminders: i32,
    pub external_key: Option<String>,
    pub illustrative: bool,
    /// Search text for `text` filters: the item's texts without case and accents.
    pub folded: String,
    pub original_language: Language,
    pub version: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

/// Columns that the database generates for sorting. They are in no `Model`, because no entity reads them.
#[derive(Clone, Copy, Debug, DeriveIden)]
pub enum Ordering {
    /// `due_on`, null sorts as the latest date.
    DueAsc,
    /// `due_on`, null sorts as the earliest date.
    DueDesc,
    /// 1 for LOW to 3 for HIGH.
    PriorityRank,
    /// The position of the status in its enum, from 1.
    StatusRank,
}

impl ActiveModelBehavior for ActiveModel {}

/// The status of an action item. REQUESTED, OPEN, IN_PROGRESS and POSTPONED count as open.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum ActionItemStatus {
    /// Requested by another party than the owner's. The owner's party has not accepted it yet.
    Requested,
    /// Accepted by the owner, but not started.
    Open,
    /// The owner is working on it.
    InProgress,
    /// Postponed by the owner; `statusReason` says why.
    Postponed,
    /// Reported as done by the owner. Another party can confirm or reopen it.
    Done,
    /// Confirmed as done by a party other than the owner's. Final.
    Confirmed,
    /// The request was refused by the owner. Final.
    Declined,
    /// Withdrawn before it was done. Final.
    Withdrawn,
}

/// How urgent an action item is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Priority {
    /// Less urgent than usual.
    Low,
    /// As urgent as usual. This is the default.
    Normal,
    /// More urgent than usual.
    High,
}

//! A body that does the work, in one study period or cycle.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{CommitteeId, OrganizationId};
use crate::party::{Language, Party, Side};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "committee")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CommitteeId,
    pub organization_id: OrganizationId,
    pub code: String,
    /// Natural sort key of code and period.
    pub code_key: String,
    pub period: String,
    pub name: String,
    /// Sort key of the name.
    pub name_key: String,
    pub mandate: Option<String>,
    pub kind: CommitteeKind,
    pub status: CommitteeStatus,
    /// Side of its organization.
    pub side: Option<Side>,
    /// The party that acts for it; `None` for a partner's committee.
    pub party: Option<Party>,
    pub starts_on: Option<Date>,
    pub ends_on: Option<Date>,
    pub parent_id: Option<CommitteeId>,
    /// Search text for `text` filters: the committee's texts without case and accents.
    pub folded: String,
    pub original_language: Language,
    pub version: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What kind of body a committee is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum CommitteeKind {
    /// A study group of ITU-T.
    StudyGroup,
    /// A group that advises on priorities and procedures, such as TSAG.
    AdvisoryGroup,
    /// A part of a study group that handles several Questions.
    WorkingParty,
    /// One subject of study within a study group.
    Question,
    /// A group that is set up for a limited time to prepare work for study groups.
    FocusGroup,
    /// A committee of a council, such as those of the POC.
    Committee,
    /// A group that is part of a committee.
    Group,
    /// A standing committee for contacts with another organization.
    ContactCommittee,
    /// A group that several organizations run together.
    JointGroup,
    /// A secretariat that owns action items itself, such as the TSB.
    Secretariat,
}

/// Whether a committee is still active.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum CommitteeStatus {
    /// It has not been concluded, even if `endsOn` is in the past.
    Active,
    /// It was concluded with `committeeConclude`. Its record stays in the register.
    Concluded,
}

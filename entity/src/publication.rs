//! A text of one side: a Recommendation, a UPU standard, in one edition.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{CommitteeId, OrganizationId, PublicationId};
use crate::party::{Language, Side};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "publication")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PublicationId,
    pub number: String,
    /// The number in the order of lists: natural, editions by year and month.
    pub number_key: String,
    /// The number without case and with single spaces; unique.
    pub number_identity: String,
    /// The number without its edition, as `number_identity` has it: the same for all editions of a text.
    pub series: String,
    pub title: String,
    /// The title in the order of lists.
    pub title_key: String,
    pub kind: PublicationKind,
    pub status: Option<PublicationStatus>,
    /// What the publisher itself calls its status.
    pub publisher_status: Option<String>,
    pub organization_id: OrganizationId,
    pub committee_id: Option<CommitteeId>,
    /// Side of its organization.
    pub side: Option<Side>,
    pub approved_on: Option<Date>,
    pub url: Option<String>,
    pub supersedes_id: Option<PublicationId>,
    /// Search text for `text` filters: the publication's texts without case and accents.
    pub folded: String,
    pub original_language: Language,
    pub version: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

/// Columns that the database generates for sorting. They are in no `Model`, because no entity reads them.
#[derive(Clone, Copy, Debug, DeriveIden)]
pub enum Ordering {
    /// `approved_on`, null sorts as the latest date.
    ApprovedAsc,
    /// `approved_on`, null sorts as the earliest date.
    ApprovedDesc,
    /// The position of the status in its enum; publications without one come last.
    StatusAsc,
    /// The position of the status in its enum; publications without one come first.
    StatusDesc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What kind of text a publication is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum PublicationKind {
    /// A Recommendation of ITU-T.
    Recommendation,
    /// A supplement to Recommendations.
    Supplement,
    /// A standard of the UPU.
    UpuStandard,
    /// A Resolution of an assembly.
    Resolution,
    /// Any other text.
    Other,
}

/// The status of a publication.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum PublicationStatus {
    /// It is being written.
    Draft,
    /// It is approved and available, but not in its final form.
    Prepublished,
    /// It is in force.
    InForce,
    /// It was replaced by a later edition.
    Superseded,
    /// It is no longer valid.
    Withdrawn,
}

//! What one side found in an examination.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{CommitteeId, ExaminationId};
use crate::party::Side;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "finding")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub examination_id: ExaminationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub side: Side,
    pub impact: Impact,
    pub statement: String,
    pub committee_id: Option<CommitteeId>,
    pub found_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What a publication means for the side that examined it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Impact {
    /// It has no consequences for this side.
    None,
    /// It is useful information, but nothing has to be done.
    Informative,
    /// Texts of the side that records the finding should be aligned with the publication.
    AlignmentNeeded,
    /// It contradicts texts of this side.
    Conflict,
}

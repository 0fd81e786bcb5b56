//! A body of ITU or UPU, or a partner outside of both.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::OrganizationId;
use crate::party::{Language, Side};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "organization")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrganizationId,
    pub acronym: String,
    /// Natural sort key of the acronym.
    pub acronym_key: String,
    pub name: String,
    /// Sort key of the name.
    pub name_key: String,
    pub kind: OrganizationKind,
    pub side: Option<Side>,
    pub website: Option<String>,
    pub parent_id: Option<OrganizationId>,
    /// Search text for `text` filters: the organization's texts without case and accents.
    pub folded: String,
    pub original_language: Language,
    pub version: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What kind of organization it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum OrganizationKind {
    /// A union of states: ITU or UPU itself.
    Union,
    /// A sector of a union, such as ITU-T.
    Sector,
    /// A council that works between assemblies, such as the POC.
    Council,
    /// A secretariat, such as the TSB or the International Bureau.
    Bureau,
    /// A conference that decides for all members, such as WTSA or Congress.
    Assembly,
    /// An organization outside the two unions, such as ISO.
    Partner,
}

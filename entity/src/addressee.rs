//! A committee that a liaison statement is sent to.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{CommitteeId, LiaisonStatementId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "addressee")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub statement_id: LiaisonStatementId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub committee_id: CommitteeId,
    /// Position among the addressees, from 1.
    pub ordinal: i32,
    pub purpose: Purpose,
    pub reply_by: Option<Date>,
    pub replied_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What is expected of an addressee of a liaison statement.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Purpose {
    /// To act, and to reply.
    Action,
    /// To comment. A reply is not tracked.
    Comment,
    /// Nothing: the statement is for information only.
    Information,
}

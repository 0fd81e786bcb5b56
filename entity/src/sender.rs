//! A committee that sends a liaison statement.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{CommitteeId, LiaisonStatementId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sender")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub statement_id: LiaisonStatementId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub committee_id: CommitteeId,
    /// Position among the senders, from 1.
    pub ordinal: i32,
}

impl ActiveModelBehavior for ActiveModel {}

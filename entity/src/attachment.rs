//! A document that a liaison statement refers to.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::LiaisonStatementId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attachment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub statement_id: LiaisonStatementId,
    /// Position among the attachments, from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ordinal: i32,
    pub name: String,
    pub url: String,
}

impl ActiveModelBehavior for ActiveModel {}

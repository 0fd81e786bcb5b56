//! A pair of an ITU and a UPU text that a side found to be different.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::party::Party;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "overlap_dismissal")]
pub struct Model {
    pub itu_type: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub itu_id: Uuid,
    pub upu_type: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub upu_id: Uuid,
    pub reason: String,
    pub party: Party,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

//! Link from a committee to the committee that it took over from.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::CommitteeId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "committee_predecessor")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub committee_id: CommitteeId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub predecessor_id: CommitteeId,
}

impl ActiveModelBehavior for ActiveModel {}

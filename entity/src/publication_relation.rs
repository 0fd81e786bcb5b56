//! A relation between two publications. Stored in both directions, so that each side finds the other.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::PublicationId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "publication_relation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication_id: PublicationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub related_id: PublicationId,
}

impl ActiveModelBehavior for ActiveModel {}

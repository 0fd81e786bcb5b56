//! A provision that a topic responds to.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{ProvisionId, TopicId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "topic_provision")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub topic_id: TopicId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub provision_id: ProvisionId,
}

impl ActiveModelBehavior for ActiveModel {}

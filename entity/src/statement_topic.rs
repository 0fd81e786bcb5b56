//! A topic that a liaison statement is about.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{LiaisonStatementId, TopicId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "statement_topic")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub statement_id: LiaisonStatementId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub topic_id: TopicId,
}

impl ActiveModelBehavior for ActiveModel {}

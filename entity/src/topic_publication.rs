//! A publication that a topic is about.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{PublicationId, TopicId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "topic_publication")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub topic_id: TopicId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication_id: PublicationId,
}

impl ActiveModelBehavior for ActiveModel {}

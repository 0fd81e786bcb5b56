//! A committee that is linked to a topic.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{CommitteeId, TopicId};
use crate::party::Party;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "topic_committee")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub topic_id: TopicId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub committee_id: CommitteeId,
    pub role: CommitteeRole,
    /// Party of the committee, copied here for the unique index of one lead per party.
    pub party: Option<Party>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What a committee does on a topic.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum CommitteeRole {
    /// It is responsible for the topic on its side. An ACTIVE topic has exactly one LEAD on each side.
    Lead,
    /// It works on the topic.
    Contributing,
    /// It is informed about the topic, but does not work on it.
    Informed,
}

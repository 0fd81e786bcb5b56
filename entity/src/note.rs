//! A note of a party on a record.

use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{NoteId, TopicId};
use crate::party::Party;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "note")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NoteId,
    /// GraphQL type name of the record.
    pub subject_type: String,
    pub subject_id: Uuid,
    /// The topic whose history shows the note; `None` if the record belongs to no topic.
    pub topic_id: Option<TopicId>,
    /// Empty once retracted.
    pub body: String,
    pub party: Party,
    pub retracted: bool,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

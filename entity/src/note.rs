//! What a party noted on a record.

use sea_orm::entity::prelude::*;

use crate::id::{NoteId, TopicId};
use crate::party::Party;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "note")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NoteId,
    /// The API's name of the subject's type.
    pub subject_type: String,
    pub subject_id: Uuid,
    /// The topic whose history it is a part of, where there is one.
    pub topic_id: Option<TopicId>,
    /// Empty once retracted.
    pub body: String,
    pub party: Party,
    pub retracted: bool,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

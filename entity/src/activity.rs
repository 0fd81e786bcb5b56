//! One change, as history and feed tell it. Only ever added to.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::id::{ActivityId, TopicId};
use crate::party::Party;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activity")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActivityId,
    /// Its place in the one order of all changes, from 1 without holes.
    pub position: i64,
    pub at: DateTimeUtc,
    /// The subject of the token that wrote it.
    pub actor: String,
    pub party: Party,
    pub verb: ActivityVerb,
    /// The API's name of the subject's type.
    pub subject_type: String,
    pub subject_id: Uuid,
    /// The topic that it belongs to, where there is one.
    pub topic_id: Option<TopicId>,
    /// Whether it concerns the ITU side.
    pub itu: bool,
    /// Whether it concerns the UPU side.
    pub upu: bool,
    /// A list of `{field, before, after}`, as people read them.
    pub changes: Json,
}

impl ActiveModelBehavior for ActiveModel {}

/// What was done.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum ActivityVerb {
    /// It was entered.
    Created,
    /// Its texts or dates were changed.
    Updated,
    /// A translation was added or changed.
    Translated,
    /// A side took a position on the topic.
    PositionTaken,
    /// A committee was linked to the topic, or its role changed.
    CommitteeLinked,
    /// A committee was taken off the topic.
    CommitteeUnlinked,
    /// The topic was found to be still of interest.
    Reaffirmed,
    /// The action item was moved.
    StatusChanged,
    /// The TSB reminded the owner.
    Reminded,
    /// A note was added.
    Noted,
    /// A note was taken back.
    NoteRetracted,
    /// The joint examination of the publication was asked for.
    ExaminationRequested,
    /// A side told what it found.
    FindingRecorded,
    /// The liaison statement was sent.
    Sent,
    /// The liaison statement was replied to.
    Replied,
    /// The committee was concluded.
    Concluded,
}

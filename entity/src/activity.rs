//! An entry of the activity log: one change of one record. Append-only.

use async_graphql::Enum;
use sea_orm::Iterable;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::id::{
    ActionItemId, ActivityId, CommitteeId, ExaminationId, Id, LiaisonStatementId, MandateId,
    NoteId, OrganizationId, PublicationId, TopicId, WebhookId,
};
use crate::party::Party;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activity")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActivityId,
    /// Position in the log: consecutive, from 1.
    pub position: i64,
    pub at: DateTimeUtc,
    /// `sub` claim of the token that made the change.
    pub actor: String,
    pub party: Party,
    pub verb: ActivityVerb,
    /// GraphQL type name of the changed record.
    pub subject_type: String,
    pub subject_id: Uuid,
    /// The topic that the changed record belongs to; `None` if there is none.
    pub topic_id: Option<TopicId>,
    /// Whether the change concerns the ITU side.
    pub itu: bool,
    /// Whether the change concerns the UPU side.
    pub upu: bool,
    /// A JSON array of `{field, before, after}` with values as people read them.
    pub changes: Json,
    /// The W3C `traceparent` of the request that made the change; `None` if it had none.
    pub trace_parent: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The type of the record that an activity is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, Enum)]
pub enum SubjectType {
    /// An organization: `Organization`.
    Organization,
    /// A committee of an organization: `Committee`.
    Committee,
    /// A Resolution that the collaboration is based on: `Mandate`.
    Mandate,
    /// A topic of common interest: `Topic`.
    Topic,
    /// A task on a topic: `ActionItem`.
    ActionItem,
    /// A Recommendation, a standard or another text: `Publication`.
    Publication,
    /// The joint examination of a publication: `Examination`.
    Examination,
    /// A formal letter between committees: `LiaisonStatement`.
    LiaisonStatement,
    /// A note on a record: `Note`.
    Note,
    /// A webhook: `Webhook`. Only its own party can see its activities.
    Webhook,
}

/// An id of records that activities are about.
pub trait SubjectId: Id {
    const SUBJECT: SubjectType;
}

macro_rules! subjects {
    ($($variant:ident: $id:ident,)*) => {
        $(impl SubjectId for $id {
            const SUBJECT: SubjectType = SubjectType::$variant;
        })*

        impl SubjectType {
            /// Returns the name of the type, as `subject_type` has it.
            #[must_use]
            pub const fn type_name(self) -> &'static str {
                match self {
                    $(Self::$variant => $id::TYPE,)*
                }
            }
        }
    };
}

subjects! {
    Organization: OrganizationId,
    Committee: CommitteeId,
    Mandate: MandateId,
    Topic: TopicId,
    ActionItem: ActionItemId,
    Publication: PublicationId,
    Examination: ExaminationId,
    LiaisonStatement: LiaisonStatementId,
    Note: NoteId,
    Webhook: WebhookId,
}

impl SubjectType {
    /// Returns the value for the name of a type; `None` if no activity is about that type.
    #[must_use]
    pub fn of_type_name(name: &str) -> Option<Self> {
        Self::iter().find(|ty| ty.type_name() == name)
    }
}

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
    /// The record was created.
    Created,
    /// Fields of the record were changed; `changes` lists them.
    Updated,
    /// A translation of one of its texts was set, changed or removed.
    Translated,
    /// A side took a position on the topic.
    PositionTaken,
    /// A committee was linked to the topic, or its role changed.
    CommitteeLinked,
    /// A committee was unlinked from the topic.
    CommitteeUnlinked,
    /// A side confirmed that the topic is still of interest, with a new review date.
    Reaffirmed,
    /// The action item was moved to another status.
    StatusChanged,
    /// The TSB reminded the owner of the action item.
    Reminded,
    /// A note was added. The subject is the note.
    Noted,
    /// A note was retracted. The subject is the note.
    NoteRetracted,
    /// An overlap of the record with a text of the other side was dismissed: the two are different.
    OverlapDismissed,
    /// A joint examination of a publication was requested. The subject is the examination.
    ExaminationRequested,
    /// A side recorded or rewrote its finding in the examination.
    FindingRecorded,
    /// The liaison statement was sent.
    Sent,
    /// A reply to the liaison statement was sent. The subject is the statement that was replied to; the reply has an activity SENT of its own.
    Replied,
    /// The committee was concluded.
    Concluded,
}

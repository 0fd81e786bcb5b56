//! What is searched: records of seven types with their texts.

use async_graphql::Enum;
use entity::id::{
    ActionItemId, CommitteeId, Id, LiaisonStatementId, NoteId, OrganizationId, PublicationId,
    TopicId,
};
use entity::party::{Language, Side};
use sea_orm::prelude::Uuid;

/// A type of records that can be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
pub enum SearchType {
    /// An organization, by acronym and name.
    Organization,
    /// A committee, by code, period, acronym of its organization, name and mandate.
    Committee,
    /// A topic, by code, title and summary.
    Topic,
    /// An action item, by code, external key, title and description.
    ActionItem,
    /// A publication, by number and title.
    Publication,
    /// A liaison statement, by code, title and body.
    LiaisonStatement,
    /// A note that was not retracted, by its body.
    Note,
}

impl SearchType {
    pub const ALL: [Self; 7] = [
        Self::Organization,
        Self::Committee,
        Self::Topic,
        Self::ActionItem,
        Self::Publication,
        Self::LiaisonStatement,
        Self::Note,
    ];

    /// Returns the GraphQL name of the type.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Organization => OrganizationId::TYPE,
            Self::Committee => CommitteeId::TYPE,
            Self::Topic => TopicId::TYPE,
            Self::ActionItem => ActionItemId::TYPE,
            Self::Publication => PublicationId::TYPE,
            Self::LiaisonStatement => LiaisonStatementId::TYPE,
            Self::Note => NoteId::TYPE,
        }
    }
}

/// A record with its texts. Those of one field stand together, the original first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub ty: SearchType,
    pub id: Uuid,
    /// The sides that it belongs to.
    pub sides: Vec<Side>,
    pub texts: Vec<Text>,
    pub overlap: OverlapFacts,
}

/// What overlaps depend on beyond the texts of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverlapFacts {
    /// The side whose text it is; `None` if it is compared with no other.
    pub side: Option<Side>,
    /// The records that it is related to, or that were dismissed as its overlaps.
    pub linked: Vec<Uuid>,
    /// The publications of a topic.
    pub publications: Vec<Uuid>,
}

/// A text of a record in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub field: &'static str,
    pub language: Language,
    pub content: String,
}

/// How much a match counts, by the field of its text.
#[derive(Clone, Copy)]
pub enum FieldWeight {
    Code,
    Title,
    Body,
}

impl FieldWeight {
    pub fn of(field: &str) -> Self {
        match field {
            "acronym" | "code" | "number" | "externalKey" => Self::Code,
            "name" | "title" => Self::Title,
            _ => Self::Body,
        }
    }

    /// Returns what a match counts, and how many words such a text has typically, by which longer texts count less.
    pub const fn values(self) -> (f64, f64) {
        match self {
            Self::Code => (3.0, 4.0),
            Self::Title => (2.0, 10.0),
            Self::Body => (1.0, 60.0),
        }
    }
}

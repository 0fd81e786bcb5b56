//! Who works together here: the two sides, the parties that write, the roles of tokens, the languages.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

/// One of the two unions that collaborate. A side speaks only for itself.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Side {
    /// The International Telecommunication Union, here its standardization sector ITU-T.
    Itu,
    /// The Universal Postal Union, here its Postal Operations Council (POC).
    Upu,
}

/// Who does something in the register: a side, or the TSB, which encourages and assists both.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Party {
    /// The ITU side: its editors act for ITU-T and its study groups.
    Itu,
    /// The UPU side: its editors act for the POC and its committees.
    Upu,
    /// The Telecommunication Standardization Bureau: it proposes, asks, confirms and reports, and takes no side's position.
    Tsb,
}

/// What a bearer token lets its holder do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Role {
    /// Writes for the ITU side.
    ItuEditor,
    /// Writes for the UPU side.
    UpuEditor,
    /// Writes for the TSB.
    TsbEditor,
}

/// A language that a text was written in: the six of ITU, and those that the UPU adds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Language {
    /// Arabic.
    Ar,
    /// Chinese.
    Zh,
    /// English.
    En,
    /// French, the official language of the UPU.
    Fr,
    /// Russian.
    Ru,
    /// Spanish.
    Es,
    /// German.
    De,
    /// Portuguese.
    Pt,
}

impl Side {
    /// The one across the table.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Itu => Self::Upu,
            Self::Upu => Self::Itu,
        }
    }

    /// The party that speaks for this side.
    #[must_use]
    pub const fn party(self) -> Party {
        match self {
            Self::Itu => Party::Itu,
            Self::Upu => Party::Upu,
        }
    }
}

impl Party {
    /// The side that this party speaks for; none for the TSB.
    #[must_use]
    pub const fn side(self) -> Option<Side> {
        match self {
            Self::Itu => Some(Side::Itu),
            Self::Upu => Some(Side::Upu),
            Self::Tsb => None,
        }
    }
}

impl Role {
    /// The party that its holder acts as.
    #[must_use]
    pub const fn party(self) -> Party {
        match self {
            Self::ItuEditor => Party::Itu,
            Self::UpuEditor => Party::Upu,
            Self::TsbEditor => Party::Tsb,
        }
    }
}

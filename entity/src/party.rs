//! The two sides, the parties that write, the roles of tokens, and the languages.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

/// One of the two unions that collaborate. A side takes positions and records findings only for itself. The TSB has no side of its own: in filters by side, its committees, action items and liaison statements count as ITU.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Side {
    /// The International Telecommunication Union, represented by its standardization sector ITU-T.
    Itu,
    /// The Universal Postal Union, represented by its Postal Operations Council (POC).
    Upu,
}

/// Who acts in the register: one of the two sides, or the TSB, which assists both sides and takes no position on topics.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Party {
    /// The ITU side, with ITU-T and its study groups.
    Itu,
    /// The UPU side, with the POC and its committees.
    Upu,
    /// The Telecommunication Standardization Bureau, the secretariat of ITU-T. For example, it proposes topics, requests and confirms action items, and sends reminders.
    Tsb,
}

/// A role that a bearer token grants: the party for which its sender may write. A token can have several roles; the header `Acting-As` then selects one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Role {
    /// May write for the ITU side.
    ItuEditor,
    /// May write for the UPU side.
    UpuEditor,
    /// May write for the TSB.
    TsbEditor,
}

/// A language, named by its BCP 47 tag in upper case: the six languages of ITU (AR, ZH, EN, FR, RU, ES) and two that the UPU adds (DE, PT). In lower case it is the value of the HTML attribute `lang`. Texts in Arabic read from right to left.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Language {
    /// Arabic, BCP 47 tag `ar`.
    Ar,
    /// Chinese, BCP 47 tag `zh`.
    Zh,
    /// English, BCP 47 tag `en`.
    En,
    /// French, BCP 47 tag `fr`; the official language of the UPU.
    Fr,
    /// Russian, BCP 47 tag `ru`.
    Ru,
    /// Spanish, BCP 47 tag `es`.
    Es,
    /// German, BCP 47 tag `de`.
    De,
    /// Portuguese, BCP 47 tag `pt`.
    Pt,
}

impl Side {
    /// Returns the opposite side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Itu => Self::Upu,
            Self::Upu => Self::Itu,
        }
    }

    /// Returns the party that speaks for this side.
    #[must_use]
    pub const fn party(self) -> Party {
        match self {
            Self::Itu => Party::Itu,
            Self::Upu => Party::Upu,
        }
    }
}

impl Party {
    /// Returns the side that this party speaks for; `None` for the TSB.
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
    /// Returns the party that a holder of this role acts as.
    #[must_use]
    pub const fn party(self) -> Party {
        match self {
            Self::ItuEditor => Party::Itu,
            Self::UpuEditor => Party::Upu,
            Self::TsbEditor => Party::Tsb,
        }
    }
}

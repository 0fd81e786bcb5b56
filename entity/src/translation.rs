//! A text of a record in another language than its original.

use async_graphql::Enum;
use sea_orm::entity::prelude::*;

use crate::Relation;
use crate::party::{Language, Party};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "translation")]
pub struct Model {
    /// GraphQL type name of the translated record. Exports need it right before the id.
    pub subject_type: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: TranslatableField,
    #[sea_orm(primary_key, auto_increment = false)]
    pub language: Language,
    pub text: String,
    /// Sort key of the text.
    pub text_key: String,
    /// Search text for `text` filters: the text without case and accents.
    pub folded: String,
    pub kind: TranslationKind,
    /// Whether the original has changed since.
    pub outdated: bool,
    /// The version of the record that the translation was made from.
    pub subject_version: i32,
    /// The party that set it last.
    pub party: Party,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// A field of a record whose text can be translated.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum TranslatableField {
    /// `name` of an organization or a committee.
    Name,
    /// `mandate` of a committee.
    Mandate,
    /// `title` of a topic, an action item or a publication.
    Title,
    /// `summary` of a topic.
    Summary,
    /// `description` of an action item.
    Description,
}

/// How much a translation can be relied on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Enum,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum TranslationKind {
    /// Published by the organization itself.
    Official,
    /// Made by people to help readers, without official standing.
    Courtesy,
    /// Made by a program. Show it as such.
    Machine,
}

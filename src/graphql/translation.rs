//! Translations of the texts of records.

use std::sync::LazyLock;

use async_graphql::Context;
use entity::party::Language;
use entity::scalar::DateTime;
use entity::translation::{Column, Entity, TranslatableField, TranslationKind};
use sea_orm::sea_query::{Condition, ExprTrait, IntoTableRef, Order as Direction};

use super::payload::{MutationPayload, Payload, RelatedList};
use super::request::OperationContext;
use crate::error::Result;
use crate::planner::RecordQuery;
use crate::planner::json::Scalar;
use crate::planner::schema::{
    Field, ListLength, ObjectType, Relation, Table, among, col, column, many,
};
use crate::store::translation::{self as store, TranslationSetInput};

/// Returns the object type.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Translation",
        description: "The translation of one text of a record into another language.",
        cacheable: true,
        table: Some(Table {
            name: Entity.into_table_ref(),
            node: None,
        }),
        fields: vec![
            column::<TranslatableField>(
                "field",
                "The field of the record whose text is translated.",
                Column::Field,
                Scalar::Enum,
            ),
            column::<Language>(
                "language",
                "The language of the translation.",
                Column::Language,
                Scalar::Enum,
            ),
            column::<String>("text", "The translation.", Column::Text, Scalar::String),
            column::<TranslationKind>(
                "kind",
                "How reliable it is. Show MACHINE translations as such.",
                Column::Kind,
                Scalar::Enum,
            ),
            column::<bool>(
                "outdated",
                "Whether the original has been changed since the translation was set. If true, tell readers that the translation may differ from the original.",
                Column::Outdated,
                Scalar::Bool,
            ),
            column::<DateTime>(
                "updatedAt",
                "When the translation was last set.",
                Column::UpdatedAt,
                Scalar::DateTime,
            ),
        ],
    });
    &OBJECT
}

/// Returns the field with the translations of a record.
pub fn translations() -> Field {
    many(
        "translations",
        "The translations of its texts into other languages, including outdated ones. Sorted by field, then by language. Fields such as `titleLanguage` and `nameLanguage` say in which language a text was returned.",
        object_type,
        ListLength::Short,
        Relation::column(Column::SubjectId),
        vec![col(Column::Field), col(Column::Language)],
    )
    .arg::<Option<Language>>("language", "Return only translations into this language. Default: translations into all languages.")
    .filtered(|args| {
        let language: Option<Language> = args.get("language")?;
        let of = language.map(|language| among(Column::Language, vec![language]));
        Ok(Condition::all().add_option(of))
    })
}

/// The payload of `translationSet`.
pub struct Translation;

impl MutationPayload for Translation {
    const FIELD: &'static str = "subject";
    const RELATED: Option<RelatedList> = Some(RelatedList {
        name: "translations",
        description: "All translations of the record after the request. Sorted by field, then by language. Empty if `subject` is null.",
        object: object_type,
        find: |subject| RecordQuery {
            condition: Condition::all().add(col(Column::SubjectId).eq(subject)),
            order: vec![
                (col(Column::Field), Direction::Asc),
                (col(Column::Language), Direction::Asc),
            ],
        },
    });

    fn object_type() -> Option<&'static ObjectType> {
        None
    }
}

/// What can be done to translations.
#[derive(Default)]
pub struct TranslationMutation;

#[async_graphql::Object]
impl TranslationMutation {
    /// Sets, replaces or removes (`text: null`) the translation of one text of a record into one language. Every party may translate topics. For other records, `viewerPermissions` contains TRANSLATE if the viewer may translate them.
    async fn translation_set(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The translation.")] input: TranslationSetInput,
    ) -> Option<Result<Payload<Translation, TranslationSetInput>>> {
        let OperationContext {
            db, viewer, now, ..
        } = OperationContext::of(ctx);
        let subject = super::node::node(&input.subject_id);
        let done = store::set(db, viewer, *now, input).await;
        Some(Payload::of_type(
            done.map(|(_, key)| key),
            subject.ok().map(|(object, _)| object),
        ))
    }
}

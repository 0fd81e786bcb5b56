//! The fields that every record ends with.

use entity::party::Language;
use entity::scalar::DateTime;
use sea_orm::sea_query::IntoIden;

use crate::read::json::Scalar;
use crate::read::shape::{Field, column};

/// The fields of a record that is written and changed: language, version and times.
pub fn stamps() -> [Field; 4] {
    [
        column::<Language>(
            "originalLanguage",
            "The language that its texts were written in.",
            "original_language",
            Scalar::Word,
        ),
        column::<i32>(
            "version",
            "Counts its changes, from 1. An update names the version it has read, so that nobody overwrites what they have not seen.",
            "version",
            Scalar::Int,
        ),
        column::<DateTime>(
            "createdAt",
            "When it was entered.",
            "created_at",
            Scalar::Time,
        ),
        column::<DateTime>(
            "updatedAt",
            "When it was last changed; the time of its entry where it never was.",
            "updated_at",
            Scalar::Time,
        ),
    ]
}

/// The id of a record.
pub fn id(prefix: &'static str) -> Field {
    column::<async_graphql::ID>(
        "id",
        "Names the record for good. Opaque: keep it, compare it, do not read it.",
        "id",
        Scalar::Id(prefix),
    )
}

/// A text that will have translations.
pub fn translated<T: async_graphql::OutputType>(
    name: &'static str,
    description: &'static str,
    from: impl IntoIden,
) -> Field {
    column::<T>(name, description, from, Scalar::Text).arg::<Option<Language>>(
        "language",
        "The language wanted. Where there is no text in it, the original is given.",
    )
}

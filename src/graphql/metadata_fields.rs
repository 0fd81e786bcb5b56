//! Metadata fields that many types share.

use entity::party::Language;
use entity::scalar::DateTime;

use crate::planner::json::Scalar;
use crate::planner::schema::{Field, column};

/// Returns the metadata fields of an editable record: language, version and timestamps.
pub fn stamps() -> [Field; 4] {
    [
        column::<Language>(
            "originalLanguage",
            "The language in which its texts are written. It is set when the record is created; write texts of later updates in the same language.",
            "original_language",
            Scalar::Enum,
        ),
        column::<i32>(
            "version",
            "The number of the record's current version: 1 when it is created, plus 1 with each change. An update sends the version that it is based on, and is refused as STALE if the record has changed since.",
            "version",
            Scalar::Int,
        ),
        column::<DateTime>(
            "createdAt",
            "When the record was created in the register.",
            "created_at",
            Scalar::DateTime,
        ),
        column::<DateTime>(
            "updatedAt",
            "When the record was last changed, which also increases `version`. Notes and translations do not count as changes. Equal to `createdAt` if there was no change.",
            "updated_at",
            Scalar::DateTime,
        ),
    ]
}

/// Returns the field with a record's id.
pub fn id(prefix: &'static str) -> Field {
    column::<async_graphql::ID>(
        "id",
        "The global id of the record. It never changes. Treat it as opaque: store and compare it, do not parse it. Example, of a topic: `topic_01h455vb4pex5vsknk084sn02q`.",
        "id",
        Scalar::Id(prefix),
    )
}

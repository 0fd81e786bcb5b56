//! Publications.

use std::sync::LazyLock;

use entity::id::{Id, PublicationId};
use entity::party::Side;
use entity::permission::Permission;
use entity::publication::{Column, Entity, PublicationKind, PublicationStatus};
use entity::scalar::{Date, Url};
use entity::{examination, note, publication_relation, topic_publication};
use sea_orm::sea_query::{DynIden, Expr, ExprTrait, IntoTableRef, SelectStatement};

use super::stamps::{id, stamps, translated};
use super::{
    committee as committees, examination as examinations, note as notes,
    organization as organizations, topic as topics, words,
};
use crate::read::Env;
use crate::read::json::Scalar;
use crate::read::shape::{
    Cell, Link, Object, Table, col, column, computed, many, one, one_or_null, page,
};
use crate::rules::publication::{Facts, permissions};

mod list;
mod mutations;

pub use list::{OF_A_TOPIC, PUBLICATIONS, PublicationBy, find};
pub use mutations::PublicationMutation;

/// The type.
pub fn object() -> &'static Object {
    static OBJECT: LazyLock<Object> = LazyLock::new(describe);
    &OBJECT
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of fields, read from top to bottom"
)]
fn describe() -> Object {
    let mut fields = vec![
        id(PublicationId::PREFIX),
        column::<String>(
            "number",
            "What names this edition, as no other: ITU-T X.1341 (09/2015), UPU S52.",
            Column::Number,
            Scalar::Text,
        ),
        translated::<String>("title", "Its title as published.", Column::Title),
        column::<PublicationKind>(
            "kind",
            "What kind of text it is.",
            Column::Kind,
            Scalar::Word,
        ),
        column::<Option<PublicationStatus>>(
            "status",
            "How far it has come; null where the register does not know it.",
            Column::Status,
            Scalar::Word,
        ),
        one(
            "organization",
            "The organization that publishes it.",
            organizations::object,
            Column::OrganizationId,
        ),
        one_or_null(
            "committee",
            "The committee responsible for it; null where the register does not know it.",
            committees::object,
            Column::CommitteeId,
        ),
        column::<Option<Side>>(
            "side",
            "The side of its organization; null for a partner's.",
            Column::Side,
            Scalar::Word,
        ),
        column::<Option<Date>>(
            "approvedOn",
            "The day of its approval; null where the register does not know it.",
            Column::ApprovedOn,
            Scalar::Date,
        ),
        column::<Option<Url>>(
            "url",
            "Where it can be read; null where the register knows no address.",
            Column::Url,
            Scalar::Text,
        ),
        one_or_null(
            "supersedes",
            "The edition whose place it took; null for a first edition.",
            object,
            Column::SupersedesId,
        ),
        many(
            "supersededBy",
            "The editions that took its place, by number; empty while it is the latest.",
            object,
            Link::column(Column::SupersedesId),
            vec![col(Column::NumberKey), col(Column::Id)],
        ),
        many(
            "related",
            "Texts of the other side, or of partners, on the same ground, by number. If one is related to another, so is the other to it.",
            object,
            Link::through(
                publication_relation::Entity,
                publication_relation::Column::PublicationId,
                publication_relation::Column::RelatedId,
            ),
            vec![col(Column::NumberKey), col(Column::Id)],
        ),
        page(
            "topics",
            "The topics that it matters to; by code.",
            &topics::TOPICS,
            Link::through(
                topic_publication::Entity,
                topic_publication::Column::PublicationId,
                topic_publication::Column::TopicId,
            ),
        ),
        many(
            "examinations",
            "Its joint examinations, oldest first. One at most is under way.",
            examinations::object,
            Link::column(examination::Column::PublicationId),
            vec![
                col(examination::Column::CreatedAt),
                col(examination::Column::Id),
            ],
        ),
        page(
            "notes",
            "The notes on it, oldest first.",
            &notes::NOTES,
            Link::column(note::Column::SubjectId),
        ),
        computed::<Vec<Permission>>(
            "viewerPermissions",
            "What the viewer may do to it now; empty for those who only read.",
            vec![
                Cell::column(Column::Side),
                Cell::Expression("under_examination", under_examination),
            ],
            |cells, env, json| {
                let facts = Facts {
                    side: cells.find(0)?,
                    under_examination: cells.get(1)?,
                };
                words::list(json, permissions(env.party, &facts));
                Ok(())
            },
        ),
    ];
    fields.extend(stamps());
    Object {
        name: "Publication",
        description: "A text of one side or of a partner, in one edition: a Recommendation of ITU-T, a standard of the UPU. The two sides examine jointly what it means for them.",
        table: Some(Table {
            name: Entity.into_table_ref(),
            prefix: Some(PublicationId::PREFIX),
        }),
        fields,
    }
}

/// Whether an examination of it is under way.
fn under_examination(row: &DynIden, _: &Env<'_>) -> Expr {
    Expr::exists(
        SelectStatement::new()
            .expr(Expr::val(1))
            .from_as(examination::Entity, "s")
            .and_where(
                Expr::col(("s", examination::Column::PublicationId))
                    .equals((row.clone(), Column::Id)),
            )
            .and_where(Expr::col(("s", examination::Column::Complete)).not())
            .take(),
    )
}

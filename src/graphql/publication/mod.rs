//! Publications.

use std::sync::LazyLock;

use entity::id::{Id, PublicationId};
use entity::party::{Language, Side};
use entity::permission::Permission;
use entity::publication::{Column, Entity, PublicationKind, PublicationStatus};
use entity::scalar::{Date, Url};
use entity::translation::TranslatableField;
use entity::{activity, examination, note, publication_relation, topic_publication};
use sea_orm::sea_query::{DynIden, Expr, ExprTrait, IntoIden, JoinType, SelectStatement, TableRef};

use crate::domain::publication::{PublicationFacts, permissions};
use crate::graphql::metadata_fields::{id, stamps};
use crate::graphql::node::{SEARCHED, node_table, visible_to_all};
use crate::graphql::translated_text::{TranslatedText, language_of, translated};
use crate::graphql::translation::translations;
use crate::graphql::{
    activity as activities, committee as committees, enum_names, examination as examinations,
    note as notes, organization as organizations, topic as topics,
};
use crate::planner::ExecutionContext;
use crate::planner::json::Scalar;
use crate::planner::schema::{
    ColumnExpr, ListLength, ObjectType, Relation, col, column, computed, many, one, one_or_null,
    page,
};

mod list;
mod mutations;

pub use list::{OF_A_TOPIC, PUBLICATIONS, PublicationBy, find};
pub use mutations::PublicationMutation;

/// Its title.
static TITLE: TranslatedText = TranslatedText {
    field: TranslatableField::Title,
    column: "title",
    part: 1,
    nullable: false,
};

/// Returns the object type.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(describe);
    &OBJECT
}

#[expect(clippy::too_many_lines, reason = "a flat list of fields")]
fn describe() -> ObjectType {
    let mut fields = vec![
        id(PublicationId::PREFIX),
        column::<String>(
            "number",
            "The unique number of the publication, with its edition if it has one. Examples: `ITU-T X.1341 (09/2015)`, `UPU S52`.",
            Column::Number,
            Scalar::String,
        ),
        translated::<String>("title", "Its title as published.", &TITLE),
        language_of::<Language>(
            "titleLanguage",
            "The language in which `title` is returned. Pass the same `language` argument as for `title`.",
            &TITLE,
        ),
        column::<PublicationKind>(
            "kind",
            "What kind of text it is.",
            Column::Kind,
            Scalar::Enum,
        ),
        column::<Option<PublicationStatus>>(
            "status",
            "Its status; null if unknown.",
            Column::Status,
            Scalar::Enum,
        ),
        column::<Option<String>>(
            "publisherStatus",
            "What the publisher itself calls its status, where that says more than `status`. Example: `2` for a UPU standard. Null if unknown.",
            Column::PublisherStatus,
            Scalar::String,
        ),
        one(
            "organization",
            "The organization that publishes it.",
            organizations::object_type,
            Column::OrganizationId,
        ),
        one_or_null(
            "committee",
            "The committee that is responsible for it; null if unknown.",
            committees::object_type,
            Column::CommitteeId,
        ),
        column::<Option<Side>>(
            "side",
            "The side of its organization; null if that is a partner such as ISO.",
            Column::Side,
            Scalar::Enum,
        ),
        column::<Option<Date>>(
            "approvedOn",
            "When it was approved; null if unknown.",
            Column::ApprovedOn,
            Scalar::Date,
        ),
        column::<Option<Url>>(
            "url",
            "The URL where it can be read; null if unknown.",
            Column::Url,
            Scalar::String,
        ),
        one_or_null(
            "supersedes",
            "The edition that this one replaced; null if there is none or it is unknown.",
            object_type,
            Column::SupersedesId,
        ),
        many(
            "supersededBy",
            "The editions that replaced this one: their `supersedes` is this one. Sorted by number. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED or UPDATED and `subjectType` PUBLICATION.",
            object_type,
            ListLength::Short,
            Relation::column(Column::SupersedesId),
            vec![col(Column::NumberKey), col(Column::Id)],
        ),
        many(
            "editions",
            "All editions of this publication, including this one, oldest first: publications whose numbers differ only in the `(MM/YYYY)` or `(YYYY)` at the end, such as `ITU-T X.1341 (09/2015)`. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED and `subjectType` PUBLICATION.",
            object_type,
            ListLength::Short,
            Relation::through(editions(), "publication_id", "edition_id"),
            vec![col(Column::NumberKey), col(Column::Id)],
        ),
        many(
            "related",
            "Publications on the same subject that belong to another side or to a partner. Sorted by number. At most 100. If A lists B, B lists A. `publicationRelate` adds one, which cannot be undone.",
            object_type,
            ListLength::Long,
            Relation::through(
                publication_relation::Entity,
                publication_relation::Column::PublicationId,
                publication_relation::Column::RelatedId,
            ),
            vec![col(Column::NumberKey), col(Column::Id)],
        ),
        page(
            "topics",
            "The topics that are linked to this publication. Sorted by code by default. To change the links, use `topicUpdate` or `publicationAdd`. The inverse of `Topic.publications`. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED or UPDATED and `subjectType` TOPIC.",
            &topics::TOPICS,
            Relation::through(
                topic_publication::Entity,
                topic_publication::Column::PublicationId,
                topic_publication::Column::TopicId,
            ),
        ),
        many(
            "examinations",
            "Its joint examinations, oldest first. At most 100. At most one of them is not complete. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` EXAMINATION_REQUESTED and `subjectType` EXAMINATION.",
            examinations::object_type,
            ListLength::Long,
            Relation::column(examination::Column::PublicationId),
            vec![
                col(examination::Column::CreatedAt),
                col(examination::Column::Id),
            ],
        ),
        page(
            "notes",
            "The notes on this record, oldest first. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` NOTED and `subjectType` NOTE.",
            &notes::NOTES,
            Relation::column(note::Column::SubjectId),
        ),
        page(
            "activities",
            "The history of the publication, oldest first. Activities of its examinations and notes are not included.",
            &activities::HISTORY,
            Relation::column(activity::Column::SubjectId),
        ),
        translations(),
        computed::<Vec<Permission>>(
            "viewerPermissions",
            "What the viewer may do with this record now, for example which buttons to show. Empty for viewers who may only read.",
            vec![
                ColumnExpr::column(Column::Side),
                ColumnExpr::Expression("under_examination", under_examination),
            ],
            |cells, env, json| {
                let facts = PublicationFacts {
                    side: cells.find(0)?,
                    under_examination: cells.get(1)?,
                };
                enum_names::list(json, permissions(env.party, &facts));
                Ok(())
            },
        ),
    ];
    fields.extend(stamps());
    ObjectType {
        name: "Publication",
        description: "One edition of a text: a Recommendation of ITU-T, a standard of the UPU, or a text of a partner.",
        cacheable: true,
        table: Some(node_table::<PublicationId>(
            Entity,
            visible_to_all,
            SEARCHED,
        )),
        fields,
    }
}

/// Each publication with each edition of its number.
fn editions() -> TableRef {
    let editions = SelectStatement::new()
        .expr_as(Expr::col(("a", Column::Id)), "publication_id")
        .expr_as(Expr::col(("b", Column::Id)), "edition_id")
        .from_as(Entity, "a")
        .join_as(
            JoinType::InnerJoin,
            Entity,
            "b",
            Expr::col(("a", Column::Series)).equals(("b", Column::Series)),
        )
        .take();
    TableRef::SubQuery(Box::new(editions), "editions".into_iden())
}

/// Whether an examination of it is under way.
fn under_examination(row: &DynIden, _: &ExecutionContext<'_>) -> Expr {
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

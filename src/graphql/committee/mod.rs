//! Committees.

use std::sync::LazyLock;

use entity::committee::{Column, CommitteeKind, CommitteeStatus, Entity};
use entity::id::{CommitteeId, Id};
use entity::party::{Language, Side};
use entity::permission::Permission;
use entity::scalar::Date;
use entity::topic_committee::CommitteeRole;
use entity::translation::TranslatableField;
use entity::{action_item, activity, committee_predecessor, publication, topic, topic_committee};
use sea_orm::sea_query::{DynIden, Expr, ExprTrait, SelectStatement};

use crate::domain;
use crate::domain::committee::{CommitteeFacts, permissions};
use crate::graphql::metadata_fields::{id, stamps};
use crate::graphql::node::{SEARCHED, node_table, visible_to_all};
use crate::graphql::translated_text::{TranslatedText, language_of, translated};
use crate::graphql::translation::translations;
use crate::graphql::{
    action_item as action_items, activity as activities, enum_names,
    liaison_statement as statements, organization as organizations, publication as publications,
    topic as topics,
};
use crate::planner::ExecutionContext;
use crate::planner::json::Scalar;
use crate::planner::schema::{
    ColumnExpr, ListLength, ObjectType, Relation, col, column, computed, count, many, one,
    one_or_null, page,
};

mod list;
mod mutations;

pub use list::{COMMITTEES, CommitteeBy, OF_THE_VIEWER, find};
pub use mutations::CommitteeMutation;

/// Its name.
static NAME: TranslatedText = TranslatedText {
    field: TranslatableField::Name,
    column: "name",
    part: 1,
    nullable: false,
};

/// Its mandate.
static MANDATE: TranslatedText = TranslatedText {
    field: TranslatableField::Mandate,
    column: "mandate",
    part: 2,
    nullable: true,
};

/// Returns the object type.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(describe);
    &OBJECT
}

#[expect(clippy::too_many_lines, reason = "a flat list of fields")]
fn describe() -> ObjectType {
    let mut fields = vec![
        id(CommitteeId::PREFIX),
        column::<String>(
            "code",
            "The short name that its organization uses, unique only together with organization and period. Example: `SG17`.",
            Column::Code,
            Scalar::String,
        ),
        translated::<String>(
            "name",
            "Its full name in its `period`. In a later period there is a new committee, which may have another name.",
            &NAME,
        ),
        language_of::<Language>(
            "nameLanguage",
            "The language in which `name` is returned. Pass the same `language` argument as for `name`.",
            &NAME,
        ),
        translated::<Option<String>>(
            "mandate",
            "What it was set up to do; null if unknown.",
            &MANDATE,
        ),
        language_of::<Option<Language>>(
            "mandateLanguage",
            "The language in which `mandate` is returned; null if `mandate` is null. Pass the same `language` argument as for `mandate`.",
            &MANDATE,
        ),
        column::<CommitteeKind>(
            "kind",
            "What kind of body it is.",
            Column::Kind,
            Scalar::Enum,
        ),
        column::<CommitteeStatus>(
            "status",
            "Whether it is still active. Only `committeeConclude` changes it.",
            Column::Status,
            Scalar::Enum,
        ),
        one(
            "organization",
            "The organization that it belongs to.",
            organizations::object_type,
            Column::OrganizationId,
        ),
        column::<Option<Side>>(
            "side",
            "The side of its organization; null if that is a partner such as ISO.",
            Column::Side,
            Scalar::Enum,
        ),
        column::<String>(
            "period",
            "The label of the study period or cycle. Example: `2013-2016`.",
            Column::Period,
            Scalar::String,
        ),
        column::<Option<Date>>(
            "startsOn",
            "Its first day, which can differ from the label of the period; null if unknown.",
            Column::StartsOn,
            Scalar::Date,
        ),
        column::<Option<Date>>(
            "endsOn",
            "Its last day; null if unknown. The committee stays ACTIVE after this day until it is concluded.",
            Column::EndsOn,
            Scalar::Date,
        ),
        one_or_null(
            "parent",
            "The committee that it is part of; null if it is part of none.",
            object_type,
            Column::ParentId,
        ),
        many(
            "children",
            "The committees that are part of it. Sorted by code, then by period. At most 100. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED and `subjectType` COMMITTEE.",
            object_type,
            ListLength::Long,
            Relation::column(Column::ParentId),
            vec![col(Column::CodeKey), col(Column::Id)],
        ),
        many(
            "predecessors",
            "The earlier committees whose work this one continues. Sorted by code, then by period.",
            object_type,
            ListLength::Short,
            Relation::through(
                committee_predecessor::Entity,
                committee_predecessor::Column::CommitteeId,
                committee_predecessor::Column::PredecessorId,
            ),
            vec![col(Column::CodeKey), col(Column::Id)],
        ),
        many(
            "successors",
            "The committees that took over its work: those that list it in their `predecessors`. Sorted by code, then by period. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED or UPDATED and `subjectType` COMMITTEE.",
            object_type,
            ListLength::Short,
            Relation::through(
                committee_predecessor::Entity,
                committee_predecessor::Column::PredecessorId,
                committee_predecessor::Column::CommitteeId,
            ),
            vec![col(Column::CodeKey), col(Column::Id)],
        ),
        page(
            "topics",
            "The topics to which it is linked, in any role. Sorted by code by default. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED, POSITION_TAKEN, COMMITTEE_LINKED or COMMITTEE_UNLINKED and `subjectType` TOPIC.",
            &topics::TOPICS,
            Relation::through(
                topic_committee::Entity,
                topic_committee::Column::CommitteeId,
                topic_committee::Column::TopicId,
            ),
        ),
        page(
            "actionItems",
            "The action items that it owns. Sorted by code by default. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED and `subjectType` ACTION_ITEM.",
            &action_items::ACTION_ITEMS,
            Relation::column(action_item::Column::CommitteeId),
        ),
        page(
            "publications",
            "The publications for which it is responsible. Sorted by number by default, editions of one number by year and month. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED or UPDATED and `subjectType` PUBLICATION.",
            &publications::PUBLICATIONS,
            Relation::column(publication::Column::CommitteeId),
        ),
        page(
            "liaisonStatements",
            "The liaison statements that it sent, alone or with others, or that were addressed to it. Sorted by code by default. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` SENT and `subjectType` LIAISON_STATEMENT.",
            &statements::STATEMENTS,
            Relation::Matching(statements::of_committee),
        ),
        page(
            "activities",
            "The history of the committee, oldest first. Activities of its topics and action items are not included.",
            &activities::HISTORY,
            Relation::column(activity::Column::SubjectId),
        ),
        translations(),
        computed::<Vec<Permission>>(
            "viewerPermissions",
            "What the viewer may do with this record now, for example which buttons to show. Empty for viewers who may only read.",
            vec![
                ColumnExpr::column(Column::Side),
                ColumnExpr::column(Column::Party),
                ColumnExpr::column(Column::Status),
                ColumnExpr::Expression("leads", leads),
                ColumnExpr::Expression("open_items", open_items),
            ],
            |cells, env, json| {
                let facts = CommitteeFacts {
                    side: cells.find(0)?,
                    party: cells.find(1)?,
                    status: cells.get(2)?,
                    leads_open_topics: cells.get(3)?,
                    open_items: cells.get(4)?,
                };
                enum_names::list(json, permissions(env.party, &facts));
                Ok(())
            },
        ),
    ];
    fields.extend(stamps());
    ObjectType {
        name: "Committee",
        description: "A body that does the work of an organization during one period: a study group of ITU-T, a committee or group of the POC, a secretariat. Codes are reused in later periods: SG16 of 2013-2016 and SG16 of 2022-2024 are two committees.",
        cacheable: true,
        table: Some(node_table::<CommitteeId>(Entity, visible_to_all, SEARCHED)),
        fields,
    }
}

/// Returns the number of open topics that the committee leads.
fn leads(row: &DynIden, _: &ExecutionContext<'_>) -> Expr {
    let links = SelectStatement::new()
        .from_as(topic_committee::Entity, "s")
        .join_as(
            sea_orm::JoinType::InnerJoin,
            topic::Entity,
            "o",
            Expr::col(("o", topic::Column::Id)).equals(("s", topic_committee::Column::TopicId)),
        )
        .and_where(
            Expr::col(("s", topic_committee::Column::CommitteeId))
                .equals((row.clone(), Column::Id)),
        )
        .and_where(Expr::col(("s", topic_committee::Column::Role)).eq(CommitteeRole::Lead))
        .and_where(Expr::col(("o", topic::Column::Status)).is_in(domain::topic::OPEN))
        .take();
    count(links)
}

/// Returns the number of open action items that the committee owns.
fn open_items(row: &DynIden, _: &ExecutionContext<'_>) -> Expr {
    action_items::open_count(action_item::Column::CommitteeId, row)
}

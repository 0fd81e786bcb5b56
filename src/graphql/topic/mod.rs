//! Topics.

use std::sync::LazyLock;

use entity::id::{Id, TopicId};
use entity::party::{Language, Party, Side};
use entity::permission::Permission;
use entity::scalar::{Date, DateTime};
use entity::topic::{Column, Entity, Position, TopicStatus};
use entity::topic_committee::CommitteeRole;
use entity::translation::TranslatableField;
use entity::{
    action_item, activity, committee, note, provision, statement_topic, topic_committee,
    topic_provision, topic_publication,
};
use sea_orm::sea_query::{
    CaseStatement, Condition, DynIden, Expr, ExprTrait, IntoIden, IntoTableRef, SelectStatement,
};

use super::list::ConditionBuilder;
use crate::domain::topic::{TopicFacts, awaiting, needs_review, permissions};
use crate::error::Result;
use crate::graphql::metadata_fields::{id, stamps};
use crate::graphql::node::{SEARCHED, node_table, visible_to_all};
use crate::graphql::translated_text::{TranslatedText, language_of, translated};
use crate::graphql::translation::translations;
use crate::graphql::{
    action_item as action_items, activity as activities, committee as committees, enum_names,
    examination as examinations, liaison_statement as statements, mandate, note as notes,
    publication as publications,
};
use crate::planner::ExecutionContext;
use crate::planner::arguments::Args;
use crate::planner::json::Scalar;
use crate::planner::schema::{
    ColumnExpr, FieldSource, ListLength, ObjectType, Relation, Table, among, col, column, computed,
    field, many, one, page,
};

mod list;
mod mutations;

pub use list::{TOPICS, TopicBy, find, silent};
pub use mutations::TopicMutation;

/// Its title.
static TITLE: TranslatedText = TranslatedText {
    field: TranslatableField::Title,
    column: "title",
    part: 1,
    nullable: false,
};

/// Its summary.
static SUMMARY: TranslatedText = TranslatedText {
    field: TranslatableField::Summary,
    column: "summary",
    part: 2,
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
        id(TopicId::PREFIX),
        computed::<String>(
            "code",
            "The code that people use for it, assigned by the register in the order of creation and never reused. Example: `T-12`.",
            vec![ColumnExpr::column(Column::Number)],
            |cells, _, json| {
                json.numbered("T-", cells.get(0)?);
                Ok(())
            },
        ),
        translated::<String>("title", "What it is about, in a few words.", &TITLE),
        language_of::<Language>(
            "titleLanguage",
            "The language in which `title` is returned. Pass the same `language` argument as for `title`.",
            &TITLE,
        ),
        translated::<String>(
            "summary",
            "What it is about and why it concerns both sides.",
            &SUMMARY,
        ),
        language_of::<Language>(
            "summaryLanguage",
            "The language in which `summary` is returned. Pass the same `language` argument as for `summary`.",
            &SUMMARY,
        ),
        column::<TopicStatus>(
            "status",
            "Its status, which follows from the positions of both sides: it is ACTIVE once both have agreed.",
            Column::Status,
            Scalar::Enum,
        ),
        column::<Party>(
            "proposedBy",
            "The party that proposed it.",
            Column::ProposedBy,
            Scalar::Enum,
        ),
        field(
            "positions",
            "The positions of the two sides: ITU first, then UPU.",
            FieldSource::Parts(vec![itu_position, upu_position]),
        ),
        computed::<Vec<Side>>(
            "awaiting",
            "The sides that have yet to agree or decline: the topic is PROPOSED and their position is PENDING. ITU first, then UPU; otherwise empty.",
            vec![
                ColumnExpr::column(Column::ItuPosition),
                ColumnExpr::column(Column::UpuPosition),
            ],
            |cells, _, json| {
                enum_names::list(json, awaiting(cells.get(0)?, cells.get(1)?));
                Ok(())
            },
        ),
        linked_committees(),
        many(
            "provisions",
            "The provisions of the mandate that it implements, in the order of the text.",
            mandate::provision,
            ListLength::Short,
            Relation::through(
                topic_provision::Entity,
                topic_provision::Column::TopicId,
                topic_provision::Column::ProvisionId,
            ),
            vec![
                col(provision::Column::MandateId),
                col(provision::Column::Ordinal),
            ],
        ),
        column::<Option<Date>>(
            "reviewOn",
            "The date of the next review; null if none is set.",
            Column::ReviewOn,
            Scalar::Date,
        ),
        computed::<bool>(
            "needsReview",
            "Whether it is ACTIVE and its review date is before today (UTC).",
            vec![
                ColumnExpr::column(Column::Status),
                ColumnExpr::column(Column::ReviewOn),
            ],
            |cells, env, json| {
                json.bool(needs_review(cells.get(0)?, cells.find(1)?, env.today()));
                Ok(())
            },
        ),
        page(
            "actionItems",
            "Its action items. Sorted by code by default. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` CREATED and `subjectType` ACTION_ITEM.",
            &action_items::ACTION_ITEMS,
            Relation::column(action_item::Column::TopicId),
        ),
        page(
            "publications",
            "The publications that are linked to this topic. Sorted by number. To change the links, use `topicUpdate` or `publicationAdd`. The inverse of `Publication.topics`.",
            &publications::OF_A_TOPIC,
            Relation::through(
                topic_publication::Entity,
                topic_publication::Column::TopicId,
                topic_publication::Column::PublicationId,
            ),
        ),
        page(
            "examinations",
            "The joint examinations of its publications, complete or not. Sorted by `createdAt` by default, oldest first. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` EXAMINATION_REQUESTED and `subjectType` EXAMINATION.",
            &examinations::EXAMINATIONS,
            Relation::Matching(examinations::of_topic),
        ),
        page(
            "liaisonStatements",
            "The liaison statements about it. Sorted by code by default. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` SENT and `subjectType` LIAISON_STATEMENT.",
            &statements::STATEMENTS,
            Relation::through(
                statement_topic::Entity,
                statement_topic::Column::TopicId,
                statement_topic::Column::StatementId,
            ),
        ),
        page(
            "notes",
            "The notes on this record, oldest first. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` NOTED and `subjectType` NOTE.",
            &notes::NOTES,
            Relation::column(note::Column::SubjectId),
        ),
        page(
            "activities",
            "The history of the topic, its action items and the notes on them, oldest first.",
            &activities::HISTORY,
            Relation::column(activity::Column::TopicId),
        ),
        column::<bool>(
            "illustrative",
            "True if this is sample data that shows how the register works, not a fact about the collaboration.",
            Column::Illustrative,
            Scalar::Bool,
        ),
        translations(),
        computed::<Vec<Permission>>(
            "viewerPermissions",
            "What the viewer may do with this record now, for example which buttons to show. Empty for viewers who may only read.",
            vec![
                ColumnExpr::column(Column::ItuPosition),
                ColumnExpr::column(Column::UpuPosition),
                ColumnExpr::column(Column::ProposedBy),
                ColumnExpr::Expression("open_items", open_items),
                ColumnExpr::Expression("own_lead", own_lead),
                ColumnExpr::Expression("own_others", own_others),
            ],
            |cells, env, json| {
                let facts = TopicFacts {
                    itu: cells.get(0)?,
                    upu: cells.get(1)?,
                    proposed_by: cells.get(2)?,
                    open_items: cells.get(3)?,
                    own_lead: cells.get(4)?,
                    own_others: cells.get(5)?,
                };
                enum_names::list(json, permissions(env.party, &facts));
                Ok(())
            },
        ),
    ];
    fields.extend(stamps());
    ObjectType {
        name: "Topic",
        description: "A topic of common interest to ITU and UPU. Each side takes a position on it; the status follows from both positions.",
        cacheable: true,
        table: Some(node_table::<TopicId>(Entity, visible_to_all, SEARCHED)),
        fields,
    }
}

fn open_items(row: &DynIden, _: &ExecutionContext<'_>) -> Expr {
    action_items::open_count(action_item::Column::TopicId, row)
}

fn own_lead(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let role = link(topic_committee::Column::Role).eq(CommitteeRole::Lead);
    linked(row, role, own(env.party))
}

fn own_others(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let role = link(topic_committee::Column::Role).ne(CommitteeRole::Lead);
    let partners = link(topic_committee::Column::Party).is_null();
    let own = match env.party {
        Some(Party::Tsb) => own(env.party).or(partners),
        party => own(party),
    };
    linked(row, role, own)
}

fn link(column: topic_committee::Column) -> Expr {
    Expr::col(("s", column))
}

fn own(party: Option<Party>) -> Expr {
    link(topic_committee::Column::Party).eq(party)
}

/// Returns the condition that the topic links a committee that satisfies both.
fn linked(row: &DynIden, role: Expr, party: Expr) -> Expr {
    Expr::exists(
        SelectStatement::new()
            .expr(Expr::val(1))
            .from_as(topic_committee::Entity, "s")
            .and_where(link(topic_committee::Column::TopicId).equals((row.clone(), Column::Id)))
            .and_where(role)
            .and_where(party)
            .take(),
    )
}

fn linked_committees() -> crate::planner::schema::Field {
    let rank = CaseStatement::new()
        .case(
            col(topic_committee::Column::Role).eq(CommitteeRole::Lead),
            1,
        )
        .case(
            col(topic_committee::Column::Role).eq(CommitteeRole::Contributing),
            2,
        )
        .finally(3);
    many(
        "committees",
        "The committees that are linked to it. Sorted by role (LEAD, CONTRIBUTING, INFORMED), then by code and period.",
        topic_committee,
        ListLength::Short,
        Relation::column(topic_committee::Column::TopicId),
        vec![rank.into()],
    )
    .then(
        committees::object_type,
        topic_committee::Column::CommitteeId,
        committee::Column::CodeKey,
    )
    .arg::<Option<CommitteeRole>>("role", "Return only committees in this role. Default: in any role.")
    .arg::<Option<Side>>("side", "Return only committees of this side. Default: of any side, and of partners.")
    .filtered(|args: &Args<'_>| -> Result<Condition> {
        let role: Option<CommitteeRole> = args.get("role")?;
        let side: Option<Side> = args.get("side")?;
        let of_side = side.map(|side| {
            let committees = SelectStatement::new()
                .column(committee::Column::Id)
                .from(committee::Entity)
                .and_where(Expr::col(committee::Column::Side).eq(side))
                .take();
            col(topic_committee::Column::CommitteeId).in_subquery(committees)
        });
        Ok(ConditionBuilder::new()
            .with(role.map(|role| among(topic_committee::Column::Role, vec![role])))
            .with(of_side)
            .into_condition())
    })
}

/// Returns the object type of a committee's link.
fn topic_committee() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "TopicCommittee",
        description: "A committee that is linked to a topic, with its role.",
        cacheable: true,
        table: Some(Table {
            name: topic_committee::Entity.into_table_ref(),
            node: None,
        }),
        fields: vec![
            column::<CommitteeRole>(
                "role",
                "What it does on the topic.",
                topic_committee::Column::Role,
                Scalar::Enum,
            ),
            one(
                "committee",
                "The committee.",
                committees::object_type,
                topic_committee::Column::CommitteeId,
            ),
        ],
    });
    &OBJECT
}

fn itu_position() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
        let side = computed::<Side>("side", SIDE, Vec::new(), |_, _, json| {
            enum_names::one(json, Side::Itu);
            Ok(())
        });
        position(
            side,
            Column::ItuPosition,
            Column::ItuReason,
            Column::ItuTakenAt,
        )
    });
    &OBJECT
}

fn upu_position() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
        let side = computed::<Side>("side", SIDE, Vec::new(), |_, _, json| {
            enum_names::one(json, Side::Upu);
            Ok(())
        });
        position(
            side,
            Column::UpuPosition,
            Column::UpuReason,
            Column::UpuTakenAt,
        )
    });
    &OBJECT
}

const SIDE: &str = "The side whose position it is.";

fn position(
    side: crate::planner::schema::Field,
    position: impl IntoIden,
    reason: impl IntoIden,
    taken_at: impl IntoIden,
) -> ObjectType {
    ObjectType {
        name: "TopicPosition",
        description: "The position of one side on a topic. Only that side can change it.",
        cacheable: true,
        table: None,
        fields: vec![
            side,
            column::<Position>("position", "The position.", position, Scalar::Enum),
            column::<Option<String>>(
                "reason",
                "The reason that the side gave with its position; null if it gave none. DECLINED and RELEASED always have one.",
                reason,
                Scalar::String,
            ),
            column::<Option<DateTime>>(
                "takenAt",
                "When the side took this position; null while it is PENDING.",
                taken_at,
                Scalar::DateTime,
            ),
        ],
    }
}

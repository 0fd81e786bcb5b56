//! Liaison statements.

use std::sync::LazyLock;

use entity::addressee::{self, Purpose};
use entity::committee::{self, CommitteeStatus};
use entity::id::{Id, LiaisonStatementId};
use entity::liaison_statement::{Column, Entity};
use entity::party::Party;
use entity::permission::Permission;
use entity::scalar::{Date, DateTime, Url};
use entity::{activity, attachment, note, sender, statement_topic, topic};
use sea_orm::sea_query::{
    DynIden, Expr, ExprTrait, IntoTableRef, JoinType, SelectStatement, UnionType,
};

use crate::domain::liaison_statement::{StatementFacts, overdue, permissions};
use crate::graphql::metadata_fields::id;
use crate::graphql::node::{SEARCHED, node_table, visible_to_all};
use crate::graphql::{
    activity as activities, committee as committees, enum_names, note as notes, topic as topics,
};
use crate::planner::ExecutionContext;
use crate::planner::json::Scalar;
use crate::planner::plan::LINK;
use crate::planner::schema::{
    ColumnExpr, Field, ListLength, ObjectType, Relation, Table, col, column, computed, many, one,
    one_or_null, page,
};

mod list;
mod mutations;

pub use crate::graphql::liaison_statement::list::{LiaisonStatementBy, STATEMENTS, find};
pub use crate::graphql::liaison_statement::mutations::StatementMutation;

/// Returns the object type.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "LiaisonStatement",
        description: "A formal letter from committees of one party to committees of any party or partner, as in Recommendation ITU-T A.1. After it was sent, its texts never change. A reply changes `replies`, `awaitingReply` and `repliedAt` of `addressees`, and is an activity REPLIED of this statement.",
        cacheable: true,
        table: Some(node_table::<LiaisonStatementId>(
            Entity,
            visible_to_all,
            SEARCHED,
        )),
        fields: describe(),
    });
    &OBJECT
}

#[expect(clippy::too_many_lines, reason = "a flat list of fields")]
fn describe() -> Vec<Field> {
    vec![
        id(LiaisonStatementId::PREFIX),
        computed::<String>(
            "code",
            "The code that people use for it, assigned by the register in the order of creation and never reused. Example: `LS-7`.",
            vec![ColumnExpr::column(Column::Number)],
            |cells, _, json| {
                json.numbered("LS-", cells.get(0)?);
                Ok(())
            },
        ),
        column::<String>(
            "title",
            "The subject of the statement.",
            Column::Title,
            Scalar::String,
        ),
        column::<Option<String>>(
            "body",
            "The text of the statement; null if it has only attachments.",
            Column::Body,
            Scalar::String,
        ),
        many(
            "from",
            "The committees that sent it, all of one party, in the order that the sender gave.",
            committees::object_type,
            ListLength::Short,
            Relation::through(
                sender::Entity,
                sender::Column::StatementId,
                sender::Column::CommitteeId,
            ),
            vec![
                Expr::col((LINK, sender::Column::Ordinal)),
                Expr::col((LINK, sender::Column::CommitteeId)),
            ],
        ),
        many(
            "addressees",
            "The committees that it was sent to, in the order that the sender gave, each with what is expected of it. Only `repliedAt` and `overdue` can change.",
            addressee,
            ListLength::Short,
            Relation::column(addressee::Column::StatementId),
            vec![
                col(addressee::Column::Ordinal),
                col(addressee::Column::CommitteeId),
            ],
        ),
        column::<Option<String>>(
            "contact",
            "Whom to contact, as text; null if no contact was given. Example: `sg17@example.org`.",
            Column::Contact,
            Scalar::String,
        ),
        one_or_null(
            "inReplyTo",
            "The statement that this one replies to; null if it is not a reply.",
            object_type,
            Column::InReplyToId,
        ),
        many(
            "replies",
            "The statements that reply to this one. Sorted by code. At most 100.",
            object_type,
            ListLength::Long,
            Relation::column(Column::InReplyToId),
            vec![col(Column::Number)],
        ),
        many(
            "topics",
            "The topics that it is about. Sorted by code.",
            topics::object_type,
            ListLength::Short,
            Relation::through(
                statement_topic::Entity,
                statement_topic::Column::StatementId,
                statement_topic::Column::TopicId,
            ),
            vec![col(topic::Column::Number)],
        ),
        many(
            "attachments",
            "The documents that it refers to, in the order that the sender gave.",
            attachment,
            ListLength::Short,
            Relation::column(attachment::Column::StatementId),
            vec![col(attachment::Column::Ordinal)],
        ),
        computed::<bool>(
            "awaitingReply",
            "Whether at least one addressee with purpose ACTION has not replied yet.",
            vec![ColumnExpr::Expression("awaiting", awaiting)],
            |cells, _, json| {
                json.bool(cells.get(0)?);
                Ok(())
            },
        ),
        column::<Party>(
            "sentBy",
            "The party that sent it.",
            Column::SentBy,
            Scalar::Enum,
        ),
        column::<DateTime>(
            "sentAt",
            "When it was sent. A statement can be entered into the register later; its activity SENT has the time of the entry.",
            Column::SentAt,
            Scalar::DateTime,
        ),
        page(
            "notes",
            "The notes on this record, oldest first. A change of this list is not in the `activities` of this record. To keep a cached list current, reload it when the subscription `activity` sends one with `verb` NOTED and `subjectType` NOTE.",
            &notes::NOTES,
            Relation::column(note::Column::SubjectId),
        ),
        page(
            "activities",
            "The history of the statement, oldest first: SENT, then REPLIED for each reply. Activities of its notes are not included.",
            &activities::HISTORY,
            Relation::column(activity::Column::SubjectId),
        ),
        computed::<Vec<Permission>>(
            "viewerPermissions",
            "What the viewer may do with this record now, for example which buttons to show. Empty for viewers who may only read.",
            vec![
                ColumnExpr::Expression("own_addressed", own_addressed),
                ColumnExpr::Expression("own_active", own_active),
            ],
            |cells, env, json| {
                let facts = StatementFacts {
                    own_addressed: cells.get(0)?,
                    own_active: cells.get(1)?,
                };
                enum_names::list(json, permissions(env.party, &facts));
                Ok(())
            },
        ),
    ]
}

fn to(column: addressee::Column) -> Expr {
    Expr::col(("s", column))
}

/// Whether a statement was sent by a committee or is addressed to it.
pub fn of_committee(committee: Expr) -> Expr {
    let to = SelectStatement::new()
        .column(addressee::Column::StatementId)
        .from(addressee::Entity)
        .and_where(Expr::col(addressee::Column::CommitteeId).eq(committee.clone()))
        .take();
    let from_or_to = SelectStatement::new()
        .column(sender::Column::StatementId)
        .from(sender::Entity)
        .and_where(Expr::col(sender::Column::CommitteeId).eq(committee))
        .union(UnionType::Distinct, to)
        .take();
    col(Column::Id).in_subquery(from_or_to)
}

/// The addressees of the statement in a row.
fn addressees(row: &DynIden) -> SelectStatement {
    SelectStatement::new()
        .expr(Expr::val(1))
        .from_as(addressee::Entity, "s")
        .and_where(to(addressee::Column::StatementId).equals((row.clone(), Column::Id)))
        .take()
}

fn awaiting(row: &DynIden, _: &ExecutionContext<'_>) -> Expr {
    Expr::exists(
        addressees(row)
            .and_where(to(addressee::Column::Purpose).eq(Purpose::Action))
            .and_where(to(addressee::Column::RepliedAt).is_null())
            .take(),
    )
}

/// Returns the addressees of the viewer's party.
fn own(row: &DynIden, env: &ExecutionContext<'_>) -> SelectStatement {
    let committee = |column| Expr::col(("c", column));
    addressees(row)
        .join_as(
            JoinType::InnerJoin,
            committee::Entity,
            "c",
            committee(committee::Column::Id).equals(("s", addressee::Column::CommitteeId)),
        )
        .and_where(committee(committee::Column::Party).eq(env.party))
        .take()
}

fn own_addressed(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    Expr::exists(own(row, env))
}

fn own_active(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let active = Expr::col(("c", committee::Column::Status)).eq(CommitteeStatus::Active);
    Expr::exists(own(row, env).and_where(active).take())
}

/// Returns the object type of addressees.
fn addressee() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Addressee",
        description: "A committee that a liaison statement was sent to, with what is expected of it.",
        cacheable: true,
        table: Some(Table {
            name: addressee::Entity.into_table_ref(),
            node: None,
        }),
        fields: vec![
            one(
                "committee",
                "The committee.",
                committees::object_type,
                addressee::Column::CommitteeId,
            ),
            column::<Purpose>(
                "purpose",
                "What is expected of the committee.",
                addressee::Column::Purpose,
                Scalar::Enum,
            ),
            column::<Option<Date>>(
                "replyBy",
                "The date by which it should reply; null if none is set, and always null unless the purpose is ACTION.",
                addressee::Column::ReplyBy,
                Scalar::Date,
            ),
            column::<Option<DateTime>>(
                "repliedAt",
                "When it first replied: `sentAt` of the reply; null before that.",
                addressee::Column::RepliedAt,
                Scalar::DateTime,
            ),
            computed::<bool>(
                "overdue",
                "Whether the committee has not replied and `replyBy` is before today (UTC).",
                vec![
                    ColumnExpr::column(addressee::Column::RepliedAt),
                    ColumnExpr::column(addressee::Column::ReplyBy),
                ],
                |cells, env, json| {
                    let replied = cells.find::<chrono::DateTime<chrono::Utc>>(0)?;
                    json.bool(overdue(replied.is_some(), cells.find(1)?, env.today()));
                    Ok(())
                },
            ),
        ],
    });
    &OBJECT
}

/// Returns the object type of attachments.
fn attachment() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Attachment",
        description: "A document that a liaison statement refers to. The register has its URL, not the document itself.",
        cacheable: true,
        table: Some(Table {
            name: attachment::Entity.into_table_ref(),
            node: None,
        }),
        fields: vec![
            column::<String>(
                "name",
                "The name of the document.",
                attachment::Column::Name,
                Scalar::String,
            ),
            column::<Url>(
                "url",
                "The URL where it can be read.",
                attachment::Column::Url,
                Scalar::String,
            ),
        ],
    });
    &OBJECT
}

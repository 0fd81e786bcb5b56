//! The type `Exchange`: open matters between two committees.

use std::sync::LazyLock;

use async_graphql::ID;
use entity::addressee::Purpose;
use entity::committee::{Column, Entity};
use entity::id::CommitteeId;
use entity::scalar::DateTime;
use entity::{action_item, activity, addressee, liaison_statement, sender, topic, topic_committee};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{
    Condition, DynIden, Expr, ExprTrait, Func, IntoTableRef, JoinType, Order, SelectStatement,
};

use crate::domain;
use crate::error::{Error, Result};
use crate::graphql::{
    action_item as action_items, committee as committees, liaison_statement as statements, list,
    topic as topics,
};
use crate::planner::arguments::Args;
use crate::planner::json::Scalar;
use crate::planner::schema::{
    ColumnExpr, FieldSource, ListLength, ObjectType, Table, col, field, found, one,
};
use crate::planner::{ExecutionContext, RecordQuery, RootArguments};

/// Error message if there is no such exchange.
pub const MISSING: &str = "There is no committee with one of these ids.";

/// Returns the object type.
pub fn object_type() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| ObjectType {
        name: "Exchange",
        description: "The shared topics, open action items and unanswered liaison statements between two committees, for example to prepare a meeting.",
        cacheable: true,
        table: Some(Table {
            name: Entity.into_table_ref(),
            node: None,
        }),
        fields: vec![
            one(
                "committee",
                "The committee that was passed as the argument `committee`.",
                committees::object_type,
                Column::Id,
            ),
            field(
                "counterpart",
                "The committee that was passed as the argument `counterpart`.",
                FieldSource::Found {
                    object: committees::object_type,
                    find: |env| col(Column::Id).eq(pair(env).1).into(),
                    list: None,
                },
            ),
            found(
                "sharedTopics",
                "The open topics (PROPOSED, ACTIVE or CLOSING) to which both committees are linked. Sorted by code. At most 100.",
                topics::object_type,
                ListLength::Long,
                |env| RecordQuery {
                    condition: Condition::all()
                        .add(col(topic::Column::Id).in_subquery(linking_both(env)))
                        .add(col(topic::Column::Status).is_in(domain::topic::OPEN)),
                    order: vec![(col(topic::Column::Number), Order::Asc)],
                },
            ),
            found(
                "actionItems",
                "The open action items that one of the two committees owns, if the other one is the `counterpart` or is linked to the topic. Sorted by code. At most 100; for more, use `Query.actionItems` with a `filter`.",
                action_items::object_type,
                ListLength::Long,
                |env| RecordQuery {
                    condition: Condition::all()
                        .add(either_way(env, owned_by_one))
                        .add(col(action_item::Column::Status).is_in(domain::action_item::OPEN)),
                    order: vec![(col(action_item::Column::Number), Order::Asc)],
                },
            ),
            found(
                "unansweredStatements",
                "The liaison statements that one of the two committees sent to the other with purpose ACTION, and that the other one has not replied to. Sorted by code. At most 100.",
                statements::object_type,
                ListLength::Long,
                |env| RecordQuery {
                    condition: either_way(env, |one, other| {
                        let requesting = sent(one, other)
                            .and_where(
                                Expr::col(("a", addressee::Column::Purpose)).eq(Purpose::Action),
                            )
                            .and_where(Expr::col(("a", addressee::Column::RepliedAt)).is_null())
                            .take();
                        col(liaison_statement::Column::Id)
                            .in_subquery(requesting)
                            .into()
                    }),
                    order: vec![(col(liaison_statement::Column::Number), Order::Asc)],
                },
            ),
            field(
                "lastActivityAt",
                "When the last activity took place on a topic to which both committees are linked, or on an action item or liaison statement between them, whether it is open or not. Null if there was no activity.",
                FieldSource::Cell {
                    cell: ColumnExpr::Expression("last_activity", last_activity),
                    scalar: Scalar::DateTime,
                    register: <Option<DateTime> as async_graphql::OutputType>::create_type_info,
                },
            ),
        ],
    });
    &OBJECT
}

/// Finds the two committees of the arguments.
///
/// # Errors
/// Returns a bad-input error if an id belongs to another type, or both are the same.
pub fn find(args: &Args<'_>) -> Result<(RootArguments, RecordQuery)> {
    let committee = list::key::<CommitteeId>("committee", &args.get::<ID>("committee")?)?;
    let counterpart = list::key::<CommitteeId>("counterpart", &args.get::<ID>("counterpart")?)?;
    if committee == counterpart {
        return Err(Error::BadInput(
            "`committee` and `counterpart` are the same: name two committees.".to_owned(),
        ));
    }
    let other = SelectStatement::new()
        .expr(Expr::val(1))
        .from_as(Entity, "s")
        .and_where(Expr::col(("s", Column::Id)).eq(counterpart))
        .take();
    let both = Condition::all()
        .add(col(Column::Id).eq(committee))
        .add(Expr::exists(other));
    let find = RecordQuery {
        condition: both,
        order: Vec::new(),
    };
    Ok((RootArguments::Pair(committee, counterpart), find))
}

/// Returns the two committees of the request.
fn pair(env: &ExecutionContext<'_>) -> (Uuid, Uuid) {
    match env.about {
        RootArguments::Pair(one, other) => (one, other),
        _ => (Uuid::nil(), Uuid::nil()),
    }
}

/// Returns the condition `between` in both directions.
fn either_way(env: &ExecutionContext<'_>, between: fn(Uuid, Uuid) -> Condition) -> Condition {
    let (one, other) = pair(env);
    Condition::any()
        .add(between(one, other))
        .add(between(other, one))
}

/// Returns the topics that are linked to a committee.
fn linking(committee: Uuid) -> SelectStatement {
    SelectStatement::new()
        .column(topic_committee::Column::TopicId)
        .from(topic_committee::Entity)
        .and_where(Expr::col(topic_committee::Column::CommitteeId).eq(committee))
        .take()
}

fn linking_both(env: &ExecutionContext<'_>) -> SelectStatement {
    let (one, other) = pair(env);
    linking(one)
        .and_where(Expr::col(topic_committee::Column::TopicId).in_subquery(linking(other)))
        .take()
}

fn owned_by_one(one: Uuid, other: Uuid) -> Condition {
    let with_other = col(action_item::Column::CounterpartId)
        .eq(other)
        .or(col(action_item::Column::TopicId).in_subquery(linking(other)));
    Condition::all()
        .add(col(action_item::Column::CommitteeId).eq(one))
        .add(with_other)
}

/// Returns the statements that `one` sent to `other`.
fn sent(one: Uuid, other: Uuid) -> SelectStatement {
    SelectStatement::new()
        .column(("f", sender::Column::StatementId))
        .from_as(sender::Entity, "f")
        .join_as(
            JoinType::InnerJoin,
            addressee::Entity,
            "a",
            Expr::col(("a", addressee::Column::StatementId))
                .equals(("f", sender::Column::StatementId)),
        )
        .and_where(Expr::col(("f", sender::Column::CommitteeId)).eq(one))
        .and_where(Expr::col(("a", addressee::Column::CommitteeId)).eq(other))
        .take()
}

fn last_activity(_: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let (one, other) = pair(env);
    let items = |one, other| {
        SelectStatement::new()
            .column(action_item::Column::Id)
            .from(action_item::Entity)
            .and_where(Expr::col(action_item::Column::CommitteeId).eq(one))
            .and_where(Expr::col(action_item::Column::CounterpartId).eq(other))
            .take()
    };
    let subject = || Expr::col(("s", activity::Column::SubjectId));
    let concerns = Condition::any()
        .add(Expr::col(("s", activity::Column::TopicId)).in_subquery(linking_both(env)))
        .add(subject().in_subquery(sent(one, other)))
        .add(subject().in_subquery(sent(other, one)))
        .add(subject().in_subquery(items(one, other)))
        .add(subject().in_subquery(items(other, one)));
    let last = SelectStatement::new()
        .expr(Func::max(Expr::col(("s", activity::Column::At))))
        .from_as(activity::Entity, "s")
        .cond_where(concerns)
        .take();
    Expr::SubQuery(None, Box::new(last.into()))
}

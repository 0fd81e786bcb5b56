//! The figures of a side, each computed by the database if it is selected.

use entity::action_item::ActionItemStatus;
use entity::activity::{self, ActivityVerb};
use entity::addressee::{self, Purpose};
use entity::party::Party;
use entity::word::enum_name;
use entity::{action_item, committee, liaison_statement, topic};
use sea_orm::DbBackend;
use sea_orm::sea_query::{
    DynIden, Expr, ExprTrait, Func, IntoIden, JoinType, SelectStatement, WindowStatement,
};

use super::history::{RECORD, act, at_end, became, of};
use super::{Period, figure};
use crate::domain::action_item::OPEN;
use crate::planner::ExecutionContext;
use crate::planner::json::Scalar;
use crate::planner::schema::{ColumnExpr, Field, count};

/// Returns the fields of a side's report.
pub fn fields() -> Vec<Field> {
    let counted = |name, description, expression| {
        figure::<i32>(
            name,
            description,
            Scalar::BigInt,
            ColumnExpr::Expression(name, expression),
        )
    };
    vec![
        counted(
            "topicsProposed",
            "How many topics it proposed in the period.",
            topics_proposed,
        ),
        counted(
            "actionItemsRequested",
            "How many action items it requested from the other side in the period.",
            requested,
        ),
        counted(
            "actionItemsReceived",
            "How many action items the other side or the TSB requested from this side in the period.",
            received,
        ),
        counted(
            "actionItemsDone",
            "How many of its action items it reported as DONE in the period, without those that were reopened by the end of the period.",
            |row, env| count(completed(row, env)),
        ),
        counted(
            "actionItemsPostponed",
            "How many of its action items it postponed in the period.",
            postponed,
        ),
        counted(
            "actionItemsOverdue",
            "How many of its action items were open at `to` and had a due date before `to`.",
            overdue,
        ),
        figure::<Option<f64>>(
            "medianDaysToDone",
            "The median time from creation to DONE of the items that `actionItemsDone` counts, in days; null if there are none.",
            Scalar::Float,
            ColumnExpr::Expression("medianDaysToDone", median),
        ),
        counted(
            "liaisonStatementsSent",
            "How many liaison statements it sent in the period, by `sentAt`.",
            statements_sent,
        ),
        counted(
            "repliesOverdue",
            "How many replies of its committees were due before `Report.to` but not sent by the end of that day (UTC). A statement to two of its committees counts twice.",
            replies_overdue,
        ),
        counted(
            "findingsRecorded",
            "The number of examinations for which it recorded or rewrote its finding in the period.",
            findings_recorded,
        ),
    ]
}

/// Returns the side of a row of figures.
fn side(row: &DynIden) -> Expr {
    Expr::col((row.clone(), "side"))
}

/// Returns the condition that a party column of the record is that side.
fn is_side(column: impl IntoIden, row: &DynIden) -> Expr {
    of(column).eq(side(row))
}

/// Returns the records of a table that were created in the period.
fn created(
    env: &ExecutionContext<'_>,
    table: impl sea_orm::sea_query::IntoTableRef,
) -> SelectStatement {
    let period = Period::of(env);
    SelectStatement::new()
        .from(table.into_table_ref().alias(RECORD))
        .and_where(of("created_at").gte(period.begin))
        .and_where(of("created_at").lt(period.end))
        .take()
}

/// Returns the action items of a side.
fn owned(row: &DynIden) -> SelectStatement {
    SelectStatement::new()
        .from_as(action_item::Entity, RECORD)
        .and_where(is_side(action_item::Column::OwnedBy, row))
        .take()
}

fn topics_proposed(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    count(
        created(env, topic::Entity)
            .and_where(is_side(topic::Column::ProposedBy, row))
            .take(),
    )
}

fn requested(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let owner = of(action_item::Column::OwnedBy);
    let other = owner
        .clone()
        .is_in([Party::Itu, Party::Upu])
        .and(owner.ne(side(row)));
    count(
        created(env, action_item::Entity)
            .and_where(is_side(action_item::Column::RequestedBy, row))
            .and_where(other)
            .take(),
    )
}

fn received(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    count(
        created(env, action_item::Entity)
            .and_where(is_side(action_item::Column::OwnedBy, row))
            .and_where(of(action_item::Column::RequestedBy).ne(side(row)))
            .take(),
    )
}

fn completed(row: &DynIden, env: &ExecutionContext<'_>) -> SelectStatement {
    let period = Period::of(env);
    let reported = became(env, period, "DONE")
        .expr(act(activity::Column::SubjectId))
        .take();
    let status = at_end(env, period, RECORD, "status", action_item::Column::Status);
    owned(row)
        .and_where(of("id").in_subquery(reported))
        .and_where(status.is_in(["DONE", "CONFIRMED"]))
        .take()
}

fn postponed(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let postponed = became(env, Period::of(env), "POSTPONED")
        .expr(act(activity::Column::SubjectId))
        .take();
    count(owned(row).and_where(of("id").in_subquery(postponed)).take())
}

fn overdue(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let period = Period::of(env);
    let status = at_end(env, period, RECORD, "status", action_item::Column::Status);
    let due = at_end(env, period, RECORD, "dueOn", action_item::Column::DueOn);
    count(
        owned(row)
            .and_where(of("created_at").lt(period.end))
            .and_where(status.is_in(OPEN.map(enum_name::<ActionItemStatus>)))
            .and_where(due.lt(period.day.to_string()))
            .take(),
    )
}

/// Returns the median duration.
fn median(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let reported_at = became(env, Period::of(env), "DONE")
        .expr(Func::max(act(activity::Column::At)))
        .and_where(act(activity::Column::SubjectId).equals((RECORD, "id")))
        .take();
    let reported_at = Expr::SubQuery(None, Box::new(reported_at.into()));
    // SeaQuery supports neither database's functions for durations.
    let days = match env.backend() {
        DbBackend::Postgres => Expr::cust_with_exprs(
            "(extract(epoch from $1 - $2) / 86400)::double precision",
            [reported_at, of("created_at")],
        ),
        _ => Expr::cust_with_exprs(
            "julianday(?) - julianday(?)",
            [reported_at, of("created_at")],
        ),
    };
    let times = completed(row, env).expr_as(days, "days").take();
    let mut window = WindowStatement::new();
    window.order_by("days", sea_orm::Order::Asc);
    let placed = SelectStatement::new()
        .column("days")
        .expr_window_as(Func::cust("row_number"), window, "place")
        .expr_window_as(
            Func::count(Expr::col("days")),
            WindowStatement::new(),
            "number",
        )
        .from_subquery(times, "times")
        .take();
    let middle = |shift: i32| Expr::col("number").add(shift).div(2);
    let median = SelectStatement::new()
        .expr(Func::avg(Expr::col("days")))
        .from_subquery(placed, "placed")
        .and_where(
            Expr::col("place")
                .eq(middle(1))
                .or(Expr::col("place").eq(middle(2))),
        )
        .take();
    Expr::SubQuery(None, Box::new(median.into()))
}

fn statements_sent(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let period = Period::of(env);
    let sent_at = of(liaison_statement::Column::SentAt);
    count(
        SelectStatement::new()
            .from_as(liaison_statement::Entity, RECORD)
            .and_where(is_side(liaison_statement::Column::SentBy, row))
            .and_where(sent_at.clone().gte(period.begin))
            .and_where(sent_at.lt(period.end))
            .take(),
    )
}

fn replies_overdue(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let period = Period::of(env);
    let to = |column| Expr::col(("s", column));
    let replied_at = to(addressee::Column::RepliedAt);
    count(
        SelectStatement::new()
            .from_as(addressee::Entity, "s")
            .join_as(
                JoinType::InnerJoin,
                committee::Entity,
                "c",
                Expr::col(("c", committee::Column::Id))
                    .equals(("s", addressee::Column::CommitteeId)),
            )
            .join_as(
                JoinType::InnerJoin,
                liaison_statement::Entity,
                RECORD,
                of(liaison_statement::Column::Id).equals(("s", addressee::Column::StatementId)),
            )
            .and_where(Expr::col(("c", committee::Column::Party)).eq(side(row)))
            .and_where(of(liaison_statement::Column::SentAt).lt(period.end))
            .and_where(to(addressee::Column::Purpose).eq(Purpose::Action))
            .and_where(to(addressee::Column::ReplyBy).lt(period.day))
            .and_where(replied_at.clone().is_null().or(replied_at.gte(period.end)))
            .take(),
    )
}

fn findings_recorded(row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
    let period = Period::of(env);
    let found = SelectStatement::new()
        .column(("a", activity::Column::SubjectId))
        .distinct()
        .from_as(activity::Entity, "a")
        .and_where(act(activity::Column::Verb).eq(ActivityVerb::FindingRecorded))
        .and_where(act(activity::Column::Party).eq(side(row)))
        .and_where(act(activity::Column::At).gte(period.begin))
        .and_where(act(activity::Column::At).lt(period.end))
        .take();
    count(SelectStatement::new().from_subquery(found, "found").take())
}

//! The state of records at the end of a period, reconstructed from the log.

use entity::activity::{Column, Entity};
use sea_orm::DbBackend;
use sea_orm::sea_query::{
    CaseStatement, DynIden, Expr, ExprTrait, Func, IntoIden, Order, SelectStatement, UnionType,
};

use super::Period;
use crate::planner::ExecutionContext;

/// Alias of the record in the statements of a report.
pub const RECORD: &str = "r";

/// Returns a column of that record.
pub fn of(column: impl IntoIden) -> Expr {
    Expr::col((RECORD, column))
}

/// Returns the value of a field at the end of the period: the current value, unless it was changed later; then the
/// `before` value of the first later change.
///
/// Dates are strings, which sort like dates.
pub fn at_end(
    env: &ExecutionContext<'_>,
    period: Period,
    record: &'static str,
    field: &'static str,
    column: impl IntoIden,
) -> Expr {
    let of = |column: DynIden| Expr::col((record, column));
    let now = of(column.into_iden()).cast_as("text");
    let since = changes(env, field)
        .expr_as(act(Column::Position), "position")
        .expr_as(Expr::cust(BEFORE), "word")
        .and_where(act(Column::SubjectId).equals((record, "id")))
        .and_where(act(Column::At).gte(period.end))
        .union(
            UnionType::All,
            SelectStatement::new()
                .expr(Expr::val(i64::MAX))
                .expr(now.clone())
                .take(),
        )
        .take();
    let first = SelectStatement::new()
        .column("word")
        .from_subquery(since, "since")
        .order_by("position", Order::Asc)
        .limit(1)
        .take();
    let first = Expr::SubQuery(None, Box::new(first.into()));
    CaseStatement::new()
        .case(of("updated_at".into()).lt(period.end), now)
        .finally(first)
        .into()
}

/// Returns the records whose status became `status` within the period, once per change.
pub fn became(env: &ExecutionContext<'_>, period: Period, status: &str) -> SelectStatement {
    changes(env, "status")
        .and_where(act(Column::Verb).eq("STATUS_CHANGED"))
        .and_where(act(Column::At).gte(period.begin))
        .and_where(act(Column::At).lt(period.end))
        .and_where(Expr::cust(AFTER).eq(status))
        .take()
}

/// Returns a column of the log.
pub fn act(column: Column) -> Expr {
    Expr::col((LOG, column))
}

const LOG: &str = "a";
// SeaQuery has no operator for JSON fields; both databases use this syntax.
const FIELD: &str = "\"c\".\"value\" ->> 'field'";
const BEFORE: &str = "\"c\".\"value\" ->> 'before'";
const AFTER: &str = "\"c\".\"value\" ->> 'after'";

/// Returns the changes of a field, joined with their activities.
fn changes(env: &ExecutionContext<'_>, field: &'static str) -> SelectStatement {
    let elements = match env.backend() {
        DbBackend::Postgres => Func::cust("json_array_elements"),
        _ => Func::cust("json_each"),
    };
    let log: DynIden = LOG.into_iden();
    SelectStatement::new()
        .from_as(Entity, log)
        .from_function(elements.arg(act(Column::Changes)), "c")
        .and_where(Expr::cust(FIELD).eq(field))
        .take()
}

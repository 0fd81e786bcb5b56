//! Queries of the activity log.

use entity::activity::{Column, Entity};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoTableRef, Order, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use crate::events::Event;
use crate::planner::schema::{ROW, col};
use crate::store::activity::LogPosition;

/// The position of the newest activity; the default if there is none.
pub async fn head(db: &impl ConnectionTrait) -> Result<LogPosition, DbErr> {
    let mut newest = rows(1);
    newest
        .expr(col(Column::Id))
        .expr(col(Column::Position))
        .order_by((ROW, Column::Position), Order::Desc);
    let Some(row) = db.query_one(&newest).await? else {
        return Ok(LogPosition::default());
    };
    Ok(LogPosition {
        id: row.try_get_by_index(0)?,
        position: row.try_get_by_index(1)?,
    })
}

/// Whether the log has the activity of this position, which stays where it is. A process of an earlier version moves a
/// webhook's position without its activity, so that an earlier one will do.
pub async fn holds(db: &impl ConnectionTrait, at: LogPosition) -> Result<bool, DbErr> {
    let mut activity = rows(1);
    activity
        .expr(Expr::val(1))
        .and_where(col(Column::Id).eq(at.id))
        .and_where(col(Column::Position).lte(at.position));
    Ok(db.query_one(&activity).await?.is_some())
}

/// Returns the first `limit` events after this position that match the condition, in order.
pub async fn after(
    db: &impl ConnectionTrait,
    position: i64,
    condition: Condition,
    limit: usize,
) -> Result<Vec<Event>, DbErr> {
    let mut later = rows(limit);
    for column in [
        Column::Id,
        Column::Position,
        Column::At,
        Column::Party,
        Column::Verb,
        Column::SubjectType,
        Column::SubjectId,
        Column::TopicId,
        Column::Itu,
        Column::Upu,
        Column::TraceParent,
    ] {
        later.column((ROW, column));
    }
    later
        .and_where(col(Column::Position).gt(position))
        .cond_where(condition)
        .order_by((ROW, Column::Position), Order::Asc);
    let rows = db.query_all(&later).await?;
    rows.iter()
        .map(|row| Event::from_query_result(row, ""))
        .collect()
}

fn rows(limit: usize) -> SelectStatement {
    SelectStatement::new()
        .from(Entity.into_table_ref().alias(ROW))
        .limit(limit as u64)
        .take()
}

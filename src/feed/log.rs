//! The log as the feed reads it.

use entity::activity::{Column, Entity};
use sea_orm::sea_query::{Condition, ExprTrait, IntoTableRef, Order, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult};

use super::Event;
use crate::read::shape::{ROW, col};

/// The place of the newest activity; 0 where there is none.
pub async fn head(db: &DatabaseConnection) -> Result<i64, DbErr> {
    let mut newest = rows(1);
    newest
        .expr(col(Column::Position))
        .order_by((ROW, Column::Position), Order::Desc);
    match db.query_one(&newest).await? {
        Some(row) => row.try_get_by_index(0),
        None => Ok(0),
    }
}

/// What is later than this place and fulfils the condition: in order, the first `limit` of it.
pub async fn after(
    db: &DatabaseConnection,
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

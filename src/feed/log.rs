//! The log as the feed reads it.

use entity::activity::{Column, Entity};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoTableRef, Order, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult};

use super::Event;
use crate::read::shape::{ROW, col};

/// The place of the newest activity; 0 where there is none.
pub async fn head(db: &DatabaseConnection) -> Result<i64, DbErr> {
    Ok(newest(db).await?.map_or(0, |(_, position)| position))
}

/// The id and position of the newest activity.
pub async fn newest(db: &DatabaseConnection) -> Result<Option<(Uuid, i64)>, DbErr> {
    let mut newest = rows(1);
    newest
        .expr(col(Column::Id))
        .expr(col(Column::Position))
        .order_by((ROW, Column::Position), Order::Desc);
    let Some(row) = db.query_one(&newest).await? else {
        return Ok(None);
    };
    Ok(Some((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
}

/// Whether the activity with this id has this position.
pub async fn is_at(db: &impl ConnectionTrait, id: Uuid, position: i64) -> Result<bool, DbErr> {
    let mut activity = rows(1);
    activity
        .expr(Expr::val(1))
        .and_where(col(Column::Id).eq(id))
        .and_where(col(Column::Position).eq(position));
    Ok(db.query_one(&activity).await?.is_some())
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

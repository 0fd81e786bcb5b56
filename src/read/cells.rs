//! The cells of one row, by their place in the statement.

use std::sync::Arc;

use sea_orm::sqlx::{Decode, Postgres, Row, Sqlite, Type, ValueRef};
use sea_orm::{DbErr, QueryResult, RuntimeErr, TryGetable};

/// Some cells of a row, in the order that a computed field asked for them.
pub struct Cells<'a> {
    row: &'a QueryResult,
    places: &'a [usize],
}

impl<'a> Cells<'a> {
    pub fn new(row: &'a QueryResult, places: &'a [usize]) -> Self {
        Self { row, places }
    }

    /// The value of the cell that was asked for in this place.
    ///
    /// # Errors
    /// Where the database holds something else than `T`.
    pub fn get<T: TryGetable>(&self, place: usize) -> Result<T, DbErr> {
        self.row.try_get_by_index(self.places[place])
    }
}

/// What a cell can be read as on both databases.
pub trait Readable<'r>:
    Decode<'r, Postgres> + Type<Postgres> + Decode<'r, Sqlite> + Type<Sqlite>
{
}

impl<'r, T> Readable<'r> for T where
    T: Decode<'r, Postgres> + Type<Postgres> + Decode<'r, Sqlite> + Type<Sqlite>
{
}

/// The value of a cell, none where it is null. From the driver itself: `QueryResult` copies texts, and writes
/// a message for each null.
///
/// # Errors
/// Where the database holds something else there.
pub fn get<'r, T: Readable<'r>>(row: &'r QueryResult, place: usize) -> Result<Option<T>, DbErr> {
    let found = match (row.try_as_pg_row(), row.try_as_sqlite_row()) {
        // Its columns have one type each, and looking it up takes longer than the value.
        (Some(row), _) => row.try_get_unchecked(place),
        (_, Some(row)) => row.try_get(place),
        _ => return Err(DbErr::Custom("a row of neither database".to_owned())),
    };
    found.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
}

/// How many bytes the text of a cell has; none where it is null. Nothing is copied or checked for it.
pub fn length(row: &QueryResult, place: usize) -> usize {
    let bytes = match (row.try_as_pg_row(), row.try_as_sqlite_row()) {
        (Some(row), _) => match row.try_get_raw(place) {
            Ok(cell) if !cell.is_null() => cell.as_bytes().ok(),
            _ => None,
        },
        (_, Some(row)) => {
            let cell = row.try_get_raw(place).ok();
            cell.and_then(|it| <&[u8] as Decode<Sqlite>>::decode(it).ok())
        }
        _ => None,
    };
    bytes.map_or(0, <[u8]>::len)
}

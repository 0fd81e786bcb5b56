//! The cells of one row, by their place in the statement.

use sea_orm::{DbErr, QueryResult, TryGetable};

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

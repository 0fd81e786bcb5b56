//! The cells of a row that a computed field needs.

use entity::action_item::ActionItemStatus;
use entity::committee::CommitteeStatus;
use entity::party::{Party, Side};
use entity::topic::{Position, TopicStatus};
use sea_orm::{ActiveEnum, DbErr};

use crate::db::{CellRef, FromCell, Row};

/// Some cells of a row, in the order in which a computed field declares them.
pub struct RowValues<'a> {
    row: Row<'a>,
    indexes: &'a [usize],
}

impl<'a> RowValues<'a> {
    pub fn new(row: Row<'a>, indexes: &'a [usize]) -> Self {
        Self { row, indexes }
    }

    /// Returns the value of the cell with this index.
    ///
    /// # Errors
    /// Returns an error if the cell is null or has another type than `T`.
    pub fn get<T: FromCell<'a>>(&self, index: usize) -> Result<T, DbErr> {
        self.row.get(self.indexes[index])
    }

    /// Returns the value of the cell with this index; `None` if it is null.
    ///
    /// # Errors
    /// Returns an error if the cell has another type than `T`.
    pub fn find<T: FromCell<'a>>(&self, index: usize) -> Result<Option<T>, DbErr> {
        self.row.find(self.indexes[index])
    }
}

/// Enums that fields are computed from. The database stores their names.
macro_rules! words {
    ($($ty:ty)*) => {$(
        impl<'r> FromCell<'r> for $ty {
            fn of_postgres(bytes: &'r [u8]) -> Option<Self> {
                Self::try_from_value(&<&str>::of_postgres(bytes)?.to_owned()).ok()
            }

            fn of_sqlite(cell: CellRef<'r>) -> Option<Self> {
                Self::try_from_value(&<&str>::of_sqlite(cell)?.to_owned()).ok()
            }
        }
    )*};
}

words! { ActionItemStatus CommitteeStatus Party Position Side TopicStatus }

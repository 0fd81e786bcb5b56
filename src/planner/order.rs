//! What the pages of a list are sorted by.

use std::fmt;
use std::sync::Arc;

use sea_orm::sea_query::{DynIden, Expr, IntoIden};

use crate::planner::schema::{ColumnExpr, ROW, col};

/// The order of a page: by a key that is never null, then by id unless the key is unique.
#[derive(Clone, Debug)]
pub struct Order {
    pub key: SortKey,
    pub kind: CursorKey,
    pub unique: bool,
    pub descending: bool,
}

/// What a page is sorted by.
#[derive(Clone)]
pub enum SortKey {
    /// A column of the row.
    Column(DynIden),
    /// An expression over the row, with a name that is equal for equal expressions.
    Built(String, Arc<BuildExpr>),
}

/// Builds an expression over the row with the given alias.
pub type BuildExpr = dyn Fn(&DynIden) -> Expr + Send + Sync;

impl SortKey {
    /// Returns the name of the key, which is part of a cursor's checksum.
    pub fn name(&self) -> String {
        match self {
            Self::Column(column) => format!("{column:?}"),
            Self::Built(name, _) => name.clone(),
        }
    }

    /// Returns the cell from which a cursor takes the key.
    pub fn cell(&self) -> ColumnExpr {
        match self {
            Self::Column(column) => ColumnExpr::Column(column.clone()),
            Self::Built(name, build) => ColumnExpr::Built(name.clone(), build.clone()),
        }
    }

    pub fn value(&self) -> Expr {
        match self {
            Self::Column(column) => col(column.clone()),
            Self::Built(_, build) => build(&ROW.into_iden()),
        }
    }
}

impl fmt::Debug for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl<T: IntoIden> From<T> for SortKey {
    fn from(column: T) -> Self {
        Self::Column(column.into_iden())
    }
}

/// The type of an order's key, and the column that a cursor takes it from.
#[derive(Clone, Debug)]
pub enum CursorKey {
    Text,
    Int,
    Long,
    Time,
    /// A generated date column in which null sorts first or last; a cursor takes the date from the given column.
    OpenDate(DynIden),
}

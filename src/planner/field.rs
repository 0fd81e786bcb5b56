//! The fields of a type: where their values come from.

use async_graphql::{InputType, OutputType};
use sea_orm::DbErr;
use sea_orm::sea_query::{Condition, DynIden, Expr, IntoIden};
use serde_json::Value;

use crate::error::Error;
use crate::planner::arguments::Args;
use crate::planner::composite::Union;
use crate::planner::json::{Json, Scalar};
use crate::planner::row_values::RowValues;
use crate::planner::schema::{ColumnExpr, Connection, ObjectRef, ObjectType, Register, Relation};
use crate::planner::{ExecutionContext, RecordQuery};

/// How many records a list without pages has: what a document is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListLength {
    /// A few.
    Short,
    /// Up to `MAX_LIST_LENGTH`.
    Long,
    /// Always as many.
    Fixed(u64),
}

/// A field: one definition for the schema and the plan.
pub struct Field {
    pub name: &'static str,
    pub description: &'static str,
    pub args: Vec<Arg>,
    pub source: FieldSource,
}

/// An argument of a field.
pub struct Arg {
    pub name: &'static str,
    pub description: &'static str,
    pub register: Register,
}

/// Where a field's value comes from.
pub enum FieldSource {
    /// A cell of the row.
    Cell {
        cell: ColumnExpr,
        scalar: Scalar,
        register: Register,
    },
    /// A cell that depends on the arguments of the field and on the context.
    Selected {
        cell: CellSelector,
        scalar: Scalar,
        register: Register,
    },
    /// A pure function of cells of the row and of the context.
    Computed {
        needs: Vec<ColumnExpr>,
        write: Compute,
        register: Register,
    },
    /// The record that a foreign key of the row refers to.
    One {
        object: ObjectRef,
        by: DynIden,
        nullable: bool,
    },
    /// A fixed number of records, each built from cells of the row itself.
    Parts(Vec<ObjectRef>),
    /// All records that belong to the row.
    Many {
        object: ObjectRef,
        length: ListLength,
        link: Relation,
        order: Vec<Expr>,
        then: Option<OrderByJoin>,
        condition: fn(&Args<'_>) -> Result<Condition, Error>,
    },
    /// A connection of the records that belong to the row.
    Page {
        list: &'static Connection,
        link: Relation,
    },
    /// A polymorphic reference: two columns of the row hold the record's type and its key.
    Node {
        objects: fn() -> Vec<&'static ObjectType>,
        ty: DynIden,
        key: DynIden,
    },
    /// Records that depend on the request's context, not on the row: a list of them, or the only one.
    Found {
        object: ObjectRef,
        find: fn(&ExecutionContext<'_>) -> RecordQuery,
        list: Option<ListLength>,
    },
    /// What a cell of the row holds as JSON: a list of records, or one record or null.
    Stored {
        cell: ColumnExpr,
        object: ObjectRef,
        list: Option<ListLength>,
    },
    /// A list of records that a pure function makes of cells of the row.
    Derived {
        needs: Vec<ColumnExpr>,
        derive: Derive,
        object: ObjectRef,
    },
    /// The value of the field's name in a record that is JSON, as it stands there; null if there is none.
    Key(Register),
    /// The same, where that value is a record that is JSON, or a list of them.
    Nested {
        object: ObjectRef,
        list: Option<ListLength>,
    },
    /// The same, where that value refers to a record of one of the types, or is a list of such references, as long as its page.
    Reference {
        union: &'static Union,
        many: bool,
        nullable: bool,
    },
}

impl FieldSource {
    /// Returns the types that the field leads to.
    pub fn objects(&self) -> Vec<&'static ObjectType> {
        match self {
            Self::Cell { .. } | Self::Selected { .. } | Self::Computed { .. } | Self::Key(_) => {
                Vec::new()
            }
            Self::One { object, .. }
            | Self::Many { object, .. }
            | Self::Found { object, .. }
            | Self::Stored { object, .. }
            | Self::Derived { object, .. }
            | Self::Nested { object, .. } => vec![object()],
            Self::Parts(parts) => parts.iter().map(|part| part()).collect(),
            Self::Page { list, .. } => list.objects(),
            Self::Node { objects, .. } => objects(),
            Self::Reference { union, .. } => (union.objects)(),
        }
    }

    /// Returns the length of a list without pages; `None` if the field is no such list.
    pub fn list_length(&self) -> Option<ListLength> {
        match self {
            Self::Many { length, .. } => Some(*length),
            Self::Parts(parts) => Some(ListLength::Fixed(parts.len() as u64)),
            Self::Derived { .. } => Some(ListLength::Short),
            Self::Found { list, .. } | Self::Stored { list, .. } | Self::Nested { list, .. } => {
                *list
            }
            _ => None,
        }
    }
}

/// A column of a joined record that rows are sorted by, and the foreign key to that record, which breaks ties.
#[derive(Clone)]
pub struct OrderByJoin {
    pub object: ObjectRef,
    pub by: DynIden,
    pub column: DynIden,
}

/// Selects a cell by the arguments of a field and by the context.
pub type CellSelector =
    Box<dyn Fn(&Args<'_>, &ExecutionContext<'_>) -> Result<ColumnExpr, Error> + Send + Sync>;

/// Writes a computed value. The cells have the order of `needs`.
pub type Compute = fn(&RowValues<'_>, &ExecutionContext<'_>, &mut Json) -> Result<(), DbErr>;

/// Makes a list of records, as JSON; the cells come in the order of `needs`.
pub type Derive = fn(&RowValues<'_>, &ExecutionContext<'_>) -> Result<Value, DbErr>;

/// Returns a field with the value of a column. `T` is its type in the API.
pub fn column<T: OutputType>(
    name: &'static str,
    description: &'static str,
    column: impl IntoIden,
    scalar: Scalar,
) -> Field {
    let source = FieldSource::Cell {
        cell: ColumnExpr::column(column),
        scalar,
        register: T::create_type_info,
    };
    field(name, description, source)
}

/// Returns a field that is computed from cells of the row.
pub fn computed<T: OutputType>(
    name: &'static str,
    description: &'static str,
    needs: Vec<ColumnExpr>,
    write: Compute,
) -> Field {
    let source = FieldSource::Computed {
        needs,
        write,
        register: T::create_type_info,
    };
    field(name, description, source)
}

/// Returns a field with the one record that a foreign key refers to, never null.
pub fn one(
    name: &'static str,
    description: &'static str,
    object: ObjectRef,
    by: impl IntoIden,
) -> Field {
    let source = FieldSource::One {
        object,
        by: by.into_iden(),
        nullable: false,
    };
    field(name, description, source)
}

/// Returns a field with the one record that a foreign key refers to, or null if the column is null.
pub fn one_or_null(
    name: &'static str,
    description: &'static str,
    object: ObjectRef,
    by: impl IntoIden,
) -> Field {
    let source = FieldSource::One {
        object,
        by: by.into_iden(),
        nullable: true,
    };
    field(name, description, source)
}

/// Returns a field with all records that belong to the row.
pub fn many(
    name: &'static str,
    description: &'static str,
    object: ObjectRef,
    length: ListLength,
    link: Relation,
    order: Vec<Expr>,
) -> Field {
    let source = FieldSource::Many {
        object,
        length,
        link,
        order,
        then: None,
        condition: |_| Ok(Condition::all()),
    };
    field(name, description, source)
}

/// Returns a connection field with the records that belong to the row.
pub fn page(
    name: &'static str,
    description: &'static str,
    list: &'static Connection,
    link: Relation,
) -> Field {
    Field {
        args: list.args(),
        ..field(name, description, FieldSource::Page { list, link })
    }
}

/// Returns a field with a list of records that depend on the request's context.
pub fn found(
    name: &'static str,
    description: &'static str,
    object: ObjectRef,
    length: ListLength,
    find: fn(&ExecutionContext<'_>) -> RecordQuery,
) -> Field {
    let source = FieldSource::Found {
        object,
        find,
        list: Some(length),
    };
    field(name, description, source)
}

pub fn field(name: &'static str, description: &'static str, source: FieldSource) -> Field {
    Field {
        name,
        description,
        args: Vec::new(),
        source,
    }
}

impl Field {
    /// Adds an argument to the field.
    #[must_use]
    pub fn arg<T: InputType>(mut self, name: &'static str, description: &'static str) -> Self {
        self.args.push(arg::<T>(name, description));
        self
    }

    /// Sorts the records of the field last by a column of the record that `by` refers to.
    #[must_use]
    pub fn then(mut self, object: ObjectRef, by: impl IntoIden, column: impl IntoIden) -> Self {
        if let FieldSource::Many { then, .. } = &mut self.source {
            *then = Some(OrderByJoin {
                object,
                by: by.into_iden(),
                column: column.into_iden(),
            });
        }
        self
    }

    /// Filters the records of the field by its arguments.
    #[must_use]
    pub fn filtered(mut self, narrow: fn(&Args<'_>) -> Result<Condition, Error>) -> Self {
        if let FieldSource::Many { condition, .. } = &mut self.source {
            *condition = narrow;
        }
        self
    }
}

pub fn arg<T: InputType>(name: &'static str, description: &'static str) -> Arg {
    Arg {
        name,
        description,
        register: T::create_type_info,
    }
}

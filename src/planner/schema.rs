//! The description of a type of the API, from which both its schema and its queries are built.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::registry::Registry;
use async_graphql::{InputType, OutputType};
use entity::id;
use sea_orm::DbErr;
use sea_orm::sea_query::{
    Asterisk, Condition, DynIden, Expr, ExprTrait, Func, IntoIden, IntoTableRef, SelectStatement,
    TableRef,
};
use serde_json::Value;

use crate::error::Error;
use crate::planner::arguments::Args;
use crate::planner::composite::Union;
use crate::planner::counts::Counts;
use crate::planner::json::{Json, Scalar};
pub use crate::planner::order::{BuildExpr, CursorKey, Order, SortKey};
use crate::planner::row_values::RowValues;
use crate::planner::{ExecutionContext, RecordQuery};

/// Alias of the main table of every statement.
pub const ROW: &str = "t";

/// The most records of a list without pages; what comes after them is left out.
pub const MAX_LIST_LENGTH: u64 = 100;

/// A column of the row that a statement is about.
pub fn col(column: impl IntoIden) -> Expr {
    Expr::col((ROW, column))
}

/// A type of the API.
pub struct ObjectType {
    pub name: &'static str,
    pub description: &'static str,
    /// The table of its rows; `None` for a type whose fields are columns of another type's row.
    pub table: Option<Table>,
    pub fields: Vec<Field>,
}

/// The table of a type, and the prefix of its ids if it implements `Node`.
pub struct Table {
    pub name: TableRef,
    pub prefix: Option<&'static str>,
}

/// A reference to a type. A function, so that types can refer to each other.
pub type ObjectRef = fn() -> &'static ObjectType;

/// Registers a type of the API and returns its type reference, such as `[Side!]!`.
pub type Register = fn(&mut Registry) -> String;

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
    /// Records that depend on the request's context, not on the row: all of them, or the only one.
    Found {
        object: ObjectRef,
        find: fn(&ExecutionContext<'_>) -> RecordQuery,
        many: bool,
    },
    /// What a cell of the row holds as JSON: a list of records, or one record or null.
    Stored {
        cell: ColumnExpr,
        object: ObjectRef,
        many: bool,
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
    Nested { object: ObjectRef, many: bool },
    /// The same, where that value refers to a record of one of the types, or is a list of such references.
    Reference { union: &'static Union, many: bool },
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

/// A value that a statement selects.
#[derive(Clone)]
pub enum ColumnExpr {
    Column(DynIden),
    /// An expression, usually a subquery, over the row with the given alias.
    Expression(&'static str, fn(&DynIden, &ExecutionContext<'_>) -> Expr),
    /// Like `Expression`, built for one request.
    Built(String, Arc<BuildExpr>),
}

impl ColumnExpr {
    pub fn column(column: impl IntoIden) -> Self {
        Self::Column(column.into_iden())
    }

    /// Returns the name of the cell. Cells with equal names are the same cell.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Column(column) => column.inner(),
            Self::Expression(name, _) => Cow::Borrowed(name),
            Self::Built(name, _) => Cow::Owned(name.clone()),
        }
    }

    pub fn of(&self, row: &DynIden, env: &ExecutionContext<'_>) -> Expr {
        match self {
            Self::Column(column) => Expr::col((row.clone(), column.clone())),
            Self::Expression(_, expression) => expression(row, env),
            Self::Built(_, expression) => expression(row),
        }
    }
}

/// How the rows of a type belong to a parent.
#[derive(Clone)]
pub enum Relation {
    /// A foreign key of the rows to the parent.
    Column(DynIden),
    /// A join table refers to both.
    Through {
        table: TableRef,
        parent: DynIden,
        target: DynIden,
    },
    /// A condition on the rows, built from the parent's key.
    Matching(fn(Expr) -> Expr),
}

impl Relation {
    pub fn column(column: impl IntoIden) -> Self {
        Self::Column(column.into_iden())
    }

    pub fn through(table: impl IntoTableRef, parent: impl IntoIden, target: impl IntoIden) -> Self {
        Self::Through {
            table: table.into_table_ref(),
            parent: parent.into_iden(),
            target: target.into_iden(),
        }
    }
}

/// A connection: its filter and its sort orders.
pub struct Connection {
    pub object: ObjectRef,
    /// The names of its connection and edge types.
    pub type_name: &'static str,
    pub edge: &'static str,
    /// The types of `filter` and `orderBy`; `None` if it does not have the argument.
    pub filter: Option<Register>,
    pub order: Option<Register>,
    /// How its records can be counted by a value of theirs, if they can.
    pub counts: Option<Counts>,
    /// Whether a cursor holds in every list of this type, whatever the filter: the order is always the same.
    pub lasting: bool,
    pub criteria: fn(&Args<'_>, &ExecutionContext<'_>) -> Result<ListQuery, Error>,
}

/// The parsed `filter` and `orderBy` of a request.
pub struct ListQuery {
    pub condition: Condition,
    pub order: Order,
    /// Equal for equal filters. Part of a cursor's checksum.
    pub fingerprint: String,
}

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
    link: Relation,
    order: Vec<Expr>,
) -> Field {
    let source = FieldSource::Many {
        object,
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

/// Returns a field with records that depend on the request's context.
pub fn found(
    name: &'static str,
    description: &'static str,
    object: ObjectRef,
    find: fn(&ExecutionContext<'_>) -> RecordQuery,
) -> Field {
    let source = FieldSource::Found {
        object,
        find,
        many: true,
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

impl Connection {
    /// Returns the arguments of the connection field.
    pub fn args(&self) -> Vec<Arg> {
        let mut args = vec![
            arg::<Option<i32>>(
                "first",
                "How many records to return from the start of the list (after `after`), 0 to 100. Default: 20, if `last` is not given either. With 0 only counts are read, such as `totalCount`.",
            ),
            arg::<Option<String>>(
                "after",
                "Return only records after this cursor. For the next page, pass `pageInfo.endCursor`.",
            ),
            arg::<Option<i32>>(
                "last",
                "How many records to return from the end of the list (before `before`), 0 to 100. Cannot be combined with `first`.",
            ),
            arg::<Option<String>>(
                "before",
                "Return only records before this cursor. For the previous page, pass `pageInfo.startCursor` together with `last`.",
            ),
        ];
        args.extend(self.filter.map(|register| Arg {
            name: "filter",
            description: "Conditions that the records have to meet, all of them. A condition that is left out or null excludes nothing, and so does a filter that is.",
            register,
        }));
        args.extend(self.order.map(|register| Arg {
            name: "orderBy",
            description: "The order of the list. Default: see the description of the list. A cursor is valid only for the order and filter that it was returned for.",
            register,
        }));
        args
    }

    pub fn object(&self) -> &'static ObjectType {
        (self.object)()
    }
}

impl ObjectType {
    /// Returns the table of a type that has rows of its own.
    ///
    /// # Panics
    /// Panics if a relation leads to a type without a table. A test plans every field of every type.
    pub fn table(&self) -> &Table {
        self.table
            .as_ref()
            .expect("relations lead to types that have a table")
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns whether a fragment with this type condition applies to the type.
    pub fn is(&self, condition: &str) -> bool {
        self.name == condition
            || condition == id::NODE
                && self
                    .table
                    .as_ref()
                    .is_some_and(|table| table.prefix.is_some())
            || condition == id::SEARCH_RESULT && id::SEARCHED.contains(&self.name)
    }

    /// Returns a statement for its rows that selects no columns yet.
    pub fn select(&self) -> SelectStatement {
        let mut select = SelectStatement::new();
        select.from(self.table().name.clone().alias(ROW));
        select
    }
}

/// Returns the number of rows of a statement as an expression for another statement.
pub fn count(mut rows: SelectStatement) -> Expr {
    rows.expr(Func::count(Expr::col(Asterisk)));
    Expr::SubQuery(None, Box::new(rows.into()))
}

/// Returns the condition that a column has one of the values. An empty list matches nothing.
pub fn among<V: Into<sea_orm::Value> + PartialEq>(column: impl IntoIden, values: Vec<V>) -> Expr {
    col(column).is_in(distinct(values).into_iter().map(Into::into))
}

/// Removes duplicates. A statement takes at most 32,766 parameters, and a client may repeat values.
pub fn distinct<V: PartialEq>(values: Vec<V>) -> Vec<V> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

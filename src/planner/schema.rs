//! The description of a type of the API, from which both its schema and its queries are built.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::registry::Registry;
use sea_orm::sea_query::{
    Asterisk, Condition, DynIden, Expr, ExprTrait, Func, IntoIden, IntoTableRef, SelectStatement,
    TableRef,
};

use crate::error::Error;
use crate::planner::ExecutionContext;
use crate::planner::arguments::Args;
use crate::planner::counts::Counts;
pub use crate::planner::field::{
    Arg, Compute, Derive, Field, FieldSource, ListLength, OrderByJoin, arg, column, computed,
    field, found, many, one, one_or_null, page,
};
pub use crate::planner::order::{BuildExpr, CursorKey, Order, SortKey};

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
    /// Whether responses with it may be cached: all viewers of a party see the same, and each change is in the log.
    pub cacheable: bool,
    /// The table of its rows; `None` for a type whose fields are columns of another type's row.
    pub table: Option<Table>,
    pub fields: Vec<Field>,
}

/// The table of a type.
pub struct Table {
    pub name: TableRef,
    /// `None` if its records have no global ids.
    pub node: Option<NodeType>,
}

/// What is specific to a type that implements `Node`.
pub struct NodeType {
    /// The prefix of its ids.
    pub prefix: &'static str,
    /// Returns the condition for the records that the viewer may look up by their ids.
    pub visible: fn(&ExecutionContext<'_>) -> Condition,
    /// The interfaces and unions that the type belongs to.
    pub abstract_types: &'static [&'static str],
}

/// A reference to a type. A function, so that types can refer to each other.
pub type ObjectRef = fn() -> &'static ObjectType;

/// Registers a type of the API and returns its type reference, such as `[Side!]!`.
pub type Register = fn(&mut Registry) -> String;

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

impl Connection {
    /// Returns the arguments of the connection field.
    pub fn args(&self) -> Vec<Arg> {
        let mut args = vec![
            arg::<Option<i32>>(
                "first",
                "How many records to return from the start of the list, or after `after`: 0 to 100. Default: 20 if neither `first` nor `last` is given. Use 0 to get counts such as `totalCount` without records. More than 100, or both `first` and `last`, causes the error BAD_USER_INPUT.",
            ),
            arg::<Option<String>>(
                "after",
                "Return only records after this cursor. For the next page, pass `pageInfo.endCursor`.",
            ),
            arg::<Option<i32>>(
                "last",
                "How many records to return from the end of the list, or before `before`: 0 to 100. The page has the order of the list.",
            ),
            arg::<Option<String>>(
                "before",
                "Return only records before this cursor. For the previous page, pass `pageInfo.startCursor` together with `last`.",
            ),
        ];
        args.extend(self.filter.map(|register| Arg {
            name: "filter",
            description: "Conditions that all returned records must meet. A condition that is left out or null is ignored.",
            register,
        }));
        args.extend(self.order.map(|register| Arg {
            name: "orderBy",
            description: "The order of the list. Default: see the description of the list. Records with the same value have a fixed order. If you change `orderBy` or `filter`, start again without a cursor: an old cursor causes the error INVALID_CURSOR.",
            register,
        }));
        args
    }

    pub fn object(&self) -> &'static ObjectType {
        (self.object)()
    }

    /// Returns the type of its records, and that of their counts.
    pub fn objects(&self) -> Vec<&'static ObjectType> {
        let counts = self.counts.iter().map(|counts| (counts.object)());
        counts.chain([self.object()]).collect()
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
            || self
                .node()
                .is_some_and(|node| node.abstract_types.contains(&condition))
    }

    /// Returns what is specific to a type that implements `Node`; `None` if it does not.
    pub fn node(&self) -> Option<&NodeType> {
        self.table.as_ref()?.node.as_ref()
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

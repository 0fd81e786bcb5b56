//! The words in which a type of the API is described, once: for the schema and for the plan of its reading.

use std::borrow::Cow;

use async_graphql::registry::Registry;
use async_graphql::{InputType, OutputType};
use entity::id;
use sea_orm::DbErr;
use sea_orm::sea_query::{
    Asterisk, Condition, DynIden, Expr, ExprTrait, Func, IntoIden, IntoTableRef, SelectStatement,
    TableRef,
};
use serde_json::Value;

use super::args::Args;
use super::cells::Cells;
use super::counts::Counts;
use super::json::{Json, Scalar};
use super::{Env, Find};
use crate::error::Error;

/// The name by which every statement calls the row that it is about.
pub const ROW: &str = "t";

/// The most records of a list without pages; what comes after them is left out.
pub const LONGEST_LIST: u64 = 100;

/// A column of the row that a statement is about.
pub fn col(column: impl IntoIden) -> Expr {
    Expr::col((ROW, column))
}

/// A type of the API with its rows.
pub struct Object {
    pub name: &'static str,
    pub description: &'static str,
    /// Where its rows stand; none for a type that is a part of another's row.
    pub table: Option<Table>,
    pub fields: Vec<Field>,
}

/// The table of a type, and the prefix of its ids where it is a `Node`.
pub struct Table {
    pub name: TableRef,
    pub prefix: Option<&'static str>,
}

/// How one type names another: by a function, so that types can name each other.
pub type ObjectRef = fn() -> &'static Object;

/// Registers a type of the API and tells its name as a field has it, such as `[Side!]!`.
pub type Register = fn(&mut Registry) -> String;

/// A field: one entry for the schema and the plan.
pub struct Field {
    pub name: &'static str,
    pub description: &'static str,
    pub args: Vec<Arg>,
    pub source: Source,
}

/// An argument of a field.
pub struct Arg {
    pub name: &'static str,
    pub description: &'static str,
    pub register: Register,
}

/// Where a field's value comes from.
pub enum Source {
    /// A cell as it stands.
    Cell {
        cell: Cell,
        scalar: Scalar,
        register: Register,
    },
    /// A pure function of cells of the row and of who asks when.
    Computed {
        needs: Vec<Cell>,
        write: Compute,
        register: Register,
    },
    /// The one record that a column of the row names.
    One {
        object: ObjectRef,
        by: DynIden,
        nullable: bool,
    },
    /// Always the same number of records, each made of the row's own cells.
    Parts(Vec<ObjectRef>),
    /// All records that belong to the row.
    Many {
        object: ObjectRef,
        link: Link,
        order: Vec<Expr>,
        then: Option<Then>,
        condition: fn(&Args<'_>) -> Result<Condition, Error>,
    },
    /// The records that belong to the row, in pages.
    Page { list: &'static List, link: Link },
    /// The record of any type that two columns of the row name: its type and its key.
    Node {
        objects: fn() -> Vec<&'static Object>,
        ty: DynIden,
        key: DynIden,
    },
    /// Records that belong to what the request is about, rather than to the row: all of them, or the only one.
    Found {
        object: ObjectRef,
        find: fn(&Env<'_>) -> Find,
        many: bool,
    },
    /// What a cell of the row holds as JSON: a list of records, or one record or null.
    Stored {
        cell: Cell,
        object: ObjectRef,
        many: bool,
    },
    /// A list of records that a pure function makes of cells of the row.
    Derived {
        needs: Vec<Cell>,
        derive: Derive,
        object: ObjectRef,
    },
    /// The value of the field's name in a record that is JSON, as it stands there; null if there is none.
    Key(Register),
}

/// A column of a record that rows are sorted by, and the column of theirs that names it. Rows that are equal in it are
/// sorted by that record's key.
#[derive(Clone)]
pub struct Then {
    pub object: ObjectRef,
    pub by: DynIden,
    pub column: DynIden,
}

/// Writes a computed value; the cells come in the order of `needs`.
pub type Compute = fn(&Cells<'_>, &Env<'_>, &mut Json) -> Result<(), DbErr>;

/// Makes a list of records, as JSON; the cells come in the order of `needs`.
pub type Derive = fn(&Cells<'_>, &Env<'_>) -> Result<Value, DbErr>;

/// A value that a statement selects.
#[derive(Clone)]
pub enum Cell {
    Column(DynIden),
    /// An expression, most often a subquery, over the row known by the given name.
    Expression(&'static str, fn(&DynIden, &Env<'_>) -> Expr),
}

impl Cell {
    pub fn column(column: impl IntoIden) -> Self {
        Self::Column(column.into_iden())
    }

    /// Two cells of one name are the same cell.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Column(column) => column.inner(),
            Self::Expression(name, _) => Cow::Borrowed(name),
        }
    }

    pub fn of(&self, row: &DynIden, env: &Env<'_>) -> Expr {
        match self {
            Self::Column(column) => Expr::col((row.clone(), column.clone())),
            Self::Expression(_, expression) => expression(row, env),
        }
    }
}

/// How the rows of a type belong to a parent.
#[derive(Clone)]
pub enum Link {
    /// A column of theirs names the parent.
    Column(DynIden),
    /// A table between names both.
    Through {
        table: TableRef,
        parent: DynIden,
        target: DynIden,
    },
    /// A condition on them that holds the parent's key.
    Matching(fn(Expr) -> Expr),
}

impl Link {
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

/// A list that is read in pages: what it can be narrowed to and ordered by.
pub struct List {
    pub object: ObjectRef,
    /// The names of its connection and edge types.
    pub connection: &'static str,
    pub edge: &'static str,
    /// The types of `filter` and `orderBy`, where it takes them.
    pub filter: Option<Register>,
    pub order: Option<Register>,
    /// How its records can be counted by a value of theirs, if they can.
    pub counts: Option<Counts>,
    /// Whether a cursor holds in every list of this type, whatever the filter: the order is always the same.
    pub lasting: bool,
    pub criteria: fn(&Args<'_>, &Env<'_>) -> Result<Criteria, Error>,
}

/// What a request made of a list's `filter` and `orderBy`.
pub struct Criteria {
    pub condition: Condition,
    pub order: Order,
    /// The same for the same filter; part of a cursor's seal.
    pub fingerprint: String,
}

/// The order of a page: by a key that is never null, then by id where the key is not unique.
#[derive(Clone, Debug)]
pub struct Order {
    pub key: DynIden,
    pub kind: Key,
    pub unique: bool,
    pub descending: bool,
}

/// What the key of an order is, and from which column a cursor takes it.
#[derive(Clone, Debug)]
pub enum Key {
    Text,
    Int,
    Long,
    Time,
    /// A date with an open end; the column has the date as it is, or null.
    OpenDate(DynIden),
}

/// A field that shows a column as it stands. `T` is its type in the API.
pub fn column<T: OutputType>(
    name: &'static str,
    description: &'static str,
    column: impl IntoIden,
    scalar: Scalar,
) -> Field {
    let source = Source::Cell {
        cell: Cell::column(column),
        scalar,
        register: T::create_type_info,
    };
    field(name, description, source)
}

/// A field whose value follows from cells of the row.
pub fn computed<T: OutputType>(
    name: &'static str,
    description: &'static str,
    needs: Vec<Cell>,
    write: Compute,
) -> Field {
    let source = Source::Computed {
        needs,
        write,
        register: T::create_type_info,
    };
    field(name, description, source)
}

/// A field that leads to one record, never null.
pub fn one(
    name: &'static str,
    description: &'static str,
    object: ObjectRef,
    by: impl IntoIden,
) -> Field {
    let source = Source::One {
        object,
        by: by.into_iden(),
        nullable: false,
    };
    field(name, description, source)
}

/// A field that leads to one record, or null where the column is null.
pub fn one_or_null(
    name: &'static str,
    description: &'static str,
    object: ObjectRef,
    by: impl IntoIden,
) -> Field {
    let source = Source::One {
        object,
        by: by.into_iden(),
        nullable: true,
    };
    field(name, description, source)
}

/// A field with all records that belong to the row.
pub fn many(
    name: &'static str,
    description: &'static str,
    object: ObjectRef,
    link: Link,
    order: Vec<Expr>,
) -> Field {
    let source = Source::Many {
        object,
        link,
        order,
        then: None,
        condition: |_| Ok(Condition::all()),
    };
    field(name, description, source)
}

/// A field with the records that belong to the row, in pages.
pub fn page(
    name: &'static str,
    description: &'static str,
    list: &'static List,
    link: Link,
) -> Field {
    Field {
        args: list.args(),
        ..field(name, description, Source::Page { list, link })
    }
}

/// A field with the records that the request is about.
pub fn found(
    name: &'static str,
    description: &'static str,
    object: ObjectRef,
    find: fn(&Env<'_>) -> Find,
) -> Field {
    let source = Source::Found {
        object,
        find,
        many: true,
    };
    field(name, description, source)
}

pub fn field(name: &'static str, description: &'static str, source: Source) -> Field {
    Field {
        name,
        description,
        args: Vec::new(),
        source,
    }
}

impl Field {
    /// The same field with an argument more.
    #[must_use]
    pub fn arg<T: InputType>(mut self, name: &'static str, description: &'static str) -> Self {
        self.args.push(arg::<T>(name, description));
        self
    }

    /// A field with all records, sorted at last by a column of the record that `by` names.
    #[must_use]
    pub fn then(mut self, object: ObjectRef, by: impl IntoIden, column: impl IntoIden) -> Self {
        if let Source::Many { then, .. } = &mut self.source {
            *then = Some(Then {
                object,
                by: by.into_iden(),
                column: column.into_iden(),
            });
        }
        self
    }

    /// A field with all records of which the arguments leave some out.
    #[must_use]
    pub fn narrowed(mut self, narrow: fn(&Args<'_>) -> Result<Condition, Error>) -> Self {
        if let Source::Many { condition, .. } = &mut self.source {
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

impl List {
    /// The arguments that every connection has.
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
                "Return only records before this cursor. For the previous page, pass `pageInfo.startCursor`.",
            ),
        ];
        args.extend(self.filter.map(|register| Arg {
            name: "filter",
            description: "Conditions that the records have to meet, all of them. Left out or null: no condition.",
            register,
        }));
        args.extend(self.order.map(|register| Arg {
            name: "orderBy",
            description: "The order of the list. A cursor is valid only for the order and filter that it was returned for.",
            register,
        }));
        args
    }

    pub fn object(&self) -> &'static Object {
        (self.object)()
    }
}

impl Object {
    /// The table of a type that has rows of its own.
    ///
    /// # Panics
    /// Where the shapes are wrong: a relation leads to a type that is a part of another's row.
    /// A test plans every field of every type.
    pub fn table(&self) -> &Table {
        self.table
            .as_ref()
            .expect("relations lead to types that have a table")
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|it| it.name == name)
    }

    /// Whether a fragment on `condition` applies to this type.
    pub fn is(&self, condition: &str) -> bool {
        self.name == condition
            || condition == id::NODE && self.table.as_ref().is_some_and(|it| it.prefix.is_some())
    }

    /// A statement about its rows that selects nothing yet.
    pub fn select(&self) -> SelectStatement {
        let mut select = SelectStatement::new();
        select.from(self.table().name.clone().alias(ROW));
        select
    }
}

/// How many rows a statement finds, as a value of another statement's row.
pub fn count(mut rows: SelectStatement) -> Expr {
    rows.expr(Func::count(Expr::col(Asterisk)));
    Expr::SubQuery(None, Box::new(rows.into()))
}

/// Whether a column holds one of the values, of which few are distinct; an empty list of values matches nothing.
pub fn among<V: Into<sea_orm::Value> + PartialEq>(column: impl IntoIden, values: Vec<V>) -> Expr {
    col(column).is_in(distinct(values).into_iter().map(Into::into))
}

/// Each value once. A statement has room for 32,766 parameters, and a client may repeat a value more often.
pub fn distinct<V: PartialEq>(values: Vec<V>) -> Vec<V> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

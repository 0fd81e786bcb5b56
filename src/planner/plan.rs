//! The plan of a selection: the statements to execute, one per to-many level, and how their rows are written.

use std::borrow::Cow;

use async_graphql::Pos;
use sea_orm::sea_query::{
    Condition, DynIden, Expr, ExprTrait, IntoIden, Order as Direction, TableRef,
};

use crate::error::Error;
use crate::planner::ExecutionContext;
use crate::planner::json::Scalar;
use crate::planner::page::{PageArguments, PageTemplate};
use crate::planner::schema::{
    ColumnExpr, Compute, Derive, ListQuery, ObjectType, OrderByJoin, ROW, Relation, col,
};

/// Maximum number of joins of a statement. SQLite joins at most 64 tables, and both databases plan few joins better
/// than many. A more distant record is fetched by a statement of its own.
const JOINS: usize = 8;

/// One statement: the rows that it reads and the cells that it selects.
pub struct QueryPlan {
    pub object: &'static ObjectType,
    pub rows: RowSource,
    pub cells: Vec<Expr>,
    /// Indexes of the cells that can hold long texts.
    pub texts: Vec<usize>,
    names: Vec<(DynIden, Cow<'static, str>)>,
    pub joins: Vec<Join>,
    pub children: Vec<ChildPlan>,
}

/// The rows that a statement reads. All variants except `Where` have the parent's key in their first cell.
pub enum RowSource {
    /// The rows that match a condition.
    Where {
        condition: Condition,
        order: Vec<(Expr, Direction)>,
        limit: Option<u64>,
    },
    /// The rows whose ids the parents hold, if they match the condition.
    ByKeys(Condition),
    /// All rows that belong to the parents.
    ByParent {
        link: Relation,
        condition: Condition,
        order: Vec<Expr>,
    },
    /// A page; one per parent if there is a link.
    Page(Page),
}

/// A page and the parts of its connection that are selected.
pub struct Page {
    pub link: Option<Relation>,
    pub criteria: ListQuery,
    pub window: PageArguments,
    pub rows: bool,
    /// Whether `hasNextPage` or `hasPreviousPage` is selected, which needs one more row.
    pub more: bool,
    pub total: bool,
    /// The column whose values the records are counted by.
    pub counts: Option<DynIden>,
}

/// A record in the same statement, joined by a foreign key.
pub struct Join {
    pub table: TableRef,
    pub alias: DynIden,
    pub on: Expr,
    by: (DynIden, DynIden),
}

/// A statement for the rows that belong to the rows of another.
pub struct ChildPlan {
    /// The cell that the child's rows are found by; `None` if they do not depend on the row.
    pub key: Option<usize>,
    /// Restricts the child to rows whose cell holds this name.
    pub only: Option<(usize, &'static str)>,
    pub load: QueryPlan,
}

/// The output of a record: its selected fields in order.
pub struct OutputPlan<'a> {
    pub object: &'static ObjectType,
    pub entries: Vec<OutputField<'a>>,
}

/// A field of a record under its response key.
pub struct OutputField<'a> {
    pub key: &'a str,
    pub pos: Pos,
    pub slot: FieldOutput<'a>,
}

/// Where a field's value comes from after execution.
pub enum FieldOutput<'a> {
    Typename,
    Cell(usize, Scalar),
    Computed(Vec<usize>, Compute),
    /// The record joined into the same row; null if the cell is null.
    Joined {
        present: usize,
        nullable: bool,
        template: OutputPlan<'a>,
    },
    /// The record fetched by a child statement.
    Fetched {
        child: usize,
        nullable: bool,
        template: OutputPlan<'a>,
    },
    Many {
        child: usize,
        template: OutputPlan<'a>,
    },
    Page {
        child: usize,
        template: PageTemplate<'a>,
    },
    Parts(Vec<OutputPlan<'a>>),
    /// A record of the type whose name the cell holds.
    Node {
        ty: usize,
        kinds: Vec<PossibleType<'a>>,
    },
    /// The records of a child statement that does not depend on the row.
    Found {
        child: usize,
        many: bool,
        template: OutputPlan<'a>,
    },
    /// The record, or the list of them, that a cell holds as JSON.
    Stored(usize, OutputPlan<'a>),
    /// The records that a function makes of cells.
    Derived(Vec<usize>, Derive, OutputPlan<'a>),
    /// The value of this name in a record that is stored as JSON.
    Key(&'static str),
    /// An error in the arguments of the field.
    Failed(Error),
}

/// One of the possible types of a record.
pub struct PossibleType<'a> {
    /// The cell with the record's id.
    pub key: usize,
    /// The child that fetches the record; `None` if the id alone suffices.
    pub child: Option<usize>,
    pub template: OutputPlan<'a>,
}

impl OutputPlan<'_> {
    /// Returns whether the record's id alone suffices to write it.
    pub(super) fn by_key(&self) -> bool {
        let known = |entry: &OutputField<'_>| {
            matches!(
                entry.slot,
                FieldOutput::Typename | FieldOutput::Cell(_, Scalar::Id(_))
            )
        };
        self.entries.iter().all(known)
    }
}

impl QueryPlan {
    /// Returns whether it has a single statement, which sees one state of the database by itself.
    pub fn is_single_statement(&self) -> bool {
        let reads_once = match &self.rows {
            RowSource::Page(page) => {
                let counts = page.total || page.counts.is_some();
                !(page.rows && counts) && page.window.verified_cursors().next().is_none()
            }
            RowSource::Where { .. } | RowSource::ByKeys(_) | RowSource::ByParent { .. } => true,
        };
        reads_once && self.children.is_empty()
    }

    pub fn new(object: &'static ObjectType, rows: RowSource) -> Self {
        let mut load = Self {
            object,
            cells: Vec::new(),
            texts: Vec::new(),
            names: Vec::new(),
            joins: Vec::new(),
            children: Vec::new(),
            rows,
        };
        if let Some(parent) = load.rows.parent() {
            load.cells.push(parent);
            load.names.push((ROW.into_iden(), Cow::Borrowed("")));
        }
        load
    }

    /// Returns the index of a cell of the row with this alias. Each cell is selected only once.
    pub fn cell(&mut self, row: &DynIden, cell: &ColumnExpr, env: &ExecutionContext<'_>) -> usize {
        let name = cell.name();
        let mut known = self.names.iter();
        if let Some(index) = known.position(|selected| selected.0 == *row && selected.1 == name) {
            return index;
        }
        self.names.push((row.clone(), name));
        self.cells.push(cell.of(row, env));
        self.cells.len() - 1
    }

    /// Returns the index of a cell that can hold a long text.
    pub(super) fn text(
        &mut self,
        row: &DynIden,
        cell: &ColumnExpr,
        env: &ExecutionContext<'_>,
    ) -> usize {
        let index = self.cell(row, cell, env);
        if !self.texts.contains(&index) {
            self.texts.push(index);
        }
        index
    }

    pub fn child(&mut self, key: Option<usize>, load: QueryPlan) -> usize {
        self.children.push(ChildPlan {
            key,
            only: None,
            load,
        });
        self.children.len() - 1
    }

    /// Sorts the rows also by a column of a record that it joins, and then by that record's key.
    pub(super) fn sort(&mut self, then: &OrderByJoin) {
        let alias = self.join(&(then.object)().table().name, &ROW.into_iden(), &then.by);
        if let RowSource::ByParent { order, .. } = &mut self.rows {
            order.extend(alias.map(|alias| Expr::col((alias, then.column.clone()))));
            order.push(col(then.by.clone()));
        }
    }

    /// Joins the record of `table` that the column `by` refers to; `None` if the statement already has [`JOINS`] joins.
    pub(super) fn join(
        &mut self,
        table: &TableRef,
        row: &DynIden,
        by: &DynIden,
    ) -> Option<DynIden> {
        let path = (row.clone(), by.clone());
        if let Some(join) = self.joins.iter().find(|join| join.by == path) {
            return Some(join.alias.clone());
        }
        if self.joins.len() == JOINS {
            return None;
        }
        let alias = format!("j{}", self.joins.len()).into_iden();
        let on = Expr::col((alias.clone(), "id")).equals((row.clone(), by.clone()));
        self.joins.push(Join {
            table: table.clone(),
            alias: alias.clone(),
            on,
            by: path,
        });
        Some(alias)
    }
}

/// Table alias and column name of the parents' keys in a statement.
pub const KEY: &str = "k";

/// Returns the expression for the parent's key in the statement of a page.
pub fn parent() -> Expr {
    Expr::col((KEY, KEY))
}

impl RowSource {
    /// Returns the expression for the key of a row's parent.
    fn parent(&self) -> Option<Expr> {
        match self {
            Self::Where { .. } | Self::Page(Page { link: None, .. }) => None,
            Self::ByKeys(_) => Some(col("id")),
            Self::ByParent { link, .. } => Some(link.parent()),
            Self::Page(_) => Some(parent()),
        }
    }
}

/// Alias of the join table in statements that have one.
pub const LINK: &str = "l";

impl Relation {
    /// Returns the column with the parent's key.
    pub fn parent(&self) -> Expr {
        match self {
            Self::Column(column) => col(column.clone()),
            Self::Through { parent, .. } => Expr::col((LINK, parent.clone())),
            Self::Matching(_) => parent(),
        }
    }

    /// The condition under which a row belongs to the parent of a statement of pages.
    pub fn of_parent(&self) -> Expr {
        match self {
            Self::Matching(matches) => matches(parent()),
            _ => self.parent().eq(parent()),
        }
    }
}

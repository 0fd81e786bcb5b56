//! The plan of a selection: the statements to execute, one per to-many level, and how their rows are written.

use std::borrow::Cow;

use async_graphql::parser::types::SelectionSet;
use async_graphql::{Pos, Positioned};
use sea_orm::sea_query::{
    Condition, DynIden, Expr, ExprTrait, IntoIden, Order as Direction, TableRef,
};

use super::args::Args;
use super::document::{Document, Merged};
use super::json::Scalar;
use super::page::{self, PageTemplate, Window};
use super::shape::{
    Cell, Compute, Criteria, Derive, LONGEST_LIST, Link, List, Object, ROW, Source, Then, col,
};
use super::{Env, Find};
use crate::error::{Error, Result};

/// Maximum number of joins of a statement. SQLite joins at most 64 tables, and both databases plan few joins better
/// than many. A more distant record is fetched by a statement of its own.
const JOINS: usize = 8;

/// One statement: the rows that it reads and the cells that it selects.
pub struct Load {
    pub object: &'static Object,
    pub rows: Rows,
    pub cells: Vec<Expr>,
    /// Indexes of the cells that can hold long texts.
    pub texts: Vec<usize>,
    names: Vec<(DynIden, Cow<'static, str>)>,
    pub joins: Vec<Join>,
    pub children: Vec<Child>,
}

/// The rows that a statement reads. All variants except `Where` have the parent's key in their first cell.
pub enum Rows {
    /// The rows that match a condition.
    Where {
        condition: Condition,
        order: Option<(Expr, Direction)>,
        limit: Option<u64>,
    },
    /// The rows whose ids the parents hold, if they match the condition.
    Named(Condition),
    /// All rows that belong to the parents.
    Of {
        link: Link,
        condition: Condition,
        order: Vec<Expr>,
    },
    /// A page; one per parent if there is a link.
    Page(Page),
}

/// A page and the parts of its connection that are selected.
pub struct Page {
    pub link: Option<Link>,
    pub criteria: Criteria,
    pub window: Window,
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
pub struct Child {
    /// The cell that the child's rows are found by; `None` if they do not depend on the row.
    pub key: Option<usize>,
    /// Restricts the child to rows whose cell holds this name.
    pub only: Option<(usize, &'static str)>,
    pub load: Load,
}

/// The output of a record: its selected fields in order.
pub struct Template<'a> {
    pub object: &'static Object,
    pub entries: Vec<Entry<'a>>,
}

/// A field of a record under its response key.
pub struct Entry<'a> {
    pub key: &'a str,
    pub pos: Pos,
    pub slot: Slot<'a>,
}

/// Where a field's value comes from after execution.
pub enum Slot<'a> {
    Typename,
    Cell(usize, Scalar),
    Computed(Vec<usize>, Compute),
    /// The record joined into the same row; null if the cell is null.
    Joined {
        present: usize,
        nullable: bool,
        template: Template<'a>,
    },
    /// The record fetched by a child statement.
    Fetched {
        child: usize,
        nullable: bool,
        template: Template<'a>,
    },
    Many {
        child: usize,
        template: Template<'a>,
    },
    Page {
        child: usize,
        template: PageTemplate<'a>,
    },
    Parts(Vec<Template<'a>>),
    /// A record of the type whose name the cell holds.
    Node {
        ty: usize,
        kinds: Vec<Kind<'a>>,
    },
    /// The records of a child statement that does not depend on the row.
    Found {
        child: usize,
        many: bool,
        template: Template<'a>,
    },
    /// The record, or the list of them, that a cell holds as JSON.
    Stored(usize, Template<'a>),
    /// The records that a function makes of cells.
    Derived(Vec<usize>, Derive, Template<'a>),
    /// The value of this name in a record that is stored as JSON.
    Key(&'static str),
    /// An error in the arguments of the field.
    Failed(Error),
}

/// One of the possible types of a record.
pub struct Kind<'a> {
    /// The cell with the record's id.
    pub key: usize,
    /// The child that fetches the record; `None` if the id alone suffices.
    pub child: Option<usize>,
    pub template: Template<'a>,
}

impl Template<'_> {
    /// Returns whether the record's id alone suffices to write it.
    fn by_key(&self) -> bool {
        let known =
            |entry: &Entry<'_>| matches!(entry.slot, Slot::Typename | Slot::Cell(_, Scalar::Id(_)));
        self.entries.iter().all(known)
    }
}

impl Load {
    pub fn new(object: &'static Object, rows: Rows) -> Self {
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
    pub fn cell(&mut self, row: &DynIden, cell: &Cell, env: &Env<'_>) -> usize {
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
    fn text(&mut self, row: &DynIden, cell: &Cell, env: &Env<'_>) -> usize {
        let index = self.cell(row, cell, env);
        if !self.texts.contains(&index) {
            self.texts.push(index);
        }
        index
    }

    pub fn child(&mut self, key: Option<usize>, load: Load) -> usize {
        self.children.push(Child {
            key,
            only: None,
            load,
        });
        self.children.len() - 1
    }

    /// Sorts the rows also by a column of a record that it joins, and then by that record's key.
    fn sort(&mut self, then: &Then) {
        let alias = self.join(&(then.object)().table().name, &ROW.into_iden(), &then.by);
        if let Rows::Of { order, .. } = &mut self.rows {
            order.extend(alias.map(|alias| Expr::col((alias, then.column.clone()))));
            order.push(col(then.by.clone()));
        }
    }

    /// Joins the record of `table` that the column `by` refers to; `None` if the statement already has [`JOINS`] joins.
    fn join(&mut self, table: &TableRef, row: &DynIden, by: &DynIden) -> Option<DynIden> {
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

impl Rows {
    /// Returns the expression for the key of a row's parent.
    fn parent(&self) -> Option<Expr> {
        match self {
            Self::Where { .. } | Self::Page(Page { link: None, .. }) => None,
            Self::Named(_) => Some(col("id")),
            Self::Of { link, .. } => Some(link.parent()),
            Self::Page(_) => Some(parent()),
        }
    }
}

/// Alias of the join table in statements that have one.
pub const LINK: &str = "l";

impl Link {
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

/// The context of planning.
#[derive(Clone, Copy)]
pub struct Planner<'a, 'e> {
    pub document: Document<'a>,
    pub env: &'e Env<'e>,
}

impl<'a> Planner<'a, '_> {
    /// Plans the output of the record that the statement of `load` reads under the alias `row`.
    pub fn template(
        &self,
        object: &'static Object,
        sets: &[&'a SelectionSet],
        load: &mut Load,
        row: &DynIden,
    ) -> Template<'a> {
        let fields = self
            .document
            .collect(sets, &|condition| object.is(condition));
        let entries = fields
            .into_iter()
            .map(|field| Entry {
                key: field.key,
                pos: field.field().pos,
                slot: self
                    .slot(object, &field, load, row)
                    .unwrap_or_else(Slot::Failed),
            })
            .collect();
        Template { object, entries }
    }

    fn slot(
        &self,
        object: &'static Object,
        selected: &Merged<'a>,
        load: &mut Load,
        row: &DynIden,
    ) -> Result<Slot<'a>> {
        let Some(field) = object.field(selected.name()) else {
            // `__typename`: validation rejects all other unknown fields.
            return Ok(Slot::Typename);
        };
        let sets = selected.sets();
        Ok(match &field.source {
            Source::Cell { cell, scalar, .. } => {
                let index = match scalar {
                    Scalar::Text | Scalar::Texts => load.text(row, cell, self.env),
                    _ => load.cell(row, cell, self.env),
                };
                Slot::Cell(index, *scalar)
            }
            Source::Computed { needs, write, .. } => {
                let indexes = needs.iter().map(|cell| load.cell(row, cell, self.env));
                Slot::Computed(indexes.collect(), *write)
            }
            Source::One {
                object,
                by,
                nullable,
            } => self.one(object(), by, *nullable, &sets, load, row),
            Source::Parts(parts) => Slot::Parts(
                parts
                    .iter()
                    .map(|part| self.template(part(), &sets, load, row))
                    .collect(),
            ),
            Source::Many {
                object,
                link,
                order,
                then,
                condition,
            } => {
                let args = self.args(selected.field());
                let rows = Rows::Of {
                    link: link.clone(),
                    condition: condition(&args)?,
                    order: order.clone(),
                };
                let mut child = Load::new(object(), rows);
                if let Some(then) = then {
                    child.sort(then);
                }
                let template = self.template(object(), &sets, &mut child, &ROW.into_iden());
                let child = self.below(load, row, child);
                Slot::Many { child, template }
            }
            Source::Page { list, link } => {
                let scope = format!("{}.{}", object.name, field.name);
                let (child, template) = self.page(list, Some(link), selected, &scope)?;
                let child = self.below(load, row, child);
                Slot::Page { child, template }
            }
            Source::Node { objects, ty, key } => {
                let ty = load.cell(row, &Cell::Column(ty.clone()), self.env);
                let key = load.cell(row, &Cell::Column(key.clone()), self.env);
                let kinds = objects().into_iter();
                let kinds = kinds
                    .map(|object| self.kind(object, &sets, load, ty, key))
                    .collect();
                Slot::Node { ty, kinds }
            }
            Source::Found { object, find, many } => {
                let Find { condition, order } = find(self.env);
                let rows = Rows::Where {
                    condition,
                    order,
                    limit: Some(if *many { LONGEST_LIST } else { 1 }),
                };
                let mut child = Load::new(object(), rows);
                let template = self.template(object(), &sets, &mut child, &ROW.into_iden());
                let child = load.child(None, child);
                Slot::Found {
                    child,
                    many: *many,
                    template,
                }
            }
            Source::Stored { cell, object, .. } => {
                let place = load.text(row, cell, self.env);
                Slot::Stored(place, self.template(object(), &sets, load, row))
            }
            Source::Derived {
                needs,
                derive,
                object,
            } => {
                let places = needs.iter().map(|it| load.cell(row, it, self.env));
                let places = places.collect();
                Slot::Derived(places, *derive, self.template(object(), &sets, load, row))
            }
            Source::Key(_) => Slot::Key(field.name),
        })
    }

    /// Plans the output of a polymorphic record for one of its possible types.
    fn kind(
        &self,
        object: &'static Object,
        sets: &[&'a SelectionSet],
        load: &mut Load,
        ty: usize,
        key: usize,
    ) -> Kind<'a> {
        let mut child = Load::new(object, Rows::Named(Condition::all()));
        let template = self.template(object, sets, &mut child, &ROW.into_iden());
        let child = (!template.by_key()).then(|| {
            let child = load.child(Some(key), child);
            load.children[child].only = Some((ty, object.name));
            child
        });
        Kind {
            key,
            child,
            template,
        }
    }

    fn one(
        &self,
        object: &'static Object,
        by: &DynIden,
        nullable: bool,
        sets: &[&'a SelectionSet],
        load: &mut Load,
        row: &DynIden,
    ) -> Slot<'a> {
        let present = load.cell(row, &Cell::Column(by.clone()), self.env);
        if let Some(alias) = load.join(&object.table().name, row, by) {
            let template = self.template(object, sets, load, &alias);
            return Slot::Joined {
                present,
                nullable,
                template,
            };
        }
        let mut child = Load::new(object, Rows::Named(Condition::all()));
        let template = self.template(object, sets, &mut child, &ROW.into_iden());
        let child = load.child(Some(present), child);
        Slot::Fetched {
            child,
            nullable,
            template,
        }
    }

    /// Plans a connection: of all records, or of those that belong to each parent.
    pub fn page(
        &self,
        list: &'static List,
        link: Option<&Link>,
        selected: &Merged<'a>,
        scope: &str,
    ) -> Result<(Load, PageTemplate<'a>)> {
        let args = self.args(selected.field());
        let criteria = (list.criteria)(&args, self.env)?;
        let (window, scope) = page::window(&args, &criteria, list, scope)?;
        page::plan(self, list, link, criteria, window, scope, &selected.sets())
    }

    pub fn args(&self, field: &'a Positioned<async_graphql::parser::types::Field>) -> Args<'a> {
        Args::new(self.document, &field.node)
    }

    /// Adds a child statement for the rows that belong to the record with the alias `row`.
    fn below(&self, load: &mut Load, row: &DynIden, child: Load) -> usize {
        let key = load.cell(row, &Cell::column("id"), self.env);
        load.child(Some(key), child)
    }
}

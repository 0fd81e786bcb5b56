//! From a selection to what must be loaded and how it is written: one statement for each to-many level.

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

/// `SQLite` joins 64 tables at most and both databases plan few joins better than many: a record
/// further away than this is fetched by a statement of its own.
const JOINS: usize = 8;

/// One statement: which rows, and what of each.
pub struct Load {
    pub object: &'static Object,
    pub rows: Rows,
    pub cells: Vec<Expr>,
    /// Those of them that may be long.
    pub texts: Vec<usize>,
    names: Vec<(DynIden, Cow<'static, str>)>,
    pub joins: Vec<Join>,
    pub children: Vec<Child>,
}

/// Which rows a statement reads. All but `Where` have the parent's key in their first cell.
pub enum Rows {
    /// Those that a condition holds for.
    Where {
        condition: Condition,
        order: Option<(Expr, Direction)>,
        limit: Option<u64>,
    },
    /// Those that parents name, as far as the condition holds for them.
    Named(Condition),
    /// All that belong to the parents.
    Of {
        link: Link,
        condition: Condition,
        order: Vec<Expr>,
    },
    /// A page, of each parent's where there is a link.
    Page(Page),
}

/// The rows of a page and what else is asked of the list.
pub struct Page {
    pub link: Option<Link>,
    pub criteria: Criteria,
    pub window: Window,
    pub rows: bool,
    /// Whether somebody asks if there are more.
    pub more: bool,
    pub total: bool,
    /// The column whose values the records are counted by.
    pub counts: Option<DynIden>,
}

/// A record in the same statement, found by a column of another.
pub struct Join {
    pub table: TableRef,
    pub alias: DynIden,
    pub on: Expr,
    by: (DynIden, DynIden),
}

/// A statement for the rows that belong to this one's.
pub struct Child {
    /// The cell that holds what the child is found by; none where it does not belong to the row.
    pub key: Option<usize>,
    /// Only for rows that have this word in this cell.
    pub only: Option<(usize, &'static str)>,
    pub load: Load,
}

/// How a record is written: its selected fields in order.
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

/// Where a field's value is found once all is loaded.
pub enum Slot<'a> {
    Typename,
    Cell(usize, Scalar),
    Computed(Vec<usize>, Compute),
    /// The record joined into the same row; none where the cell is null.
    Joined {
        present: usize,
        nullable: bool,
        template: Template<'a>,
    },
    /// The record that a child fetched.
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
    /// The record of the type whose name stands in the cell.
    Node {
        ty: usize,
        kinds: Vec<Kind<'a>>,
    },
    /// The records that a child found by itself.
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
    /// What its arguments make impossible.
    Failed(Error),
}

/// One of the types that a record can be of.
pub struct Kind<'a> {
    /// The cell that holds the record's key.
    pub key: usize,
    /// The child that fetched it; none where the key alone is asked for.
    pub child: Option<usize>,
    pub template: Template<'a>,
}

impl Template<'_> {
    /// Whether it takes no more than the record's key to write it.
    fn by_key(&self) -> bool {
        let known =
            |it: &Entry<'_>| matches!(it.slot, Slot::Typename | Slot::Cell(_, Scalar::Id(_)));
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

    /// The place of a cell of the row with this alias; selected once however often it is asked for.
    pub fn cell(&mut self, row: &DynIden, cell: &Cell, env: &Env<'_>) -> usize {
        let name = cell.name();
        let mut known = self.names.iter();
        if let Some(place) = known.position(|it| it.0 == *row && it.1 == name) {
            return place;
        }
        self.names.push((row.clone(), name));
        self.cells.push(cell.of(row, env));
        self.cells.len() - 1
    }

    /// The place of a cell that may be long.
    fn text(&mut self, row: &DynIden, cell: &Cell, env: &Env<'_>) -> usize {
        let place = self.cell(row, cell, env);
        if !self.texts.contains(&place) {
            self.texts.push(place);
        }
        place
    }

    pub fn child(&mut self, key: Option<usize>, load: Load) -> usize {
        self.children.push(Child {
            key,
            only: None,
            load,
        });
        self.children.len() - 1
    }

    /// Sorts its rows by a column of a record that it joins for this, too, and of equal ones by that record's key.
    fn sort(&mut self, then: &Then) {
        let alias = self.join(&(then.object)().table().name, &ROW.into_iden(), &then.by);
        if let Rows::Of { order, .. } = &mut self.rows {
            order.extend(alias.map(|it| Expr::col((it, then.column.clone()))));
            order.push(col(then.by.clone()));
        }
    }

    /// Joins the record of `table` that `by` names; none where the statement has joins enough.
    fn join(&mut self, table: &TableRef, row: &DynIden, by: &DynIden) -> Option<DynIden> {
        let path = (row.clone(), by.clone());
        if let Some(join) = self.joins.iter().find(|it| it.by == path) {
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

/// The name of the parents' keys where they are rows of a statement.
pub const KEY: &str = "k";

/// The parent's key in the statement of a page.
pub fn parent() -> Expr {
    Expr::col((KEY, KEY))
}

impl Rows {
    /// Where its rows have their parent's key.
    fn parent(&self) -> Option<Expr> {
        match self {
            Self::Where { .. } | Self::Page(Page { link: None, .. }) => None,
            Self::Named(_) => Some(col("id")),
            Self::Of { link, .. } => Some(link.parent()),
            Self::Page(_) => Some(parent()),
        }
    }
}

/// The name of the table between two, in statements that have one.
pub const LINK: &str = "l";

impl Link {
    /// The column that holds the parent's key.
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

/// What planning needs to know of the request.
#[derive(Clone, Copy)]
pub struct Planner<'a, 'e> {
    pub document: Document<'a>,
    pub env: &'e Env<'e>,
}

impl<'a> Planner<'a, '_> {
    /// Plans the record of `load` that stands in the statement as `row`.
    pub fn template(
        &self,
        object: &'static Object,
        sets: &[&'a SelectionSet],
        load: &mut Load,
        row: &DynIden,
    ) -> Template<'a> {
        let fields = self.document.collect(sets, &|it| object.is(it));
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
            // Validation has let through nothing else.
            return Ok(Slot::Typename);
        };
        let sets = selected.sets();
        Ok(match &field.source {
            Source::Cell { cell, scalar, .. } => {
                let place = match scalar {
                    Scalar::Text | Scalar::Texts => load.text(row, cell, self.env),
                    _ => load.cell(row, cell, self.env),
                };
                Slot::Cell(place, *scalar)
            }
            Source::Computed { needs, write, .. } => {
                let places = needs.iter().map(|it| load.cell(row, it, self.env));
                Slot::Computed(places.collect(), *write)
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
                    .map(|it| self.kind(it, &sets, load, ty, key))
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

    /// Plans the record that `key` names where it is of this type.
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

    /// Adds a statement for what belongs to the record that stands in `load` as `row`.
    fn below(&self, load: &mut Load, row: &DynIden, child: Load) -> usize {
        let key = load.cell(row, &Cell::column("id"), self.env);
        load.child(Some(key), child)
    }
}

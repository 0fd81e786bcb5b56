//! Connections: their arguments, and their part of the plan.

use std::sync::LazyLock;

use async_graphql::OutputType;
use async_graphql::parser::types::SelectionSet;
use sea_orm::sea_query::IntoIden;

use crate::error::{Error, Result};
use crate::planner::arguments::Args;
use crate::planner::counts::{self, CountSlot};
use crate::planner::cursor::{CursorCodec, CursorPosition};
use crate::planner::plan::{OutputPlan, Page, QueryPlan, RowSource};
use crate::planner::planning::Planner;
use crate::planner::schema::{
    ColumnExpr, Connection, CursorKey, FieldSource, ListQuery, ObjectType, Order, ROW, Relation,
    field,
};
use crate::planner::selection::CollectedField;

/// Default page size in records.
pub const DEFAULT: u64 = 20;
/// Maximum page size in records.
pub const MAX: u64 = 100;

/// Returns the type `PageInfo`.
pub fn page_info() -> &'static ObjectType {
    static OBJECT: LazyLock<ObjectType> = LazyLock::new(|| {
        let flag = || FieldSource::Key(bool::create_type_info);
        let cursor = || FieldSource::Key(<Option<String>>::create_type_info);
        ObjectType {
            name: "PageInfo",
            description: "Information about a page within its list.",
            cacheable: true,
            table: None,
            fields: vec![
                field(
                    "hasNextPage",
                    "Whether there are records after this page.",
                    flag(),
                ),
                field(
                    "hasPreviousPage",
                    "Whether there are records before this page.",
                    flag(),
                ),
                field(
                    "startCursor",
                    "The cursor of the first record of the page, to pass as `before`; null if the page is empty.",
                    cursor(),
                ),
                field(
                    "endCursor",
                    "The cursor of the last record of the page, to pass as `after`; null if the page is empty.",
                    cursor(),
                ),
            ],
        }
    });
    &OBJECT
}

/// The requested part of a list, and the direction in which it is read.
#[derive(Clone, Debug)]
pub struct PageArguments {
    pub limit: u64,
    /// Whether it is read from the end (`last`).
    pub backward: bool,
    pub after: Option<CursorPosition>,
    pub before: Option<CursorPosition>,
    /// Whether the rows that the cursors refer to must still exist.
    pub verify: bool,
}

impl PageArguments {
    /// Returns the cursors whose rows must still exist.
    pub fn verified_cursors(&self) -> impl Iterator<Item = &CursorPosition> {
        let cursors = [&self.after, &self.before].into_iter().flatten();
        cursors.filter(|_| self.verify)
    }
}

/// The output of a connection.
pub struct PageTemplate<'a> {
    pub list: &'static Connection,
    pub entries: Vec<(&'a str, PageSlot<'a>)>,
    pub cursors: Cursors,
}

/// How the cursors of a page are built.
pub struct Cursors {
    pub scope: CursorCodec,
    pub kind: CursorKey,
    /// The cells of the row's id and key; `None` if no cursor is selected.
    pub cells: Option<(usize, usize)>,
}

pub enum PageSlot<'a> {
    Typename,
    Nodes(OutputPlan<'a>),
    Edges(Vec<(&'a str, EdgeSlot<'a>)>),
    Info(Vec<(&'a str, PageInfoField)>),
    TotalCount,
    Counts(Vec<(&'a str, CountSlot)>),
}

pub enum EdgeSlot<'a> {
    Typename,
    Cursor,
    Node(OutputPlan<'a>),
}

#[derive(Clone, Copy)]
pub enum PageInfoField {
    Typename,
    HasNextPage,
    HasPreviousPage,
    StartCursor,
    EndCursor,
}

/// Parses `first`, `after`, `last` and `before`.
///
/// # Errors
/// Returns an error if a size is out of range, both are given, or a cursor is invalid.
pub fn parse_page_arguments(
    args: &Args<'_>,
    criteria: &ListQuery,
    list: &Connection,
    field: &str,
) -> Result<(PageArguments, CursorCodec)> {
    let first = size(args, "first")?;
    let last = size(args, "last")?;
    if first.is_some() && last.is_some() {
        return Err(Error::BadInput(
            "`first` and `last` cannot be combined: give one of them.".to_owned(),
        ));
    }
    let scope = if list.lasting {
        list.scope(&criteria.order)
    } else {
        CursorCodec::new(field, &criteria.order, &criteria.fingerprint)
    };
    let cursor = |name| -> Result<Option<CursorPosition>> {
        let text = args.get::<Option<String>>(name)?;
        text.map(|cursor| scope.decode(&cursor)).transpose()
    };
    let arguments = PageArguments {
        limit: first.or(last).unwrap_or(DEFAULT),
        backward: last.is_some(),
        after: cursor("after")?,
        before: cursor("before")?,
        verify: list.lasting,
    };
    Ok((arguments, scope))
}

impl Connection {
    /// Returns the cursor scope of a list whose cursors are valid for every filter.
    pub fn scope(&self, order: &Order) -> CursorCodec {
        CursorCodec::new(self.type_name, order, "")
    }
}

/// Parses a page size.
///
/// # Errors
/// Returns an error if it is out of range.
pub fn size(args: &Args<'_>, name: &str) -> Result<Option<u64>> {
    let Some(size) = args.get::<Option<i32>>(name)? else {
        return Ok(None);
    };
    match u64::try_from(size) {
        Ok(size @ 0..=MAX) => Ok(Some(size)),
        _ => Err(Error::BadInput(format!(
            "`{name}` is {size}; a page has 0 to {MAX} records."
        ))),
    }
}

/// Plans the selection of a connection.
pub fn plan<'a>(
    planner: &Planner<'a, '_>,
    list: &'static Connection,
    link: Option<&Relation>,
    criteria: ListQuery,
    window: PageArguments,
    scope: CursorCodec,
    sets: &[&'a SelectionSet],
) -> Result<(QueryPlan, PageTemplate<'a>)> {
    let order = criteria.order.clone();
    // Validates the cursors here, before any statement is sent.
    for (position, back) in [(&window.after, false), (&window.before, true)] {
        if let Some(position) = position {
            position.seek_condition(&order, back, planner.env.backend())?;
        }
    }
    let page = Page {
        link: link.cloned(),
        criteria,
        window,
        rows: false,
        more: false,
        total: false,
        counts: None,
    };
    let mut load = QueryPlan::new(list.object(), RowSource::Page(page));
    let mut template = PageTemplate {
        list,
        entries: Vec::new(),
        cursors: Cursors {
            scope,
            kind: order.kind.clone(),
            cells: None,
        },
    };
    let (mut rows, mut more, mut total, mut cursors) = (false, false, false, false);
    let mut counted = None;
    let row = ROW.into_iden();
    for field in planner
        .document
        .collect_fields(sets, &|condition| condition == list.type_name)
    {
        let slot = match field.name() {
            "nodes" => {
                rows = true;
                PageSlot::Nodes(planner.output_plan(list.object(), &field.sets(), &mut load, &row))
            }
            "edges" => {
                rows = true;
                let edges = edge_slots(planner, list, &field, &mut load);
                let is_cursor = |edge: &(_, EdgeSlot<'_>)| matches!(edge.1, EdgeSlot::Cursor);
                cursors |= edges.iter().any(is_cursor);
                PageSlot::Edges(edges)
            }
            "pageInfo" => {
                rows = true;
                let info = info_slots(planner, &field);
                for (_, info) in &info {
                    more |= matches!(
                        info,
                        PageInfoField::HasNextPage | PageInfoField::HasPreviousPage
                    );
                    cursors |=
                        matches!(info, PageInfoField::StartCursor | PageInfoField::EndCursor);
                }
                PageSlot::Info(info)
            }
            "totalCount" => {
                total = true;
                PageSlot::TotalCount
            }
            _ => match &list.counts {
                Some(by) if field.name() == counts::FIELD => {
                    counted = Some((by.column)());
                    PageSlot::Counts(counts::slots(planner, by, &field))
                }
                _ => PageSlot::Typename,
            },
        };
        template.entries.push((field.key, slot));
    }
    if cursors {
        let key = match &order.kind {
            CursorKey::OpenDate(column) => ColumnExpr::Column(column.clone()),
            _ => order.key.cell(),
        };
        let id = load.cell(&row, &ColumnExpr::column("id"), planner.env);
        let key = load.cell(&row, &key, planner.env);
        template.cursors.cells = Some((id, key));
    }
    if let RowSource::Page(page) = &mut load.rows {
        page.rows = rows && (more || page.window.limit > 0);
        page.more = more;
        page.total = total;
        page.counts = counted;
    }
    Ok((load, template))
}

fn edge_slots<'a>(
    planner: &Planner<'a, '_>,
    list: &'static Connection,
    field: &CollectedField<'a>,
    load: &mut QueryPlan,
) -> Vec<(&'a str, EdgeSlot<'a>)> {
    let fields = planner
        .document
        .collect_fields(&field.sets(), &|name| name == list.edge);
    let slots = fields.into_iter().map(|field| {
        let slot = match field.name() {
            "cursor" => EdgeSlot::Cursor,
            "node" => {
                let row = ROW.into_iden();
                EdgeSlot::Node(planner.output_plan(list.object(), &field.sets(), load, &row))
            }
            _ => EdgeSlot::Typename,
        };
        (field.key, slot)
    });
    slots.collect()
}

fn info_slots<'a>(
    planner: &Planner<'a, '_>,
    field: &CollectedField<'a>,
) -> Vec<(&'a str, PageInfoField)> {
    let fields = planner
        .document
        .collect_fields(&field.sets(), &|name| name == "PageInfo");
    let slots = fields.into_iter().map(|field| {
        let info = match field.name() {
            "hasNextPage" => PageInfoField::HasNextPage,
            "hasPreviousPage" => PageInfoField::HasPreviousPage,
            "startCursor" => PageInfoField::StartCursor,
            "endCursor" => PageInfoField::EndCursor,
            _ => PageInfoField::Typename,
        };
        (field.key, info)
    });
    slots.collect()
}

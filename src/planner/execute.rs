//! Executes a plan level by level: one statement for all parents of a level, independent statements concurrently.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;

use futures_util::future::{try_join_all, try_join3};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{
    Asterisk, Condition, Expr, ExprTrait, Func, FunctionCall, JoinType, Order as Direction, PgFunc,
    SelectStatement,
};
use sea_orm::{DbBackend, DbErr};

use crate::db::{Row, Rows};
use crate::error::{Error, Result};
use crate::planner::ExecutionContext;
use crate::planner::plan::{ChildPlan, KEY, LINK, Page, QueryPlan, RowSource};
use crate::planner::schema::{MAX_LIST_LENGTH, ObjectType, Order, ROW, Relation, col};

/// The result of a statement and of its child statements.
#[derive(Default)]
pub struct ResultRows {
    pub rows: Rows,
    /// The rows of each parent, sorted by its key. A statement without parents has one group under the nil key.
    groups: Vec<(Uuid, ParentRows)>,
    /// How many rows each parent has, in parts by the value that they are counted by.
    totals: Vec<(Uuid, Counted)>,
    pub children: Vec<ResultRows>,
}

/// How many rows have each value.
type Counted = Vec<(String, i64)>;

/// The rows of one parent in the requested order.
#[derive(Default)]
pub struct ParentRows {
    pub rows: Vec<usize>,
    /// Whether there are more rows after the page or the list.
    pub more: bool,
}

impl ResultRows {
    pub fn group(&self, parent: Uuid) -> Option<&ParentRows> {
        found(&self.groups, parent)
    }

    /// How many rows of the parent have each value.
    pub fn counts(&self, parent: Uuid) -> &[(String, i64)] {
        found(&self.totals, parent).map_or(&[], Vec::as_slice)
    }

    pub fn total(&self, parent: Uuid) -> i64 {
        self.counts(parent).iter().map(|count| count.1).sum()
    }
}

/// Looks up a key in a list that is sorted by it.
fn found<T>(list: &[(Uuid, T)], key: Uuid) -> Option<&T> {
    let index = list.binary_search_by_key(&key, |entry| entry.0).ok()?;
    Some(&list[index].1)
}

type Executing<'a> = Pin<Box<dyn Future<Output = Result<ResultRows>> + Send + 'a>>;

/// Executes the statement of `load` for these parents, then its child statements.
pub fn run<'a>(
    load: &'a QueryPlan,
    mut parents: Vec<Uuid>,
    env: &'a ExecutionContext<'a>,
) -> Executing<'a> {
    Box::pin(async move {
        parents.sort_unstable();
        parents.dedup();
        let rooted = matches!(
            load.rows,
            RowSource::Where { .. } | RowSource::Page(Page { link: None, .. })
        );
        if parents.is_empty() && !rooted {
            return Ok(ResultRows {
                children: load
                    .children
                    .iter()
                    .map(|_| ResultRows::default())
                    .collect(),
                ..ResultRows::default()
            });
        }
        let keys = ParentKeys {
            parents,
            backend: env.backend(),
        };
        let (rows, totals, ()) = try_join3(
            query(rows_statement(load, &keys)?, &load.texts, env),
            query(totals_statement(load, &keys), &[], env),
            verify_cursors(load, env),
        )
        .await?;
        let mut loaded = ResultRows {
            groups: groups(load, &rows, &keys.parents, rooted)?,
            totals: totals_of(load, &totals, rooted)?,
            rows,
            children: Vec::new(),
        };
        loaded.children = try_join_all(load.children.iter().map(|child| {
            let parents = child_keys(&loaded, child);
            async move { run(&child.load, parents?, env).await }
        }))
        .await?;
        Ok(loaded)
    })
}

/// SQLite finds a row by its rowid in one step, by its primary key in two.
const ROWID: &str = "rowid";

/// Executes a statement. Returns an error as soon as its texts exceed the size limit of the response.
async fn query(
    statement: Option<SelectStatement>,
    texts: &[usize],
    env: &ExecutionContext<'_>,
) -> Result<Rows> {
    let Some(statement) = statement else {
        return Ok(Rows::default());
    };
    let on_row =
        |row: Row<'_>| (env.bound).count_row(texts.iter().map(|index| row.length(*index)).sum());
    env.db.read(&statement, env.on_statement, on_row).await
}

/// Checks that the rows that the cursors of a page refer to still exist, if the list requires that.
async fn verify_cursors(load: &QueryPlan, env: &ExecutionContext<'_>) -> Result<()> {
    let RowSource::Page(page) = &load.rows else {
        return Ok(());
    };
    for position in page.window.verified_cursors() {
        let mut select = load.object.select();
        select.expr(Expr::val(1));
        let key = page.criteria.order.key.value().eq(position.number());
        select.and_where(key.and(col("id").eq(position.id())));
        if query(Some(select), &[], env).await?.is_empty() {
            return Err(Error::HistoryReplaced);
        }
    }
    Ok(())
}

/// Returns a child's keys in the rows of the page. The extra row that detects a next page has no children.
fn child_keys(loaded: &ResultRows, child: &ChildPlan) -> Result<Vec<Uuid>, DbErr> {
    let Some(cell) = child.key else {
        return Ok(Vec::new());
    };
    let mut keys = Vec::with_capacity(loaded.rows.len());
    for (_, group) in &loaded.groups {
        for row in &group.rows {
            let row = loaded.rows.row(*row);
            if let Some((cell, word)) = child.only
                && row.find::<&str>(cell)? != Some(word)
            {
                continue;
            }
            keys.extend(row.find::<Uuid>(cell)?);
        }
    }
    Ok(keys)
}

fn groups(
    load: &QueryPlan,
    rows: &Rows,
    parents: &[Uuid],
    rooted: bool,
) -> Result<Vec<(Uuid, ParentRows)>, DbErr> {
    let parents = if rooted { &[Uuid::nil()] } else { parents };
    let groups = parents
        .iter()
        .map(|parent| (*parent, ParentRows::default()));
    let mut groups: Vec<_> = groups.collect();
    for (index, row) in rows.iter().enumerate() {
        let parent = parent_of(row, rooted)?;
        if let Ok(group) = groups.binary_search_by_key(&parent, |group| group.0) {
            groups[group].1.rows.push(index);
        }
    }
    let (limit, is_reversed) = match &load.rows {
        RowSource::Page(page) => (page.window.limit, page.window.backward),
        RowSource::ByParent { .. } | RowSource::Where { .. } => (MAX_LIST_LENGTH, false),
        RowSource::ByKeys(_) => return Ok(groups),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    for (_, group) in &mut groups {
        group.more = group.rows.len() > limit;
        group.rows.truncate(limit);
        if is_reversed {
            group.rows.reverse();
        }
    }
    Ok(groups)
}

fn totals_of(load: &QueryPlan, rows: &Rows, rooted: bool) -> Result<Vec<(Uuid, Counted)>, DbErr> {
    let counted = matches!(&load.rows, RowSource::Page(page) if page.counts.is_some());
    let first = usize::from(!rooted);
    let mut totals: BTreeMap<Uuid, Counted> = BTreeMap::new();
    for row in rows.iter() {
        let value = if counted {
            row.get::<&str>(first)?.to_owned()
        } else {
            String::new()
        };
        let count = row.get(first + usize::from(counted))?;
        let parent = parent_of(row, rooted)?;
        totals.entry(parent).or_default().push((value, count));
    }
    Ok(totals.into_iter().collect())
}

/// Returns the key of the parent that a row belongs to.
fn parent_of(row: Row<'_>, rooted: bool) -> Result<Uuid, DbErr> {
    if rooted {
        return Ok(Uuid::nil());
    }
    row.get(0)
}

/// The keys of the parents, passed to the database as one parameter.
struct ParentKeys {
    parents: Vec<Uuid>,
    backend: DbBackend,
}

impl ParentKeys {
    /// Returns the condition that `column` is one of the keys. One prepared statement serves any number of keys.
    fn any_of(&self, column: Expr) -> Expr {
        if self.backend == DbBackend::Postgres {
            return column.eq(PgFunc::any(self.parents.clone()));
        }
        let keys = SelectStatement::new()
            .expr(Expr::cust("unhex(value)"))
            .from_function(self.rows(), KEY)
            .take();
        column.in_subquery(keys)
    }

    /// Returns a table function with one row per key.
    fn rows(&self) -> FunctionCall {
        if self.backend == DbBackend::Postgres {
            return Func::cust("unnest").arg(self.parents.clone());
        }
        // SQLite has no arrays, and JSON has no bytes: the keys are hexadecimal strings.
        let mut text = String::with_capacity(self.parents.len() * 35 + 2);
        for key in &self.parents {
            text.push(if text.is_empty() { '[' } else { ',' });
            // Writing into a String cannot fail.
            let _ = write!(text, "\"{:X}\"", key.simple());
        }
        text.push(']');
        Func::cust("json_each").arg(text)
    }
}

fn rows_statement(load: &QueryPlan, keys: &ParentKeys) -> Result<Option<SelectStatement>, DbErr> {
    let mut select = match &load.rows {
        RowSource::Where {
            condition,
            order,
            limit,
        } => {
            let mut select = load.object.select();
            select.cond_where(condition.clone());
            sorted(&mut select, order);
            if let Some(limit) = limit {
                select.limit(*limit);
            }
            select
        }
        RowSource::ByKeys(condition) => {
            let mut select = load.object.select();
            select.and_where(keys.any_of(col("id")));
            select.cond_where(condition.clone());
            select
        }
        RowSource::ByParent {
            link,
            condition,
            order,
        } => {
            let mut select = of_parents(load.object, link, keys, condition.clone());
            order_by(&mut select, order);
            select
        }
        RowSource::Page(page) if !page.rows => return Ok(None),
        RowSource::Page(page) => page_statement(load.object, page, keys)?,
    };
    for cell in &load.cells {
        select.expr(cell.clone());
    }
    if load.cells.is_empty() {
        // A selection of `__typename` alone still needs the number of rows.
        select.expr(Expr::val(1));
    }
    for join in &load.joins {
        let (table, alias) = (join.table.clone(), join.alias.clone());
        select.join_as(JoinType::LeftJoin, table, alias, join.on.clone());
    }
    Ok(Some(select))
}

/// Returns the statement of a page without its cells and joins: one index range per parent.
fn page_statement(
    object: &'static ObjectType,
    page: &Page,
    keys: &ParentKeys,
) -> Result<SelectStatement, DbErr> {
    let Page {
        link,
        criteria,
        window,
        more,
        ..
    } = page;
    let mut range = criteria.condition.clone();
    for (position, back) in [(&window.after, false), (&window.before, true)] {
        if let Some(position) = position {
            let beyond = position.seek_condition(&criteria.order, back, keys.backend);
            // Planning has already validated the cursors.
            range = range.add(beyond.map_err(|_| DbErr::Custom("cursor".to_owned()))?);
        }
    }
    let limit = window.limit + u64::from(*more);
    let sort = sort(&criteria.order, window.backward);

    let Some(link) = link else {
        let mut select = object.select();
        select.cond_where(range).limit(limit);
        sorted(&mut select, &sort);
        return Ok(select);
    };

    let mut inner = linked(object, link);
    inner.and_where(link.of_parent());
    inner.cond_where(range).limit(limit);
    sorted(&mut inner, &sort);
    let mut select = for_each_parent(object, keys, inner);
    sorted(&mut select, &sort);
    Ok(select)
}

/// The rows of `inner`, a statement about the rows of one parent, for each parent.
fn for_each_parent(
    object: &'static ObjectType,
    keys: &ParentKeys,
    mut inner: SelectStatement,
) -> SelectStatement {
    let mut select = SelectStatement::new();
    if keys.backend == DbBackend::Postgres {
        inner.column((ROW, Asterisk));
        select.from_function(keys.rows(), KEY).join_lateral(
            JoinType::InnerJoin,
            inner,
            ROW,
            Condition::all().add(Expr::cust("true")),
        );
    } else {
        // SQLite has no lateral joins, but it executes a correlated subquery once per parent. A window function would
        // read and number all rows of each parent.
        inner.column((ROW, ROWID));
        let parents = SelectStatement::new()
            .expr_as(Expr::cust("unhex(value)"), KEY)
            .from_function(keys.rows(), KEY)
            // The limit prevents SQLite from flattening the subquery, which would evaluate it for each row.
            .limit(i64::MAX as u64)
            .take();
        let table = object.table().name.clone();
        select
            .from_subquery(parents, KEY)
            .join_as(JoinType::CrossJoin, table, ROW, Condition::all())
            .and_where(col(ROWID).in_subquery(inner));
    }
    select
}

fn totals_statement(load: &QueryPlan, keys: &ParentKeys) -> Option<SelectStatement> {
    let RowSource::Page(page) = &load.rows else {
        return None;
    };
    if !page.total && page.counts.is_none() {
        return None;
    }
    let condition = page.criteria.condition.clone();
    let mut select = match &page.link {
        None => load.object.select().cond_where(condition).take(),
        Some(link) => {
            let mut select = of_parents(load.object, link, keys, condition);
            select.expr(link.parent());
            select.add_group_by([link.parent()]);
            select
        }
    };
    if let Some(column) = &page.counts {
        select.expr(col(column.clone()));
        select.add_group_by([col(column.clone())]);
    }
    select.expr(Func::count(Expr::col(Asterisk)));
    Some(select)
}

/// A statement about all rows that belong to the parents, as far as the condition holds for them.
fn of_parents(
    object: &'static ObjectType,
    link: &Relation,
    keys: &ParentKeys,
    condition: Condition,
) -> SelectStatement {
    let mut select = linked(object, link);
    select.cond_where(condition);
    if let Relation::Matching(_) = link {
        select.and_where(link.of_parent());
        return for_each_parent(object, keys, select);
    }
    select.and_where(keys.any_of(link.parent()));
    select
}

/// A statement about the rows that a link leads to.
fn linked(object: &'static ObjectType, link: &Relation) -> SelectStatement {
    let mut select = object.select();
    if let Relation::Through { table, target, .. } = link {
        let on = Expr::col((LINK, target.clone())).equals((ROW, "id"));
        select.join_as(JoinType::InnerJoin, table.clone(), LINK, on);
    }
    select
}

type Sort = Vec<(Expr, Direction)>;

fn sort(order: &Order, backward: bool) -> Sort {
    let direction = if order.descending == backward {
        Direction::Asc
    } else {
        Direction::Desc
    };
    let mut sort = vec![(order.key.value(), direction.clone())];
    if !order.unique {
        sort.push((col("id"), direction));
    }
    sort
}

fn sorted(select: &mut SelectStatement, sort: &[(Expr, Direction)]) {
    for (expression, direction) in sort {
        select.order_by_expr(expression.clone(), direction.clone());
    }
}

fn order_by(select: &mut SelectStatement, order: &[Expr]) {
    for expression in order {
        select.order_by_expr(expression.clone(), Direction::Asc);
    }
}

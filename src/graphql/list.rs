//! What all lists share: how a filter and an order of the API become what the read path runs.

use std::fmt::Debug;

use async_graphql::{Enum, ID, InputType};
use entity::id::Id;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, Func, IntoIden, IntoTableRef, SelectStatement,
};
use sea_orm::{DbBackend, Value};

use crate::error::{Error, Result};
use crate::read::Env;
use crate::read::args::Args;
use crate::read::shape::{Criteria, Order, col};
use crate::rules::text::{fold, normalize};

/// The direction of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum Direction {
    /// Ascending: smallest or earliest first.
    #[default]
    Asc,
    /// Descending: largest or latest first.
    Desc,
}

/// The filter of a list.
pub trait Filter: InputType + Debug + Default {
    /// Returns the condition that matching records fulfil. Parts that contradict each other match nothing.
    ///
    /// # Errors
    /// Returns an error if an id names another type, or if a text cannot be one of the register.
    fn condition(&self, env: &Env<'_>) -> Result<Condition>;
}

/// The order of a list; its default is the list's own.
pub trait Sorting: InputType + Default {
    fn order(&self) -> Order;
}

/// Reads `filter` and `orderBy`.
///
/// # Errors
/// Returns an error if a value is not of its type, or if the filter has a part that cannot be read.
pub fn criteria<F: Filter, S: Sorting>(args: &Args<'_>, env: &Env<'_>) -> Result<Criteria> {
    let filter: F = args.get::<Option<F>>("filter")?.unwrap_or_default();
    let sorting: S = args.get::<Option<S>>("orderBy")?.unwrap_or_default();
    Ok(Criteria {
        condition: filter.condition(env)?,
        order: sorting.order(),
        fingerprint: format!("{filter:?}"),
    })
}

/// All of a list that takes no filter, in its only order.
pub fn all(order: Order) -> Criteria {
    Criteria {
        condition: Condition::all(),
        order,
        fingerprint: String::new(),
    }
}

/// Whether a table of links names the record in a row for which `condition` holds; `link` is the column that does.
pub fn linked(table: impl IntoTableRef, link: impl IntoIden, condition: Expr) -> Expr {
    let links = SelectStatement::new()
        .column(link.into_iden())
        .from(table)
        .and_where(condition)
        .take();
    col("id").in_subquery(links)
}

/// The number in a code that is written as the register writes it: 7 of LS-7.
pub fn numbered(prefix: &str, code: &str) -> Option<i32> {
    let code = normalize(code);
    let number = code.strip_prefix(prefix)?.parse().ok()?;
    (format!("{prefix}{number}") == code).then_some(number)
}

/// Adds a condition for each part of a filter that is given.
pub struct Narrowing(Condition);

impl Narrowing {
    pub fn new() -> Self {
        Self(Condition::all())
    }

    #[must_use]
    pub fn with(self, condition: Option<Expr>) -> Self {
        Self(self.0.add_option(condition))
    }

    pub fn done(self) -> Condition {
        self.0
    }
}

/// The key in an id of `T`.
///
/// # Errors
/// Bad input where it is the id of something else, or none.
pub fn key<T: Id>(name: &str, id: &ID) -> Result<Uuid> {
    match T::parse(id) {
        Ok(id) => Ok(id.into()),
        Err(wrong) => Err(Error::BadInput(format!("`{name}`: {wrong}"))),
    }
}

/// The key in an optional id.
///
/// # Errors
/// As [`key`].
pub fn some_key<T: Id>(name: &str, id: Option<&ID>) -> Result<Option<Uuid>> {
    id.map(|id| key::<T>(name, id)).transpose()
}

/// Returns a text as the database has it, to look it up: what was given finds what was made.
///
/// # Errors
/// Returns an error if it holds what no stored text can.
pub fn plain(name: &str, text: &str) -> Result<String> {
    let text = normalize(text);
    if text.contains('\0') {
        return Err(Error::BadInput(format!(
            "`{name}` holds the character NUL, which no text of the register has."
        )));
    }
    Ok(text)
}

/// Returns an optional text as the database has it, to look it up.
///
/// # Errors
/// As [`plain`].
pub fn some_plain(name: &str, text: Option<&String>) -> Result<Option<String>> {
    text.map(|it| plain(name, it)).transpose()
}

/// The most values of a filter that looks up records by their keys.
const LOOK_UP: usize = 100;

/// Returns a list of keys as the database has them, to look up the records that have one of them.
///
/// # Errors
/// Returns an error if there are too many, or if one holds what no stored text can.
pub fn some_keys(name: &str, texts: Option<&Vec<String>>) -> Result<Option<Vec<String>>> {
    let Some(texts) = texts else {
        return Ok(None);
    };
    if texts.len() > LOOK_UP {
        return Err(Error::BadInput(format!(
            "`{name}` has {} values; at most {LOOK_UP} can be looked up at once.",
            texts.len()
        )));
    }
    texts
        .iter()
        .map(|text| plain(name, text))
        .collect::<Result<_>>()
        .map(Some)
}

/// As long as the longest title; who looks for more looks for something else.
const TEXT: usize = 500;

/// Whether the words of a record hold `text` anywhere, whatever their case and accents; blank text narrows nothing.
///
/// # Errors
/// Bad input where it is too long, or holds what no stored text can.
pub fn containing(text: Option<&String>, env: &Env<'_>) -> Result<Option<Expr>> {
    let Some(text) = text else {
        return Ok(None);
    };
    if text.chars().count() > TEXT {
        return Err(Error::BadInput(format!(
            "`text` has more than {TEXT} characters: look for less."
        )));
    }
    let needle = fold(&plain("text", text)?);
    if needle.is_empty() {
        return Ok(None);
    }
    // Unlike `like`, these have no characters that mean something else.
    let position = match env.backend() {
        DbBackend::Postgres => Func::cust("strpos"),
        _ => Func::cust("instr"),
    };
    let position = position.arg(col("folded")).arg(needle);
    Ok(Some(Expr::from(position).gt(0)))
}

/// Whether a column holds one of the values; an empty list matches nothing.
pub fn among<V: Copy + PartialEq + Into<Value>>(
    column: impl IntoIden,
    values: Option<&Vec<V>>,
) -> Option<Expr> {
    Some(crate::read::shape::among(column, values?.clone()))
}

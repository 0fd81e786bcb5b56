//! Filters and sort orders of lists: from GraphQL inputs to SQL conditions.

use std::fmt::{Debug, Write};

use async_graphql::{Enum, ID, InputType};
use entity::id::Id;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, Func, IntoIden, IntoTableRef, SelectStatement,
};
use sea_orm::{DbBackend, Value};

use crate::domain::text::{PART_END, fold, normalize};
use crate::error::{Error, Result};
use crate::planner::ExecutionContext;
use crate::planner::arguments::Args;
use crate::planner::schema::{ListQuery, Order, col};

/// The direction of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum Direction {
    /// Ascending: smallest or earliest first.
    #[default]
    Asc,
    /// Descending: largest or latest first.
    Desc,
}

/// The filter input of a list.
pub trait Filter: InputType + Debug + Default {
    /// Returns the condition that matching records fulfil. Parts that contradict each other match nothing.
    ///
    /// # Errors
    /// Returns an error if an id names another type, or if a text cannot be one of the register.
    fn condition(&self, env: &ExecutionContext<'_>) -> Result<Condition>;

    /// Returns whether the condition depends on texts that can be translated.
    fn reads_texts(&self) -> bool {
        false
    }
}

/// The sort order input of a list. Its default is the list's default order.
pub trait OrderBy: InputType + Default {
    fn order(&self, env: &ExecutionContext<'_>) -> Order;
}

/// Parses `filter` and `orderBy`.
///
/// # Errors
/// Returns an error if a value is not of its type, or if the filter has a part that cannot be read.
pub fn parse_list_args<F: Filter, S: OrderBy>(
    args: &Args<'_>,
    env: &ExecutionContext<'_>,
) -> Result<ListQuery> {
    let filter: F = args.get::<Option<F>>("filter")?.unwrap_or_default();
    let sorting: S = args.get::<Option<S>>("orderBy")?.unwrap_or_default();
    let mut fingerprint = format!("{filter:?}");
    if filter.reads_texts() && !env.languages.is_empty() {
        // Writing into a String cannot fail.
        let _ = write!(fingerprint, " {:?}", env.languages);
    }
    Ok(ListQuery {
        condition: filter.condition(env)?,
        order: sorting.order(env),
        fingerprint,
    })
}

/// Returns the criteria of a list without filter, in its only order.
pub fn all(order: Order) -> ListQuery {
    ListQuery {
        condition: Condition::all(),
        order,
        fingerprint: String::new(),
    }
}

/// Returns the condition that a join table links the row to a record that satisfies `condition`; `link` is its foreign
/// key to the row.
pub fn exists_link(table: impl IntoTableRef, link: impl IntoIden, condition: Expr) -> Expr {
    let links = SelectStatement::new()
        .column(link.into_iden())
        .from(table)
        .and_where(condition)
        .take();
    col("id").in_subquery(links)
}

/// Parses a public code, in upper or lower case, into its number: 7 for LS-7.
pub fn parse_code(prefix: &str, code: &str) -> Option<i32> {
    let code = normalize(code).to_ascii_uppercase();
    let number = code.strip_prefix(prefix)?.parse().ok()?;
    (format!("{prefix}{number}") == code).then_some(number)
}

/// A builder that adds a condition for each given part of a filter.
pub struct ConditionBuilder(Condition);

impl ConditionBuilder {
    pub fn new() -> Self {
        Self(Condition::all())
    }

    #[must_use]
    pub fn with(self, condition: Option<Expr>) -> Self {
        Self(self.0.add_option(condition))
    }

    pub fn into_condition(self) -> Condition {
        self.0
    }
}

/// Parses an id of type `T` into its key.
///
/// # Errors
/// Returns a bad-input error if it is invalid or belongs to another type.
pub fn key<T: Id>(name: &str, id: &ID) -> Result<Uuid> {
    match T::parse(id) {
        Ok(id) => Ok(id.into()),
        Err(wrong) => Err(Error::BadInput(format!("`{name}`: {wrong}"))),
    }
}

/// Parses an optional id of type `T` into its key.
///
/// # Errors
/// Returns a bad-input error like [`key`].
pub fn optional_id<T: Id>(name: &str, id: Option<&ID>) -> Result<Option<Uuid>> {
    id.map(|id| key::<T>(name, id)).transpose()
}

/// Returns a text in its normalized form for lookups, equal to the stored form.
///
/// # Errors
/// Returns an error if it contains a character that no stored text can contain.
pub fn reject_nul(name: &str, text: &str) -> Result<String> {
    let text = normalize(text);
    if text.contains('\0') {
        return Err(Error::BadInput(format!(
            "`{name}` holds the character NUL, which no text of the register has."
        )));
    }
    Ok(text)
}

/// Returns an optional text in its normalized form for lookups.
///
/// # Errors
/// Returns an error like [`reject_nul`].
pub fn reject_optional_nul(name: &str, text: Option<&String>) -> Result<Option<String>> {
    text.map(|text| reject_nul(name, text)).transpose()
}

/// The most values of a filter that looks up records by their keys.
const LOOK_UP: usize = 100;

/// Returns a list of keys as the database has them, to look up the records that have one of them.
///
/// # Errors
/// Returns an error if there are too many, or if one holds what no stored text can.
pub fn optional_texts(name: &str, texts: Option<&Vec<String>>) -> Result<Option<Vec<String>>> {
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
        .map(|text| reject_nul(name, text))
        .collect::<Result<_>>()
        .map(Some)
}

/// Maximum length of a text filter in characters: that of the longest title.
const TEXT: usize = 500;

/// Returns the condition that the search text of a record contains `text`, ignoring case and accents; `None` for a
/// blank text.
///
/// # Errors
/// Returns a bad-input error if it is too long, or contains a character that no stored text can contain.
pub fn text_matches(text: Option<&String>, env: &ExecutionContext<'_>) -> Result<Option<Expr>> {
    let needle = needle(text)?;
    Ok(needle.map(|needle| contains(col("folded"), &needle, env.backend())))
}

/// Returns what to look for in search texts to find `text`; `None` if it is blank.
///
/// # Errors
/// Returns a bad-input error like [`text_matches`].
pub fn needle(text: Option<&String>) -> Result<Option<String>> {
    let Some(text) = text else {
        return Ok(None);
    };
    if text.chars().count() > TEXT {
        return Err(Error::BadInput(format!(
            "`text` has more than {TEXT} characters: look for less."
        )));
    }
    let needle = fold(&reject_nul("text", text)?);
    Ok((!needle.is_empty()).then_some(needle))
}

/// Returns the condition that a search text contains `needle`.
pub fn contains(search_text: Expr, needle: &str, backend: DbBackend) -> Expr {
    if needle.contains(PART_END) {
        return Expr::val(false);
    }
    // Unlike `like`, these functions have no wildcards.
    let position = match backend {
        DbBackend::Postgres => Func::cust("strpos"),
        _ => Func::cust("instr"),
    };
    Expr::from(position.arg(search_text).arg(needle)).gt(0)
}

/// Whether a column holds one of the values; an empty list matches nothing.
pub fn is_in<V: Copy + PartialEq + Into<Value>>(
    column: impl IntoIden,
    values: Option<&Vec<V>>,
) -> Option<Expr> {
    Some(crate::planner::schema::among(column, values?.clone()))
}

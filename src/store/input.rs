//! How the fields of an input are read: ids that must name something, and what is left out of an update.

use async_graphql::{ID, MaybeUndefined};
use entity::id::Id;
use sea_orm::prelude::Uuid;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, Iterable, PrimaryKeyToColumn,
    PrimaryKeyTrait, QueryFilter, SqlErr,
};

use crate::error::{Error, Result};
use crate::rules::problems::Problems;
use crate::rules::refusal::{Code, Refusal};

/// The record that a mutation is about.
pub async fn subject<E, I>(db: &impl ConnectionTrait, field: &str, given: &ID) -> Result<E::Model>
where
    E: EntityTrait,
    I: Id + Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType>,
{
    let mut problems = Problems::default();
    let found = named::<E, I>(db, &mut problems, field, Some(given)).await?;
    Ok(problems.found(found)?)
}

/// The record that a field names, if it names one; an id of nothing or of another type is a problem.
pub async fn named<E, I>(
    db: &impl ConnectionTrait,
    problems: &mut Problems,
    field: &str,
    given: Option<&ID>,
) -> Result<Option<E::Model>, DbErr>
where
    E: EntityTrait,
    I: Id + Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType>,
{
    let Some(given) = given else {
        return Ok(None);
    };
    let id = match I::parse(given) {
        Ok(id) => id,
        Err(wrong) => {
            problems.add(Code::NotFound, field, wrong.to_string());
            return Ok(None);
        }
    };
    let found = E::find_by_id(id).one(db).await?;
    if found.is_none() {
        problems.add(Code::NotFound, field, nothing::<I>());
    }
    Ok(found)
}

/// The records that a field lists, each once, in its order.
pub async fn listed<E, I>(
    db: &impl ConnectionTrait,
    problems: &mut Problems,
    field: &str,
    given: &[ID],
    max: usize,
    key: impl Fn(&E::Model) -> I,
) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    I: Id + PartialEq,
{
    if max < given.len() {
        problems.add(Code::Invalid, field, format!("Must be {max} at most."));
        return Ok(Vec::new());
    }
    let mut ids = Vec::with_capacity(given.len());
    for (index, given) in given.iter().enumerate() {
        match I::parse(given) {
            Ok(id) if ids.iter().any(|(_, other)| *other == id) => {}
            Ok(id) => ids.push((index, id)),
            Err(wrong) => problems.add_at(Code::NotFound, field, index, wrong.to_string()),
        }
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let column = E::PrimaryKey::iter()
        .next()
        .expect("every table has a key")
        .into_column();
    let keys = ids.iter().map(|(_, id)| Into::<Uuid>::into(*id));
    let mut rows = E::find().filter(column.is_in(keys)).all(db).await?;
    let mut found = Vec::with_capacity(rows.len());
    for (index, id) in ids {
        match rows.iter().position(|row| key(row) == id) {
            Some(place) => found.push(rows.swap_remove(place)),
            None => problems.add_at(Code::NotFound, field, index, nothing::<I>()),
        }
    }
    Ok(found)
}

fn nothing<I: Id>() -> String {
    format!("There is no {} with this id.", I::TYPE)
}

/// A value that cannot be cleared: as it was where it is left out.
pub fn kept<T>(problems: &mut Problems, field: &str, given: MaybeUndefined<T>, current: T) -> T {
    match given {
        MaybeUndefined::Value(value) => value,
        MaybeUndefined::Undefined => current,
        MaybeUndefined::Null => {
            problems.add(
                Code::Invalid,
                field,
                "Cannot be cleared: leave it out to keep it as it is.",
            );
            current
        }
    }
}

/// A value that null clears: as it was where it is left out.
pub fn cleared<T>(given: MaybeUndefined<T>, current: Option<T>) -> Option<T> {
    match given {
        MaybeUndefined::Value(value) => Some(value),
        MaybeUndefined::Undefined => current,
        MaybeUndefined::Null => None,
    }
}

/// A text that cannot be cleared.
pub fn kept_text(
    problems: &mut Problems,
    field: &str,
    given: MaybeUndefined<String>,
    max: usize,
    current: &str,
) -> String {
    match given {
        MaybeUndefined::Value(text) => problems.text(field, &text, max),
        given => kept(problems, field, given, current.to_owned()),
    }
}

/// A text that null clears, and blanks too.
pub fn cleared_text(
    problems: &mut Problems,
    field: &str,
    given: &MaybeUndefined<String>,
    max: usize,
    current: Option<&str>,
) -> Option<String> {
    match given {
        MaybeUndefined::Value(text) => problems.optional_text(field, Some(text), max),
        MaybeUndefined::Undefined => current.map(str::to_owned),
        MaybeUndefined::Null => None,
    }
}

/// What the database says of a value that must be the only one of its kind, as a refusal.
pub fn taken(error: DbErr, field: &str, message: impl Into<String>) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Refusal::one(Code::Taken, field, message).into()
        }
        _ => error.into(),
    }
}

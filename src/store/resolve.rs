//! Resolves the ids of an input to records, and applies the fields of an update.

use std::collections::{BTreeSet, HashMap};

use async_graphql::{ID, MaybeUndefined};
use entity::action_item::Priority;
use entity::id::Id;
use entity::party::Language;
use sea_orm::prelude::Uuid;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, Iterable, PrimaryKeyToColumn,
    PrimaryKeyTrait, QueryFilter, SqlErr,
};

use crate::domain::rejection::{Code, Rejection};
use crate::domain::validation_errors::ValidationErrors;
use crate::error::{Error, Result};

/// Loads the record that a mutation changes. Returns a not-found error if there is none.
pub async fn load_target<E, I>(
    db: &impl ConnectionTrait,
    field: &str,
    given: &ID,
) -> Result<E::Model>
where
    E: EntityTrait,
    I: Id + Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType>,
{
    let mut problems = ValidationErrors::default();
    let found = named::<E, I>(db, &mut problems, field, Some(given)).await?;
    Ok(problems.found(found)?)
}

/// Resolves an optional id of an input; an unknown id, or one of another type, adds an error.
pub async fn named<E, I>(
    db: &impl ConnectionTrait,
    problems: &mut ValidationErrors,
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

/// Resolves a list of ids, in its order and without duplicates.
pub async fn resolve_ids<E, I>(
    db: &impl ConnectionTrait,
    problems: &mut ValidationErrors,
    field: &str,
    given: &[ID],
    max: usize,
    key: impl Fn(&E::Model) -> I,
) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    E::Model: Clone,
    I: Id + PartialEq,
{
    let looked_for = if given.len() <= max { given } else { &[] };
    let found = Resolved::<E::Model>::of::<E, I>(db, looked_for.iter().collect(), key).await?;
    let found = found.listed::<I>(problems, field, given, max);
    Ok(found.into_iter().cloned().collect())
}

/// The records that ids of one or more inputs refer to, loaded with one statement.
pub struct Resolved<M>(HashMap<Uuid, M>);

impl<M> Resolved<M> {
    pub async fn of<E, I>(
        db: &impl ConnectionTrait,
        given: Vec<&ID>,
        key: impl Fn(&M) -> I,
    ) -> Result<Self, DbErr>
    where
        E: EntityTrait<Model = M>,
        I: Id,
    {
        let ids = given.into_iter().filter_map(|id| I::parse(id).ok());
        let ids: BTreeSet<Uuid> = ids.map(Into::into).collect();
        if ids.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let column = E::PrimaryKey::iter()
            .next()
            .expect("every table has a primary key")
            .into_column();
        let rows = E::find().filter(column.is_in(ids)).all(db).await?;
        let keyed = rows.into_iter().map(|row| (key(&row).into(), row));
        Ok(Self(keyed.collect()))
    }

    pub fn all(&self) -> impl Iterator<Item = &M> {
        self.0.values()
    }

    /// Returns the record of an id, like [`load_target`].
    pub fn subject<I: Id>(&self, field: &str, given: &ID) -> Result<&M> {
        let mut problems = ValidationErrors::default();
        let found = self.named::<I>(&mut problems, field, Some(given));
        Ok(problems.found(found)?)
    }

    /// Resolves an optional id, like [`named`].
    pub fn named<I: Id>(
        &self,
        problems: &mut ValidationErrors,
        field: &str,
        given: Option<&ID>,
    ) -> Option<&M> {
        match self.get::<I>(given?) {
            Ok((_, found)) => Some(found),
            Err(message) => {
                problems.add(Code::NotFound, field, message);
                None
            }
        }
    }

    /// Resolves a list of ids, like [`resolve_ids`].
    pub fn listed<I: Id>(
        &self,
        problems: &mut ValidationErrors,
        field: &str,
        given: &[ID],
        max: usize,
    ) -> Vec<&M> {
        if max < given.len() {
            problems.add(Code::Invalid, field, format!("Must be {max} at most."));
            return Vec::new();
        }
        let mut seen = BTreeSet::new();
        let mut listed = Vec::with_capacity(given.len());
        for (index, id) in given.iter().enumerate() {
            match self.get::<I>(id) {
                Ok((key, found)) => listed.extend(seen.insert(key).then_some(found)),
                Err(message) => problems.add_at(Code::NotFound, field, index, message),
            }
        }
        listed
    }

    fn get<I: Id>(&self, given: &ID) -> Result<(Uuid, &M), String> {
        let key: Uuid = I::parse(given).map_err(|wrong| wrong.to_string())?.into();
        let found = self.0.get(&key).ok_or_else(nothing::<I>)?;
        Ok((key, found))
    }
}

fn nothing<I: Id>() -> String {
    format!("There is no {} with this id.", I::TYPE)
}

/// Returns the new value of a field that cannot be cleared; the current one if it is omitted.
pub fn required_or_current<T>(
    problems: &mut ValidationErrors,
    field: &str,
    given: MaybeUndefined<T>,
    current: T,
) -> T {
    match given {
        MaybeUndefined::Value(value) => value,
        MaybeUndefined::Undefined => current,
        MaybeUndefined::Null => {
            problems.add(
                Code::Invalid,
                field,
                "Cannot be cleared: omit it to keep the current value.",
            );
            current
        }
    }
}

/// Returns the new value of a nullable field; the current one if it is omitted.
pub fn optional_or_current<T>(given: MaybeUndefined<T>, current: Option<T>) -> Option<T> {
    match given {
        MaybeUndefined::Value(value) => Some(value),
        MaybeUndefined::Undefined => current,
        MaybeUndefined::Null => None,
    }
}

/// Returns the new value of a text that cannot be cleared.
pub fn required_text_or_current(
    problems: &mut ValidationErrors,
    field: &str,
    given: MaybeUndefined<String>,
    max: usize,
    current: &str,
) -> String {
    match given {
        MaybeUndefined::Value(text) => problems.text(field, &text, max),
        given => required_or_current(problems, field, given, current.to_owned()),
    }
}

/// Returns the new value of a nullable text; null and a blank text clear it.
pub fn optional_text_or_current(
    problems: &mut ValidationErrors,
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

/// Null counts as left out: both give the default.
pub fn english_if_null(language: &mut Option<Language>) {
    language.get_or_insert(Language::En);
}

/// As [`english_if_null`].
pub fn normal_if_null(priority: &mut Option<Priority>) {
    priority.get_or_insert(Priority::Normal);
}

/// Converts a unique violation of the database into a rejection.
pub fn unique_violation(error: DbErr, field: &str, message: impl Into<String>) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Rejection::one(Code::Taken, field, message).into()
        }
        _ => error.into(),
    }
}

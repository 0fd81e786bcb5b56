//! The planned read path: a selection becomes one statement for each to-many level, and its rows become JSON.
//!
//! In reading order: `shape` is how a type is described, `document` what a request selects, `plan` what
//! that takes, `load` runs it, `write` writes it; `page` and `cursor` are about lists.

pub mod args;
pub mod bound;
pub mod budget;
pub mod cells;
pub mod counts;
pub mod cursor;
pub mod document;
mod embedded;
pub mod json;
mod load;
pub mod page;
pub mod plan;
pub mod registry;
pub mod shape;
mod write;

use async_graphql::parser::types::SelectionSet;
use async_graphql::{Context, PathSegment, Pos, QueryPathSegment, ServerError, ServerResult};
use chrono::{DateTime, NaiveDate, Utc};
use entity::party::Party;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Condition, Expr, IntoIden, Order as Direction};
use sea_orm::{DbBackend, Statement};

use self::bound::Bound;
use self::document::Merged;
use self::load::{Loaded, run};
use self::plan::{Load, Planner, Rows, Template};
use self::shape::{LONGEST_LIST, List, Object, ROW};
use self::write::{Failed, Source, Writer};
use crate::error::Error;
use crate::rows::Reader;

/// What an answer depends on besides the request's document.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub db: &'a Reader,
    /// Whom the viewer acts for; none for those who only read.
    pub party: Option<Party>,
    pub now: DateTime<Utc>,
    pub about: About,
    /// How many bytes the answer may have.
    pub bound: &'a Bound,
    /// Told of each statement.
    pub told: &'a (dyn Fn(&Statement) + Send + Sync),
}

/// What a field at the root is about, where it is not about records of its own.
#[derive(Clone, Copy, Debug)]
pub enum About {
    Nothing,
    /// Two committees.
    Pair(Uuid, Uuid),
    /// Days, from the first to the last.
    Days(NaiveDate, NaiveDate),
}

impl Env<'_> {
    pub fn backend(&self) -> DbBackend {
        self.db.backend()
    }

    /// The day it is (UTC).
    pub fn today(&self) -> NaiveDate {
        self.now.date_naive()
    }
}

/// The value of a field, with the errors for which it has nulls.
pub struct Answer {
    pub json: String,
    pub errors: Vec<ServerError>,
}

impl Answer {
    /// One that is this text of JSON.
    #[must_use]
    pub fn of(json: &str) -> Self {
        Self {
            json: json.to_owned(),
            errors: Vec::new(),
        }
    }

    #[must_use]
    pub fn null() -> Self {
        Self::of("null")
    }

    /// Whether there is no value, and no error that says why.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.json == "null" && self.errors.is_empty()
    }
}

/// How one record is found: the first that the condition holds for.
pub struct Find {
    pub condition: Condition,
    /// Needed where the condition can hold for several.
    pub order: Option<(Expr, Direction)>,
}

impl From<Expr> for Find {
    fn from(condition: Expr) -> Self {
        Self {
            condition: Condition::all().add(condition),
            order: None,
        }
    }
}

/// A field at the root of an answer, or of a payload.
#[derive(Clone)]
pub struct At {
    pub path: Vec<PathSegment>,
    pub pos: Pos,
}

impl At {
    /// The field of this context.
    pub fn of(ctx: &Context<'_>) -> Self {
        let mut path = Vec::new();
        let mut node = ctx.path_node.as_ref();
        while let Some(at) = node {
            path.push(match at.segment {
                QueryPathSegment::Index(place) => PathSegment::Index(place),
                QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
            });
            node = at.parent;
        }
        path.reverse();
        Self {
            path,
            pos: ctx.item.pos,
        }
    }

    /// An error of ours as one of this field.
    pub fn check<T>(&self, result: crate::error::Result<T>) -> ServerResult<T> {
        result.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: impl Into<Error>) -> ServerError {
        error
            .into()
            .server_error(Some(self.pos))
            .with_path(self.path.clone())
    }
}

impl<'a> Planner<'a, '_> {
    /// The record that is found, or null.
    pub async fn first(
        &self,
        at: &At,
        object: &'static Object,
        sets: &[&'a SelectionSet],
        find: Find,
    ) -> ServerResult<Answer> {
        let rows = Rows::Where {
            condition: find.condition,
            order: find.order,
            limit: Some(1),
        };
        let (load, template) = self.rows(object, sets, rows);
        let loaded = self.run(at, &load, Vec::new()).await?;
        let mut writer = Writer::new(self.env, at.path.clone());
        let from = Source::new(&load, &loaded);
        writer.first(from, &template);
        writer.answer(at)
    }

    /// The one record that the root is about; an error where it is not there.
    pub async fn only(
        &self,
        at: &At,
        object: &'static Object,
        sets: &[&'a SelectionSet],
        find: Find,
        missing: &str,
    ) -> ServerResult<Answer> {
        let rows = Rows::Where {
            condition: find.condition,
            order: find.order,
            limit: Some(1),
        };
        let (load, template) = self.rows(object, sets, rows);
        let loaded = self.run(at, &load, Vec::new()).await?;
        let mut writer = Writer::new(self.env, at.path.clone());
        let found = writer.only(Source::new(&load, &loaded), &template);
        if writer.checked(at, found)? {
            return writer.answer(at);
        }
        Err(at.failed(Error::BadInput(missing.to_owned())))
    }

    /// All records that are found, of a type that has few.
    pub async fn all(
        &self,
        at: &At,
        object: &'static Object,
        sets: &[&'a SelectionSet],
        find: Find,
    ) -> ServerResult<Answer> {
        let rows = Rows::Where {
            condition: find.condition,
            order: find.order,
            limit: Some(LONGEST_LIST),
        };
        let (load, template) = self.rows(object, sets, rows);
        let loaded = self.run(at, &load, Vec::new()).await?;
        let mut writer = Writer::new(self.env, at.path.clone());
        let from = Source::new(&load, &loaded);
        let written = writer.all(from, &template);
        writer.checked(at, written)?;
        writer.answer(at)
    }

    /// A page of all records of a list.
    pub async fn list(
        &self,
        at: &At,
        list: &'static List,
        selected: &Merged<'a>,
    ) -> ServerResult<Answer> {
        let scope = format!("Query.{}", selected.name());
        let planned = self.page(list, None, selected, &scope);
        let (load, template) = planned.map_err(|error| at.failed(error))?;
        let loaded = self.run(at, &load, Vec::new()).await?;
        let mut writer = Writer::new(self.env, at.path.clone());
        let from = Source::new(&load, &loaded);
        let written = writer.page(from, Uuid::nil(), &template);
        writer.checked(at, written)?;
        writer.answer(at)
    }

    /// Records of any type by their keys, each or null; in a list, or alone. `seen` tells which of a type's records
    /// the viewer sees.
    pub async fn nodes(
        &self,
        at: &At,
        nodes: &[(&'static Object, Uuid)],
        sets: &[&'a SelectionSet],
        alone: bool,
        seen: fn(&Object, &Env<'_>) -> Condition,
    ) -> ServerResult<Answer> {
        let mut types: Vec<(Load, Template<'a>, Vec<Uuid>)> = Vec::new();
        let mut places = Vec::with_capacity(nodes.len());
        for (object, key) in nodes {
            let known = types.iter().position(|it| it.1.object.name == object.name);
            let place = known.unwrap_or_else(|| {
                let rows = Rows::Named(seen(object, self.env));
                let (load, template) = self.rows(object, sets, rows);
                types.push((load, template, Vec::new()));
                types.len() - 1
            });
            types[place].2.push(*key);
            places.push((place, *key));
        }
        let loads = types
            .iter()
            .map(|(load, _, keys)| self.run(at, load, keys.clone()));
        let loaded = futures_util::future::try_join_all(loads).await?;

        let mut writer = Writer::new(self.env, at.path.clone());
        writer.records_of(
            places.iter().map(|(place, key)| {
                let (load, template, _) = &types[*place];
                let loaded = &loaded[*place];
                (Source::new(load, loaded), *key, template)
            }),
            alone,
        );
        writer.answer(at)
    }

    /// Records of one type by their keys, each an answer of its own: read together.
    pub async fn each(
        &self,
        at: &At,
        object: &'static Object,
        keys: &[Uuid],
        sets: &[&'a SelectionSet],
    ) -> ServerResult<Vec<Answer>> {
        let (load, template) = self.rows(object, sets, Rows::Named(Condition::all()));
        let loaded = self.run(at, &load, keys.to_vec()).await?;
        let from = Source::new(&load, &loaded);
        let answers = keys.iter().map(|key| {
            let mut writer = Writer::new(self.env, at.path.clone());
            writer.records_of([(from, *key, &template)].into_iter(), true);
            writer.answer(at)
        });
        answers.collect()
    }

    fn rows(
        &self,
        object: &'static Object,
        sets: &[&'a SelectionSet],
        rows: Rows,
    ) -> (Load, Template<'a>) {
        let mut load = Load::new(object, rows);
        let template = self.template(object, sets, &mut load, &ROW.into_iden());
        (load, template)
    }

    async fn run(&self, at: &At, load: &Load, parents: Vec<Uuid>) -> ServerResult<Loaded> {
        run(load, parents, self.env)
            .await
            .map_err(|error| at.failed(error))
    }
}

/// Bytes up to which the budget of all responses need not be looked at while they are written.
const SMALL: usize = 32 * 1024;

impl Writer<'_, '_> {
    /// What was written, unless it is too long.
    fn answer(mut self, at: &At) -> ServerResult<Answer> {
        self.checked(at, Ok(()))?;
        let written = self.env.bound.wrote(self.json.len());
        written.map_err(|error| at.failed(error))?;
        Ok(Answer {
            json: self.json.into_text(),
            errors: self.errors,
        })
    }

    fn is_full(&mut self) -> bool {
        let (length, bound) = (self.json.len(), self.env.bound);
        self.overloaded |= length > SMALL && length > bound.room();
        self.full |= self.overloaded || length > bound.left();
        self.full
    }

    /// Why nothing more is written.
    fn refusal(&self) -> Error {
        if self.overloaded {
            Error::Overloaded
        } else {
            self.env.bound.exceeded()
        }
    }

    /// That it is too long is an error of the whole field, wherever that was found.
    fn checked<T>(&mut self, at: &At, written: Result<T, Failed>) -> ServerResult<T> {
        if self.is_full() {
            return Err(at.failed(self.refusal()));
        }
        Ok(written?)
    }
}

//! The query planner: a selection becomes one SQL statement per to-many level, and the rows become JSON.
//!
//! In reading order: `schema` and `field` describe types, `selection` collects the selected fields, `planning` builds the
//! plan, `execute` runs it, `serialize` writes the result; `page` and `cursor` handle connections.

pub mod arguments;
pub mod budget;
pub mod composite;
pub mod counts;
pub mod cursor;
mod embedded;
mod execute;
mod field;
pub mod json;
mod order;
pub mod page;
pub mod plan;
pub mod planning;
pub mod register;
pub mod row_values;
pub mod schema;
pub mod selection;
mod serialize;
pub mod size_limit;

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use async_graphql::parser::types::SelectionSet;
use async_graphql::{
    Context, PathSegment, Pos, QueryPathSegment, ServerError, ServerResult, Value,
};
use chrono::{DateTime, NaiveDate, Utc};
use entity::party::{Language, Party};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Condition, Expr, IntoIden, Order as Direction};
use sea_orm::{DbBackend, Statement};
use tokio::sync::Semaphore;
use tokio::task::yield_now;

pub use crate::db::{Reader, Snapshot};
use crate::error::Error;
use crate::planner::execute::{ResultRows, run};
use crate::planner::plan::{OutputPlan, QueryPlan, RowSource};
use crate::planner::planning::Planner;
use crate::planner::schema::{Connection, MAX_LIST_LENGTH, ObjectType, ROW};
use crate::planner::selection::CollectedField;
use crate::planner::serialize::{FieldError, ResponseWriter, RowsSource};
use crate::planner::size_limit::ResponseSizeLimit;
use crate::trace::SPANS;

/// The execution context of a request.
#[derive(Clone, Copy)]
pub struct ExecutionContext<'a> {
    pub db: Reader<'a>,
    /// The party that the viewer acts for; `None` for readers.
    pub party: Option<Party>,
    pub now: DateTime<Utc>,
    /// The languages that the viewer reads, in order of preference.
    pub languages: &'a [Language],
    pub about: RootArguments,
    /// Size limit of the response.
    pub bound: &'a ResponseSizeLimit,
    /// Called with each statement before it is sent.
    pub on_statement: &'a (dyn Fn(&Statement) + Send + Sync),
}

/// Arguments of a root field whose value does not come from records of its own.
#[derive(Clone, Copy, Debug)]
pub enum RootArguments {
    Nothing,
    /// Two committees.
    Pair(Uuid, Uuid),
    /// An inclusive range of dates.
    Days(NaiveDate, NaiveDate),
}

impl<'a> ExecutionContext<'a> {
    /// Returns the context of statements that read from a snapshot, if there is one.
    fn reading<'s>(&self, snapshot: Option<&'s Snapshot>) -> ExecutionContext<'s>
    where
        'a: 's,
    {
        ExecutionContext {
            db: snapshot.map_or(self.db, Reader::Snapshot),
            ..*self
        }
    }

    pub fn backend(&self) -> DbBackend {
        self.db.backend()
    }

    /// Returns the current date in UTC.
    pub fn today(&self) -> NaiveDate {
        self.now.date_naive()
    }
}

/// The value of a field as JSON, with the errors that made parts of it null.
pub struct FieldResult {
    pub json: String,
    pub errors: Vec<ServerError>,
    /// The paths of the lists that have more records than they show.
    pub truncated: Vec<Value>,
}

impl FieldResult {
    /// Creates a value from a JSON text, without errors.
    #[must_use]
    pub fn of(json: &str) -> Self {
        Self {
            json: json.to_owned(),
            errors: Vec::new(),
            truncated: Vec::new(),
        }
    }

    #[must_use]
    pub fn null() -> Self {
        Self::of("null")
    }

    /// Returns whether the value is null without an error.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.json == "null" && self.errors.is_empty()
    }
}

/// How a record is found: the first row that matches the condition.
pub struct RecordQuery {
    pub condition: Condition,
    /// Required if several rows can match.
    pub order: Vec<(Expr, Direction)>,
}

impl From<Expr> for RecordQuery {
    fn from(condition: Expr) -> Self {
        Self {
            condition: Condition::all().add(condition),
            order: Vec::new(),
        }
    }
}

/// The location of a root field or of a payload's field.
#[derive(Clone)]
pub struct FieldLocation {
    pub path: Vec<PathSegment>,
    pub pos: Pos,
}

impl FieldLocation {
    /// Returns the location of the field that is resolved.
    pub fn of(ctx: &Context<'_>) -> Self {
        let mut path = Vec::new();
        let mut node = ctx.path_node.as_ref();
        while let Some(at) = node {
            path.push(match at.segment {
                QueryPathSegment::Index(index) => PathSegment::Index(index),
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

    /// Converts an error into an error of this field.
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
    /// Returns the record, or null if there is none.
    pub async fn fetch_one(
        &self,
        at: &FieldLocation,
        object: &'static ObjectType,
        sets: &[&'a SelectionSet],
        find: RecordQuery,
    ) -> ServerResult<FieldResult> {
        let rows = RowSource::Where {
            condition: find.condition,
            order: find.order,
            limit: Some(1),
        };
        let (load, template) = self.rows(object, sets, rows);
        let loaded = self.run(at, &load, Vec::new()).await?;
        let write = |writer: &mut ResponseWriter<'a, '_>| {
            writer.first(RowsSource::new(&load, &loaded), &template);
            Ok(())
        };
        self.write(at, write).await
    }

    /// Returns the record. Returns an error with the message `missing` if there is none.
    pub async fn fetch_required(
        &self,
        at: &FieldLocation,
        object: &'static ObjectType,
        sets: &[&'a SelectionSet],
        find: RecordQuery,
        missing: &str,
    ) -> ServerResult<FieldResult> {
        let rows = RowSource::Where {
            condition: find.condition,
            order: find.order,
            limit: Some(1),
        };
        let (load, template) = self.rows(object, sets, rows);
        let loaded = self.run(at, &load, Vec::new()).await?;
        if loaded.rows.is_empty() {
            return Err(at.failed(Error::BadInput(missing.to_owned())));
        }
        let write = |writer: &mut ResponseWriter<'a, '_>| {
            writer.only(RowsSource::new(&load, &loaded), &template)
        };
        self.write(at, write).await
    }

    /// Returns all matching records of a type with few records.
    pub async fn all(
        &self,
        at: &FieldLocation,
        object: &'static ObjectType,
        sets: &[&'a SelectionSet],
        find: RecordQuery,
    ) -> ServerResult<FieldResult> {
        let rows = RowSource::Where {
            condition: find.condition,
            order: find.order,
            limit: Some(MAX_LIST_LENGTH + 1),
        };
        let (load, template) = self.rows(object, sets, rows);
        let loaded = self.run(at, &load, Vec::new()).await?;
        let write = |writer: &mut ResponseWriter<'a, '_>| {
            writer.all(RowsSource::new(&load, &loaded), &template)
        };
        self.write(at, write).await
    }

    /// Returns a page of a root connection.
    pub async fn fetch_connection(
        &self,
        at: &FieldLocation,
        list: &'static Connection,
        selected: &CollectedField<'a>,
    ) -> ServerResult<FieldResult> {
        let scope = format!("Query.{}", selected.name());
        let planned = self.page(list, None, selected, &scope);
        let (load, template) = planned.map_err(|error| at.failed(error))?;
        let loaded = self.run(at, &load, Vec::new()).await?;
        let write = |writer: &mut ResponseWriter<'a, '_>| {
            writer.page(RowsSource::new(&load, &loaded), Uuid::nil(), &template)
        };
        self.write(at, write).await
    }

    /// Returns records of any type by their keys, each null if it does not exist: as a list, or the only one if
    /// `alone`.
    /// Reads only records that the viewer may see.
    pub async fn fetch_nodes(
        &self,
        at: &FieldLocation,
        nodes: &[(&'static ObjectType, Uuid)],
        sets: &[&'a SelectionSet],
        alone: bool,
    ) -> ServerResult<FieldResult> {
        let mut types: Vec<(QueryPlan, OutputPlan<'a>, Vec<Uuid>)> = Vec::new();
        let mut indexes = Vec::with_capacity(nodes.len());
        for (object, key) in nodes {
            let known = types
                .iter()
                .position(|planned| planned.1.object.name == object.name);
            let index = known.unwrap_or_else(|| {
                let visible = object.node().map(|node| (node.visible)(self.env));
                let rows = RowSource::ByKeys(visible.unwrap_or_else(Condition::all));
                let (load, template) = self.rows(object, sets, rows);
                types.push((load, template, Vec::new()));
                types.len() - 1
            });
            types[index].2.push(*key);
            indexes.push((index, *key));
        }
        let snapshot = self.snapshot(types.iter().map(|(load, ..)| load));
        let env = self.env.reading(snapshot.as_ref());
        let loads = types
            .iter()
            .map(|(load, _, keys)| run(load, keys.clone(), &env));
        let loaded = at.check(futures_util::future::try_join_all(loads).await)?;

        let write = |writer: &mut ResponseWriter<'a, '_>| {
            writer.records_of(
                indexes.iter().map(|(index, key)| {
                    let (load, template, _) = &types[*index];
                    let loaded = &loaded[*index];
                    (RowsSource::new(load, loaded), *key, template)
                }),
                alone,
            );
            Ok(())
        };
        self.write(at, write).await
    }

    /// Returns records of one type by their keys, each as a separate value, read together.
    pub async fn fetch_each(
        &self,
        at: &FieldLocation,
        object: &'static ObjectType,
        keys: &[Uuid],
        sets: &[&'a SelectionSet],
    ) -> ServerResult<Vec<FieldResult>> {
        let (load, template) = self.rows(object, sets, RowSource::ByKeys(Condition::all()));
        let loaded = self.run(at, &load, keys.to_vec()).await?;
        let from = RowsSource::new(&load, &loaded);
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            let write = |writer: &mut ResponseWriter<'a, '_>| {
                writer.records_of([(from, *key, &template)].into_iter(), true);
                Ok(())
            };
            results.push(self.write(at, write).await?);
        }
        Ok(results)
    }

    fn rows(
        &self,
        object: &'static ObjectType,
        sets: &[&'a SelectionSet],
        rows: RowSource,
    ) -> (QueryPlan, OutputPlan<'a>) {
        let _span = tracing::debug_span!(target: SPANS, "plan").entered();
        let mut load = QueryPlan::new(object, rows);
        let template = self.output_plan(object, sets, &mut load, &ROW.into_iden());
        (load, template)
    }

    async fn run(
        &self,
        at: &FieldLocation,
        load: &QueryPlan,
        parents: Vec<Uuid>,
    ) -> ServerResult<ResultRows> {
        let snapshot = self.snapshot([load].into_iter());
        let env = self.env.reading(snapshot.as_ref());
        at.check(run(load, parents, &env).await)
    }

    /// Writes the value of a field. A long one is written again once it has a permit, so that long values
    /// neither take all threads of the runtime nor the memory of their growing buffers at once.
    async fn write(
        &self,
        at: &FieldLocation,
        write: impl Fn(&mut ResponseWriter<'a, '_>) -> Result<(), FieldError>,
    ) -> ServerResult<FieldResult> {
        let mut writer = ResponseWriter::new(self.env, at.path.clone());
        writer.longest = LONG;
        let written = write(&mut writer);
        if !writer.interrupted || writer.overloaded {
            writer.longest = usize::MAX;
            return writer.finish(at, written);
        }
        drop((writer, written));
        // Never closed, so it gives a permit.
        let permit = Box::pin(LONG_VALUES.acquire()).await;
        let mut writer = ResponseWriter::new(self.env, at.path.clone());
        let written = write(&mut writer);
        let result = writer.finish(at, written);
        drop(permit);
        yield_now().await;
        result
    }

    /// Returns what plans with several statements read from; `None` if there is only one statement, or the operation
    /// has a snapshot.
    fn snapshot<'p>(&self, mut loads: impl Iterator<Item = &'p QueryPlan>) -> Option<Snapshot> {
        let first = loads.next()?;
        if first.is_single_statement() && loads.next().is_none() {
            return None;
        }
        self.env.db.snapshot()
    }
}

/// Bytes up to which the budget of all responses need not be looked at while they are written.
const SMALL: usize = 32 * 1024;

/// Bytes from which writing a value may keep a thread for more than a millisecond.
const LONG: usize = 256 * 1024;

/// How many long values are written at a time: the other threads of the runtime serve other requests meanwhile.
static LONG_VALUES: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, NonZero::get);
    Semaphore::new(processors.div_ceil(2))
});

impl ResponseWriter<'_, '_> {
    /// Returns what was written, or an error if it exceeds the size limit.
    fn finish(
        mut self,
        at: &FieldLocation,
        written: Result<(), FieldError>,
    ) -> ServerResult<FieldResult> {
        self.checked(at, written)?;
        let written = self.env.bound.count_output(self.json.len());
        written.map_err(|error| at.failed(error))?;
        // The root field itself.
        self.env.bound.count_values(1 + self.json.values());
        Ok(FieldResult {
            json: self.json.into_text(),
            errors: self.errors,
            truncated: self.truncated,
        })
    }

    fn is_full(&mut self) -> bool {
        let (length, bound) = (self.json.len(), self.env.bound);
        self.interrupted |= length > self.longest;
        self.overloaded |= length > SMALL && length > bound.available();
        self.full |= self.interrupted || self.overloaded || length > bound.remaining();
        self.full
    }

    /// Returns the error that stops the output.
    fn refusal(&self) -> Error {
        if self.overloaded {
            Error::Overloaded
        } else {
            self.env.bound.exceeded()
        }
    }

    /// Returns the error of the root field if its value exceeds the size limit.
    fn checked<T>(
        &mut self,
        at: &FieldLocation,
        written: Result<T, FieldError>,
    ) -> ServerResult<T> {
        if self.is_full() {
            return Err(at.failed(self.refusal()));
        }
        Ok(written?)
    }
}

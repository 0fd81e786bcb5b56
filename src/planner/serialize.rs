//! Serializes the result of a plan as JSON in the order of the selection. A failed nullable field is null.

use async_graphql::{PathSegment, Pos, ServerError, Value};
use sea_orm::DbErr;
use sea_orm::prelude::Uuid;
use tracing::Span;

use crate::db::Row;
use crate::error::Error;
use crate::planner::execute::{ParentRows, ResultRows};
use crate::planner::json::{Json, Scalar};
use crate::planner::plan::{FieldOutput, OutputPlan, PossibleType, QueryPlan};
use crate::planner::row_values::RowValues;
use crate::planner::{ExecutionContext, embedded};
use crate::trace::SPANS;

mod page;

/// A response being written.
pub struct ResponseWriter<'d, 'e> {
    pub json: Json,
    /// The errors of fields that are null because they failed.
    pub errors: Vec<ServerError>,
    /// The paths of the lists that have more records than they show.
    pub truncated: Vec<Value>,
    pub env: &'e ExecutionContext<'e>,
    /// Whether the size limit is exceeded: nothing more is written then.
    pub full: bool,
    /// Whether that is for want of memory.
    pub overloaded: bool,
    /// Bytes after which it is interrupted.
    pub longest: usize,
    pub interrupted: bool,
    start: Vec<PathSegment>,
    path: Vec<ResponsePathSegment<'d>>,
    /// Ends with the writer.
    _span: Span,
}

/// A segment of a field's path.
#[derive(Clone, Copy)]
enum ResponsePathSegment<'d> {
    Key(&'d str),
    Index(usize),
}

/// The error of a non-null field. It makes the nearest nullable ancestor null.
pub struct FieldError(ServerError);

type Written = Result<(), FieldError>;

/// A statement's plan with its result.
#[derive(Clone, Copy)]
pub struct RowsSource<'a> {
    load: &'a QueryPlan,
    loaded: &'a ResultRows,
}

impl<'a> RowsSource<'a> {
    pub fn new(load: &'a QueryPlan, loaded: &'a ResultRows) -> Self {
        Self { load, loaded }
    }

    fn child(self, child: usize) -> RowsSource<'a> {
        RowsSource {
            load: &self.load.children[child].load,
            loaded: &self.loaded.children[child],
        }
    }

    /// Returns the key that a child's rows have for this row.
    fn key(self, row: Row<'_>, child: usize) -> Result<Option<Uuid>, DbErr> {
        match self.load.children[child].key {
            Some(cell) => row.find(cell),
            None => Ok(None),
        }
    }
}

/// Returns the error for a referenced record that does not exist. Foreign keys should prevent it.
fn missing(ty: &str) -> DbErr {
    DbErr::RecordNotFound(format!("{ty} that another record names"))
}

impl From<FieldError> for ServerError {
    fn from(failed: FieldError) -> Self {
        failed.0
    }
}

impl<'d, 'e> ResponseWriter<'d, 'e> {
    /// Creates a writer for the field at the path `start`.
    pub fn new(env: &'e ExecutionContext<'e>, start: Vec<PathSegment>) -> Self {
        Self {
            json: Json::default(),
            errors: Vec::new(),
            truncated: Vec::new(),
            env,
            full: false,
            overloaded: false,
            longest: usize::MAX,
            interrupted: false,
            start,
            path: Vec::new(),
            _span: tracing::debug_span!(target: SPANS, "serialize"),
        }
    }

    pub(super) fn failed(&self, error: impl Into<Error>, pos: Option<Pos>) -> FieldError {
        let path = self.path().collect();
        FieldError(error.into().server_error(pos).with_path(path))
    }

    /// Returns the path of what is being written, in the response.
    fn path(&self) -> impl Iterator<Item = PathSegment> {
        let steps = self.path.iter().map(|step| match step {
            ResponsePathSegment::Key(key) => PathSegment::Field((*key).to_owned()),
            ResponsePathSegment::Index(index) => PathSegment::Index(*index),
        });
        self.start.iter().cloned().chain(steps)
    }

    fn at(
        &mut self,
        step: ResponsePathSegment<'d>,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        self.path.push(step);
        let written = write(self);
        self.path.pop();
        written
    }

    pub(super) fn at_key(
        &mut self,
        key: &'d str,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        self.at(ResponsePathSegment::Key(key), write)
    }

    pub(super) fn at_index(
        &mut self,
        index: usize,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        self.at(ResponsePathSegment::Index(index), write)
    }

    /// Returns an error once the response is as large as it may be.
    pub(super) fn stop_if_full(&mut self, pos: Pos) -> Written {
        if self.is_full() {
            return Err(self.failed(self.refusal(), Some(pos)));
        }
        Ok(())
    }

    /// Writes a value, or null if `write` fails.
    pub fn nullable(&mut self, write: impl FnOnce(&mut Self) -> Written) {
        let (length, depth) = (self.json.len(), self.path.len());
        let truncated = self.truncated.len();
        if let Err(FieldError(error)) = write(self) {
            self.json.truncate(length);
            self.path.truncate(depth);
            self.truncated.truncate(truncated);
            self.json.null();
            if !self.full {
                self.errors.push(error);
            }
        }
    }

    /// Writes a record.
    pub fn record(
        &mut self,
        from: RowsSource<'_>,
        row: Row<'_>,
        template: &OutputPlan<'d>,
    ) -> Written {
        let mut separator = '{';
        for entry in &template.entries {
            self.stop_if_full(entry.pos)?;
            self.key(&mut separator, entry.key);
            let field = ResponsePathSegment::Key(entry.key);
            match &entry.slot {
                FieldOutput::Typename => self.json.raw_string(template.object.name),
                FieldOutput::Cell(index, scalar) => {
                    let written = self.json.cell(row, *index, *scalar);
                    written.or_else(|error| {
                        self.at(field, |writer| Err(writer.failed(error, Some(entry.pos))))
                    })?;
                }
                FieldOutput::Computed(indexes, compute) => {
                    let written = compute(&RowValues::new(row, indexes), self.env, &mut self.json);
                    written.or_else(|error| {
                        self.at(field, |writer| Err(writer.failed(error, Some(entry.pos))))
                    })?;
                }
                slot => self.at(field, |writer| writer.slot(from, row, slot, entry.pos))?,
            }
        }
        self.close(separator);
        Ok(())
    }

    /// Writes a field whose value is one record or several.
    fn slot(
        &mut self,
        from: RowsSource<'_>,
        row: Row<'_>,
        slot: &FieldOutput<'d>,
        pos: Pos,
    ) -> Written {
        let fault = |writer: &Self, error: DbErr| writer.failed(error, Some(pos));
        match slot {
            FieldOutput::Joined {
                present,
                nullable,
                template,
            } => {
                let key = row.find::<Uuid>(*present);
                match key.map_err(|error| fault(self, error))? {
                    None => self.json.null(),
                    Some(_) => self.one(*nullable, from, row, template)?,
                }
            }
            FieldOutput::Fetched {
                child,
                nullable,
                template,
            } => {
                let key = from.key(row, *child).map_err(|error| fault(self, error))?;
                let child = from.child(*child);
                let found = key
                    .and_then(|key| child.loaded.group(key))
                    .and_then(|group| group.rows.first());
                match found {
                    None => self.json.null(),
                    Some(found) => {
                        self.one(*nullable, child, child.loaded.rows.row(*found), template)?;
                    }
                }
            }
            FieldOutput::Many { child, template } => {
                let key = from.key(row, *child).map_err(|error| fault(self, error))?;
                let child = from.child(*child);
                let group = key.and_then(|key| child.loaded.group(key));
                self.list(child, group, template)?;
            }
            FieldOutput::Page { child, template } => {
                let key = from.key(row, *child).map_err(|error| fault(self, error))?;
                self.page(from.child(*child), key.unwrap_or_default(), template)?;
            }
            FieldOutput::Parts(parts) => {
                self.json.raw("[");
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        self.json.raw(",");
                    }
                    self.json.count_value();
                    self.at(ResponsePathSegment::Index(index), |writer| {
                        writer.record(from, row, part)
                    })?;
                }
                self.json.raw("]");
            }
            FieldOutput::Node { ty, kinds } => self.node(from, row, *ty, kinds, pos)?,
            FieldOutput::Found {
                child,
                many,
                template,
            } => {
                let child = from.child(*child);
                match child.loaded.rows.first() {
                    _ if *many => self.all(child, template)?,
                    Some(row) => self.record(child, row, template)?,
                    None => return Err(fault(self, missing(template.object.name))),
                }
            }
            FieldOutput::Stored(index, template) => {
                let stored = row.find(*index).map_err(|error| fault(self, error))?;
                embedded::write(&mut self.json, &stored.unwrap_or_default(), template);
            }
            FieldOutput::Derived(indexes, derive, template) => {
                let derived = derive(&RowValues::new(row, indexes), self.env);
                let derived = derived.map_err(|error| fault(self, error))?;
                embedded::write(&mut self.json, &derived, template);
            }
            FieldOutput::Failed(error) => return Err(self.failed(error.clone(), Some(pos))),
            FieldOutput::Typename
            | FieldOutput::Cell(..)
            | FieldOutput::Computed(..)
            | FieldOutput::Key(_) => {}
        }
        Ok(())
    }

    /// Writes the record that a row refers to by type and key.
    fn node(
        &mut self,
        from: RowsSource<'_>,
        row: Row<'_>,
        ty: usize,
        kinds: &[PossibleType<'d>],
        pos: Pos,
    ) -> Written {
        let fault = |writer: &Self, error: DbErr| writer.failed(error, Some(pos));
        let ty: &str = row.get(ty).map_err(|error| fault(self, error))?;
        let Some(kind) = kinds.iter().find(|kind| kind.template.object.name == ty) else {
            return Err(fault(self, missing(ty)));
        };
        let key: Uuid = row.get(kind.key).map_err(|error| fault(self, error))?;
        let Some(child) = kind.child else {
            let mut separator = '{';
            for entry in &kind.template.entries {
                self.key(&mut separator, entry.key);
                match entry.slot {
                    FieldOutput::Cell(_, Scalar::Id(prefix)) => self.json.id(prefix, key),
                    _ => self.json.raw_string(kind.template.object.name),
                }
            }
            self.close(separator);
            return Ok(());
        };
        let child = from.child(child);
        let found = child.loaded.group(key).and_then(|group| group.rows.first());
        match found {
            Some(found) => self.record(child, child.loaded.rows.row(*found), &kind.template),
            None => Err(fault(self, missing(ty))),
        }
    }

    /// Writes a record, or null if it fails and the field is nullable.
    fn one(
        &mut self,
        nullable: bool,
        from: RowsSource<'_>,
        row: Row<'_>,
        template: &OutputPlan<'d>,
    ) -> Written {
        if nullable {
            self.nullable(|writer| writer.record(from, row, template));
            Ok(())
        } else {
            self.record(from, row, template)
        }
    }

    fn records(
        &mut self,
        from: RowsSource<'_>,
        group: Option<&ParentRows>,
        template: &OutputPlan<'d>,
    ) -> Written {
        self.each(from, group, |writer, row| {
            writer.record(from, row, template)
        })
    }

    fn each(
        &mut self,
        from: RowsSource<'_>,
        group: Option<&ParentRows>,
        mut write: impl FnMut(&mut Self, Row<'_>) -> Written,
    ) -> Written {
        self.json.raw("[");
        for (index, row) in group.iter().flat_map(|group| &group.rows).enumerate() {
            if index > 0 {
                self.json.raw(",");
            }
            let row = from.loaded.rows.row(*row);
            self.json.count_value();
            self.at(ResponsePathSegment::Index(index), |writer| {
                write(writer, row)
            })?;
        }
        self.json.raw("]");
        Ok(())
    }

    /// Writes all rows of a statement without parents.
    pub fn all(&mut self, from: RowsSource<'_>, template: &OutputPlan<'d>) -> Written {
        self.list(from, from.loaded.group(Uuid::nil()), template)
    }

    /// Writes a list without pages.
    fn list(
        &mut self,
        from: RowsSource<'_>,
        group: Option<&ParentRows>,
        template: &OutputPlan<'d>,
    ) -> Written {
        if group.is_some_and(|group| group.more) {
            let path = self.path().map(|segment| match segment {
                PathSegment::Field(name) => Value::from(name),
                PathSegment::Index(index) => Value::from(index),
            });
            let path = Value::List(path.collect());
            self.truncated.push(path);
        }
        self.records(from, group, template)
    }

    /// Writes the first row of a statement without parents, or null if there is none.
    pub fn first(&mut self, from: RowsSource<'_>, template: &OutputPlan<'d>) {
        match from.loaded.rows.first() {
            Some(row) => self.nullable(|writer| writer.record(from, row, template)),
            None => self.json.null(),
        }
    }

    /// Writes the only row of a statement without parents.
    pub fn only(&mut self, from: RowsSource<'_>, template: &OutputPlan<'d>) -> Written {
        match from.loaded.rows.first() {
            Some(row) => self.record(from, row, template),
            None => Ok(()),
        }
    }

    /// Writes records of several types by their keys, each null if it does not exist: as a list, or the only one if
    /// `alone`.
    pub fn records_of<'s>(
        &mut self,
        records: impl Iterator<Item = (RowsSource<'s>, Uuid, &'s OutputPlan<'d>)>,
        alone: bool,
    ) where
        'd: 's,
    {
        let one =
            |writer: &mut Self,
             (from, key, template): (RowsSource<'s>, Uuid, &'s OutputPlan<'d>)| {
                let found = from.loaded.group(key).and_then(|group| group.rows.first());
                match found {
                    Some(row) => {
                        writer.nullable(|writer| {
                            writer.record(from, from.loaded.rows.row(*row), template)
                        });
                    }
                    None => writer.json.null(),
                }
            };
        if alone {
            records.for_each(|record| one(self, record));
            return;
        }
        self.json.raw("[");
        for (index, record) in records.enumerate() {
            if index > 0 {
                self.json.raw(",");
            }
            self.path.push(ResponsePathSegment::Index(index));
            self.json.count_value();
            one(self, record);
            self.path.pop();
        }
        self.json.raw("]");
    }

    pub(super) fn key(&mut self, separator: &mut char, key: &str) {
        self.json.raw(if *separator == '{' { "{\"" } else { ",\"" });
        self.json.raw(key);
        self.json.raw("\":");
        self.json.count_value();
        *separator = ',';
    }

    pub(super) fn close(&mut self, separator: char) {
        self.json.raw(if separator == '{' { "{}" } else { "}" });
    }
}

//! Values that are made outside of the database, as JSON, with references to records in it: a page of search results.
//!
//! A reference is `["Topic", "<uuid>"]`. All records of one type that a field refers to are read with one statement.

use async_graphql::parser::types::SelectionSet;
use async_graphql::{Pos, ServerResult};
use futures_util::future::try_join_all;
use sea_orm::DbErr;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Condition;
use serde_json::Value;

use crate::planner::execute::{ResultRows, run};
use crate::planner::plan::{OutputPlan, QueryPlan, RowSource};
use crate::planner::planning::Planner;
use crate::planner::schema::{FieldSource, ObjectType};
use crate::planner::serialize::{FieldError, ResponseWriter, RowsSource};
use crate::planner::{FieldLocation, FieldResult};

/// A union of types with an id.
#[derive(Debug)]
pub struct Union {
    pub name: &'static str,
    pub description: &'static str,
    pub objects: fn() -> Vec<&'static ObjectType>,
}

/// The output of a composite value.
struct CompositePlan<'a> {
    object: &'static ObjectType,
    entries: Vec<(&'a str, Pos, Slot<'a>)>,
}

enum Slot<'a> {
    Typename,
    /// The value of this name, unchanged.
    Value(&'static str),
    /// The composite value of this name, or the list of them.
    Nested(&'static str, CompositePlan<'a>),
    /// The record that the value of this name refers to, or the list of them: the index of its plans.
    Reference(&'static str, usize),
}

/// The statements for the records that a field refers to, one for each possible type.
struct References<'a> {
    kinds: Vec<Kind<'a>>,
}

struct Kind<'a> {
    load: QueryPlan,
    template: OutputPlan<'a>,
    keys: Vec<Uuid>,
}

/// Returns the type and the key of a reference.
fn reference(value: &Value) -> Option<(&str, Uuid)> {
    let [ty, key] = value.as_array()?.as_slice() else {
        return None;
    };
    Some((ty.as_str()?, Uuid::try_parse(key.as_str()?).ok()?))
}

/// Makes a reference to a record.
#[must_use]
pub fn reference_to(ty: &str, key: Uuid) -> Value {
    Value::from(vec![ty.to_owned(), key.to_string()])
}

impl<'a> Planner<'a, '_> {
    /// Returns a composite value with the records that it refers to.
    pub async fn fetch_composite(
        &self,
        at: &FieldLocation,
        object: &'static ObjectType,
        sets: &[&'a SelectionSet],
        value: &Value,
    ) -> ServerResult<FieldResult> {
        let mut references = Vec::new();
        let plan = self.composite(object, sets, &mut references);
        plan.collect_keys(value, &mut references);
        let kinds = references.iter().flat_map(|field| &field.kinds);
        let snapshot = self.snapshot(
            kinds
                .filter(|kind| !kind.keys.is_empty())
                .map(|kind| &kind.load),
        );
        let env = self.env.reading(snapshot.as_ref());
        let loaded = references.iter().map(|field| {
            let kinds = field.kinds.iter();
            try_join_all(kinds.map(|kind| run(&kind.load, kind.keys.clone(), &env)))
        });
        let loaded = at.check(try_join_all(loaded).await)?;
        let mut writer = ResponseWriter::new(self.env, at.path.clone());
        let records = Records {
            references: &references,
            loaded: &loaded,
        };
        let written = writer.composite(&plan, value, &records);
        writer.finish(at, written)
    }

    fn composite(
        &self,
        object: &'static ObjectType,
        sets: &[&'a SelectionSet],
        references: &mut Vec<References<'a>>,
    ) -> CompositePlan<'a> {
        let is = |condition: &str| object.is(condition);
        let fields = self.document.collect_fields(sets, &is).into_iter();
        let entries = fields.map(|selected| {
            let sets = selected.sets();
            let slot = match object.field(selected.name()) {
                None => Slot::Typename,
                Some(field) => match &field.source {
                    FieldSource::Nested { object, .. } => {
                        Slot::Nested(field.name, self.composite(object(), &sets, references))
                    }
                    FieldSource::Reference { union, .. } => {
                        let objects = (union.objects)().into_iter();
                        let kinds = objects.map(|object| {
                            let rows = RowSource::ByKeys(Condition::all());
                            let (load, template) = self.rows(object, &sets, rows);
                            Kind {
                                load,
                                template,
                                keys: Vec::new(),
                            }
                        });
                        references.push(References {
                            kinds: kinds.collect(),
                        });
                        Slot::Reference(field.name, references.len() - 1)
                    }
                    _ => Slot::Value(field.name),
                },
            };
            (selected.key, selected.field().pos, slot)
        });
        CompositePlan {
            object,
            entries: entries.collect(),
        }
    }
}

impl CompositePlan<'_> {
    /// Collects the keys of the records that a value refers to.
    fn collect_keys(&self, value: &Value, references: &mut [References<'_>]) {
        for (.., slot) in &self.entries {
            match slot {
                Slot::Typename | Slot::Value(_) => {}
                Slot::Nested(name, plan) => match &value[*name] {
                    Value::Array(values) => {
                        for value in values {
                            plan.collect_keys(value, references);
                        }
                    }
                    value => plan.collect_keys(value, references),
                },
                Slot::Reference(name, index) => {
                    let kinds = &mut references[*index].kinds;
                    let mut collect = |value| {
                        if let Some((ty, key)) = reference(value)
                            && let Some(kind) = kinds.iter_mut().find(|kind| kind.is(ty))
                        {
                            kind.keys.push(key);
                        }
                    };
                    match &value[*name] {
                        one if reference(one).is_some() => collect(one),
                        Value::Array(values) => values.iter().for_each(collect),
                        _ => {}
                    }
                }
            }
        }
    }
}

impl Kind<'_> {
    fn is(&self, ty: &str) -> bool {
        self.template.object.name == ty
    }
}

/// The records that were read for a composite value.
struct Records<'r, 'd> {
    references: &'r [References<'d>],
    loaded: &'r [Vec<ResultRows>],
}

impl<'d> ResponseWriter<'d, '_> {
    fn composite(
        &mut self,
        plan: &CompositePlan<'d>,
        value: &Value,
        records: &Records<'_, 'd>,
    ) -> Result<(), FieldError> {
        let mut separator = '{';
        for (key, pos, slot) in &plan.entries {
            self.stop_if_full(*pos)?;
            self.key(&mut separator, key);
            match slot {
                Slot::Typename => self.json.raw_string(plan.object.name),
                Slot::Value(name) => self.json.value(&value[*name]),
                Slot::Nested(name, plan) => self.at_key(key, |writer| {
                    writer.one_or_list(&value[*name], &|value| value.is_array(), |writer, value| {
                        writer.composite(plan, value, records)
                    })
                })?,
                Slot::Reference(name, index) => self.at_key(key, |writer| {
                    let is_list = |value: &Value| value.is_array() && reference(value).is_none();
                    writer.one_or_list(&value[*name], &is_list, |writer, value| {
                        writer.referenced(records, *index, value, *pos)
                    })
                })?,
            }
        }
        self.close(separator);
        Ok(())
    }

    fn one_or_list(
        &mut self,
        value: &Value,
        is_list: &dyn Fn(&Value) -> bool,
        mut write: impl FnMut(&mut Self, &Value) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        match value {
            Value::Null => self.json.null(),
            Value::Array(values) if is_list(value) => {
                self.json.raw("[");
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        self.json.raw(",");
                    }
                    self.json.count_value();
                    self.at_index(index, |writer| write(writer, value))?;
                }
                self.json.raw("]");
            }
            value => write(self, value)?,
        }
        Ok(())
    }

    fn referenced(
        &mut self,
        records: &Records<'_, 'd>,
        index: usize,
        value: &Value,
        pos: Pos,
    ) -> Result<(), FieldError> {
        let kinds = records.references[index].kinds.iter();
        let mut kinds = kinds.zip(&records.loaded[index]);
        let found = reference(value).and_then(|(ty, key)| {
            let (kind, loaded) = kinds.find(|(kind, _)| kind.is(ty))?;
            let row = *loaded.group(key)?.rows.first()?;
            Some((kind, loaded, row))
        });
        let Some((kind, loaded, row)) = found else {
            let missing = DbErr::RecordNotFound("a record that a search found".to_owned());
            return Err(self.failed(missing, Some(pos)));
        };
        let from = RowsSource::new(&kind.load, loaded);
        self.record(from, loaded.rows.row(row), &kind.template)
    }
}

//! Turns a selection into a plan.

use async_graphql::Positioned;
use async_graphql::parser::types::SelectionSet;
use sea_orm::sea_query::{Condition, DynIden, IntoIden};

use crate::error::Result;
use crate::planner::arguments::Args;
use crate::planner::json::Scalar;
use crate::planner::page::{self, PageTemplate};
use crate::planner::plan::{
    FieldOutput, OutputField, OutputPlan, PossibleType, QueryPlan, RowSource,
};
use crate::planner::schema::{
    ColumnExpr, Connection, FieldSource, MAX_LIST_LENGTH, ObjectType, ROW, Relation,
};
use crate::planner::selection::{CollectedField, Selections};
use crate::planner::{ExecutionContext, RecordQuery};
use crate::trace::SPANS;

/// The context of planning.
#[derive(Clone, Copy)]
pub struct Planner<'a, 'e> {
    pub document: Selections<'a>,
    pub env: &'e ExecutionContext<'e>,
}

impl<'a> Planner<'a, '_> {
    /// Plans the output of the record that the statement of `load` reads under the alias `row`.
    pub fn output_plan(
        &self,
        object: &'static ObjectType,
        sets: &[&'a SelectionSet],
        load: &mut QueryPlan,
        row: &DynIden,
    ) -> OutputPlan<'a> {
        let fields = self
            .document
            .collect_fields(sets, &|condition| object.is(condition));
        let entries = fields
            .into_iter()
            .map(|field| OutputField {
                key: field.key,
                pos: field.field().pos,
                slot: self
                    .field_output(object, &field, load, row)
                    .unwrap_or_else(FieldOutput::Failed),
            })
            .collect();
        OutputPlan { object, entries }
    }

    fn field_output(
        &self,
        object: &'static ObjectType,
        selected: &CollectedField<'a>,
        load: &mut QueryPlan,
        row: &DynIden,
    ) -> Result<FieldOutput<'a>> {
        let Some(field) = object.field(selected.name()) else {
            // `__typename`: validation rejects all other unknown fields.
            return Ok(FieldOutput::Typename);
        };
        let sets = selected.sets();
        Ok(match &field.source {
            FieldSource::Cell { cell, scalar, .. } => self.cell(cell, *scalar, load, row),
            FieldSource::Selected { cell, scalar, .. } => {
                let cell = cell(&self.args(selected.field()), self.env)?;
                self.cell(&cell, *scalar, load, row)
            }
            FieldSource::Computed { needs, write, .. } => {
                let indexes = needs.iter().map(|cell| load.cell(row, cell, self.env));
                FieldOutput::Computed(indexes.collect(), *write)
            }
            FieldSource::One {
                object,
                by,
                nullable,
            } => self.join_one(object(), by, *nullable, &sets, load, row),
            FieldSource::Parts(parts) => FieldOutput::Parts(
                parts
                    .iter()
                    .map(|part| self.output_plan(part(), &sets, load, row))
                    .collect(),
            ),
            FieldSource::Many {
                object,
                link,
                order,
                then,
                condition,
                ..
            } => {
                let args = self.args(selected.field());
                let rows = RowSource::ByParent {
                    link: link.clone(),
                    condition: condition(&args)?,
                    order: order.clone(),
                };
                let mut child = QueryPlan::new(object(), rows);
                if let Some(then) = then {
                    child.sort(then);
                }
                let template = self.output_plan(object(), &sets, &mut child, &ROW.into_iden());
                let child = self.add_child(load, row, child);
                FieldOutput::Many { child, template }
            }
            FieldSource::Page { list, link } => {
                let scope = format!("{}.{}", object.name, field.name);
                let (child, template) = self.page(list, Some(link), selected, &scope)?;
                let child = self.add_child(load, row, child);
                FieldOutput::Page { child, template }
            }
            FieldSource::Node { objects, ty, key } => {
                let ty = load.cell(row, &ColumnExpr::Column(ty.clone()), self.env);
                let key = load.cell(row, &ColumnExpr::Column(key.clone()), self.env);
                let kinds = objects().into_iter();
                let kinds = kinds
                    .map(|object| self.possible_type(object, &sets, load, ty, key))
                    .collect();
                FieldOutput::Node { ty, kinds }
            }
            FieldSource::Found { object, find, list } => {
                let many = list.is_some();
                let RecordQuery { condition, order } = find(self.env);
                let rows = RowSource::Where {
                    condition,
                    order,
                    limit: Some(if many { MAX_LIST_LENGTH + 1 } else { 1 }),
                };
                let mut child = QueryPlan::new(object(), rows);
                let template = self.output_plan(object(), &sets, &mut child, &ROW.into_iden());
                let child = load.child(None, child);
                FieldOutput::Found {
                    child,
                    many,
                    template,
                }
            }
            FieldSource::Stored { cell, object, .. } => {
                let index = load.text(row, cell, self.env);
                FieldOutput::Stored(index, self.output_plan(object(), &sets, load, row))
            }
            FieldSource::Derived {
                needs,
                derive,
                object,
            } => {
                let indexes = needs.iter().map(|column| load.cell(row, column, self.env));
                let indexes = indexes.collect();
                FieldOutput::Derived(
                    indexes,
                    *derive,
                    self.output_plan(object(), &sets, load, row),
                )
            }
            // Only `composite` writes what is nested in a value.
            FieldSource::Key(_) | FieldSource::Nested { .. } | FieldSource::Reference { .. } => {
                FieldOutput::Key(field.name)
            }
        })
    }

    fn cell(
        &self,
        cell: &ColumnExpr,
        scalar: Scalar,
        load: &mut QueryPlan,
        row: &DynIden,
    ) -> FieldOutput<'a> {
        let index = match scalar {
            Scalar::String | Scalar::StringList => load.text(row, cell, self.env),
            _ => load.cell(row, cell, self.env),
        };
        FieldOutput::Cell(index, scalar)
    }

    /// Plans the output of a polymorphic record for one of its possible types.
    fn possible_type(
        &self,
        object: &'static ObjectType,
        sets: &[&'a SelectionSet],
        load: &mut QueryPlan,
        ty: usize,
        key: usize,
    ) -> PossibleType<'a> {
        let mut child = QueryPlan::new(object, RowSource::ByKeys(Condition::all()));
        let template = self.output_plan(object, sets, &mut child, &ROW.into_iden());
        let child = (!template.by_key()).then(|| {
            let child = load.child(Some(key), child);
            load.children[child].only = Some((ty, object.name));
            child
        });
        PossibleType {
            key,
            child,
            template,
        }
    }

    fn join_one(
        &self,
        object: &'static ObjectType,
        by: &DynIden,
        nullable: bool,
        sets: &[&'a SelectionSet],
        load: &mut QueryPlan,
        row: &DynIden,
    ) -> FieldOutput<'a> {
        let present = load.cell(row, &ColumnExpr::Column(by.clone()), self.env);
        if let Some(alias) = load.join(&object.table().name, row, by) {
            let template = self.output_plan(object, sets, load, &alias);
            return FieldOutput::Joined {
                present,
                nullable,
                template,
            };
        }
        let mut child = QueryPlan::new(object, RowSource::ByKeys(Condition::all()));
        let template = self.output_plan(object, sets, &mut child, &ROW.into_iden());
        let child = load.child(Some(present), child);
        FieldOutput::Fetched {
            child,
            nullable,
            template,
        }
    }

    /// Plans a connection: of all records, or of those that belong to each parent.
    pub fn page(
        &self,
        list: &'static Connection,
        link: Option<&Relation>,
        selected: &CollectedField<'a>,
        scope: &str,
    ) -> Result<(QueryPlan, PageTemplate<'a>)> {
        let _span = tracing::debug_span!(target: SPANS, "plan").entered();
        let args = self.args(selected.field());
        let criteria = (list.criteria)(&args, self.env)?;
        let (arguments, scope) = page::parse_page_arguments(&args, &criteria, list, scope)?;
        page::plan(
            self,
            list,
            link,
            criteria,
            arguments,
            scope,
            &selected.sets(),
        )
    }

    pub fn args(&self, field: &'a Positioned<async_graphql::parser::types::Field>) -> Args<'a> {
        Args::new(self.document, &field.node)
    }

    /// Adds a child statement for the rows that belong to the record with the alias `row`.
    fn add_child(&self, load: &mut QueryPlan, row: &DynIden, child: QueryPlan) -> usize {
        let key = load.cell(row, &ColumnExpr::column("id"), self.env);
        load.child(Some(key), child)
    }
}

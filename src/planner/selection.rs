//! The selections of an operation: fragments expanded, fields merged by response key, variables filled in.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{
    Directive, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{ContextSelectionSet, Name, Positioned, Value, Variables};
use async_graphql_value::Value as InputValue;

/// An operation with its fragments and variables.
#[derive(Clone, Copy)]
pub struct Selections<'a> {
    pub fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    pub operation: &'a OperationDefinition,
    pub variables: &'a Variables,
}

/// The selected fields of one response key, usually one. Validation ensures that they have the same name and arguments.
pub struct CollectedField<'a> {
    pub key: &'a str,
    pub fields: Vec<&'a Positioned<Field>>,
}

impl<'a> CollectedField<'a> {
    pub fn field(&self) -> &'a Positioned<Field> {
        self.fields[0]
    }

    pub fn name(&self) -> &'a str {
        self.field().node.name.node.as_str()
    }

    /// Returns the selection sets of all these fields.
    pub fn sets(&self) -> Vec<&'a SelectionSet> {
        self.fields
            .iter()
            .map(|field| &field.node.selection_set.node)
            .collect()
    }
}

impl<'a> Selections<'a> {
    pub fn of(ctx: &ContextSelectionSet<'a>) -> Self {
        Self {
            fragments: &ctx.query_env.fragments,
            operation: &ctx.query_env.operation.node,
            variables: &ctx.query_env.variables,
        }
    }

    /// Returns the fields that the operation selects on its root type `name`.
    pub fn root(&self, name: &str) -> Vec<CollectedField<'a>> {
        self.collect_fields(&[&self.operation.selection_set.node], &|condition| {
            condition == name
        })
    }

    /// Returns the fields that `sets` select on a type, in order (`CollectFields` of the specification). `is` returns
    /// whether a fragment's type condition applies to the type.
    pub fn collect_fields(
        &self,
        sets: &[&'a SelectionSet],
        is: &dyn Fn(&str) -> bool,
    ) -> Vec<CollectedField<'a>> {
        let mut collected = Collected::default();
        for set in sets {
            self.add(set, is, &mut collected);
        }
        collected.fields
    }

    fn add(&self, set: &'a SelectionSet, is: &dyn Fn(&str) -> bool, into: &mut Collected<'a>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    if self.included(&field.node.directives) {
                        into.push(field);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    if condition.is_none_or(|condition| is(&condition.node.on.node))
                        && self.included(&fragment.node.directives)
                    {
                        self.add(&fragment.node.selection_set.node, is, into);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let Some(fragment) = self.fragments.get(name) else {
                        continue;
                    };
                    if is(&fragment.node.type_condition.node.on.node)
                        && self.included(&spread.node.directives)
                        && into.spread.insert(name.as_str())
                    {
                        self.add(&fragment.node.selection_set.node, is, into);
                    }
                }
            }
        }
    }

    /// Returns whether `@skip` and `@include` include a selection.
    fn included(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| {
            let leaves_in = match directive.node.name.node.as_str() {
                "skip" => false,
                "include" => true,
                _ => return true,
            };
            let given = directive.node.get_argument("if");
            let given = given.and_then(|argument| self.constant(&argument.node));
            given == Some(Value::Boolean(leaves_in))
        })
    }

    /// Returns an argument's value with its variables filled in; `None` if it is a variable without a value.
    pub fn constant(&self, value: &InputValue) -> Option<Value> {
        Some(match value {
            InputValue::Variable(name) => return self.variable(name),
            InputValue::List(items) => Value::List(
                items
                    .iter()
                    .map(|item| self.constant(item).unwrap_or_default())
                    .collect(),
            ),
            InputValue::Object(fields) => Value::Object(
                fields
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), self.constant(value)?)))
                    .collect(),
            ),
            other => other.clone().into_const()?,
        })
    }

    fn variable(&self, name: &Name) -> Option<Value> {
        let given = self.variables.get(name);
        let definition = || {
            let mut definitions = self.operation.variable_definitions.iter();
            definitions.find(|definition| definition.node.name.node == *name)
        };
        // Not `default_value()`: it returns null for a nullable variable without a default, which has no value.
        given
            .or_else(|| Some(&definition()?.node.default_value.as_ref()?.node))
            .cloned()
    }
}

#[derive(Default)]
struct Collected<'a> {
    fields: Vec<CollectedField<'a>>,
    spread: HashSet<&'a str>,
}

impl<'a> Collected<'a> {
    fn push(&mut self, field: &'a Positioned<Field>) {
        let key = field.node.response_key().node.as_str();
        // A linear search is faster than a map for the number of fields that a selection usually has.
        match self.fields.iter_mut().find(|merged| merged.key == key) {
            Some(merged) => merged.fields.push(field),
            None => self.fields.push(CollectedField {
                key,
                fields: vec![field],
            }),
        }
    }
}

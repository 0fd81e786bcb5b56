//! Validation by the specification: what the library does, and what it leaves to us.

use apollo_compiler::ast::{Document, Type, Value};
use apollo_compiler::diagnostic::ToCliReport;
use apollo_compiler::executable::{Selection, SelectionSet, VariableDefinition};
use apollo_compiler::parser::SourceMap;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Node, Schema};

use super::sets::sets;
use super::{Problem, convert, place};
use crate::graphql::scalar_problem;

/// How many problems are told at once.
const TOLD: usize = 20;

/// Validates a document.
pub fn validate(
    schema: &Valid<Schema>,
    document: &Document,
) -> Result<Valid<ExecutableDocument>, Vec<Problem>> {
    let valid = document.to_executable_validate(schema).map_err(|found| {
        let told = found.errors.iter().take(TOLD).map(|it| {
            let at = place::of(it.error.location(), it.sources);
            (sentence(&it.error.to_string()), at)
        });
        told.collect::<Vec<_>>()
    })?;
    let problems = values(schema, &valid);
    if problems.is_empty() {
        Ok(valid)
    } else {
        Err(problems)
    }
}

/// What the library says, for people.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

/// The first field that asks for the schema itself, as a problem.
pub fn introspection(document: &ExecutableDocument) -> Option<Problem> {
    let mut fields = document
        .operations
        .iter()
        .flat_map(|it| it.root_fields(document));
    let field = fields.find(|it| it.name == "__schema" || it.name == "__type")?;
    let message = format!(
        "Introspection is switched off here: `{}` is not answered.",
        field.name
    );
    Some((message, place::of(field.location(), &document.sources)))
}

/// What the library does not look at: keys given twice, `@oneOf`, variables within values, our scalars.
fn values(schema: &Schema, document: &ExecutableDocument) -> Vec<Problem> {
    let mut problems = Vec::new();
    for operation in document.operations.iter() {
        let mut check = Check {
            schema,
            sources: &document.sources,
            variables: &operation.variables,
            problems: &mut problems,
        };
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                check.value(&variable.ty, false, default);
            }
        }
        for set in sets(document, operation) {
            check.arguments(set);
        }
    }
    problems
}

struct Check<'a> {
    schema: &'a Schema,
    sources: &'a SourceMap,
    variables: &'a [Node<VariableDefinition>],
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn arguments(&mut self, set: &SelectionSet) {
        for field in set.selections.iter().filter_map(Selection::as_field) {
            for argument in &field.arguments {
                let definition = field.definition.argument_by_name(&argument.name);
                if let Some(definition) = definition {
                    let fills = definition.default_value.is_some();
                    self.value(&definition.ty, fills, &argument.value);
                }
            }
        }
    }

    fn problem(&mut self, message: String, value: &Node<Value>) {
        if self.problems.len() < TOLD {
            let at = place::of(value.location(), self.sources);
            self.problems.push((message, at));
        }
    }

    /// `fills`: the place has a default, which stands in for what is left out.
    fn value(&mut self, ty: &Type, fills: bool, value: &Node<Value>) {
        match &**value {
            Value::Variable(name) => {
                let variables = self.variables;
                if let Some(variable) = variables.iter().find(|it| it.name == *name) {
                    self.variable(ty, fills, variable, value);
                }
            }
            Value::List(items) if ty.is_list() => {
                for item in items {
                    self.value(ty.item_type(), false, item);
                }
            }
            Value::Object(fields) => {
                for (place, (name, value)) in fields.iter().enumerate() {
                    if fields[..place].iter().any(|it| it.0 == *name) {
                        self.problem(format!("The field `{name}` is given twice."), value);
                    }
                }
                let Some(input) = self.schema.get_input_object(ty.inner_named_type()) else {
                    return;
                };
                if input.directives.has("oneOf") && !self.is_one(fields) {
                    let message =
                        format!("`{}` takes one of its fields, and not null.", input.name);
                    self.problem(message, value);
                }
                for (name, value) in fields {
                    if let Some(field) = input.fields.get(name) {
                        self.value(&field.ty, field.default_value.is_some(), value);
                    }
                }
            }
            // Where a list is due a single value is a list of one.
            plain => {
                let constant = convert::value(plain).into_const().unwrap_or_default();
                if !value.is_null()
                    && let Some(problem) = scalar_problem(ty.inner_named_type(), constant)
                {
                    self.problem(sentence(&problem), value);
                }
            }
        }
    }

    /// Whether these are the fields of a `@oneOf` input: one, and never null.
    fn is_one(&self, fields: &[(apollo_compiler::Name, Node<Value>)]) -> bool {
        let [(_, value)] = fields else {
            return false;
        };
        let Some(name) = value.as_variable() else {
            return !value.is_null();
        };
        let definition = self.variables.iter().find(|it| it.name == *name);
        definition.is_some_and(|it| it.ty.is_non_null())
    }

    /// A variable may stand only where all that it can be is allowed.
    fn variable(
        &mut self,
        ty: &Type,
        fills: bool,
        variable: &VariableDefinition,
        value: &Node<Value>,
    ) {
        let default = variable.default_value.as_ref();
        let never_missing = fills || default.is_some_and(|it| !it.is_null());
        let place = if ty.is_non_null() && !variable.ty.is_non_null() && never_missing {
            ty.clone().nullable()
        } else {
            ty.clone()
        };
        if !variable.ty.is_assignable_to(&place) {
            let message = format!(
                "The variable `${}` is of type `{}`, where `{ty}` is due.",
                variable.name, variable.ty
            );
            self.problem(message, value);
        }
    }
}

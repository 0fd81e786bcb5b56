//! Converts a validated document from apollo-compiler's types to async-graphql's, so that only one parser is used.

use apollo_compiler::ast::{Argument, Directive, OperationType, Value};
use apollo_compiler::executable::{Operation, Selection, SelectionSet};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::{ExecutableDocument, Name, Node};
use async_graphql::parser::types as run;
use async_graphql::{Name as RunName, Positioned};
use async_graphql_value::Value as RunValue;
use serde_json::Number;

use crate::http::validation::position::LineIndex;

/// Converts a document; `text` is its source.
pub fn document(text: &str, document: &ExecutableDocument) -> run::ExecutableDocument {
    let convert = Convert(LineIndex::of(text));
    let operations = document.operations.iter();
    let named = operations.filter_map(|operation| {
        let name = RunName::new(operation.name.as_ref()?.as_str());
        Some((name, convert.operation(operation)))
    });
    let fragments = document.fragments.iter().map(|(name, fragment)| {
        let converted = run::FragmentDefinition {
            type_condition: convert.condition(fragment.type_condition()),
            directives: convert.directives(&fragment.directives),
            selection_set: convert.set(&fragment.selection_set),
        };
        (
            RunName::new(name.as_str()),
            convert.at(fragment.location(), converted),
        )
    });
    run::ExecutableDocument {
        operations: match &document.operations.anonymous {
            Some(only) => run::DocumentOperations::Single(convert.operation(only)),
            None => run::DocumentOperations::Multiple(named.collect()),
        },
        fragments: fragments.collect(),
    }
}

pub fn kind(kind: OperationType) -> run::OperationType {
    match kind {
        OperationType::Query => run::OperationType::Query,
        OperationType::Mutation => run::OperationType::Mutation,
        OperationType::Subscription => run::OperationType::Subscription,
    }
}

/// Converts a value, including its variables.
pub fn value(given: &Value) -> RunValue {
    match given {
        Value::Null => RunValue::Null,
        Value::Enum(name) => RunValue::Enum(RunName::new(name.as_str())),
        Value::Variable(name) => RunValue::Variable(RunName::new(name.as_str())),
        Value::String(text) => RunValue::String(text.clone()),
        Value::Boolean(flag) => RunValue::Boolean(*flag),
        // Only ids can exceed 64 bits, and they are strings.
        Value::Int(number) => match number.as_str().parse::<i64>() {
            Ok(number) => RunValue::Number(number.into()),
            Err(_) => RunValue::String(number.as_str().to_owned()),
        },
        Value::Float(number) => {
            let number = number.try_to_f64().ok().and_then(Number::from_f64);
            number.map_or(RunValue::Null, RunValue::Number)
        }
        Value::List(items) => RunValue::List(items.iter().map(|item| value(item)).collect()),
        Value::Object(fields) => RunValue::Object(
            fields
                .iter()
                .map(|(name, value)| {
                    (
                        RunName::new(name.as_str()),
                        crate::http::validation::convert::value(value),
                    )
                })
                .collect(),
        ),
    }
}

struct Convert(LineIndex);

impl Convert {
    fn at<T>(&self, span: Option<SourceSpan>, node: T) -> Positioned<T> {
        Positioned::new(node, self.0.at(span.map_or(0, |span| span.offset())))
    }

    fn name(&self, name: &Name) -> Positioned<RunName> {
        self.at(name.location(), RunName::new(name.as_str()))
    }

    fn condition(&self, name: &Name) -> Positioned<run::TypeCondition> {
        let on = self.name(name);
        self.at(name.location(), run::TypeCondition { on })
    }

    fn operation(&self, operation: &Node<Operation>) -> Positioned<run::OperationDefinition> {
        let variables = operation.variables.iter().map(|variable| {
            let default = variable.default_value.as_ref().and_then(|default| {
                let constant = value(default).into_const()?;
                Some(self.at(default.location(), constant))
            });
            let definition = run::VariableDefinition {
                name: self.name(&variable.name),
                var_type: self.at(variable.ty.location(), ty(&variable.ty)),
                directives: self.directives(&variable.directives),
                default_value: default,
            };
            self.at(variable.location(), definition)
        });
        let definition = run::OperationDefinition {
            ty: kind(operation.operation_type),
            variable_definitions: variables.collect(),
            directives: self.directives(&operation.directives),
            selection_set: self.set(&operation.selection_set),
        };
        self.at(operation.location(), definition)
    }

    fn arguments(
        &self,
        arguments: &[Node<Argument>],
    ) -> Vec<(Positioned<RunName>, Positioned<RunValue>)> {
        let arguments = arguments.iter().map(|argument| {
            let value = self.at(argument.value.location(), value(&argument.value));
            (self.name(&argument.name), value)
        });
        arguments.collect()
    }

    fn directives(&self, directives: &[Node<Directive>]) -> Vec<Positioned<run::Directive>> {
        let directives = directives.iter().map(|directive| {
            let converted = run::Directive {
                name: self.name(&directive.name),
                arguments: self.arguments(&directive.arguments),
            };
            self.at(directive.location(), converted)
        });
        directives.collect()
    }

    fn set(&self, set: &SelectionSet) -> Positioned<run::SelectionSet> {
        let items = set
            .selections
            .iter()
            .map(|selection| self.selection(selection));
        let items: Vec<_> = items.collect();
        let pos = items.first().map(|item| item.pos).unwrap_or_default();
        Positioned::new(run::SelectionSet { items }, pos)
    }

    fn selection(&self, selection: &Selection) -> Positioned<run::Selection> {
        match selection {
            Selection::Field(field) => {
                let converted = run::Field {
                    alias: field.alias.as_ref().map(|alias| self.name(alias)),
                    name: self.name(&field.name),
                    arguments: self.arguments(&field.arguments),
                    directives: self.directives(&field.directives),
                    selection_set: self.set(&field.selection_set),
                };
                let at = field.location();
                self.at(at, run::Selection::Field(self.at(at, converted)))
            }
            Selection::FragmentSpread(spread) => {
                let converted = run::FragmentSpread {
                    fragment_name: self.name(&spread.fragment_name),
                    directives: self.directives(&spread.directives),
                };
                let at = spread.location();
                self.at(at, run::Selection::FragmentSpread(self.at(at, converted)))
            }
            Selection::InlineFragment(fragment) => {
                let condition = fragment.type_condition.as_ref();
                let converted = run::InlineFragment {
                    type_condition: condition.map(|condition| self.condition(condition)),
                    directives: self.directives(&fragment.directives),
                    selection_set: self.set(&fragment.selection_set),
                };
                let at = fragment.location();
                self.at(at, run::Selection::InlineFragment(self.at(at, converted)))
            }
        }
    }
}

fn ty(given: &apollo_compiler::ast::Type) -> run::Type {
    use apollo_compiler::ast::Type;
    let (base, nullable) = match given {
        Type::Named(name) => (run::BaseType::Named(RunName::new(name.as_str())), true),
        Type::NonNullNamed(name) => (run::BaseType::Named(RunName::new(name.as_str())), false),
        Type::List(item) => (run::BaseType::List(Box::new(ty(item))), true),
        Type::NonNullList(item) => (run::BaseType::List(Box::new(ty(item))), false),
    };
    run::Type { base, nullable }
}

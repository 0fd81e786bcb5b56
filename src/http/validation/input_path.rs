//! Finds the path of an invalid value among the arguments of a document, for `extensions.inputPath`.

use apollo_compiler::Node;
use apollo_compiler::ast::{Argument, Definition, DirectiveList, Document, Selection, Value};
use apollo_compiler::parser::SourceSpan;
use async_graphql::PathSegment;

/// Returns the path to the value at `span`, starting with its argument or variable; `None` if there is no value.
pub fn of(document: &Document, span: SourceSpan) -> Option<Vec<PathSegment>> {
    let mut sets = Vec::new();
    for definition in &document.definitions {
        let (directives, set) = match definition {
            Definition::OperationDefinition(operation) => {
                for variable in &operation.variables {
                    if let Some(default) = &variable.default_value
                        && holds(default, span)
                    {
                        return Some(path(&variable.name, default, span));
                    }
                }
                (&operation.directives, &operation.selection_set)
            }
            Definition::FragmentDefinition(fragment) => {
                (&fragment.directives, &fragment.selection_set)
            }
            _ => continue,
        };
        if let Some(path) = in_directives(directives, span) {
            return Some(path);
        }
        sets.push(set);
    }
    while let Some(set) = sets.pop() {
        for selection in set {
            let (arguments, directives, set) = match selection {
                Selection::Field(field) => (
                    &field.arguments[..],
                    &field.directives,
                    Some(&field.selection_set),
                ),
                Selection::InlineFragment(fragment) => {
                    (&[][..], &fragment.directives, Some(&fragment.selection_set))
                }
                Selection::FragmentSpread(spread) => (&[][..], &spread.directives, None),
            };
            let found = in_arguments(arguments, span).or_else(|| in_directives(directives, span));
            if found.is_some() {
                return found;
            }
            sets.extend(set);
        }
    }
    None
}

fn in_directives(directives: &DirectiveList, span: SourceSpan) -> Option<Vec<PathSegment>> {
    let mut directives = directives.iter();
    directives.find_map(|directive| in_arguments(&directive.arguments, span))
}

fn in_arguments(arguments: &[Node<Argument>], span: SourceSpan) -> Option<Vec<PathSegment>> {
    let argument = arguments
        .iter()
        .find(|argument| holds(&argument.value, span))?;
    Some(path(&argument.name, &argument.value, span))
}

/// Returns the path from the value of `name` to the innermost value that contains `span`.
fn path(name: &str, mut value: &Node<Value>, span: SourceSpan) -> Vec<PathSegment> {
    let mut path = vec![PathSegment::Field(name.to_owned())];
    loop {
        let inner = match &**value {
            Value::List(items) => {
                let found = items.iter().enumerate().find(|entry| holds(entry.1, span));
                found.map(|(index, item)| (PathSegment::Index(index), item))
            }
            Value::Object(fields) => {
                let found = fields.iter().find(|field| holds(&field.1, span));
                found.map(|(name, value)| (PathSegment::Field(name.to_string()), value))
            }
            _ => None,
        };
        let Some((step, item)) = inner else {
            return path;
        };
        path.push(step);
        value = item;
    }
}

fn holds(value: &Node<Value>, span: SourceSpan) -> bool {
    value.location().is_some_and(|location| {
        location.offset() <= span.offset() && span.end_offset() <= location.end_offset()
    })
}

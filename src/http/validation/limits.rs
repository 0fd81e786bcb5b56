//! Limits of a document, checked before fragments are expanded: each fragment is visited once.

use std::collections::HashMap;

use apollo_compiler::ast::{Definition, Document, FragmentDefinition, OperationType, Selection};

use crate::http::error::RequestError;
use crate::http::limits::Limits;

/// The size of a selection with its fragments expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct DocumentSize {
    selections: u64,
    aliases: u64,
    directives: u64,
    /// Number of fields on its own level.
    fields: u64,
    /// Depth in fields.
    depth: usize,
    /// Depth in fields and fragments.
    nesting: usize,
    /// Depth in introspection lists that lead from types to types.
    type_lists: usize,
}

/// Introspection lists that lead from a type to further types, each multiplying the size of the response.
const TYPE_LISTS: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];

/// Maximum nesting of these lists: that of the reference implementation, and one more than common tools use.
const MAX_TYPE_LISTS: usize = 2;

/// Fragments may add this much to the depth of fields.
const FRAGMENTS: usize = 32;

/// Returns the maximum nesting of fields and fragments, which bounds the recursion of all later steps.
pub fn nesting(limits: &Limits) -> usize {
    limits.depth.saturating_add(FRAGMENTS)
}

/// Returns the error for a document that is too deep; `depth` if it is known.
pub fn too_deep(limits: &Limits, depth: Option<usize>) -> RequestError {
    let message = match depth {
        Some(depth) => format!(
            "The document nests {depth} levels of fields; {} are allowed.",
            limits.depth
        ),
        None => format!(
            "The document nests more than {} levels of fields, fragments and values, the most that are read.",
            nesting(limits)
        ),
    };
    RequestError::limit_exceeded("depth", "QUERY_TOO_DEEP", message)
}

/// Checks the limits of a document.
pub fn check_limits(document: &Document, limits: &Limits) -> Result<(), RequestError> {
    let mut walk = LimitVisitor::new(document, nesting(limits));
    let mut total = DocumentSize::default();
    let (mut roots, mut mutations) = (0, 0);
    for definition in &document.definitions {
        let size = match definition {
            Definition::OperationDefinition(operation) => {
                let mut size = walk.set(&operation.selection_set, 0);
                let fields = match operation.operation_type {
                    OperationType::Mutation => &mut mutations,
                    _ => &mut roots,
                };
                *fields = size.fields.max(*fields);
                size.add_directives(operation.directives.len());
                for variable in &operation.variables {
                    size.add_directives(variable.directives.len());
                }
                size
            }
            // Counted where they are spread. An unused fragment is counted here, because it is validated, too.
            Definition::FragmentDefinition(fragment)
                if !walk.known.contains_key(&*fragment.name) =>
            {
                walk.fragment(fragment, 0)
            }
            _ => DocumentSize::default(),
        };
        total.add(size);
        total.depth = total.depth.max(size.depth);
        total.nesting = total.nesting.max(size.nesting);
        total.type_lists = total.type_lists.max(size.type_lists);
    }
    if total.nesting > nesting(limits) {
        return Err(too_deep(limits, None));
    }
    if total.type_lists > MAX_TYPE_LISTS {
        let message = format!(
            "The document nests {} lists of types ({}); {MAX_TYPE_LISTS} are allowed.",
            total.type_lists,
            TYPE_LISTS.map(|list| format!("`{list}`")).join(", ")
        );
        return Err(RequestError::limit_exceeded(
            "introspectionDepth",
            "QUERY_TOO_DEEP",
            message,
        ));
    }
    if total.depth > limits.depth {
        return Err(too_deep(limits, Some(total.depth)));
    }
    for (limit, name, actual, allowed) in [
        (
            "selections",
            "fields and fragments",
            total.selections,
            limits.selections,
        ),
        ("aliases", "aliases", total.aliases, limits.aliases),
        (
            "directives",
            "directives",
            total.directives,
            limits.directives,
        ),
        ("roots", "fields at its root", roots, limits.root_fields),
        ("mutations", "mutations", mutations, limits.mutations),
    ] {
        if actual > allowed {
            let message = format!(
                "The document has {actual} {name}, its fragments written out; {allowed} are allowed."
            );
            return Err(RequestError::limit_exceeded(
                limit,
                "QUERY_TOO_COMPLEX",
                message,
            ));
        }
    }
    Ok(())
}

impl DocumentSize {
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
    }

    fn add_directives(&mut self, more: usize) {
        self.directives = self.directives.saturating_add(more as u64);
    }
}

struct LimitVisitor<'a> {
    fragments: HashMap<&'a str, &'a FragmentDefinition>,
    /// Contains an empty size while a fragment is being visited: validation reports cycles.
    known: HashMap<&'a str, DocumentSize>,
    deepest: usize,
}

impl<'a> LimitVisitor<'a> {
    fn new(document: &'a Document, deepest: usize) -> Self {
        let fragments = document
            .definitions
            .iter()
            .filter_map(|definition| match definition {
                Definition::FragmentDefinition(fragment) => {
                    Some((fragment.name.as_str(), &**fragment))
                }
                _ => None,
            });
        Self {
            fragments: fragments.collect(),
            known: HashMap::new(),
            deepest,
        }
    }

    /// Returns the size of a selection set. `level` is the depth of recursion.
    fn set(&mut self, set: &'a [Selection], level: usize) -> DocumentSize {
        let mut total = DocumentSize::default();
        if level > self.deepest {
            total.nesting = 1; // exceeds the limit for all callers
            return total;
        }
        for selection in set {
            let (mut inner, directives) = match selection {
                Selection::Field(field) => {
                    let mut inner = self.set(&field.selection_set, level + 1);
                    inner.fields = 1;
                    inner.depth += 1;
                    inner.type_lists += usize::from(TYPE_LISTS.contains(&field.name.as_str()));
                    inner.aliases = inner
                        .aliases
                        .saturating_add(u64::from(field.alias.is_some()));
                    (inner, field.directives.len())
                }
                Selection::InlineFragment(fragment) => {
                    let inner = self.set(&fragment.selection_set, level + 1);
                    (inner, fragment.directives.len())
                }
                Selection::FragmentSpread(spread) => {
                    let inner = self.spread(&spread.fragment_name, level + 1);
                    (inner, spread.directives.len())
                }
            };
            inner.selections = inner.selections.saturating_add(1);
            inner.add_directives(directives);
            total.add(inner);
            total.fields = total.fields.saturating_add(inner.fields);
            total.depth = total.depth.max(inner.depth);
            total.nesting = total.nesting.max(inner.nesting + 1);
            total.type_lists = total.type_lists.max(inner.type_lists);
        }
        total
    }

    fn spread(&mut self, name: &str, level: usize) -> DocumentSize {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let fragment = self.fragments.get(name).copied();
        fragment.map_or_else(DocumentSize::default, |fragment| {
            self.fragment(fragment, level)
        })
    }

    fn fragment(&mut self, fragment: &'a FragmentDefinition, level: usize) -> DocumentSize {
        self.known.insert(&fragment.name, DocumentSize::default());
        let mut size = self.set(&fragment.selection_set, level);
        size.add_directives(fragment.directives.len());
        self.known.insert(&fragment.name, size);
        size
    }
}

#[cfg(test)]
mod tests {
    use apollo_compiler::parser::Parser;
    use proptest::collection::vec;
    use proptest::prelude::Strategy;
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    const FRAGMENTS: usize = 5;

    /// Generates documents in which each fragment spreads only later ones.
    fn documents() -> impl Strategy<Value = String> {
        let items = vec((0..6_usize, 1..FRAGMENTS), 1..5);
        vec(items, FRAGMENTS).prop_map(|fragments| {
            let operations = "{ a ...F0 } mutation { ...F0 ...F0 }".to_owned();
            let fragments = fragments.into_iter().enumerate().map(|(number, items)| {
                let items = items.into_iter().map(|(kind, next)| {
                    let next = number + next;
                    match kind {
                        0 => "b: a".to_owned(),
                        1 => "a @skip(if: true)".to_owned(),
                        _ if next >= FRAGMENTS => "a { a }".to_owned(),
                        2 => format!("a {{ b: a ...F{next} }}"),
                        3 => format!("... @include(if: true) {{ ...F{next} }}"),
                        _ => format!("...F{next} @skip(if: false)"),
                    }
                });
                let items = items.collect::<Vec<_>>().join(" ");
                format!("fragment F{number} on A {{ {items} }}")
            });
            let parts: Vec<String> = std::iter::once(operations).chain(fragments).collect();
            parts.join(" ")
        })
    }

    /// Counts selections, aliases, directives, fields of this level, and levels, without memoization.
    fn counted(document: &Document, set: &[Selection]) -> [u64; 5] {
        let mut total = [0; 5];
        for selection in set {
            let (own, inner) = match selection {
                Selection::Field(field) => {
                    let [selections, aliases, directives, _, depth] =
                        counted(document, &field.selection_set);
                    let alias = u64::from(field.alias.is_some());
                    let inner = [selections, aliases + alias, directives, 1, depth + 1];
                    (field.directives.len(), inner)
                }
                Selection::InlineFragment(fragment) => {
                    let inner = counted(document, &fragment.selection_set);
                    (fragment.directives.len(), inner)
                }
                Selection::FragmentSpread(spread) => {
                    let mut definitions = document.definitions.iter();
                    let set = definitions.find_map(|definition| match definition {
                        Definition::FragmentDefinition(definition)
                            if definition.name == spread.fragment_name =>
                        {
                            Some(&definition.selection_set)
                        }
                        _ => None,
                    });
                    (spread.directives.len(), counted(document, set.unwrap()))
                }
            };
            for index in [0, 1, 2, 3] {
                total[index] += inner[index];
            }
            total[0] += 1;
            total[2] += own as u64;
            total[4] = total[4].max(inner[4]);
        }
        total
    }

    proptest! {
        #[test]
        fn counts_equal_those_of_the_expanded_document(text in documents()) {
            let document = Parser::new().parse_ast(text, "").unwrap();
            let mut walk = LimitVisitor::new(&document, 1000);
            for definition in &document.definitions {
                if let Definition::OperationDefinition(operation) = definition {
                    let size = walk.set(&operation.selection_set, 0);
                    let found = [
                        size.selections,
                        size.aliases,
                        size.directives,
                        size.fields,
                        size.depth as u64,
                    ];
                    prop_assert_eq!(found, counted(&document, &operation.selection_set));
                }
            }
        }
    }
}

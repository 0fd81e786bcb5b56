//! The bounds of a document, checked before anything walks through its fragments: each is visited once.

use std::collections::HashMap;

use apollo_compiler::ast::{Definition, Document, FragmentDefinition, OperationType, Selection};

use super::super::limits::Limits;
use super::super::refused::Refused;

/// How large a selection is, its fragments written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    selections: u64,
    aliases: u64,
    directives: u64,
    /// Fields at its own level.
    fields: u64,
    /// Levels of fields.
    depth: usize,
    /// Levels of fields and fragments.
    nesting: usize,
}

/// Fragments may be nested this much deeper than fields.
const FRAGMENTS: usize = 32;

/// Levels of fields and fragments that a document may have: what walks through it later calls itself as often.
pub fn nesting(limits: &Limits) -> usize {
    limits.depth.saturating_add(FRAGMENTS)
}

/// A document that is deeper than it may be; `depth` where it could be counted.
pub fn too_deep(limits: &Limits, depth: Option<usize>) -> Refused {
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
    Refused::beyond("depth", "QUERY_TOO_DEEP", message)
}

/// Refuses a document that is beyond a limit.
pub fn bound(document: &Document, limits: &Limits) -> Result<(), Refused> {
    let mut walk = Walk::new(document, nesting(limits));
    let mut whole = Size::default();
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
            // Each where it is spread; one that nothing spreads by itself, for those who validate it.
            Definition::FragmentDefinition(fragment)
                if !walk.known.contains_key(&*fragment.name) =>
            {
                walk.fragment(fragment, 0)
            }
            _ => Size::default(),
        };
        whole.add(size);
        whole.depth = whole.depth.max(size.depth);
        whole.nesting = whole.nesting.max(size.nesting);
    }
    if whole.nesting > nesting(limits) {
        return Err(too_deep(limits, None));
    }
    if whole.depth > limits.depth {
        return Err(too_deep(limits, Some(whole.depth)));
    }
    for (limit, name, asked, allowed) in [
        (
            "selections",
            "fields and fragments",
            whole.selections,
            limits.selections,
        ),
        ("aliases", "aliases", whole.aliases, limits.aliases),
        (
            "directives",
            "directives",
            whole.directives,
            limits.directives,
        ),
        ("roots", "fields at its root", roots, limits.roots),
        ("mutations", "mutations", mutations, limits.mutations),
    ] {
        if asked > allowed {
            let message = format!(
                "The document has {asked} {name}, its fragments written out; {allowed} are allowed."
            );
            return Err(Refused::beyond(limit, "QUERY_TOO_COMPLEX", message));
        }
    }
    Ok(())
}

impl Size {
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
    }

    fn add_directives(&mut self, more: usize) {
        self.directives = self.directives.saturating_add(more as u64);
    }
}

struct Walk<'a> {
    fragments: HashMap<&'a str, &'a FragmentDefinition>,
    /// Empty while a fragment is being visited: one that leads back to itself is found by validation.
    known: HashMap<&'a str, Size>,
    deepest: usize,
}

impl<'a> Walk<'a> {
    fn new(document: &'a Document, deepest: usize) -> Self {
        let fragments = document.definitions.iter().filter_map(|it| match it {
            Definition::FragmentDefinition(fragment) => Some((fragment.name.as_str(), &**fragment)),
            _ => None,
        });
        Self {
            fragments: fragments.collect(),
            known: HashMap::new(),
            deepest,
        }
    }

    /// `level` is how often this has called itself.
    fn set(&mut self, set: &'a [Selection], level: usize) -> Size {
        let mut whole = Size::default();
        if level > self.deepest {
            whole.nesting = 1; // and so beyond the limit, for everybody above
            return whole;
        }
        for selection in set {
            let (mut inner, directives) = match selection {
                Selection::Field(field) => {
                    let mut inner = self.set(&field.selection_set, level + 1);
                    inner.fields = 1;
                    inner.depth += 1;
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
            whole.add(inner);
            whole.fields = whole.fields.saturating_add(inner.fields);
            whole.depth = whole.depth.max(inner.depth);
            whole.nesting = whole.nesting.max(inner.nesting + 1);
        }
        whole
    }

    fn spread(&mut self, name: &str, level: usize) -> Size {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let fragment = self.fragments.get(name).copied();
        fragment.map_or_else(Size::default, |it| self.fragment(it, level))
    }

    fn fragment(&mut self, fragment: &'a FragmentDefinition, level: usize) -> Size {
        self.known.insert(&fragment.name, Size::default());
        let mut size = self.set(&fragment.selection_set, level);
        size.add_directives(fragment.directives.len());
        self.known.insert(&fragment.name, size);
        size
    }
}

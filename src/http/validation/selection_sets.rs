//! The selection sets of an operation.

use std::collections::HashSet;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Operation, Selection, SelectionSet};

use crate::graphql::is_cacheable;

/// Returns all selection sets of an operation, those of each fragment once.
pub fn selection_sets<'a>(
    document: &'a ExecutableDocument,
    operation: &'a Operation,
) -> Vec<&'a SelectionSet> {
    let mut spread = HashSet::new();
    let mut waiting = vec![&operation.selection_set];
    let mut sets = Vec::new();
    while let Some(set) = waiting.pop() {
        sets.push(set);
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => waiting.push(&field.selection_set),
                Selection::InlineFragment(fragment) => waiting.push(&fragment.selection_set),
                Selection::FragmentSpread(fragment) => {
                    if spread.insert(&fragment.fragment_name) {
                        let found = document.fragments.get(&fragment.fragment_name);
                        waiting.extend(found.map(|fragment| &fragment.selection_set));
                    }
                }
            }
        }
    }
    sets
}

/// Returns whether responses differ between viewers of one party, or change without a log entry.
pub fn is_private(document: &ExecutableDocument, operation: &Operation) -> bool {
    let mut sets = selection_sets(document, operation).into_iter();
    sets.any(|set| !is_cacheable(&set.ty))
}

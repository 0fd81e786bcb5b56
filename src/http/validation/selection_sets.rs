//! The selection sets of an operation.

use std::collections::HashSet;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Operation, Selection, SelectionSet};

/// Types whose fields depend on more than the viewer's party, or change without a log entry.
const PRIVATE_TYPES: [&str; 3] = ["Viewer", "Webhook", "Delivery"];

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
    let mut types = selection_sets(document, operation)
        .into_iter()
        .map(|set| set.ty.as_str());
    types.any(|ty| PRIVATE_TYPES.contains(&ty))
}

//! All that an operation selects, whatever its type.

use std::collections::HashSet;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Operation, Selection, SelectionSet};

/// The types whose fields depend on who asks, beyond the party, or change without an entry in the log.
const PERSONAL: [&str; 3] = ["Viewer", "Webhook", "Delivery"];

/// All selection sets of an operation, those of its fragments once each.
pub fn sets<'a>(
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
                        waiting.extend(found.map(|it| &it.selection_set));
                    }
                }
            }
        }
    }
    sets
}

/// Whether two of one party may get different answers, or one that the log does not tell of.
pub fn personal(document: &ExecutableDocument, operation: &Operation) -> bool {
    let mut types = sets(document, operation)
        .into_iter()
        .map(|it| it.ty.as_str());
    types.any(|it| PERSONAL.contains(&it))
}

//! A prepared operation.

use std::sync::Arc;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{InputType, Name, Positioned, Variables};
use async_graphql_value::Value as InputValue;
use chrono::{DateTime, NaiveDate, Utc};
use entity::party::{Language, Party};

use crate::domain::viewer::Viewer;
use crate::graphql::in_context;
use crate::planner::schema::distinct;
use crate::planner::selection::{CollectedField, Selections};

/// A validated operation with its variables.
#[derive(Clone)]
pub struct Operation {
    pub document: Arc<ExecutableDocument>,
    /// `None` if the document has a single anonymous operation.
    pub name: Option<String>,
    pub variables: Variables,
    pub kind: OperationType,
    /// The cost: an upper bound of the number of values in the response.
    pub cost: u64,
    /// Whether it reads whole tables.
    pub scans: bool,
    /// SHA-256 of the document's text in hexadecimal.
    pub hash: Arc<str>,
    /// About how many bytes of memory its document and variables take.
    pub weight: u64,
    /// Whether the response depends on the viewer beyond its party, or on data that is not in the log.
    pub personal: bool,
}

/// Everything that the response to a query depends on, except the data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResponseCacheKey {
    /// Hash of the document.
    document: Arc<str>,
    operation: Option<String>,
    /// Variables as JSON.
    pub variables: String,
    party: Option<Party>,
    /// The current date, which determines what is overdue.
    today: NaiveDate,
}

impl Operation {
    /// Returns the cache key of a query; `None` if responses differ between viewers of one party.
    #[must_use]
    pub fn response_cache_key(
        &self,
        viewer: &Viewer,
        now: DateTime<Utc>,
    ) -> Option<ResponseCacheKey> {
        if self.kind != OperationType::Query || self.personal {
            return None;
        }
        Some(ResponseCacheKey {
            document: self.hash.clone(),
            operation: self.name.clone(),
            variables: serde_json::to_string(&self.variables).ok()?,
            party: viewer.party(),
            today: now.date_naive(),
        })
    }

    /// Converts the operation for async-graphql's executor.
    pub(super) fn into_request(self) -> async_graphql::Request {
        let mut document = Arc::unwrap_or_clone(self.document);
        omit_absent_variables(&mut document, &self.variables);
        if let Some(merged) =
            merged_root(&document, self.name.as_deref(), self.kind, &self.variables)
            && let Some(operation) = selected_mut(&mut document, self.name.as_deref())
        {
            operation.selection_set.node.items = merged;
        }
        let mut run = async_graphql::Request::new(String::new()).variables(self.variables);
        run.operation_name = self.name;
        run.set_parsed_query(document);
        run
    }

    /// Returns the selections of the operation.
    pub(super) fn selections(&self) -> Option<Selections<'_>> {
        selections(&self.document, self.name.as_deref(), &self.variables)
    }

    /// Returns the languages of its directive `@inContext`, without duplicates. Validation has checked their values.
    pub(super) fn languages(&self) -> Arc<[Language]> {
        let given = self.selections().and_then(|selections| {
            let mut directives = selections.operation.directives.iter();
            let directive =
                directives.find(|directive| directive.node.name.node == in_context::NAME)?;
            let argument = directive.node.get_argument(in_context::LANGUAGES)?;
            let value = selections.constant(&argument.node);
            Option::<Vec<Language>>::parse(value).ok().flatten()
        });
        distinct(given.unwrap_or_default()).into()
    }

    /// Operations that each run one of its root fields, in their order.
    pub(super) fn by_root_field(&self) -> Vec<Self> {
        let document = self.selections();
        let fields = document.map_or_else(Vec::new, |document| document.root(root(self.kind)));
        if fields.len() < 2 {
            return vec![self.clone()];
        }
        let alone = |field: &CollectedField<'_>| {
            let mut document = (*self.document).clone();
            if let Some(operation) = selected_mut(&mut document, self.name.as_deref()) {
                operation.selection_set.node.items = vec![merged(field)];
            }
            Self {
                document: Arc::new(document),
                ..self.clone()
            }
        };
        fields.iter().map(alone).collect()
    }

    /// Whether it selects introspection fields.
    #[must_use]
    pub fn introspects(&self) -> bool {
        let selections = self.selections();
        let mut fields = selections
            .iter()
            .flat_map(|selection| selection.root(root(self.kind)));
        fields.any(|field| matches!(field.name(), "__schema" | "__type"))
    }

    /// The name that the document gives it.
    #[must_use]
    pub fn operation_name(&self) -> Option<&str> {
        let mut named = self.document.operations.iter();
        match &self.name {
            Some(name) => Some(name),
            None => named.find_map(|(name, _)| name.map(Name::as_str)),
        }
    }
}

/// Removes arguments and input fields whose value is a variable without a value: by the specification they are absent,
/// while async-graphql treats them as null.
fn omit_absent_variables(document: &mut ExecutableDocument, variables: &Variables) {
    for fragment in document.fragments.values_mut() {
        omit_in_selections(&mut fragment.node.selection_set.node, variables);
    }
    match &mut document.operations {
        DocumentOperations::Single(operation) => {
            omit_in_selections(&mut operation.node.selection_set.node, variables);
        }
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                omit_in_selections(&mut operation.node.selection_set.node, variables);
            }
        }
    }
}

fn omit_in_selections(set: &mut SelectionSet, variables: &Variables) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) => {
                let arguments = &mut field.node.arguments;
                arguments.retain(|(_, value)| !is_absent(&value.node, variables));
                for (_, value) in arguments {
                    omit_in_value(&mut value.node, variables);
                }
                omit_in_selections(&mut field.node.selection_set.node, variables);
            }
            Selection::InlineFragment(fragment) => {
                omit_in_selections(&mut fragment.node.selection_set.node, variables);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn omit_in_value(value: &mut InputValue, variables: &Variables) {
    match value {
        InputValue::Object(fields) => {
            fields.retain(|_, value| !is_absent(value, variables));
            for value in fields.values_mut() {
                omit_in_value(value, variables);
            }
        }
        // Within a list, a variable without a value is null.
        InputValue::List(items) => {
            for item in items {
                omit_in_value(item, variables);
            }
        }
        _ => {}
    }
}

/// Returns whether a value is a variable without a value. Defaults have been applied to the variables already.
fn is_absent(value: &InputValue, variables: &Variables) -> bool {
    matches!(value, InputValue::Variable(name) if !variables.contains_key(name))
}

/// Returns the name of a root type.
pub(super) fn root(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

fn selections<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
    variables: &'a Variables,
) -> Option<Selections<'a>> {
    let mut operations = document.operations.iter();
    let (_, operation) = operations
        .find(|(operation_name, _)| name.is_none() || operation_name.map(Name::as_str) == name)?;
    Some(Selections {
        fragments: &document.fragments,
        operation: &operation.node,
        variables,
    })
}

fn selected_mut<'a>(
    document: &'a mut ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a mut OperationDefinition> {
    let operation = match (&mut document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get_mut(name),
        (DocumentOperations::Multiple(operations), None) => operations.values_mut().next(),
    };
    operation.map(|operation| &mut operation.node)
}

/// Merges root fields with the same response key, because async-graphql would execute each of them, and so a mutation
/// twice. `None` if there is nothing to merge.
fn merged_root(
    document: &ExecutableDocument,
    name: Option<&str>,
    kind: OperationType,
    variables: &Variables,
) -> Option<Vec<Positioned<Selection>>> {
    let document = selections(document, name, variables)?;
    let fields = document.root(root(kind));
    // A fragment that is spread twice contributes its fields once here, while async-graphql would execute them twice.
    // async-graphql looks for subscription fields only at the root, not in fragments.
    let items = &document.operation.selection_set.node.items;
    let has_fragments = items
        .iter()
        .any(|item| !matches!(item.node, Selection::Field(_)));
    if !has_fragments && fields.iter().all(|field| field.fields.len() == 1) {
        return None;
    }
    Some(fields.iter().map(merged).collect())
}

/// The fields of one response key as one.
fn merged(fields: &CollectedField<'_>) -> Positioned<Selection> {
    let mut field = fields.field().clone();
    let items = fields.sets().into_iter().flat_map(|set| set.items.clone());
    field.node.selection_set.node.items = items.collect();
    field.node.directives.clear();
    let pos = field.pos;
    Positioned::new(Selection::Field(field), pos)
}

//! One operation of a document that has passed all checks.

use std::sync::Arc;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
};
use async_graphql::{Name, Positioned, Variables};
use chrono::{DateTime, NaiveDate, Utc};
use entity::party::Party;

use crate::read::document::Document;
use crate::rules::viewer::Viewer;

/// One operation of a document that has passed all checks, with what it needs.
pub struct Operation {
    pub document: Arc<ExecutableDocument>,
    /// None where the document has one operation without a name.
    pub name: Option<String>,
    pub variables: Variables,
    pub kind: OperationType,
    /// How many values the answer may hold: an upper bound from the document and its variables.
    pub cost: u64,
    /// The SHA-256 of the document's text, in hexadecimal digits.
    pub hash: Arc<str>,
    /// Whether its document asks for something that depends on who asks, beyond the party, or is not in the log.
    pub personal: bool,
}

/// All that the answer of a query depends on, besides the data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The hash of its text.
    document: Arc<str>,
    operation: Option<String>,
    /// As JSON.
    pub variables: String,
    party: Option<Party>,
    /// What is overdue depends on it.
    today: NaiveDate,
}

impl Operation {
    /// What it asks, where two of one party get the same answer.
    #[must_use]
    pub fn question(&self, viewer: &Viewer, now: DateTime<Utc>) -> Option<Question> {
        if self.kind != OperationType::Query || self.personal {
            return None;
        }
        Some(Question {
            document: self.hash.clone(),
            operation: self.name.clone(),
            variables: serde_json::to_string(&self.variables).ok()?,
            party: viewer.party(),
            today: now.date_naive(),
        })
    }

    /// As async-graphql takes it.
    pub(super) fn ready(self) -> async_graphql::Request {
        let mut document = Arc::unwrap_or_clone(self.document);
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

    /// What its selections refer to.
    pub(super) fn selections(&self) -> Option<Document<'_>> {
        selections(&self.document, self.name.as_deref(), &self.variables)
    }

    /// The name that the document gives it.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        let mut named = self.document.operations.iter();
        match &self.name {
            Some(name) => Some(name),
            None => named.find_map(|(name, _)| name.map(Name::as_str)),
        }
    }
}

/// The name of the type at the root.
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
) -> Option<Document<'a>> {
    let mut operations = document.operations.iter();
    let (_, operation) =
        operations.find(|(it, _)| name.is_none() || it.map(Name::as_str) == name)?;
    Some(Document {
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
    operation.map(|it| &mut it.node)
}

/// The root's fields with those of one response key brought together: async-graphql would run each of them,
/// and so change twice what the document changes once. None where there is nothing to bring together.
fn merged_root(
    document: &ExecutableDocument,
    name: Option<&str>,
    kind: OperationType,
    variables: &Variables,
) -> Option<Vec<Positioned<Selection>>> {
    let document = selections(document, name, variables)?;
    let fields = document.root(root(kind));
    // Subscriptions are looked for at the root alone, not in fragments.
    let plain = kind != OperationType::Subscription && fields.iter().all(|it| it.fields.len() == 1);
    if plain {
        return None;
    }
    let merged = fields.iter().map(|it| {
        let mut field = it.field().clone();
        let items = it.sets().into_iter().flat_map(|set| set.items.clone());
        field.node.selection_set.node.items = items.collect();
        field.node.directives.clear();
        let pos = field.pos;
        Positioned::new(Selection::Field(field), pos)
    });
    Some(merged.collect())
}

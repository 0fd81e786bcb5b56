//! The API: one room for each thing, with its shape, its lists and its mutations.

mod action_item;
mod activity;
mod committee;
mod examination;
mod exchange;
mod list;
mod mandate;
mod node;
mod note;
mod organization;
mod payload;
mod publication;
mod query;
mod report;
pub mod request;
mod stamps;
mod statement;
mod topic;
mod viewer;
mod words;

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, InlineFragment, OperationDefinition,
    OperationType, Selection,
};
use async_graphql::{
    EmptySubscription, MergedObject, Name, Pos, Positioned, Response, SDLExportOptions, Value,
    Variables,
};
use async_graphql_value::Value as InputValue;

use self::query::Query;
use self::request::Request;
use crate::read::document::Document;

/// The API, ready to answer.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// All that can be changed. Each change is made whole or not at all, in the order of the document; who may not act at all gets an error, what is wrong with an input stands in `userErrors`.
#[derive(Default, MergedObject)]
pub struct Mutation(
    organization::OrganizationMutation,
    committee::CommitteeMutation,
    topic::TopicMutation,
    action_item::ActionItemMutation,
    publication::PublicationMutation,
    examination::ExaminationMutation,
    statement::StatementMutation,
    note::NoteMutation,
);

/// Builds the API.
#[must_use]
pub fn schema() -> Schema {
    Schema::build(Query, Mutation::default(), EmptySubscription).finish()
}

/// The API as clients read it: what `schema.graphql` holds.
#[must_use]
pub fn sdl(schema: &Schema) -> String {
    schema.sdl_with_options(SDLExportOptions::new().include_specified_by())
}

/// One operation of a document, with what it needs.
pub struct Operation {
    pub document: ExecutableDocument,
    pub name: Option<String>,
    pub variables: Variables,
}

/// Runs an operation.
pub async fn execute(schema: &Schema, mut operation: Operation, request: Request) -> Response {
    operation.merge_root();
    let mut run = async_graphql::Request::new(String::new())
        .variables(operation.variables)
        .data(request);
    run.operation_name = operation.name;
    run.set_parsed_query(operation.document);
    schema.execute(run).await
}

impl Operation {
    /// Whether it is a query, a mutation or a subscription; none where the document has no such operation.
    #[must_use]
    pub fn kind(&self) -> Option<OperationType> {
        self.definition().map(|it| it.node.ty)
    }

    /// A variable that must have a value and has none. async-graphql would find out where it is used,
    /// after mutations before that.
    #[must_use]
    pub fn missing_variable(&self) -> Option<&str> {
        let mut definitions = self.definition()?.node.variable_definitions.iter();
        let missing = definitions.find(|it| {
            let definition = &it.node;
            let given = self.variables.get(&definition.name.node);
            !definition.var_type.node.nullable
                && definition.default_value.is_none()
                && given.is_none_or(|it| *it == Value::Null)
        });
        missing.map(|it| it.node.name.node.as_str())
    }

    /// The name that the document gives it.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        let named = self.document.operations.iter();
        let mut named = named.filter_map(|(name, _)| name.map(Name::as_str));
        match &self.name {
            Some(name) => Some(name),
            None => named.next(),
        }
    }

    /// What it is counted as: one, and one for each field at its root.
    #[must_use]
    pub fn cost(&self) -> u64 {
        let fields = self
            .definition()
            .map_or(0, |it| it.node.selection_set.node.items.len());
        1 + u64::try_from(fields).unwrap_or(u64::MAX - 1)
    }

    fn definition(&self) -> Option<&Positioned<OperationDefinition>> {
        let mut operations = self.document.operations.iter();
        let found = match &self.name {
            Some(wanted) => operations.find(|it| it.0.is_some_and(|name| name == wanted.as_str())),
            None => operations.next().filter(|_| operations.next().is_none()),
        };
        found.map(|it| it.1)
    }

    /// Brings the root's fields of one response key together: async-graphql would run each of them,
    /// and so change twice what the document changes once.
    fn merge_root(&mut self) {
        let root = match self.kind() {
            Some(OperationType::Mutation) => "Mutation",
            _ => "Query",
        };
        let Some(operation) = self.definition() else {
            return;
        };
        let document = Document {
            fragments: &self.document.fragments,
            operation: &operation.node,
            variables: &self.variables,
        };
        let fields = document.collect(&[&operation.node.selection_set.node], &|it| it == root);
        if fields.iter().all(|it| it.fields.len() == 1) {
            return;
        }
        let set = &operation.node.selection_set;
        let mut items: Vec<Positioned<Selection>> = fields
            .iter()
            .map(|it| {
                let mut field = it.field().clone();
                let items = it.sets().into_iter().flat_map(|set| set.items.clone());
                field.node.selection_set.node.items = items.collect();
                field.node.directives.clear();
                Positioned::new(Selection::Field(field.clone()), field.pos)
            })
            .collect();
        // What was written stays, to be validated, and is skipped.
        let written = InlineFragment {
            type_condition: None,
            directives: vec![Positioned::new(skip(), set.pos)],
            selection_set: set.clone(),
        };
        let written = Positioned::new(written, set.pos);
        items.push(Positioned::new(Selection::InlineFragment(written), set.pos));
        let operation = match &mut self.document.operations {
            DocumentOperations::Single(operation) => Some(operation),
            DocumentOperations::Multiple(operations) => match &self.name {
                Some(name) => operations.get_mut(name.as_str()),
                None => operations.values_mut().next(),
            },
        };
        if let Some(operation) = operation {
            operation.node.selection_set.node.items = items;
        }
    }
}

/// `@skip(if: true)`.
fn skip() -> Directive {
    let at = Pos::default();
    Directive {
        name: Positioned::new(Name::new("skip"), at),
        arguments: vec![(
            Positioned::new(Name::new("if"), at),
            Positioned::new(InputValue::Boolean(true), at),
        )],
    }
}

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
mod shared;
mod stamps;
mod statement;
mod subscription;
mod topic;
mod viewer;
pub mod webhook;
mod words;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationType, Selection,
};
use async_graphql::{
    InputType, MergedObject, Name, Pos, Positioned, Response, SDLExportOptions, ValidationMode,
    Value, Variables,
};
use entity::scalar::{Date, DateTime, Url};
use futures_util::stream::BoxStream;

use self::query::Query;
use self::request::{Live, Request};
use self::subscription::Subscription;
use crate::read::document::Document;
use crate::read::page;
use crate::rules::webhook::Reach;

/// The API, ready to answer.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

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
    webhook::WebhookMutation,
);

/// Builds the API, for a service whose webhooks may lead so far.
#[must_use]
pub fn schema(reach: Reach) -> Schema {
    Schema::build(Query, Mutation::default(), Subscription::default())
        // The front door has validated what comes here, and bounded it.
        .validation_mode(ValidationMode::Fast)
        .limit_recursive_depth(usize::MAX)
        .data(reach)
        .finish()
}

/// The API as clients read it: what `schema.graphql` holds.
#[must_use]
pub fn sdl(schema: &Schema) -> String {
    schema.sdl_with_options(SDLExportOptions::new().include_specified_by())
}

/// How many records a page has: unless told, and at most.
pub const PAGE: (u64, u64) = (page::DEFAULT, page::MAX);

/// What is wrong with a value of one of the API's own scalars; none where it is right, or of another type.
#[must_use]
pub fn scalar_problem(name: &str, value: Value) -> Option<String> {
    fn problem<T: InputType>(value: Value) -> Option<String> {
        let error = T::parse(Some(value)).err()?;
        let message = error.into_server_error(Pos::default()).message;
        // It is said elsewhere what could not be parsed.
        let reason = message.split_once(": ").map(|it| it.1.to_owned());
        Some(reason.unwrap_or(message))
    }
    match name {
        "Date" => problem::<Date>(value),
        "DateTime" => problem::<DateTime>(value),
        "URL" => problem::<Url>(value),
        _ => None,
    }
}

/// One operation of a document that has passed all checks, with what it needs.
pub struct Operation {
    pub document: ExecutableDocument,
    /// None where the document has one operation without a name.
    pub name: Option<String>,
    pub variables: Variables,
    pub kind: OperationType,
    /// How many values the answer may hold: an upper bound from the document and its variables.
    pub cost: u64,
    /// The SHA-256 of the document's text, in hexadecimal digits.
    pub hash: String,
}

/// Runs a query or a mutation. Nothing is validated here any more.
pub async fn execute(schema: &Schema, operation: Operation, request: Request) -> Response {
    schema.execute(operation.ready().data(request)).await
}

/// Runs a subscription: an answer for each event. One without data is the last, and its error says why.
#[must_use]
pub fn follow(
    schema: &Schema,
    operation: Operation,
    request: Request,
    live: Live,
) -> BoxStream<'static, Response> {
    schema.execute_stream(operation.ready().data(request).data(live))
}

/// The cursor of the event that an answer of [`follow`] tells: taken out, as it is not for clients.
pub fn take_cursor(response: &mut Response) -> Option<String> {
    match response.extensions.remove(subscription::CURSOR)? {
        Value::String(cursor) => Some(cursor),
        _ => None,
    }
}

impl Operation {
    /// As async-graphql takes it.
    fn ready(mut self) -> async_graphql::Request {
        self.merge_root();
        let mut run = async_graphql::Request::new(String::new()).variables(self.variables);
        run.operation_name = self.name;
        run.set_parsed_query(self.document);
        run
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

    /// Brings the root's fields of one response key together: async-graphql would run each of them,
    /// and so change twice what the document changes once.
    fn merge_root(&mut self) {
        let root = match self.kind {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        let operation = match (&mut self.document.operations, &self.name) {
            (DocumentOperations::Single(operation), _) => Some(operation),
            (DocumentOperations::Multiple(operations), Some(name)) => {
                operations.get_mut(name.as_str())
            }
            (DocumentOperations::Multiple(operations), None) => operations.values_mut().next(),
        };
        let Some(operation) = operation else {
            return;
        };
        let document = Document {
            fragments: &self.document.fragments,
            operation: &operation.node,
            variables: &self.variables,
        };
        let fields = document.collect(&[&operation.node.selection_set.node], &|it| it == root);
        // Subscriptions are looked for at the root alone, not in fragments.
        let plain = root != "Subscription" && fields.iter().all(|it| it.fields.len() == 1);
        if plain {
            return;
        }
        let merged = fields.iter().map(|it| {
            let mut field = it.field().clone();
            let items = it.sets().into_iter().flat_map(|set| set.items.clone());
            field.node.selection_set.node.items = items.collect();
            field.node.directives.clear();
            let pos = field.pos;
            Positioned::new(Selection::Field(field), pos)
        });
        operation.node.selection_set.node.items = merged.collect();
    }
}

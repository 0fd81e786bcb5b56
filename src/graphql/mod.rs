//! The GraphQL API: a module per type, with its fields, lists and mutations.

mod action_item;
mod activity;
mod committee;
mod enum_names;
mod examination;
mod exchange;
mod execute_query;
mod in_context;
mod liaison_statement;
mod list;
mod mandate;
mod metadata_fields;
mod node;
mod note;
mod object_types;
mod operation;
mod organization;
mod overlap;
mod payload;
mod publication;
mod query;
mod report;
pub mod request;
mod search;
mod single_flight;
mod subscription;
mod topic;
mod translated_text;
mod translation;
mod viewer;
pub mod webhook;

use async_graphql::indexmap::IndexMap;
use async_graphql::{
    InputType, MergedObject, Pos, Response, SDLExportOptions, ValidationMode, Value,
};
use entity::scalar::{Date, DateTime, Url};
use futures_util::stream::{BoxStream, StreamExt};
use sea_orm::DbErr;
use tokio::sync::{Semaphore, oneshot};

pub use self::object_types::{is_cacheable, list_length};
pub use self::operation::{Operation, ResponseCacheKey};
use self::query::Query;
use self::request::{OperationContext, SubscriptionContext, report_truncated};
pub use self::subscription::Start;
use self::subscription::Subscription;
use crate::domain::webhook::WebhookTargets;
use crate::error::{Error, is_conflict};
use crate::planner::page;
pub use crate::planner::schema::{ListLength, MAX_LIST_LENGTH};
use crate::store::request_work::spawn_blocking_counted;

/// The executable schema.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The mutations. They run in the order of the document, each in its own transaction. Problems in the input are in `userErrors` of the payload. If the viewer may not make the change at all, the payload is null and a top-level error has `extensions.code` UNAUTHENTICATED or FORBIDDEN. Without a top-level error the payload is never null.
#[derive(Default, MergedObject)]
pub struct Mutation(
    organization::OrganizationMutation,
    committee::CommitteeMutation,
    topic::TopicMutation,
    action_item::ActionItemMutation,
    publication::PublicationMutation,
    examination::ExaminationMutation,
    liaison_statement::StatementMutation,
    note::NoteMutation,
    translation::TranslationMutation,
    overlap::OverlapMutation,
    webhook::WebhookMutation,
);

/// Builds the schema for a service whose webhooks may call the given hosts.
#[must_use]
pub fn schema(targets: WebhookTargets) -> Schema {
    Schema::build(Query, Mutation::default(), Subscription::default())
        // The HTTP layer has already validated and limited each document.
        .validation_mode(ValidationMode::Fast)
        .limit_recursive_depth(usize::MAX)
        .data(targets)
        .finish()
}

/// What a developer should know first.
const DESCRIPTION: &str = "The register of the collaboration between ITU-T and the Universal Postal Union (UPU): the topics that both work on, who does what by when, and the liaison statements that they send each other.

The two sides are ITU and the UPU. There are three parties: each side, and the TSB, the secretariat of ITU-T. Three things to know:

1. Everybody can read, without a token. Exceptions: webhooks and the `actor` of an activity are visible only to their own party.
2. Writing needs a bearer token (`Authorization: Bearer …`) with the role ITU_EDITOR, UPU_EDITOR or TSB_EDITOR. A token with several roles needs the header `Acting-As` with one of them. `viewer` tells who you are; `viewer.permissions`, `viewerPermissions` and `nextMoves` tell what you may do.
3. Lists are connections with cursors: `first` and `after` page forwards, `last` and `before` backwards; a page has 20 records by default and 100 at most. A cursor is valid for the list, filter and order that it was returned for. Exception: the cursor of an activity continues any list of activities, a subscription or a webhook where you left off. A plain list (not a connection) has 100 records at most; `extensions.truncated` of the response has the path of each list that was cut off, such as `[[\"exchange\", \"actionItems\"]]`.";

/// What async-graphql says about every schema, and has no setting for.
const LIBRARY_DESCRIPTION: &str = "A GraphQL Schema defines the capabilities of a GraphQL server. It exposes all available types and directives on the server, as well as the entry points for query, mutation, and subscription operations.";

/// The API as clients read it: what `schema.graphql` holds.
#[must_use]
pub fn sdl(schema: &Schema) -> String {
    let sdl = schema.sdl_with_options(SDLExportOptions::new().include_specified_by());
    let described = format!("\n\"\"\"\n{DESCRIPTION}\n\"\"\"\nschema {{\n");
    sdl.replace("\nschema {\n", &described)
}

/// The default and the maximum page size.
pub const PAGE: (u64, u64) = (page::DEFAULT, page::MAX);

/// Returns what is wrong with the value of a custom scalar; `None` if it is valid, or the scalar is not custom.
#[must_use]
pub fn scalar_problem(name: &str, value: Value) -> Option<String> {
    fn problem<T: InputType>(value: Value) -> Option<String> {
        let error = T::parse(Some(value)).err()?;
        let message = error.into_server_error(Pos::default()).message;
        // The prefix only says which type could not be parsed.
        let reason = message.split_once(": ").map(|parts| parts.1.to_owned());
        Some(reason.unwrap_or(message))
    }
    match name {
        "Date" => problem::<Date>(value),
        "DateTime" => problem::<DateTime>(value),
        "URL" => problem::<Url>(value),
        _ => None,
    }
}

/// Runs a query. Nothing is validated here any more. The data of the response is text.
pub async fn execute(
    schema: &Schema,
    operation: Operation,
    mut request: OperationContext,
) -> Response {
    request.languages = operation.languages();
    if let Some(response) = execute_query::execute_query(&operation, &mut request).await {
        return response;
    }
    let limit = request.bound.limit();
    let introspects = operation.introspects();
    let ready = operation.into_request().data(request.clone());
    let mut response = if introspects {
        introspect(schema.clone(), ready, limit).await
    } else {
        with_text(schema.execute(ready).await, limit)
    };
    report_truncated(&mut response, request.take_truncated());
    response
}

/// Maximum number of concurrent introspections. Each keeps a thread busy for up to 200 ms.
static INTROSPECTIONS: Semaphore = Semaphore::const_new(2);

/// Runs a query that introspects the schema, in a thread that is not the runtime's: others need those.
async fn introspect(schema: Schema, query: async_graphql::Request, limit: usize) -> Response {
    // Never closed.
    let permit = INTROSPECTIONS.acquire().await;
    let (waiting, gone) = oneshot::channel::<()>();
    let executed = spawn_blocking_counted(async move {
        let _permit = permit;
        tokio::select! {
            response = schema.execute(query) => with_text(response, limit),
            // The request is over.
            _ = gone => Response::default(),
        }
    });
    let response = executed.await;
    drop(waiting);
    response.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime ends.
        Err(_) => Response::default(),
    })
}

/// Serializes the data of a response. Returns an error response if it exceeds `limit` bytes.
fn with_text(mut response: Response, limit: usize) -> Response {
    let mut json = String::new();
    if write_value(&mut json, &response.data, limit) {
        response.data = Value::Binary(json.into());
        return response;
    }
    let too_long = Error::AnswerTooLong { limit };
    Response::from_errors(vec![too_long.server_error(None)])
}

/// Writes a value as JSON; values of the query planner are serialized already. Returns false as soon as the text
/// exceeds `limit` bytes.
fn write_value(text: &mut String, value: &Value, limit: usize) -> bool {
    match value {
        Value::Binary(json) => text.push_str(std::str::from_utf8(json).unwrap_or("null")),
        Value::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                if !write_value(text, item, limit) {
                    return false;
                }
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (index, (key, field)) in fields.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                // Response keys are GraphQL names, which need no escaping.
                text.extend(["\"", key, "\":"]);
                if !write_value(text, field, limit) {
                    return false;
                }
            }
            text.push('}');
        }
        Value::String(description) if description == LIBRARY_DESCRIPTION => {
            write_value(text, &DESCRIPTION.into(), limit);
        }
        plain => text.push_str(&serde_json::to_string(plain).unwrap_or_else(|_| "null".to_owned())),
    }
    text.len() <= limit
}

/// Maximum number of attempts of a mutation whose transaction the database aborts in favour of another one.
const CONFLICT_ATTEMPTS: u32 = 3;

/// Runs the mutations of a document one after the other, each again if the database has ended its transaction in favour
/// of another one.
pub async fn mutate(
    schema: &Schema,
    operation: &Operation,
    mut request: OperationContext,
) -> Response {
    request.languages = operation.languages();
    let (mut data, mut errors) = (IndexMap::new(), Vec::new());
    for field in operation.by_root_field() {
        let response = mutate_field(schema, &field, &request).await;
        if let Value::Object(fields) = response.data {
            data.extend(fields);
        }
        errors.extend(response.errors);
    }
    let mut response = Response::new(Value::Object(data));
    response.errors = errors;
    report_truncated(&mut response, request.take_truncated());
    // The result of a committed mutation is always returned; the planner has limited its size.
    with_text(response, usize::MAX)
}

async fn mutate_field(
    schema: &Schema,
    operation: &Operation,
    request: &OperationContext,
) -> Response {
    let mut attempts = 1;
    loop {
        let run = operation.clone().into_request().data(request.clone());
        let response = schema.execute(run).await;
        let conflict = response.errors.iter().any(|error| {
            let source = error.source::<DbErr>();
            source.is_some_and(is_conflict)
        });
        // A value means that the change is committed.
        let has_value = matches!(&response.data, Value::Object(fields)
            if fields.values().any(|field| *field != Value::Null));
        if !conflict || attempts == CONFLICT_ATTEMPTS || has_value {
            return response;
        }
        attempts += 1;
    }
}

/// Whether any root field of a response whose data is text has a value.
#[must_use]
pub fn has_value(data: &Value) -> bool {
    let Value::Binary(json) = data else {
        return false;
    };
    let json: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    match json {
        serde_json::Value::Null => false,
        serde_json::Value::Object(fields) => fields.values().any(|field| !field.is_null()),
        _ => true,
    }
}

/// Executes a subscription: a response per event. A response without data is the last, and has the error.
#[must_use]
pub fn follow(
    schema: &Schema,
    operation: Operation,
    mut request: OperationContext,
    live: SubscriptionContext,
) -> BoxStream<'static, Response> {
    request.languages = operation.languages();
    let responses = schema.execute_stream(operation.into_request().data(request).data(live));
    // The query planner limits each event.
    responses
        .map(|response| with_text(response, usize::MAX))
        .boxed()
}

/// Removes the cursor of the event from a response of [`follow`] and returns it; it is meant for the transport.
pub fn take_cursor(response: &mut Response) -> Option<String> {
    match response.extensions.remove(subscription::CURSOR)? {
        Value::String(cursor) => Some(cursor),
        _ => None,
    }
}

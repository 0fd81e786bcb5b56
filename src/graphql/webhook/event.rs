//! Webhook messages: CloudEvents whose data equals the response to a query of the same fields.

use std::sync::LazyLock;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Selection};
use async_graphql::{InputType, Pos, Value, Variables};
use chrono::{DateTime, SecondsFormat, Utc};
use entity::id::Id;
use entity::webhook::Model;
use entity::word::enum_name;
use sea_orm::prelude::Uuid;
use serde_json::json;

use crate::error::{Error, Result};
use crate::events::Event;
use crate::events::filter::EventFilter;
use crate::graphql::activity::{self, ActivityFilter};
use crate::planner::planning::Planner;
use crate::planner::selection::Selections;
use crate::planner::size_limit::ResponseSizeLimit;
use crate::planner::{ExecutionContext, FieldLocation, Reader, RootArguments};
use crate::store::Database;
use crate::trace::TraceParent;

/// The GraphQL selection for the data of an event.
const DATA: &str = "{ activity { id cursor at party verb subjectType subject { __typename id } changes { field before after } sides } }";

/// A message to an endpoint.
pub struct CloudEvent {
    /// The id of the activity or ping: the same in each attempt.
    pub id: String,
    /// A CloudEvents event as JSON.
    pub body: String,
    /// The position in the trace of the request that made the change.
    pub trace: Option<TraceParent>,
}

/// Returns the event filter of a webhook.
///
/// # Errors
/// Returns an error if the stored filter is not valid in this version.
pub fn event_filter(webhook: &Model) -> Result<EventFilter> {
    let filter = match &webhook.filter {
        None => ActivityFilter::default(),
        Some(text) => {
            let json = serde_json::from_str(text).ok();
            let value = json.and_then(|filter| Value::from_json(filter).ok());
            ActivityFilter::parse(value)
                .map_err(|_| Error::BadInput("A webhook's filter cannot be read.".to_owned()))?
        }
    };
    filter.event_filter(Some(webhook.party))
}

/// Returns the message that a new webhook gets before all others. It does not belong to an activity.
#[must_use]
pub fn ping(webhook: &Model, source: &str, now: DateTime<Utc>) -> CloudEvent {
    let (webhook, version) = (webhook.id.to_global_id(), webhook.version);
    // Receivers ignore an id that they have seen: each requested ping has its own.
    let id = format!("ping-{webhook}-{version}");
    let body = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": "liaison.ping",
        "subject": webhook,
        "time": now.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "datacontenttype": "application/json",
        "data": { "webhook": { "id": webhook } },
    });
    let body = body.to_string();
    CloudEvent {
        id,
        body,
        trace: None,
    }
}

/// Returns the webhook messages of these events for a party, read together.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn cloud_events(
    db: &Database,
    webhook: &Model,
    events: &[Event],
    source: &str,
    now: DateTime<Utc>,
) -> Result<Vec<CloudEvent>> {
    static DOCUMENT: LazyLock<ExecutableDocument> =
        LazyLock::new(|| parse_query(DATA).expect("a test parses this document"));
    let DocumentOperations::Single(operation) = &DOCUMENT.operations else {
        return Ok(Vec::new());
    };
    let sets: Vec<_> = operation
        .node
        .selection_set
        .node
        .items
        .iter()
        .filter_map(|selection| match &selection.node {
            Selection::Field(field) => Some(&field.node.selection_set.node),
            _ => None,
        })
        .collect();
    let variables = Variables::default();
    // Whatever an activity holds is delivered: the document is ours, and so are few values for each.
    let bound = ResponseSizeLimit::new(usize::MAX, None);
    let env = ExecutionContext {
        db: Reader::Pool(&db.read_pool),
        party: Some(webhook.party),
        now,
        // The originals: an endpoint names no languages.
        languages: &[],
        about: RootArguments::Nothing,
        bound: &bound,
        on_statement: &*db.on_statement.0,
    };
    let planner = Planner {
        document: Selections {
            fragments: &DOCUMENT.fragments,
            operation: &operation.node,
            variables: &variables,
        },
        env: &env,
    };
    let at = FieldLocation {
        path: Vec::new(),
        pos: Pos::default(),
    };
    let keys: Vec<Uuid> = events.iter().map(|event| event.id.into()).collect();
    let results = planner
        .fetch_each(&at, activity::object_type(), &keys, &sets)
        .await
        .map_err(|error| Error::from(sea_orm::DbErr::Custom(error.message)))?;
    let messages = events.iter().zip(results);
    Ok(messages
        .map(|(event, result)| cloud_event(event, &result.json, source))
        .collect())
}

fn cloud_event(event: &Event, data: &str, source: &str) -> CloudEvent {
    let id = event.id.to_global_id();
    let subject = crate::graphql::node::global_id(&event.subject_type, event.subject_id);
    let mut head = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": format!("liaison.{}.{}", event.subject_type, enum_name(event.verb)),
        "subject": subject,
        "time": event.at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "datacontenttype": "application/json",
    });
    if let Some(trace) = &event.trace_parent {
        head["traceparent"] = json!(trace);
    }
    let mut body = head.to_string();
    body.pop(); // the closing brace
    body.push_str(",\"data\":");
    body.push_str(data);
    body.push('}');
    let trace = event.trace_parent.as_deref().and_then(TraceParent::parse);
    CloudEvent { id, body, trace }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_document_is_valid() {
        assert!(parse_query(DATA).is_ok());
    }
}

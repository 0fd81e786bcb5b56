//! Executes queries with the query planner alone, bypassing async-graphql's executor.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{PathSegment, Response, Value};
use futures_util::future::join_all;

use crate::graphql::operation::{self, Operation};
use crate::graphql::query::RootField;
use crate::graphql::request::{OperationContext, report_truncated};
use crate::planner::selection::CollectedField;
use crate::planner::{FieldLocation, FieldResult, Snapshot};

const TYPENAME: &str = "__typename";
const QUERY: &str = r#""Query""#;

/// Executes a query with the query planner; `None` if a root field is not planned. The response equals that of
/// async-graphql's executor, without a copy of the document and its traversal. In either case the root fields of the
/// request read from one snapshot.
pub async fn execute_query(
    operation: &Operation,
    request: &mut OperationContext,
) -> Option<Response> {
    if operation.kind != OperationType::Query {
        return None;
    }
    let document = operation.selections()?;
    let selected = document.root(operation::root(operation.kind));
    let planned = |selected: &&CollectedField<'_>| {
        RootField::named(selected.name()).is_some_and(RootField::planned)
    };
    let reads = selected.iter().filter(planned).count();
    if reads > 1 {
        request.snapshot = Some(Arc::new(Snapshot::new(&request.db.read_pool)));
    }
    let names = selected.iter().filter(|field| field.name() == TYPENAME);
    if reads + names.count() < selected.len() {
        return None;
    }
    let request = &*request;
    let results = selected.iter().map(async |field| {
        let Some(root) = RootField::named(field.name()) else {
            return Ok(FieldResult::of(QUERY));
        };
        let at = FieldLocation {
            path: vec![PathSegment::Field(field.key.to_owned())],
            pos: field.field().pos,
        };
        match root.resolve(document, field, request, &at).await {
            Ok(result) => Ok(result.unwrap_or_else(FieldResult::null)),
            Err(error) if root.nullable() => Ok(FieldResult {
                errors: vec![error],
                ..FieldResult::null()
            }),
            Err(error) => Err(error),
        }
    });
    let results = join_all(results).await;
    let mut json = String::new();
    let (mut errors, mut truncated) = (Vec::new(), Vec::new());
    for (field, result) in selected.iter().zip(results) {
        let mut result = match result {
            Ok(result) => result,
            // A non-null field has failed, which makes the whole response null.
            Err(error) => return Some(Response::from_errors(vec![error])),
        };
        // Response keys are GraphQL names, which need no escaping.
        if json.is_empty() {
            // In place: the first value is often all of a large response, which then needs no second buffer.
            json = result.json;
            json.insert_str(0, &format!("{{\"{}\":", field.key));
        } else {
            json.extend([",\"", field.key, "\":", &result.json]);
        }
        errors.append(&mut result.errors);
        truncated.append(&mut result.truncated);
    }
    if json.is_empty() {
        json.push('{');
    }
    json.push('}');
    let mut response = Response::new(Value::Binary(json.into()));
    response.errors = errors;
    report_truncated(&mut response, truncated);
    Some(response)
}

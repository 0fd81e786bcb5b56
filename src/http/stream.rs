//! The answers of one operation, one after the other: one for a query or mutation, one for each event of a subscription.

use std::sync::Arc;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::http::HeaderMap;
use futures_util::future::ready;
use futures_util::stream::{BoxStream, StreamExt, once};

use super::App;
use super::answer::{executed_text, log_database_errors, request_id, tidy};
use super::front::run;
use super::refused::coded;
use crate::graphql::request::{Live, Request};
use crate::graphql::{Operation, follow, start, take_cursor};
use crate::rules::viewer::Viewer;

/// A part of what an operation answers.
pub enum Part {
    /// A result.
    Next {
        json: String,
        /// Where the event stands that it tells of.
        cursor: Option<String>,
    },
    /// Why there is none, or no more.
    Refused(Vec<ServerError>),
}

/// Where a subscription begins, taken before its client is told that it has begun.
pub struct Begun {
    pub cursor: Option<String>,
    /// The position, or why there is none.
    position: Result<i64, ServerError>,
}

/// Takes the position in the log at which an operation begins. `resume` is the cursor after which a subscription goes
/// on, whatever its document says.
pub async fn begin(app: &App, operation: &Operation, resume: Option<String>) -> Begun {
    if operation.kind != OperationType::Subscription {
        return Begun {
            cursor: None,
            position: Ok(0),
        };
    }
    match start(operation, &app.feed, &app.db, resume).await {
        Ok(start) => Begun {
            cursor: start.cursor,
            position: Ok(start.position),
        },
        Err(error) => Begun {
            cursor: None,
            position: Err(error.server_error(None)),
        },
    }
}

/// Runs an operation that has begun.
pub fn parts(
    app: &Arc<App>,
    headers: &HeaderMap,
    viewer: Viewer,
    operation: Operation,
    begun: Begun,
) -> BoxStream<'static, Part> {
    let id = request_id(headers).to_owned();
    let now = (app.clock)();
    if operation.kind != OperationType::Subscription {
        let app = app.clone();
        let part = async move {
            match run(&app, viewer, operation, now).await {
                Ok(executed) => Part::Next {
                    json: executed_text(executed, None, &id),
                    cursor: None,
                },
                Err(refused) => Part::Refused(refused.errors),
            }
        };
        return once(part).boxed();
    }
    let begin = match begun.position {
        Ok(position) => position,
        Err(error) => {
            let errors = vec![error];
            log_database_errors(&errors, &id);
            let errors = errors.into_iter().map(|error| tidy(error, &id)).collect();
            return once(ready(Part::Refused(errors))).boxed();
        }
    };
    let live = Live {
        feed: app.feed.clone(),
        clock: app.clock.clone(),
        begin,
    };
    let request = Request::new(app.db.clone(), viewer, now, app.limits.answer);
    let responses = follow(&app.schema, operation, request, live);
    let parts = responses.map(move |mut response| {
        if let Some(cursor) = take_cursor(&mut response) {
            return Part::Next {
                json: executed_text(response, None, &id),
                cursor: Some(cursor),
            };
        }
        log_database_errors(&response.errors, &id);
        let errors = response.errors.into_iter();
        let errors = errors.map(|error| match &error.path[..] {
            [] => coded(error, "GRAPHQL_VALIDATION_FAILED"),
            _ => tidy(error, &id),
        });
        Part::Refused(errors.collect())
    });
    // After a refusal there is nothing.
    let mut over = false;
    parts
        .take_while(move |part| {
            let go_on = !over;
            over = matches!(part, Part::Refused(_));
            ready(go_on)
        })
        .boxed()
}

/// Said to a client that reads nothing of what it is sent, with the cursor of the last that it was.
pub fn too_slow(cursor: Option<&str>) -> ServerError {
    let error = ServerError::new(
        "You read too slowly: subscribe again, with the last cursor as `after`. Nothing is lost.",
        None,
    );
    let mut error = coded(error, "RATE_LIMITED");
    if let (Some(extensions), Some(cursor)) = (&mut error.extensions, cursor) {
        extensions.set("cursor", cursor);
    }
    error
}

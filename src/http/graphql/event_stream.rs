//! The responses of an operation: one for a query or mutation, one per event for a subscription.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use futures_util::future::ready;
use futures_util::stream::{BoxStream, StreamExt, once, unfold};

use crate::db::{REQUEST_BOUNDS, RequestBounds};
use crate::domain::viewer::Viewer;
use crate::graphql::request::{
    OperationContext, Reservation, ResponseSizeLimit, SubscriptionContext,
};
use crate::graphql::{Operation, Start, follow, take_cursor};
use crate::http::AppState;
use crate::http::error::{RequestError, with_code};
use crate::http::graphql::admission::{HEAVY, heavy_limit};
use crate::http::graphql::handler::{charge_bytes, execute_with_timeout};
use crate::http::graphql::operation_metrics::OperationTimer;
use crate::http::graphql::response::{
    encode_response, log_database_errors, mask_error, overloaded,
};
use crate::http::middleware::request_context::RequestContext;
use crate::http::server::stream_limit::{ConcurrencyPermit, LimitedClient};

/// An item of the response stream.
pub enum StreamItem {
    /// A result.
    Next {
        json: String,
        /// The memory reserved for it until it is sent.
        reservation: Arc<Reservation>,
        /// The cursor of its event.
        cursor: Option<String>,
    },
    /// Errors that end the stream.
    Refused(Vec<ServerError>),
}

/// Maximum wait of a message for memory. After it the subscription ends.
const RESERVE_TIMEOUT: Duration = Duration::from_secs(30);

/// The position at which a subscription begins, taken before the response starts.
pub struct StartedStream {
    pub cursor: Option<String>,
    /// The client that it is for.
    limited_client: LimitedClient,
    /// The permit of the subscription.
    share: Option<ConcurrencyPermit>,
    /// `None` for queries and mutations.
    start: Option<Result<Start, ServerError>>,
}

/// Takes the position in the log at which an operation begins. `resume` is the cursor after which a subscription goes
/// on, whatever its document says.
///
/// # Errors
/// Returns an error if the limit of subscriptions is reached.
pub async fn begin(
    app: &AppState,
    limited_client: LimitedClient,
    operation: &Operation,
    resume: Option<String>,
) -> Result<StartedStream, RequestError> {
    if operation.kind != OperationType::Subscription {
        return Ok(StartedStream {
            cursor: None,
            limited_client,
            share: None,
            start: None,
        });
    }
    let size = 1 + operation.weight / SIZE;
    let share = Some(
        app.http
            .subscriptions
            .acquire(limited_client.clone(), size)?,
    );
    let start = Start::of(operation, &app.feed, resume).await;
    Ok(StartedStream {
        cursor: start.as_ref().ok().and_then(Start::cursor),
        limited_client,
        share,
        start: Some(start.map_err(|error| error.server_error(None))),
    })
}

/// A subscription counts once more for each so many bytes of its document and variables.
const SIZE: u64 = 16 * 1024;

/// Runs an operation that has started.
pub fn response_stream(
    app: &Arc<AppState>,
    context: &RequestContext,
    viewer: Viewer,
    operation: Operation,
    started: StartedStream,
) -> BoxStream<'static, StreamItem> {
    let id = context.id().to_owned();
    let Some(start) = started.start else {
        let part = single_response(app.clone(), started.limited_client, viewer, operation, id);
        return once(part).boxed();
    };
    if let Some(timer) = OperationTimer::begin(&operation, &app.documents) {
        let refused = start.as_ref().err().map(std::slice::from_ref);
        timer.end(refused.unwrap_or_default());
    }
    let share = started.share;
    let start = match start {
        Ok(start) => start,
        Err(error) => {
            let errors = vec![error];
            log_database_errors(&errors, &id);
            let errors = errors
                .into_iter()
                .map(|error| mask_error(error, &id))
                .collect();
            return once(ready(StreamItem::Refused(errors))).boxed();
        }
    };
    let live = SubscriptionContext {
        feed: app.feed.clone(),
        clock: app.clock.clone(),
        start,
    };
    let budget = app.http.responses.clone();
    let bound = ResponseSizeLimit::new(app.limits.response_bytes, Some(Arc::new(budget.message())));
    let now = (app.clock)();
    let (db, search) = (app.db.clone(), app.search.clone());
    let request = OperationContext::new(db, search, viewer, now, bound);
    let bounds = event_bounds(app, &operation, started.limited_client.clone());
    let responses = follow(&app.schema, operation, request, live);
    let responses = unfold(responses, move |mut responses| {
        let bounds = bounds.clone();
        async move {
            let next = REQUEST_BOUNDS.scope(bounds, responses.next()).await;
            Some((next?, responses))
        }
    });
    let (app, client) = (app.clone(), started.limited_client);
    let parts = responses.then(move |mut response| {
        let mut reservation = budget.message();
        let (app, client, id) = (app.clone(), client.clone(), id.clone());
        async move {
            if let Some(cursor) = take_cursor(&mut response) {
                let json = encode_response(response, None, &id);
                charge_bytes(&app, &client, 0, json.len(), (app.clock)());
                let reserved = reservation
                    .add_with_timeout(json.len(), RESERVE_TIMEOUT)
                    .await;
                return match reserved {
                    Ok(()) => StreamItem::Next {
                        json,
                        reservation: Arc::new(reservation),
                        cursor: Some(cursor),
                    },
                    Err(error) => StreamItem::Refused(vec![error.server_error(None)]),
                };
            }
            log_database_errors(&response.errors, &id);
            let errors = response.errors.into_iter();
            let errors = errors.map(|error| match &error.path[..] {
                [] => with_code(error, "GRAPHQL_VALIDATION_FAILED"),
                _ => mask_error(error, &id),
            });
            StreamItem::Refused(errors.collect())
        }
    });
    // The stream ends after an error.
    let mut over = false;
    parts
        .take_while(move |part| {
            let _ = &share;
            let go_on = !over;
            over = matches!(part, StreamItem::Refused(_));
            ready(go_on)
        })
        .boxed()
}

/// Returns the bounds of the statements that read what a subscription reports.
fn event_bounds(
    app: &AppState,
    operation: &Operation,
    limited_client: LimitedClient,
) -> RequestBounds {
    let limit = heavy_limit(app.db.read_pool.connections());
    let semaphores =
        (operation.cost >= HEAVY).then(|| app.http.heavy.semaphores(limited_client, limit));
    RequestBounds {
        deadline: None,
        semaphores: semaphores.into_iter().flatten().collect(),
        scans: operation.scans,
    }
}

/// Runs a query or a mutation.
async fn single_response(
    app: Arc<AppState>,
    limited_client: LimitedClient,
    viewer: Viewer,
    operation: Operation,
    id: String,
) -> StreamItem {
    let now = (app.clock)();
    let timer = OperationTimer::begin(&operation, &app.documents);
    let reservation = Arc::new(app.http.responses.request());
    let (kind, client) = (operation.kind, limited_client.clone());
    let executed =
        execute_with_timeout(&app, limited_client, viewer, operation, now, &reservation).await;
    if let Some(timer) = timer {
        timer.end(match &executed {
            Ok((executed, _)) => &executed.errors,
            Err(refused) => &refused.errors,
        });
    }
    let (executed, charged) = match executed {
        Ok(executed) => executed,
        Err(refused) => return StreamItem::Refused(refused.errors),
    };
    let json = encode_response(executed, None, &id);
    // The result of a committed mutation is always returned.
    if reservation.resize(json.len()).is_err() && kind != OperationType::Mutation {
        return StreamItem::Refused(overloaded().errors);
    }
    charge_bytes(&app, &client, charged, json.len(), now);
    StreamItem::Next {
        json,
        reservation,
        cursor: None,
    }
}

/// Returns the error for a slow consumer, with the cursor of the last event that it was sent.
pub fn slow_consumer(cursor: Option<&str>) -> ServerError {
    let error = ServerError::new(
        "The client reads too slowly: subscribe again with the last cursor as `after`. No event is lost.",
        None,
    );
    let mut error = with_code(error, "RATE_LIMITED");
    if let (Some(extensions), Some(cursor)) = (&mut error.extensions, cursor) {
        extensions.set("cursor", cursor);
    }
    error
}

//! The GraphQL endpoint over HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::Response as Executed;
use async_graphql::parser::types::OperationType;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::admission::HEAVY;
use super::answer::{
    database_failure, executed_text, held, log_database_errors, overloaded, request_id, respond,
    tidy, unavailable,
};
use super::asked::Asked;
use super::auth::Denied;
use super::conditional::tagged;
use super::document::prepare;
use super::media::Media;
use super::refused::Refused;
use super::streams::Holder;
use super::visit::{self, Visit};
use super::{App, sse};
use crate::graphql::request::{Bound, Request, Reservation};
use crate::graphql::{Operation, execute, mutate};
use crate::rows::{REQUEST_BOUNDS, RequestBounds};
use crate::rules::viewer::Viewer;
use crate::store::statements::spawn_counted;

/// The request header that asks for the cost in the response.
const COST: &str = "graphql-cost";

/// Handles POST: queries and mutations with a JSON body, and subscriptions if the client accepts an event stream.
pub async fn post(
    State(app): State<Arc<App>>,
    visit: Visit,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let now = (app.clock)();
    let prepared = async {
        let viewer = viewer(&app, &visit, &headers, now).await?;
        acceptable(&headers)?;
        let asked = Asked::in_body(&headers, body, app.limits.body).await?;
        let operation = prepare(&app, &visit, &viewer, asked, now)?;
        admit(&app, &visit, &viewer, &operation, now)?;
        Ok((viewer, operation))
    };
    let prepared = prepared.await;
    answer(app, visit, Method::POST, headers, prepared, now).await
}

/// Handles GET: queries in the query string, and subscriptions if the client accepts an event stream.
pub async fn get(
    State(app): State<Arc<App>>,
    visit: Visit,
    headers: HeaderMap,
    address: Uri,
) -> Response {
    let now = (app.clock)();
    let prepared = async {
        let viewer = viewer(&app, &visit, &headers, now).await?;
        acceptable(&headers)?;
        let operation = prepare(&app, &visit, &viewer, Asked::in_address(&address)?, now)?;
        if operation.kind == OperationType::Mutation {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let message = "Mutations must be sent by POST.";
            let refused = Refused::new(status, "BAD_USER_INPUT", message);
            return Err(refused.with(header::ALLOW, HeaderValue::from_static("POST")));
        }
        admit(&app, &visit, &viewer, &operation, now)?;
        Ok((viewer, operation))
    };
    let prepared = prepared.await;
    answer(app, visit, Method::GET, headers, prepared, now).await
}

/// Responds in the form that the client accepts: as a whole, or as an event stream.
async fn answer(
    app: Arc<App>,
    visit: Visit,
    method: Method,
    headers: HeaderMap,
    prepared: Result<(Viewer, Operation), Refused>,
    now: DateTime<Utc>,
) -> Response {
    let accepts = sse::Accepts::of(&headers);
    match prepared {
        Ok((viewer, operation)) if accepts.for_operation(&operation) => {
            sse::stream(app, visit.client(), headers, viewer, operation).await
        }
        Ok((_, operation)) if operation.kind == OperationType::Subscription => {
            let message = "A subscription has many answers: send `Accept: text/event-stream`, or open a WebSocket at /graphql/ws.";
            respond(&headers, Err(Refused::bad_request(message)))
        }
        Ok((viewer, operation)) => {
            let answered = answered(&app, &visit, &headers, viewer, operation, now).await;
            match answered {
                Ok(Answered { text, whole: true }) if method == Method::GET => {
                    tagged(&headers, text)
                }
                answered => respond(&headers, answered.map(|answered| answered.text)),
            }
        }
        // A client that only accepts events gets the errors as an event.
        Err(refused) if refused.status.is_none() && accepts == sse::Accepts::Only => {
            sse::refuse(&refused)
        }
        Err(refused) => respond(&headers, Err(refused)),
    }
}

/// The response of an operation.
struct Answered {
    text: Bytes,
    /// Whether it has no errors.
    whole: bool,
}

/// Returns the cached response, or executes the operation.
async fn answered(
    app: &App,
    visit: &Visit,
    headers: &HeaderMap,
    viewer: Viewer,
    operation: Operation,
    now: DateTime<Utc>,
) -> Result<Answered, Refused> {
    let asks = headers.contains_key(COST);
    let cost = asks.then_some((operation.cost, app.limits.cost));
    let memory = app.memory.as_ref().filter(|_| !asks);
    let place = match memory {
        Some(memory) => memory.place(&app.feed, &viewer, &operation, now).await,
        None => None,
    };
    if let (Some(memory), Some(place)) = (memory, &place)
        && let Some(known) = memory.find(place)
    {
        let (text, whole) = (known, true);
        return Ok(Answered { text, whole });
    }
    let reservation = Arc::new(app.around.responses.request());
    let kind = operation.kind;
    let holder = Holder::of(&viewer, visit.client());
    let executed = run(app, holder, viewer, operation, now, &reservation).await?;
    if let Some(mut refused) = unavailable(&executed) {
        let id = request_id(headers);
        log_database_errors(&refused.errors, id);
        let errors = refused.errors.into_iter();
        refused.errors = errors.map(|error| tidy(error, id)).collect();
        return Err(refused);
    }
    let whole = executed.errors.is_empty();
    let text = executed_text(executed, cost, request_id(headers));
    // What was changed is reported in any case.
    if reservation.set(text.len()).is_err() && kind != OperationType::Mutation {
        return Err(overloaded());
    }
    let text = held(text, reservation);
    if let (Some(memory), Some(place)) = (memory, place)
        && whole
    {
        memory.keep(place, text.clone());
    }
    Ok(Answered { text, whole })
}

const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

async fn viewer(
    app: &App,
    visit: &Visit,
    headers: &HeaderMap,
    now: DateTime<Utc>,
) -> Result<Viewer, Refused> {
    let failures = &app.around.failures;
    if headers.contains_key(header::AUTHORIZATION) {
        let checked = failures.check(visit.client(), now);
        checked.map_err(|it| Refused::limited("failures", it))?;
    }
    let viewer = app.verifier.viewer(headers, now).await;
    let viewer = viewer.map_err(|denied| match denied {
        Denied::BadToken(message) => {
            failures.count(visit.client(), now);
            Refused::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
                .with(header::WWW_AUTHENTICATE, INVALID_TOKEN)
        }
        Denied::Forbidden(message) => Refused::new(StatusCode::FORBIDDEN, "FORBIDDEN", message),
        Denied::NoKeys { seconds } => Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            "Tokens cannot be verified, because the identity provider is unavailable. Try again later.",
        )
        .with(header::RETRY_AFTER, seconds),
    })?;
    visit.is_of(viewer.subject.as_deref());
    Ok(viewer)
}

/// Records the operation for the log and checks the rate limit.
pub fn admit(
    app: &App,
    visit: &Visit,
    viewer: &Viewer,
    operation: &Operation,
    now: DateTime<Utc>,
) -> Result<(), Refused> {
    visit.asks(visit::Asked {
        operation: operation.title().map(str::to_owned),
        document: operation.hash.clone(),
        cost: operation.cost,
    });
    if app.around.read_only && operation.kind == OperationType::Mutation {
        let message = "This instance is read-only: send mutations to one that is not.";
        return Err(Refused::new(StatusCode::FORBIDDEN, "FORBIDDEN", message));
    }
    let rates = &app.around.rates;
    let admitted = rates.admit(viewer, visit.client(), operation.cost, now);
    let quota = match &admitted {
        Ok(quota) => *quota,
        Err(limited) => limited.quota,
    };
    visit.has_quota(quota);
    admitted
        .map(|_| ())
        .map_err(|limited| Refused::limited("rate", limited))
}

fn acceptable(headers: &HeaderMap) -> Result<(), Refused> {
    if Media::accepted(headers).is_some() || sse::Accepts::of(headers) != sse::Accepts::No {
        return Ok(());
    }
    Err(Refused::new(
        StatusCode::NOT_ACCEPTABLE,
        "BAD_USER_INPUT",
        "Responses are JSON: accept application/graphql-response+json or application/json.",
    ))
}

/// Runs a query or a mutation within the time that it has. The reservation grows with what is read and written.
///
/// A mutation runs in a task of its own: it ends by itself, not in the middle of a statement because its client has
/// gone away. A heavy query waits until it is admitted, within its time, and uses one connection at a time.
pub async fn run(
    app: &App,
    holder: Holder,
    viewer: Viewer,
    operation: Operation,
    now: DateTime<Utc>,
    reservation: &Arc<Reservation>,
) -> Result<Executed, Refused> {
    let time_limit = app.limits.request_timeout;
    let (db, limit) = (app.db.clone(), app.limits.answer);
    let bound = Bound::new(limit, Some(reservation.clone()));
    let request = Request::new(db, viewer, now, bound);
    if operation.kind != OperationType::Mutation {
        let is_heavy = operation.cost >= HEAVY;
        let executing = async {
            let _permit = if is_heavy {
                let connections = app.db.reader.connections();
                let permit = app.around.admission.acquire(holder, connections);
                Some(Box::pin(permit).await)
            } else {
                None
            };
            execute(&app.schema, operation, request).await
        };
        let executed = within(time_limit, is_heavy, executing).await;
        return executed.map_err(|_| too_slow(time_limit, false));
    }
    let schema = app.schema.clone();
    // Delays shutdown while it runs.
    let (open, health) = (app.open.one(), app.db.health.clone());
    let running = spawn_counted(async move {
        let executed = within(time_limit, false, mutate(&schema, &operation, request)).await;
        if let Ok(executed) = &executed {
            health.report_write(database_failure(executed));
        }
        drop(open);
        executed
    });
    match running.await {
        Ok(executed) => executed.map_err(|_| too_slow(time_limit, true)),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime shuts down.
            Err(_) => Err(too_slow(time_limit, true)),
        },
    }
}

/// Stops what runs for longer, and gives its statements their bounds.
async fn within<T>(
    time_limit: Duration,
    is_heavy: bool,
    running: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let bounds = RequestBounds {
        deadline: Instant::now() + time_limit,
        one_at_a_time: is_heavy.then(|| Arc::new(Semaphore::new(1))),
    };
    timeout(time_limit, REQUEST_BOUNDS.scope(bounds, running)).await
}

fn too_slow(time_limit: Duration, changes: bool) -> Refused {
    let then = if changes {
        "Its changes may have been made: look before you send it again; what is sent with an `idempotencyKey` can be sent again as it is."
    } else {
        "Request less, or try again later."
    };
    let seconds = time_limit.as_secs_f64();
    let message = format!("The request ran longer than {seconds} s, and was stopped. {then}");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Refused::new(status, "TIMEOUT", message).about("time")
}

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
use tracing::Instrument;

use crate::db::{REQUEST_BOUNDS, RequestBounds};
use crate::domain::viewer::Viewer;
use crate::graphql::request::{OperationContext, Reservation, ResponseSizeLimit};
use crate::graphql::{Operation, execute, mutate};
use crate::http::AppState;
use crate::http::auth::AuthError;
use crate::http::error::RequestError;
use crate::http::graphql::admission::{
    HEAVY, ORDINARY, OperationPermit, heavy_limit, ordinary_limit,
};
use crate::http::graphql::content_negotiation::ResponseFormat;
use crate::http::graphql::etag::with_etag;
use crate::http::graphql::operation_metrics::{
    OperationTimer, error_code, record_cost, record_exceeded_limit, record_refused,
};
use crate::http::graphql::request::GraphqlRequest;
use crate::http::graphql::response::{
    database_failure, encode_response, log_database_errors, mask_error, overloaded, reserved_bytes,
    respond, unavailable,
};
use crate::http::graphql::sse;
use crate::http::middleware::rate_limit::Quota;
use crate::http::middleware::request_context::{self, RequestContext};
use crate::http::server::stream_limit::LimitedClient;
use crate::http::validation::prepare_operation;
use crate::metrics;
use crate::store::request_work::spawn_counted;
use crate::trace::SPANS;

/// Request header: adds the cost to the response.
const COST_HEADER: &str = "graphql-cost";

/// Handles POST: queries and mutations with a JSON body, and subscriptions if the client accepts an event stream.
pub async fn post(
    State(app): State<Arc<AppState>>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let now = (app.clock)();
    let prepared = async {
        let viewer = viewer(&app, &context, &headers, now).await?;
        require_acceptable(&headers)?;
        let request = GraphqlRequest::from_body(&headers, body, app.limits.body_bytes).await?;
        let operation = prepare_operation(&app, &context, &viewer, request, now)?;
        check_rate_limit(&app, &context, &viewer, &operation, now)?;
        Ok((viewer, operation))
    };
    let prepared = prepared
        .await
        .map_err(|refused| count_refusal(&app, &context, refused, now));
    respond_to(app, context, Method::POST, headers, prepared, now).await
}

/// Handles GET: queries in the query string, and subscriptions if the client accepts an event stream.
pub async fn get(
    State(app): State<Arc<AppState>>,
    context: RequestContext,
    headers: HeaderMap,
    address: Uri,
) -> Response {
    let now = (app.clock)();
    let prepared = async {
        let viewer = viewer(&app, &context, &headers, now).await?;
        require_acceptable(&headers)?;
        let operation = prepare_operation(
            &app,
            &context,
            &viewer,
            GraphqlRequest::from_query_string(&address)?,
            now,
        )?;
        if operation.kind == OperationType::Mutation {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let message = "Mutations must be sent by POST.";
            let refused = RequestError::new(status, "BAD_USER_INPUT", message);
            return Err(refused.with_header(header::ALLOW, HeaderValue::from_static("POST")));
        }
        check_rate_limit(&app, &context, &viewer, &operation, now)?;
        Ok((viewer, operation))
    };
    let prepared = prepared
        .await
        .map_err(|refused| count_refusal(&app, &context, refused, now));
    respond_to(app, context, Method::GET, headers, prepared, now).await
}

/// Responds in the format that the client accepts: one response, or an event stream.
async fn respond_to(
    app: Arc<AppState>,
    context: RequestContext,
    method: Method,
    headers: HeaderMap,
    prepared: Result<(Viewer, Operation), RequestError>,
    now: DateTime<Utc>,
) -> Response {
    let accepts = sse::EventStreamSupport::of(&headers);
    match prepared {
        Ok((viewer, operation)) if accepts.for_operation(&operation) => {
            sse::stream(app, context, headers, viewer, operation).await
        }
        Ok((_, operation)) if operation.kind == OperationType::Subscription => {
            let message = "A subscription has many answers: send `Accept: text/event-stream`, or open a WebSocket at /graphql/ws.";
            respond(&headers, Err(RequestError::bad_request(message)))
        }
        Ok((viewer, operation)) => {
            let client = LimitedClient::of(&viewer, context.client());
            let timer = OperationTimer::begin(&operation, &app.documents);
            let result = execute_cached(&app, &context, &headers, viewer, operation, now).await;
            if let Some(timer) = timer {
                record(timer, &context, &result);
            }
            if let Ok(executed) = &result {
                let quota = charge_bytes(&app, &client, executed.charged, executed.text.len(), now);
                context.set_quota(quota);
            }
            match result {
                Ok(ExecutedResponse {
                    text,
                    is_complete: true,
                    ..
                }) if method == Method::GET => with_etag(&headers, text),
                result => respond(&headers, result.map(|result| result.text)),
            }
        }
        Err(refused) => {
            record_refused(&refused.errors);
            // A client that only accepts events gets the errors as an event.
            if refused.status.is_none() && accepts == sse::EventStreamSupport::Required {
                sse::error_stream(&refused)
            } else {
                respond(&headers, Err(refused))
            }
        }
    }
}

fn record(
    timer: OperationTimer,
    context: &RequestContext,
    result: &Result<ExecutedResponse, RequestError>,
) {
    match result {
        Ok(executed) => timer.end_with(&executed.error_code),
        Err(refused) => timer.end(&refused.errors),
    }
    metrics::record(|metrics| {
        let statements = metrics.operation_statements.with(&[]);
        statements.observe(context.statements().into());
    });
}

/// The response of an operation.
struct ExecutedResponse {
    text: Bytes,
    /// Whether it has no errors.
    is_complete: bool,
    /// The code of the first error; empty if there are none.
    error_code: String,
    /// The cost charged to the rate limit.
    charged: u64,
}

/// Returns the cached response, or executes the operation.
async fn execute_cached(
    app: &AppState,
    context: &RequestContext,
    headers: &HeaderMap,
    viewer: Viewer,
    operation: Operation,
    now: DateTime<Utc>,
) -> Result<ExecutedResponse, RequestError> {
    let asks = headers.contains_key(COST_HEADER);
    let cost = asks.then_some((operation.cost, app.limits.cost));
    let cache = app.response_cache.as_ref().filter(|_| !asks);
    let key = match cache {
        Some(cache) => cache.key(&app.feed, &viewer, &operation, now).await,
        None => None,
    };
    if let (Some(cache), Some(key)) = (cache, &key)
        && let Some(cached) = cache.get(key)
    {
        return Ok(ExecutedResponse {
            text: cached,
            is_complete: true,
            error_code: String::new(),
            charged: operation.cost,
        });
    }
    let reservation = Arc::new(app.http.responses.request());
    let kind = operation.kind;
    let limited_client = LimitedClient::of(&viewer, context.client());
    let executed =
        execute_with_timeout(app, limited_client, viewer, operation, now, &reservation).await?;
    let (executed, charged) = executed;
    if let Some(mut refused) = unavailable(&executed) {
        let id = context.id();
        log_database_errors(&refused.errors, id);
        let errors = refused.errors.into_iter();
        refused.errors = errors.map(|error| mask_error(error, id)).collect();
        return Err(refused);
    }
    let is_complete = executed.errors.is_empty();
    let error_code = error_code(&executed.errors);
    let text = encode_response(executed, cost, context.id());
    // The result of a committed mutation is always returned.
    if reservation.resize(text.len()).is_err() && kind != OperationType::Mutation {
        return Err(overloaded());
    }
    let text = reserved_bytes(text, reservation);
    if let (Some(cache), Some(key)) = (cache, key)
        && is_complete
    {
        cache.insert(key, text.clone());
    }
    Ok(ExecutedResponse {
        text,
        is_complete,
        error_code,
        charged,
    })
}

const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

async fn viewer(
    app: &AppState,
    context: &RequestContext,
    headers: &HeaderMap,
    now: DateTime<Utc>,
) -> Result<Viewer, RequestError> {
    if headers.contains_key(header::AUTHORIZATION) {
        let checked = app.http.failures.check(context.client(), now);
        checked.map_err(|refusal| RequestError::limited("failures", refusal))?;
    }
    let viewer = app.verifier.viewer(headers, now).await;
    let viewer = viewer.map_err(|denied| match denied {
        AuthError::InvalidToken(message) => {
            RequestError::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
                .with_header(header::WWW_AUTHENTICATE, INVALID_TOKEN)
        }
        AuthError::Forbidden(message) => RequestError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message),
        AuthError::KeysUnavailable { seconds } => RequestError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            "Tokens cannot be verified, because the identity provider is unavailable. Try again later.",
        )
        .with_header(header::RETRY_AFTER, seconds),
    })?;
    context.set_subject(viewer.subject.as_deref());
    Ok(viewer)
}

/// Counts a refused request as a failure of its client. Returns the refusal, or that the client has to wait if it had too
/// many of them.
pub fn count_refusal(
    app: &AppState,
    context: &RequestContext,
    refused: RequestError,
    now: DateTime<Utc>,
) -> RequestError {
    if refused
        .status
        .is_some_and(|status| status.is_server_error())
    {
        return refused;
    }
    let counted = app.http.failures.count(context.client(), now);
    counted.map_or_else(
        |refusal| RequestError::limited("failures", refusal),
        |()| refused,
    )
}

/// Records the operation for the log and checks the rate limit.
pub fn check_rate_limit(
    app: &AppState,
    context: &RequestContext,
    viewer: &Viewer,
    operation: &Operation,
    now: DateTime<Utc>,
) -> Result<(), RequestError> {
    context.set_operation(request_context::OperationInfo {
        operation: operation.operation_name().map(str::to_owned),
        document: operation.hash.clone(),
        cost: operation.cost,
    });
    if app.http.read_only && operation.kind == OperationType::Mutation {
        let message = "This instance is read-only: send mutations to one that is not.";
        return Err(RequestError::new(
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            message,
        ));
    }
    let client = LimitedClient::of(viewer, context.client());
    let admitted = app.http.rate_limiter.admit(&client, operation.cost, now);
    let quota = match &admitted {
        Ok(quota) => *quota,
        Err(limited) => limited.quota,
    };
    context.set_quota(quota);
    admitted
        .map(|_| ())
        .map_err(|limited| RequestError::limited("rate", limited))
}

/// The bytes of a response that cost 1: more than most values have.
const BYTES_PER_COST: usize = 100;

/// Charges the bytes of a response to the rate limit as far as they cost more than what was charged before it ran, as
/// long texts do. Returns what the client may still spend; `None` if it has no limit.
pub fn charge_bytes(
    app: &AppState,
    client: &LimitedClient,
    charged: u64,
    bytes: usize,
    now: DateTime<Utc>,
) -> Option<Quota> {
    let cost = (bytes / BYTES_PER_COST) as u64;
    let more = cost.saturating_sub(charged);
    app.http.rate_limiter.charge(client, more, now)
}

fn require_acceptable(headers: &HeaderMap) -> Result<(), RequestError> {
    if ResponseFormat::accepted(headers).is_some()
        || sse::EventStreamSupport::of(headers) != sse::EventStreamSupport::Unsupported
    {
        return Ok(());
    }
    Err(RequestError::new(
        StatusCode::NOT_ACCEPTABLE,
        "BAD_USER_INPUT",
        "Responses are JSON: accept application/graphql-response+json or application/json.",
    ))
}

/// Runs a query or a mutation within the time that it has. Returns its response, and what the rate limit has charged for
/// it: more than its cost if lists within lists are longer than the cost counts. The reservation grows with what is read
/// and written.
///
/// A mutation runs in a task of its own: it ends by itself, not in the middle of a statement because its client has
/// gone away. An operation that is not small waits until it is admitted, within its time, and a heavy one uses one
/// connection at a time.
pub async fn execute_with_timeout(
    app: &AppState,
    limited_client: LimitedClient,
    viewer: Viewer,
    operation: Operation,
    now: DateTime<Utc>,
    reservation: &Arc<Reservation>,
) -> Result<(Executed, u64), RequestError> {
    let time_limit = app.limits.request_timeout;
    let (db, limit) = (app.db.clone(), app.limits.response_bytes);
    let bound = ResponseSizeLimit::new(limit, Some(reservation.clone()));
    let request = OperationContext::new(db, app.search.clone(), viewer, now, bound);
    let is_heavy = operation.cost >= HEAVY;
    let bounds = RequestBounds {
        deadline: Some(Instant::now() + time_limit),
        semaphores: Vec::from_iter(is_heavy.then(|| Arc::new(Semaphore::new(1)))),
        scans: operation.scans,
    };
    let permit = timeout(time_limit, admit(app, limited_client.clone(), &operation)).await;
    let permit = permit.map_err(|_| timeout_error(time_limit, false))?;
    let cost = operation.cost;
    if operation.kind != OperationType::Mutation {
        let written = request.bound.clone();
        let executed = within(bounds, execute(&app.schema, operation, request)).await;
        if let Ok(executed) = &executed {
            record_exceeded_limit(&executed.errors);
            record_cost(cost, written.values());
        }
        let executed = executed.map_err(|_| timeout_error(time_limit, false))?;
        let more = written.values().saturating_sub(cost);
        if more > 0 {
            app.http.rate_limiter.charge(&limited_client, more, now);
        }
        return Ok((executed, cost + more));
    }
    let schema = app.schema.clone();
    // Delays shutdown while it runs.
    let (open, health) = (app.shutdown.track(), app.db.health.clone());
    let running = async move {
        let executed = within(bounds, mutate(&schema, &operation, request)).await;
        if let Ok(executed) = &executed {
            health.report_write(database_failure(executed));
        }
        drop((open, permit));
        executed
    }
    .instrument(tracing::debug_span!(target: SPANS, "write"));
    let running = spawn_counted(running);
    match running.await {
        Ok(executed) => {
            let executed = executed.map_err(|_| timeout_error(time_limit, true))?;
            Ok((executed, cost))
        }
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime shuts down.
            Err(_) => Err(timeout_error(time_limit, true)),
        },
    }
}

/// Waits until an operation may run; `None` if it need not wait. Ordinary mutations wait for each other in the database,
/// and introspection has limits of its own.
async fn admit(
    app: &AppState,
    limited_client: LimitedClient,
    operation: &Operation,
) -> Option<OperationPermit> {
    let connections = app.db.read_pool.connections();
    if operation.cost >= HEAVY {
        let permit = app
            .http
            .heavy
            .acquire(limited_client, heavy_limit(connections));
        return Some(Box::pin(permit).await);
    }
    let is_ordinary = operation.kind == OperationType::Query && operation.cost >= ORDINARY;
    if is_ordinary && !operation.introspects() {
        let permit = app
            .http
            .ordinary
            .acquire(limited_client, ordinary_limit(connections));
        return Some(Box::pin(permit).await);
    }
    None
}

/// Gives the statements of a request their bounds, and stops what runs beyond the deadline.
async fn within<T>(bounds: RequestBounds, running: impl Future<Output = T>) -> Result<T, Elapsed> {
    let left = bounds.deadline.map_or(Duration::MAX, |deadline| {
        deadline.saturating_duration_since(Instant::now())
    });
    timeout(left, REQUEST_BOUNDS.scope(bounds, running)).await
}

fn timeout_error(time_limit: Duration, changes: bool) -> RequestError {
    let then = if changes {
        "Its changes may have been made: look before you send it again; what is sent with an `idempotencyKey` can be sent again as it is."
    } else {
        "Request less, or try again later."
    };
    let seconds = time_limit.as_secs_f64();
    let message = format!("The request ran longer than {seconds} s, and was stopped. {then}");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    RequestError::new(status, "TIMEOUT", message).with_limit("time")
}

//! The front door: takes a request, and gives its answer.

use std::time::Duration;

use async_graphql::Response as Executed;
use async_graphql::parser::types::OperationType;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;

use super::answer::{Answered, respond};
use super::asked::Asked;
use super::auth::Denied;
use super::document::prepare;
use super::media::Media;
use super::refused::Refused;
use super::{App, sse};
use crate::graphql::request::Request;
use crate::graphql::{Operation, execute};
use crate::rules::viewer::Viewer;

/// The header by which a request asks for what it costs.
const COST: &str = "graphql-cost";

/// Queries and mutations in a body of JSON; subscriptions for who takes a stream of events.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let prepared = async {
        let viewer = viewer(&app, &headers)?;
        acceptable(&headers)?;
        let asked = Asked::in_body(&headers, body, app.limits.body).await?;
        let operation = prepare(&app, &viewer, asked)?;
        Ok((viewer, operation))
    };
    let prepared = prepared.await;
    answer(app, headers, prepared).await
}

/// Queries in an address; subscriptions for who takes a stream of events.
pub async fn get(State(app): State<App>, headers: HeaderMap, address: Uri) -> Response {
    let prepared = async {
        let viewer = viewer(&app, &headers)?;
        acceptable(&headers)?;
        let operation = prepare(&app, &viewer, Asked::in_address(&address)?)?;
        if operation.kind == OperationType::Mutation {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let message = "A mutation changes something: send it by POST.";
            let refused = Refused::new(status, "BAD_USER_INPUT", message);
            return Err(refused.with(header::ALLOW, "POST"));
        }
        Ok((viewer, operation))
    };
    let prepared = prepared.await;
    answer(app, headers, prepared).await
}

/// Answers in the form that the client accepts: as a whole, or as a stream of events.
async fn answer(
    app: App,
    headers: HeaderMap,
    prepared: Result<(Viewer, Operation), Refused>,
) -> Response {
    let accepts = sse::Accepts::of(&headers);
    match prepared {
        Ok((viewer, operation)) if accepts.for_operation(&operation) => {
            sse::stream(app, headers, viewer, operation)
        }
        Ok((_, operation)) if operation.kind == OperationType::Subscription => {
            let message = "A subscription has many answers: send `Accept: text/event-stream`, or open a WebSocket at /graphql/ws.";
            respond(&headers, Err(Refused::bad_request(message)))
        }
        Ok((viewer, operation)) => {
            let asks = headers.contains_key(COST);
            let cost = asks.then_some((operation.cost, app.limits.cost));
            let executed = run(&app, viewer, operation).await;
            let answered = executed.map(|executed| Answered { executed, cost });
            respond(&headers, answered)
        }
        // Who knows nothing but events is told so by one.
        Err(refused) if refused.status.is_none() && accepts == sse::Accepts::Only => {
            sse::refuse(&refused)
        }
        Err(refused) => respond(&headers, Err(refused)),
    }
}

fn viewer(app: &App, headers: &HeaderMap) -> Result<Viewer, Refused> {
    let viewer = app.verifier.viewer(headers, (app.clock)());
    viewer.map_err(|denied| match denied {
        Denied::BadToken(message) => {
            Refused::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
                .with(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
        }
        Denied::Forbidden(message) => Refused::new(StatusCode::FORBIDDEN, "FORBIDDEN", message),
    })
}

fn acceptable(headers: &HeaderMap) -> Result<(), Refused> {
    if Media::accepted(headers).is_some() || sse::Accepts::of(headers) != sse::Accepts::No {
        return Ok(());
    }
    Err(Refused::new(
        StatusCode::NOT_ACCEPTABLE,
        "BAD_USER_INPUT",
        "Answers are JSON: accept application/graphql-response+json or application/json.",
    ))
}

/// Runs a query or a mutation within the time that it has.
pub async fn run(app: &App, viewer: Viewer, operation: Operation) -> Result<Executed, Refused> {
    let request = Request {
        now: (app.clock)(),
        db: app.db.clone(),
        viewer,
    };
    let seconds = app.limits.seconds;
    let changes = operation.kind == OperationType::Mutation;
    let executing = execute(&app.schema, operation, request);
    let executed = tokio::time::timeout(Duration::from_secs(seconds), executing).await;
    executed.map_err(|_| too_slow(seconds, changes))
}

fn too_slow(seconds: u64, changes: bool) -> Refused {
    let then = if changes {
        "Look what it has changed before you send it again."
    } else {
        "Ask for less, or try again in a moment."
    };
    let message = format!("The request ran longer than {seconds} s, and was stopped. {then}");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Refused::new(status, "TIMEOUT", message).about("time")
}

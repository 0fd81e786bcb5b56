//! The front door: takes a request, and gives its answer.

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;

use super::App;
use super::answer::{Answered, respond};
use super::asked::Asked;
use super::auth::Denied;
use super::document::prepare;
use super::media::Media;
use super::refused::Refused;
use crate::graphql::request::Request;
use crate::graphql::{Operation, execute};
use crate::rules::viewer::Viewer;

/// The header by which a request asks for what it costs.
const COST: &str = "graphql-cost";

/// Queries and mutations in a body of JSON.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let answer = async {
        let viewer = viewer(&app, &headers)?;
        acceptable(&headers)?;
        let asked = Asked::in_body(&headers, body, app.limits.body).await?;
        let operation = prepare(&app, &viewer, asked)?;
        at_once(&operation)?;
        run(&app, viewer, &headers, operation).await
    };
    respond(&headers, answer.await)
}

/// Queries in an address.
pub async fn get(State(app): State<App>, headers: HeaderMap, address: Uri) -> Response {
    let answer = async {
        let viewer = viewer(&app, &headers)?;
        acceptable(&headers)?;
        let operation = prepare(&app, &viewer, Asked::in_address(&address)?)?;
        if operation.kind == OperationType::Mutation {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let message = "A mutation changes something: send it by POST.";
            let refused = Refused::new(status, "BAD_USER_INPUT", message);
            return Err(refused.with(header::ALLOW, "POST"));
        }
        at_once(&operation)?;
        run(&app, viewer, &headers, operation).await
    };
    respond(&headers, answer.await)
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
    match Media::accepted(headers) {
        Some(_) => Ok(()),
        None => Err(Refused::new(
            StatusCode::NOT_ACCEPTABLE,
            "BAD_USER_INPUT",
            "Answers are JSON: accept application/graphql-response+json or application/json.",
        )),
    }
}

/// One answer has no room for a subscription's events.
fn at_once(operation: &Operation) -> Result<(), Refused> {
    match operation.kind {
        OperationType::Subscription => Err(Refused::bad_request(
            "A subscription needs a connection that stays open.",
        )),
        _ => Ok(()),
    }
}

/// Runs an operation within the time that it has.
async fn run(
    app: &App,
    viewer: Viewer,
    headers: &HeaderMap,
    operation: Operation,
) -> Result<Answered, Refused> {
    let request = Request {
        now: (app.clock)(),
        db: app.db.clone(),
        viewer,
    };
    let cost = headers
        .contains_key(COST)
        .then_some((operation.cost, app.limits.cost));
    let seconds = app.limits.seconds;
    let changes = operation.kind == OperationType::Mutation;
    let executing = execute(&app.schema, operation, request);
    let executed = tokio::time::timeout(Duration::from_secs(seconds), executing).await;
    match executed {
        Ok(executed) => Ok(Answered { executed, cost }),
        Err(_) => Err(too_slow(seconds, changes)),
    }
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

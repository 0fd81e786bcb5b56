//! The front door: takes the bytes of a request and gives those of its answer.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::OperationType;
use async_graphql::{ErrorExtensionValues, Response as Executed, ServerError, Value, Variables};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sea_orm::DbErr;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::App;
use super::auth::Denied;
use super::visit::{self, REQUEST_ID, Visit};
use crate::error::INTERNAL;
use crate::graphql::request::Request;
use crate::graphql::{Operation, execute};
use crate::rules::viewer::Viewer;

/// What a client asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(default)]
    variables: serde_json::Value,
}

/// The same in an address, where variables are a JSON text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
}

/// Queries and mutations in a body of JSON.
pub async fn post(
    State(app): State<App>,
    visit: Visit,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = async {
        let viewer = viewer(&app, &visit, &headers).await?;
        json_only(&headers)?;
        let body = whole(body, &headers, app.limits.body).await?;
        let asked = serde_json::from_slice(&body).map_err(|_| {
            bad_request("The body is not a request: send JSON such as {\"query\": \"{ viewer { roles } }\", \"variables\": {}}.")
        })?;
        run(&app, &visit, viewer, asked, false).await
    };
    respond(&headers, answer.await)
}

/// Queries in an address.
pub async fn get(
    State(app): State<App>,
    visit: Visit,
    headers: HeaderMap,
    address: Result<Query<Address>, QueryRejection>,
) -> Response {
    let answer = async {
        let viewer = viewer(&app, &visit, &headers).await?;
        let Ok(Query(address)) = address else {
            return Err(bad_request(
                "The address cannot be read: give `query`, `operationName` and `variables` once each.",
            ));
        };
        let variables = address.variables.as_deref().unwrap_or("null");
        let variables = serde_json::from_str(variables)
            .map_err(|_| bad_request("`variables` is not JSON: write it as {\"first\": 10}."))?;
        let asked = Asked {
            query: address.query,
            operation_name: address.operation_name,
            variables,
        };
        run(&app, &visit, viewer, asked, true).await
    };
    respond(&headers, answer.await)
}

/// A request that was not executed.
struct Refused {
    /// None: found invalid, which clients of old expect with status 200.
    status: Option<StatusCode>,
    errors: Vec<ServerError>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refused {
    fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self {
            status: Some(status),
            errors: vec![coded(ServerError::new(message, None), code)],
            header: None,
        }
    }

    fn with(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.header = Some((name, value.into()));
        self
    }
}

fn bad_request(message: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
}

const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

async fn viewer(app: &App, visit: &Visit, headers: &HeaderMap) -> Result<Viewer, Refused> {
    let viewer = app.verifier.viewer(headers, (app.clock)()).await;
    let viewer = viewer.map_err(|denied| match denied {
        Denied::BadToken(message) => {
            Refused::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", &message)
                .with(header::WWW_AUTHENTICATE, INVALID_TOKEN)
        }
        Denied::Forbidden(message) => Refused::new(StatusCode::FORBIDDEN, "FORBIDDEN", &message),
        Denied::NoKeys { seconds } => Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            "Tokens cannot be checked at the moment, since the identity provider does not answer. Try again in a moment.",
        )
        .with(header::RETRY_AFTER, seconds),
    })?;
    visit.is_of(viewer.subject.as_deref());
    Ok(viewer)
}

fn json_only(headers: &HeaderMap) -> Result<(), Refused> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refused::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "BAD_USER_INPUT",
        "The body must be JSON: send `Content-Type: application/json`.",
    ))
}

async fn whole(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Refused> {
    let told = headers.get(header::CONTENT_LENGTH);
    let told: Option<usize> = told.and_then(|it| it.to_str().ok()?.parse().ok());
    let read = match told {
        Some(told) if told > limit => None,
        _ => to_bytes(body, limit).await.ok(),
    };
    read.ok_or_else(|| {
        Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "REQUEST_TOO_LARGE",
            &format!("The body has more than {limit} bytes, the most that a request may have."),
        )
    })
}

fn operation(asked: Asked, only_queries: bool) -> Result<Operation, Refused> {
    let Some(query) = asked.query else {
        return Err(bad_request(
            "There is no `query`: send the GraphQL document in it.",
        ));
    };
    let variables = match asked.variables {
        serde_json::Value::Null => Variables::default(),
        variables @ serde_json::Value::Object(_) => Variables::from_json(variables),
        _ => {
            return Err(bad_request(
                "`variables` must be an object, such as {\"first\": 10}.",
            ));
        }
    };
    let document = parse_query(&query).map_err(|error| Refused {
        status: None,
        errors: vec![coded(ServerError::from(error), "GRAPHQL_PARSE_FAILED")],
        header: None,
    })?;
    let operation = Operation {
        document,
        name: asked.operation_name,
        variables,
    };
    if let Some(name) = operation.missing_variable() {
        return Err(Refused {
            status: None,
            ..bad_request(&format!("The variable `${name}` needs a value."))
        });
    }
    match operation.kind() {
        Some(OperationType::Query) => Ok(operation),
        Some(OperationType::Mutation) if !only_queries => Ok(operation),
        Some(OperationType::Mutation) => Err(Refused::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "BAD_USER_INPUT",
            "A mutation changes something: send it by POST.",
        )
        .with(header::ALLOW, HeaderValue::from_static("POST"))),
        Some(OperationType::Subscription) => Err(bad_request("This service has no subscriptions.")),
        None => Err(bad_request(
            "It is not clear which operation is meant: name one of the document's in `operationName`.",
        )),
    }
}

/// Runs an operation; refused where it is found invalid, or more than its sender may ask for.
async fn run(
    app: &App,
    visit: &Visit,
    viewer: Viewer,
    asked: Asked,
    only_queries: bool,
) -> Result<Executed, Refused> {
    let text = asked.query.clone().unwrap_or_default();
    let operation = operation(asked, only_queries)?;
    let cost = operation.cost();
    let now = (app.clock)();
    visit.asks(visit::Asked {
        operation: operation.title().map(str::to_owned),
        document: format!("{:x}", Sha256::digest(text)),
        cost,
    });
    let admitted = app.around.rates.admit(&viewer, visit.client(), cost, now);
    admitted.map_err(|limited| {
        Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            "RATE_LIMITED",
            &limited.message,
        )
        .with(header::RETRY_AFTER, limited.seconds)
    })?;
    let request = Request {
        now,
        db: app.db.clone(),
        viewer,
    };
    let executed = execute(&app.schema, operation, request).await;
    // Only what was executed has a place in the answer.
    if executed.is_ok() || executed.errors.iter().any(|it| !it.path.is_empty()) {
        return Ok(executed);
    }
    let errors = executed.errors.into_iter();
    Err(Refused {
        status: None,
        errors: errors
            .map(|it| coded(it, "GRAPHQL_VALIDATION_FAILED"))
            .collect(),
        header: None,
    })
}

const MODERN: &str = "application/graphql-response+json";

/// The answer's bytes, in the media type that the client understands best.
fn respond(headers: &HeaderMap, answer: Result<Executed, Refused>) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let modern = accepted
        .filter_map(|it| it.to_str().ok())
        .any(|it| it.contains(MODERN));
    let id = headers.get(REQUEST_ID).and_then(|it| it.to_str().ok());
    let id = id.unwrap_or_default();

    let mut text = String::from("{");
    let (status, header) = match answer {
        Ok(executed) => {
            let errors = executed.errors.into_iter().map(|it| tidy(it, id));
            write_errors(&mut text, &errors.collect::<Vec<_>>());
            text.push_str("\"data\":");
            write_value(&mut text, &executed.data);
            (StatusCode::OK, None)
        }
        Err(refused) => {
            write_errors(&mut text, &refused.errors);
            text.pop(); // the comma that `data` would follow
            let invalid = if modern {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::OK
            };
            (refused.status.unwrap_or(invalid), refused.header)
        }
    };
    text.push('}');

    let kind = if modern {
        "application/graphql-response+json; charset=utf-8"
    } else {
        "application/json; charset=utf-8"
    };
    let mut response = (status, [(header::CONTENT_TYPE, kind)], text).into_response();
    response.headers_mut().extend(header);
    response
}

/// Gives an error its code; one of ours is logged, with the id that its client is told.
fn tidy(mut error: ServerError, id: &str) -> ServerError {
    if let Some(source) = error.source::<DbErr>() {
        tracing::error!(request = id, error = %source, "a request failed");
    }
    let extensions = error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default);
    if error.message == INTERNAL {
        extensions.set("requestId", id);
    }
    // What async-graphql itself finds while it runs is a value that is none of its type.
    match extensions.get("code") {
        Some(_) => error,
        None => coded(error, "BAD_USER_INPUT"),
    }
}

fn coded(mut error: ServerError, code: &str) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    error.extensions = Some(extensions);
    error
}

/// Writes `errors`, first as the specification advises, and the comma after; nothing where there are none.
fn write_errors(text: &mut String, errors: &[ServerError]) {
    if errors.is_empty() {
        return;
    }
    text.push_str("\"errors\":");
    // Errors have text keys and plain values: they can be written.
    text.push_str(&serde_json::to_string(errors).unwrap_or_else(|_| "[]".to_owned()));
    text.push(',');
}

/// Writes a value; what the read path gave is text already.
fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Binary(json) => text.push_str(std::str::from_utf8(json).unwrap_or("null")),
        Value::List(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (place, (key, field)) in fields.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                // A response key is a GraphQL name: nothing in it needs escaping.
                text.push('"');
                text.push_str(key);
                text.push_str("\":");
                write_value(text, field);
            }
            text.push('}');
        }
        plain => text.push_str(&serde_json::to_string(plain).unwrap_or_else(|_| "null".to_owned())),
    }
}

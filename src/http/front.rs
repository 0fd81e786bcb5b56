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
use sea_orm::prelude::Uuid;
use serde::Deserialize;

use super::auth::Denied;
use super::{App, sse};
use crate::error::INTERNAL;
use crate::graphql::request::Request;
use crate::graphql::{Operation, execute};
use crate::rules::viewer::Viewer;

/// What a client asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    pub query: Option<String>,
    pub operation_name: Option<String>,
    #[serde(default)]
    pub variables: serde_json::Value,
}

/// Which operations a way of asking takes, besides queries.
#[derive(Clone, Copy)]
pub(super) struct Takes {
    pub mutations: bool,
    pub subscriptions: bool,
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
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let asked = async {
        let viewer = viewer(&app, &headers)?;
        json_only(&headers)?;
        let body = whole(body, &headers, app.limits.body).await?;
        let asked = serde_json::from_slice(&body).map_err(|_| {
            bad_request("The body is not a request: send JSON such as {\"query\": \"{ viewer { roles } }\", \"variables\": {}}.")
        })?;
        Ok((viewer, asked))
    };
    let asked = asked.await;
    answer(app, headers, asked, true).await
}

/// Queries in an address.
pub async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    address: Result<Query<Address>, QueryRejection>,
) -> Response {
    let asked = viewer(&app, &headers).and_then(|viewer| Ok((viewer, in_address(address)?)));
    answer(app, headers, asked, false).await
}

fn in_address(address: Result<Query<Address>, QueryRejection>) -> Result<Asked, Refused> {
    let Ok(Query(address)) = address else {
        return Err(bad_request(
            "The address cannot be read: give `query`, `operationName` and `variables` once each.",
        ));
    };
    let variables = address.variables.as_deref().unwrap_or("null");
    let variables = serde_json::from_str(variables)
        .map_err(|_| bad_request("`variables` is not JSON: write it as {\"first\": 10}."))?;
    Ok(Asked {
        query: address.query,
        operation_name: address.operation_name,
        variables,
    })
}

/// Answers in the form that the client accepts: as a whole, or as a stream of events.
async fn answer(
    app: App,
    headers: HeaderMap,
    asked: Result<(Viewer, Asked), Refused>,
    mutations: bool,
) -> Response {
    let (viewer, asked) = match asked {
        Ok(asked) => asked,
        Err(refused) => return respond(&headers, Err(refused)),
    };
    let accepts = sse::Accepts::of(&headers);
    let takes = Takes {
        mutations,
        subscriptions: accepts != sse::Accepts::No,
    };
    match operation(&app, asked, takes) {
        Ok(operation) if accepts.for_operation(&operation) => {
            sse::stream(app, headers, viewer, operation)
        }
        Ok(operation) => respond(&headers, run(&app, viewer, operation).await),
        // Who knows nothing but events is told so by one.
        Err(refused) if refused.status.is_none() && accepts == sse::Accepts::Only => {
            sse::refuse(&refused)
        }
        Err(refused) => respond(&headers, Err(refused)),
    }
}

/// A request that was not executed.
pub(super) struct Refused {
    /// None: found invalid, which clients of old expect with status 200.
    pub status: Option<StatusCode>,
    pub errors: Vec<ServerError>,
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

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }
}

pub(super) fn bad_request(message: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
}

fn viewer(app: &App, headers: &HeaderMap) -> Result<Viewer, Refused> {
    let viewer = app.verifier.viewer(headers, (app.clock)());
    viewer.map_err(|denied| match denied {
        Denied::BadToken(message) => {
            Refused::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", &message)
                .with(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
        }
        Denied::Forbidden(message) => Refused::new(StatusCode::FORBIDDEN, "FORBIDDEN", &message),
    })
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

/// From what a client asks to a checked operation, whichever way it came: the one such step.
pub(super) fn operation(_: &App, asked: Asked, takes: Takes) -> Result<Operation, Refused> {
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
        Some(OperationType::Mutation) if takes.mutations => Ok(operation),
        Some(OperationType::Mutation) => Err(Refused::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "BAD_USER_INPUT",
            "A mutation changes something: send it by POST.",
        )
        .with(header::ALLOW, "POST")),
        Some(OperationType::Subscription) if takes.subscriptions => Ok(operation),
        Some(OperationType::Subscription) => Err(bad_request(
            "A subscription has many answers: send `Accept: text/event-stream`, or open a WebSocket at /graphql/ws.",
        )),
        None => Err(bad_request(
            "It is not clear which operation is meant: name one of the document's in `operationName`.",
        )),
    }
}

/// Runs an operation; refused where it is found invalid.
pub(super) async fn run(
    app: &App,
    viewer: Viewer,
    operation: Operation,
) -> Result<Executed, Refused> {
    let request = Request {
        now: (app.clock)(),
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
pub(super) fn respond(headers: &HeaderMap, answer: Result<Executed, Refused>) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let modern = accepted
        .filter_map(|it| it.to_str().ok())
        .any(|it| it.contains(MODERN));
    let id = new_id();

    let (status, text, header) = match answer {
        Ok(executed) => (StatusCode::OK, executed_text(executed, &id), None),
        Err(refused) => {
            let invalid = if modern {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::OK
            };
            let text = refused_text(&refused.errors);
            (refused.status.unwrap_or(invalid), text, refused.header)
        }
    };

    let kind = if modern {
        "application/graphql-response+json; charset=utf-8"
    } else {
        "application/json; charset=utf-8"
    };
    let common = [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = (status, common, [("x-request-id", id)], text).into_response();
    response.headers_mut().extend(header);
    response
}

/// The id of a request, by which its client can ask what became of it.
pub(super) fn new_id() -> String {
    Uuid::now_v7().simple().to_string()
}

/// The answer of an operation that was executed.
pub(super) fn executed_text(executed: Executed, id: &str) -> String {
    let errors = executed.errors.into_iter().map(|it| tidy(it, id));
    let mut text = String::from("{");
    write_errors(&mut text, &errors.collect::<Vec<_>>());
    text.push_str("\"data\":");
    write_value(&mut text, &executed.data);
    text.push('}');
    text
}

/// The answer of one that was not.
pub(super) fn refused_text(errors: &[ServerError]) -> String {
    let mut text = String::from("{");
    write_errors(&mut text, errors);
    text.pop(); // the comma that `data` would follow
    text.push('}');
    text
}

/// Gives an error its code; one of ours is logged, with the id that its client is told.
pub(super) fn tidy(mut error: ServerError, id: &str) -> ServerError {
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

pub(super) fn coded(mut error: ServerError, code: &str) -> ServerError {
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

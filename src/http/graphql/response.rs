//! The serialization of responses.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Name, Response as Executed, ServerError, Value};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sea_orm::DbErr;

use crate::error::{
    Error, INTERNAL, OUTCOME_UNKNOWN, TIMEOUT, UNAVAILABLE, database_code, is_timeout,
    is_unavailable,
};
use crate::graphql::has_value;
use crate::graphql::request::Reservation;
use crate::http::error::{RequestError, with_code};
use crate::http::graphql::content_negotiation::ResponseFormat;
use crate::http::graphql::long_body::body;
use crate::metrics;

/// The request headers that responses depend on.
pub const VARY: &str = "accept, authorization, acting-as";

/// After how many seconds to try again if the database is not available, or memory.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Responds with a serialized result, or with the errors of a request that was not executed, in the preferred media
/// type.
pub fn respond(headers: &HeaderMap, result: Result<Bytes, RequestError>) -> Response {
    let media = ResponseFormat::accepted(headers).unwrap_or(ResponseFormat::Json);
    let (status, text, more) = match result {
        Ok(text) => (StatusCode::OK, text, Vec::new()),
        Err(refused) => {
            let invalid = match media {
                ResponseFormat::GraphqlResponseJson => StatusCode::BAD_REQUEST,
                ResponseFormat::Json => StatusCode::OK,
            };
            let text = encode_errors(&refused.errors).into();
            (refused.status.unwrap_or(invalid), text, refused.headers)
        }
    };
    let common = [
        (header::CONTENT_TYPE, media.content_type()),
        (header::VARY, VARY),
    ];
    let mut response = (status, common, body(text)).into_response();
    response.headers_mut().extend(more);
    response
}

/// The data of a response that has none.
const NULL: &str = "null";

/// Unused bytes up to which the buffer of a response stays as it is.
const SLACK: usize = 64 * 1024;

/// Serializes the result of an operation. `cost` is its cost and the limit.
pub fn encode_response(executed: Executed, cost: Option<(u64, u64)>, id: &str) -> String {
    log_database_errors(&executed.errors, id);
    let errors = executed
        .errors
        .into_iter()
        .map(|error| mask_error(error, id));
    let mut start = String::from("{");
    write_errors(&mut start, &errors.collect::<Vec<_>>());
    start.push_str("\"data\":");
    // In the buffer of the data, so that a large response needs no second one.
    let mut text = match executed.data {
        Value::Binary(json) => String::from_utf8(json.into()).unwrap_or_else(|_| NULL.to_owned()),
        _ => NULL.to_owned(),
    };
    text.insert_str(0, &start);
    let mut extensions = executed.extensions;
    if let Some((requested, limit)) = cost {
        let cost = [("limit", limit), ("requested", requested)];
        let cost = cost.map(|(name, value)| (Name::new(name), value.into()));
        extensions.insert("cost".to_owned(), Value::Object(cost.into()));
    }
    if !extensions.is_empty() {
        text.push_str(",\"extensions\":");
        // Serialization cannot fail: extensions have string keys and plain values.
        text.push_str(&serde_json::to_string(&extensions).unwrap_or_else(|_| "{}".to_owned()));
    }
    text.push('}');
    if text.capacity() - text.len() > SLACK {
        text.shrink_to_fit();
    }
    text
}

/// The text of a response. It holds its bytes of the budget until the last of them is sent, and out of the cache.
pub fn reserved_bytes(text: String, reservation: Arc<Reservation>) -> Bytes {
    struct Held {
        text: String,
        _reservation: Arc<Reservation>,
    }
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            self.text.as_bytes()
        }
    }
    Bytes::from_owner(Held {
        text,
        _reservation: reservation,
    })
}

/// Returns the error for a response that exceeds the memory budget.
pub fn overloaded() -> RequestError {
    metrics::record_rejection("memory");
    unavailable_for(vec![Error::Overloaded.server_error(None)])
}

fn unavailable_for(errors: Vec<ServerError>) -> RequestError {
    let refused = RequestError {
        status: Some(StatusCode::SERVICE_UNAVAILABLE),
        errors,
        headers: Vec::new(),
    };
    refused.with_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS)
}

/// The refusal of an operation of which nothing ran since the database cannot be reached or cannot work at the moment;
/// `None` if anything of it ran, or failed for another reason.
pub fn unavailable(executed: &Executed) -> Option<RequestError> {
    let has_code = |error: &ServerError, code: &str| {
        let extensions = error.extensions.as_ref();
        let found = extensions.and_then(|extensions| extensions.get("code"));
        found.is_some_and(|found| *found == code.into()) && error.message != OUTCOME_UNKNOWN
    };
    let errors = &executed.errors;
    let is_passing = |error: &ServerError| has_code(error, UNAVAILABLE) || has_code(error, TIMEOUT);
    if errors.is_empty() || !errors.iter().all(is_passing) || has_value(&executed.data) {
        return None;
    }
    let mut refused = unavailable_for(executed.errors.clone());
    // A request that timed out will probably time out again.
    if errors.iter().any(|error| has_code(error, TIMEOUT)) {
        refused.headers.clear();
    }
    Some(refused)
}

/// Returns the database error of an operation, if the database is temporarily unavailable.
pub fn database_failure(executed: &Executed) -> Option<&DbErr> {
    let mut sources = executed
        .errors
        .iter()
        .filter_map(ServerError::source::<DbErr>);
    sources.find(|source| is_unavailable(source))
}

/// Serializes the errors of a request that was not executed.
pub fn encode_errors(errors: &[ServerError]) -> String {
    let mut text = String::from("{");
    write_errors(&mut text, errors);
    text.pop(); // the comma before `data`
    text.push('}');
    text
}

/// Logs the database errors of a response with the request id. Each error code is logged once, because all fields fail
/// alike.
pub fn log_database_errors(errors: &[ServerError], id: &str) {
    let mut logged: Vec<Option<String>> = Vec::new();
    for source in errors.iter().filter_map(ServerError::source::<DbErr>) {
        let code = database_code(source);
        if logged.contains(&code) {
            continue;
        }
        let status_code = code.as_deref();
        if is_timeout(source) {
            tracing::warn!(request_id = id, db.response.status_code = status_code, error = %source, "database statement timed out");
        } else if is_unavailable(source) {
            tracing::warn!(request_id = id, db.response.status_code = status_code, error = %source, "database unavailable");
        } else {
            tracing::error!(request_id = id, db.response.status_code = status_code, error = %source, "request failed");
        }
        logged.push(code);
    }
}

/// Completes the extensions of an error: each error has a code, an internal one the request id.
pub fn mask_error(mut error: ServerError, id: &str) -> ServerError {
    let extensions = error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default);
    if error.message == INTERNAL {
        extensions.set("requestId", id);
    }
    // async-graphql's own execution errors concern values of the wrong type.
    match extensions.get("code") {
        Some(_) => error,
        None => with_code(error, "BAD_USER_INPUT"),
    }
}

/// Writes `errors`, which the specification recommends to come first, with a trailing comma; nothing if there are none.
fn write_errors(text: &mut String, errors: &[ServerError]) {
    if errors.is_empty() {
        return;
    }
    text.push_str("\"errors\":");
    // Serialization cannot fail: errors have string keys and plain values.
    text.push_str(&serde_json::to_string(errors).unwrap_or_else(|_| "[]".to_owned()));
    text.push(',');
}

//! Error responses of middleware, in the format of GraphQL errors.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Returns an error response with a code and a message; `more` is added to the extensions.
pub fn error_response(status: StatusCode, code: &str, message: &str, more: &Value) -> Response {
    let mut extensions = json!({ "code": code });
    if let (Value::Object(extensions), Value::Object(more)) = (&mut extensions, more) {
        extensions.extend(more.clone());
    }
    let body = json!({ "errors": [{ "message": message, "extensions": extensions }] });
    let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (status, kind, body.to_string()).into_response()
}

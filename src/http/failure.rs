//! Answers that are given around the front door, in the form of its own.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refusal with a code that clients branch on and a message that people read; `more` goes beside the code.
pub fn failure(status: StatusCode, code: &str, message: &str, more: &Value) -> Response {
    let mut extensions = json!({ "code": code });
    if let (Value::Object(extensions), Value::Object(more)) = (&mut extensions, more) {
        extensions.extend(more.clone());
    }
    let body = json!({ "errors": [{ "message": message, "extensions": extensions }] });
    let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (status, kind, body.to_string()).into_response()
}

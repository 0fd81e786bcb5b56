//! The error of a request that is not executed.

use async_graphql::{ErrorExtensionValues, PathSegment, Pos, ServerError, Value};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};

use crate::http::middleware::rate_limit::RateLimited;
use crate::metrics;

/// A problem of a document or its variables.
pub struct DocumentError {
    pub message: String,
    pub pos: Option<Pos>,
    /// Path to the invalid value: the argument, then field names and list indexes.
    pub input_path: Option<Vec<PathSegment>>,
}

impl DocumentError {
    pub fn new(message: String, pos: Option<Pos>) -> Self {
        Self {
            message,
            pos,
            input_path: None,
        }
    }

    /// Creates a problem of a value; the message starts with its path.
    pub fn of_value(path: Vec<PathSegment>, what: &str, pos: Option<Pos>) -> Self {
        let mut name = String::new();
        for segment in &path {
            match segment {
                PathSegment::Field(field) if name.is_empty() => name.push_str(field),
                PathSegment::Field(field) => name.extend([".", field]),
                PathSegment::Index(index) => name.extend(["[", &index.to_string(), "]"]),
            }
        }
        Self {
            message: format!("`{name}`: {what}."),
            pos,
            input_path: Some(path),
        }
    }
}

/// The error of a request that was not executed.
#[derive(Debug)]
pub struct RequestError {
    /// HTTP status; `None` for an invalid document, which legacy clients expect to have status 200.
    pub status: Option<StatusCode>,
    pub errors: Vec<ServerError>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl RequestError {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status: Some(status),
            errors: vec![with_code(ServerError::new(message, None), code)],
            headers: Vec::new(),
        }
    }

    /// Creates the error for a malformed request.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
    }

    /// Creates the error for an invalid document or invalid variables.
    pub fn invalid_document(code: &str, problems: impl IntoIterator<Item = DocumentError>) -> Self {
        let errors = problems.into_iter().map(|problem| {
            let mut error = with_code(
                ServerError::new(truncate(problem.message), problem.pos),
                code,
            );
            if let Some(path) = problem.input_path {
                let path = path.into_iter().map(|segment| match segment {
                    PathSegment::Field(name) => Value::from(name),
                    PathSegment::Index(index) => Value::from(index),
                });
                let extensions = error.extensions.get_or_insert_default();
                extensions.set("inputPath", Value::List(path.collect()));
            }
            error
        });
        Self {
            status: None,
            errors: errors.collect(),
            headers: Vec::new(),
        }
    }

    /// Creates the error for an exceeded limit, which `extensions.limit` names.
    pub fn limit_exceeded(limit: &str, code: &str, message: impl Into<String>) -> Self {
        Self::invalid_document(code, [DocumentError::new(message.into(), None)]).with_limit(limit)
    }

    /// Creates the error 429 of the limit with this name.
    pub fn limited(limit: &str, limited: RateLimited) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::new(status, "RATE_LIMITED", limited.message)
            .with_limit(limit)
            .with_header(header::RETRY_AFTER, limited.seconds)
    }

    /// With the name of the limit that it is about.
    pub fn with_limit(mut self, limit: &str) -> Self {
        metrics::record_rejection(limit);
        for error in &mut self.errors {
            let extensions = error.extensions.get_or_insert_default();
            extensions.set("limit", limit);
        }
        self
    }

    pub fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Truncates a message, which may quote long input.
fn truncate(mut message: String) -> String {
    const MAX_MESSAGE_LENGTH: usize = 500;
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE_LENGTH) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Sets the code of an error.
pub fn with_code(mut error: ServerError, code: &str) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    error.extensions = Some(extensions);
    error
}

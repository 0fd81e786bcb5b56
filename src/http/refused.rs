//! A request that is not executed: its status, its errors, and what else its sender is told.

use async_graphql::{ErrorExtensionValues, Pos, ServerError};
use axum::http::{HeaderName, HeaderValue, StatusCode};

/// A request that was not executed.
#[derive(Debug)]
pub struct Refused {
    /// None: read, and found wrong. Clients of old expect that with status 200.
    pub status: Option<StatusCode>,
    pub errors: Vec<ServerError>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status: Some(status),
            errors: vec![coded(ServerError::new(message, None), code)],
            headers: Vec::new(),
        }
    }

    /// What cannot be read as a request.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
    }

    /// A document, or its variables, that are wrong in these ways.
    pub fn invalid(code: &str, problems: impl IntoIterator<Item = (String, Option<Pos>)>) -> Self {
        let errors = problems.into_iter();
        Self {
            status: None,
            errors: errors
                .map(|(message, pos)| coded(ServerError::new(short(message), pos), code))
                .collect(),
            headers: Vec::new(),
        }
    }

    /// A document beyond a limit, which `extensions.limit` names.
    pub fn beyond(limit: &str, code: &str, message: impl Into<String>) -> Self {
        Self::invalid(code, [(message.into(), None)]).about(limit)
    }

    /// With the name of the limit that it is about.
    pub fn about(mut self, limit: &str) -> Self {
        for error in &mut self.errors {
            let extensions = error.extensions.get_or_insert_default();
            extensions.set("limit", limit);
        }
        self
    }

    pub fn with(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A message that may repeat what was sent, which may be long.
fn short(mut message: String) -> String {
    const LONGEST: usize = 500;
    if let Some((end, _)) = message.char_indices().nth(LONGEST) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// An error with this code.
pub fn coded(mut error: ServerError, code: &str) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    error.extensions = Some(extensions);
    error
}

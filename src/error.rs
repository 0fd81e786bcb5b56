//! Every way a request can fail, and what clients read of it.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Pos, ServerError};
use sea_orm::DbErr;

use crate::rules::refusal::Refusal;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Not `Display`, on purpose: async-graphql shows clients whatever can be displayed.
/// [`Error::server_error`] alone decides what they read.
#[derive(Clone, Debug)]
pub enum Error {
    /// The rules said no, or the input is wrong.
    Refused(Refusal),
    /// An argument that no client should send; the message says what would be right.
    BadInput(String),
    /// An answer that would have more bytes than one may.
    AnswerTooLong { limit: usize },
    /// A cursor that was not given for this list, order and filter.
    InvalidCursor,
    /// The database failed; what it said is for the log alone.
    Database(Arc<DbErr>),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// What clients read where it is our fault.
pub const INTERNAL: &str =
    "Something went wrong on our side. Try again; if it stays, tell us the request's id.";

/// The name of the limit to an answer's bytes.
const ANSWER: &str = "answer";

/// Whether an error of a field is that the answer has too many bytes.
#[must_use]
pub fn is_too_long(error: &ServerError) -> bool {
    let limit = error.extensions.as_ref().and_then(|it| it.get("limit"));
    limit.is_some_and(|it| *it == ANSWER.into())
}

impl Error {
    /// The code that clients branch on and the message that people read.
    fn shown(&self) -> (&'static str, String) {
        match self {
            Self::Refused(Refusal::Unauthenticated(message)) => {
                ("UNAUTHENTICATED", message.clone())
            }
            Self::Refused(Refusal::Forbidden(message)) => ("FORBIDDEN", message.clone()),
            Self::Refused(Refusal::Problems(problems)) => {
                let messages: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
                ("BAD_USER_INPUT", messages.join(" "))
            }
            Self::BadInput(message) => ("BAD_USER_INPUT", message.clone()),
            Self::AnswerTooLong { limit } => (
                "QUERY_TOO_COMPLEX",
                format!(
                    "The answer has more than {limit} bytes, the most that one may have: ask for fewer records or fields at a time."
                ),
            ),
            Self::InvalidCursor => (
                "INVALID_CURSOR",
                "The cursor is damaged, or was given for another list, order or filter: start again without it."
                    .to_owned(),
            ),
            Self::Database(error) if unavailable(error) => (
                "SERVICE_UNAVAILABLE",
                "The database does not answer. Try again in a moment.".to_owned(),
            ),
            Self::Database(_) => ("INTERNAL", INTERNAL.to_owned()),
        }
    }

    /// The error as it stands in an answer. Its source is for the log alone.
    #[must_use]
    pub fn server_error(self, pos: Option<Pos>) -> ServerError {
        let (code, message) = self.shown();
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", code);
        if let Self::AnswerTooLong { .. } = self {
            extensions.set("limit", ANSWER);
        }
        let mut error = ServerError::new(message, pos);
        error.extensions = Some(extensions);
        if let Self::Database(source) = self {
            error.source = Some(source);
        }
        error
    }
}

/// Whether trying again later may help.
fn unavailable(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_))
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        let shown = error.server_error(None);
        Self {
            message: shown.message,
            source: shown.source,
            extensions: shown.extensions,
        }
    }
}

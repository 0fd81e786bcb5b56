//! The error type of a request, and its representation for clients.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Pos, ServerError};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, sqlx};

use crate::db::STATEMENT_TIMEOUT;
use crate::domain::rejection::Rejection;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a request. It does not implement `Display`, because async-graphql would show that text to clients; only
/// [`Error::server_error`] decides what they see.
#[derive(Clone, Debug)]
pub enum Error {
    /// A rule refused the request, or the input is invalid.
    Refused(Rejection),
    /// An invalid argument; the message says what is valid.
    BadInput(String),
    /// The response exceeds the size limit.
    AnswerTooLong { limit: usize },
    /// The responses of all requests take the memory that they may have together.
    Overloaded,
    /// A cursor that was not given for this list, order and filter.
    InvalidCursor,
    /// A cursor of an activity that is no longer in the log.
    HistoryReplaced,
    /// A database error. Its details are logged, never sent to clients.
    Database(Arc<DbErr>),
    /// The connection was lost during commit: the change may have been stored.
    OutcomeUnknown(Arc<DbErr>),
}

impl From<Rejection> for Error {
    fn from(refusal: Rejection) -> Self {
        Self::Refused(refusal)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// Message for clients about an internal error.
pub const INTERNAL: &str = "Internal error. Try again; if it persists, report the request id.";

/// Message for clients whose cursor belongs to another history.
pub const HISTORY_REPLACED: &str = "The history was replaced since this cursor was given, for example by an older backup: read the records again, then continue from the newest activity.";

/// Message for clients whose change may have been stored.
pub const OUTCOME_UNKNOWN: &str = "The connection to the database was lost while the change was stored: it may have been made. Look before you send it again; what is sent with an `idempotencyKey` can be sent again as it is.";

/// Name of the response size limit in `extensions.limit`.
const ANSWER: &str = "answer";

/// The name of the limit to the bytes of all responses.
const MEMORY: &str = "memory";

/// Whether an error of a field is that the answer has too many bytes.
#[must_use]
pub fn is_too_long(error: &ServerError) -> bool {
    let limit = error
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.get("limit"));
    limit.is_some_and(|limit| *limit == ANSWER.into())
}

/// Whether an error of a field is that the responses of all requests take as much memory as they may.
#[must_use]
pub fn is_overloaded(error: &ServerError) -> bool {
    let limit = error
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.get("limit"));
    limit.is_some_and(|limit| *limit == MEMORY.into())
}

/// Whether an error of a field is that the history was replaced.
#[must_use]
pub fn is_history_replaced(error: &ServerError) -> bool {
    error.message == HISTORY_REPLACED
}

impl Error {
    /// Returns the error for a database that did not respond in time.
    #[must_use]
    pub fn database_timeout() -> Self {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout).into()
    }

    /// Converts the error of a failed commit.
    #[must_use]
    pub fn of_commit(error: DbErr) -> Self {
        Self::from(error).or_unknown_outcome()
    }

    /// Returns that the outcome is unknown if the connection was lost, which it was during a commit.
    #[must_use]
    pub fn or_unknown_outcome(self) -> Self {
        match self {
            Self::Database(error) if is_lost(&error) => Self::OutcomeUnknown(error),
            error => error,
        }
    }

    /// Describes the error for the log.
    #[must_use]
    pub fn log_text(&self) -> String {
        match self {
            Self::Database(error) | Self::OutcomeUnknown(error) => error.to_string(),
            error => error.shown().1,
        }
    }

    /// Returns the code and the message for clients.
    fn shown(&self) -> (&'static str, String) {
        match self {
            Self::Refused(Rejection::Unauthenticated(message)) => {
                ("UNAUTHENTICATED", message.clone())
            }
            Self::Refused(Rejection::Forbidden(message)) => ("FORBIDDEN", message.clone()),
            Self::Refused(Rejection::Problems(problems)) => {
                let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
                ("BAD_USER_INPUT", messages.join(" "))
            }
            Self::Refused(Rejection::Stale { message, .. }) | Self::BadInput(message) => {
                ("BAD_USER_INPUT", message.clone())
            }
            Self::AnswerTooLong { limit } => (
                "QUERY_TOO_COMPLEX",
                format!(
                    "The answer has more than {limit} bytes, the most that one may have: ask for fewer records or fields at a time."
                ),
            ),
            Self::Overloaded => (
                UNAVAILABLE,
                "The service holds as many large responses as it may. Ask for less, or try again in a moment.".to_owned(),
            ),
            Self::InvalidCursor => (
                "INVALID_CURSOR",
                "The cursor is damaged, or was given for another list, order or filter: start again without it."
                    .to_owned(),
            ),
            Self::HistoryReplaced => ("INVALID_CURSOR", HISTORY_REPLACED.to_owned()),
            Self::Database(error) if is_timeout(error) => (
                TIMEOUT,
                "The database worked for longer on it than a request may take. Ask for less, or try again in a moment."
                    .to_owned(),
            ),
            Self::Database(error) if is_unavailable(error) => {
                (UNAVAILABLE, "The database does not answer. Try again in a moment.".to_owned())
            }
            Self::Database(_) => ("INTERNAL", INTERNAL.to_owned()),
            Self::OutcomeUnknown(_) => (UNAVAILABLE, OUTCOME_UNKNOWN.to_owned()),
        }
    }

    /// Converts the error for a response. Its source is only logged.
    #[must_use]
    pub fn server_error(self, pos: Option<Pos>) -> ServerError {
        let (code, message) = self.shown();
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", code);
        if let Self::AnswerTooLong { .. } = self {
            extensions.set("limit", ANSWER);
        }
        if let Self::Overloaded = self {
            extensions.set("limit", MEMORY);
        }
        if code == TIMEOUT {
            extensions.set("limit", "time");
        }
        let mut error = ServerError::new(message, pos);
        error.extensions = Some(extensions);
        if let Self::Database(source) | Self::OutcomeUnknown(source) = self {
            error.source = Some(source);
        }
        error
    }
}

/// The code of transient errors: the request may succeed when it is repeated.
pub const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";

/// The SQLSTATE of an error that a role of `PostgreSQL` gets if it lacks a privilege.
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// The code of a request that ran for too long.
pub const TIMEOUT: &str = "TIMEOUT";

/// The code that the database gave for an error: an SQLSTATE of PostgreSQL, or a result code of SQLite.
#[must_use]
pub fn database_code(error: &DbErr) -> Option<String> {
    let code = driver_error(error)?.as_database_error()?.code()?;
    Some(code.into_owned())
}

/// Returns whether the database aborted a transaction in favour of another one (serialization failure or deadlock), so
/// that it can be repeated at once.
#[must_use]
pub fn is_conflict(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code == "40001" || code == "40P01")
}

/// Whether a statement was stopped since it ran for too long.
#[must_use]
pub fn is_timeout(error: &DbErr) -> bool {
    match (driver_error(error), error) {
        // The code is that of all statements that are stopped; by hand, trying again helps. Messages may be in another
        // language.
        (Some(sqlx::Error::Database(said)), _) => {
            said.code().is_some_and(|code| code == "57014")
                && !said.message().contains("user request")
        }
        (_, DbErr::Query(RuntimeErr::Internal(text))) => text == STATEMENT_TIMEOUT,
        _ => false,
    }
}

/// Whether the database cannot be reached or cannot work at the moment, so that trying again later may help.
#[must_use]
pub fn is_unavailable(error: &DbErr) -> bool {
    if is_timeout(error) {
        return false;
    }
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) || is_conflict(error) {
        return true;
    }
    match driver_error(error) {
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed,
        ) => true,
        Some(sqlx::Error::Database(_)) => {
            database_code(error).is_some_and(|code| is_passing_code(&code))
        }
        _ => false,
    }
}

/// Returns whether the connection was lost before the database responded.
fn is_lost(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(sqlx::Error::Database(_)) => database_code(error).is_some_and(|code| {
            // 40003: it is unknown whether the statement was completed.
            code.len() == 5
                && (code.starts_with("08") || code.starts_with("57P") || code == "40003")
        }),
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed,
        ) => true,
        _ => false,
    }
}

/// Returns whether an SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) or a result code of
/// SQLite (<https://www.sqlite.org/rescode.html>) denotes a transient state.
fn is_passing_code(code: &str) -> bool {
    if code.len() == 5 {
        // Connection exceptions, insufficient resources, operator intervention, system errors; a read-only transaction,
        // transactions that were idle or open for too long, a completion that is unknown, locks that are not available.
        return ["08", "53", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class))
            || ["25006", "25P03", "25P04", "40003", "55P03"].contains(&code);
    }
    // An extended result code holds the primary one in its lowest byte: BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL,
    // CANTOPEN, PROTOCOL (locks that others take at the same time).
    let primary = code.parse::<u32>().ok().map(|code| code & 0xff);
    matches!(primary, Some(5 | 6 | 7 | 8 | 10 | 13 | 14 | 15))
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_error_codes_are_recognized() {
        for code in [
            "08006", "25006", "25P03", "25P04", "40003", "53100", "53300", "55P03", "57000",
            "57014", "57P01", "57P03", "58030", "5", "6", "7", "8", "10", "13", "14", "15", "778",
            "1032", "2570",
        ] {
            assert!(is_passing_code(code), "{code}");
        }
        for code in [
            "23505", "42601", "42501", "22P02", "25P02", "1", "11", "19", "26", "2067",
        ] {
            assert!(!is_passing_code(code), "{code}");
        }
    }
}

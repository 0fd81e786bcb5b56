//! The reasons for which a WebSocket is closed.

use std::borrow::Cow;

use axum::extract::ws::close_code;

/// Maximum length of a close reason in bytes (RFC 6455, section 5.5).
const MAX_REASON_BYTES: usize = 123;

/// The close code and reason of a connection.
pub(super) struct CloseReason {
    pub(super) code: u16,
    pub(super) reason: Cow<'static, str>,
}

/// The client has closed the connection.
pub(super) const NORMAL: CloseReason = end(close_code::NORMAL, "");
pub(super) const UNAUTHORIZED: CloseReason = end(4401, "Unauthorized");
pub(super) const NO_SUCH_PROTOCOL: CloseReason =
    end(4406, "Subprotocol not acceptable: graphql-transport-ws");
pub(super) const INIT_TIMEOUT: CloseReason = end(4408, "Connection initialisation timeout");
pub(super) const TOO_MANY_INIT: CloseReason = end(4429, "Too many initialisation requests");
pub(super) const EXPIRED: CloseReason = end(4403, "Forbidden: the token has expired");
pub(super) const PING_TIMEOUT: CloseReason = end(close_code::AWAY, "No answer to a ping");
pub(super) const IDLE: CloseReason = end(close_code::NORMAL, "Idle: no operation for a minute");
pub(super) const TOO_MANY: CloseReason = end(
    close_code::AGAIN,
    "Too many WebSockets: close one, or come back later",
);
pub(super) const SLOW_CONSUMER: CloseReason = end(close_code::AGAIN, "You read too slowly");
pub(super) const REFUSED_OFTEN: CloseReason = end(
    close_code::AGAIN,
    "Too many tokens were refused: try again later",
);
pub(super) const KEYS_UNAVAILABLE: CloseReason =
    end(close_code::AGAIN, "Tokens cannot be checked: come back");
pub(super) const STOPPING: CloseReason = end(close_code::RESTART, "The service stops: come back");

pub(super) const fn end(code: u16, reason: &'static str) -> CloseReason {
    CloseReason {
        code,
        reason: Cow::Borrowed(reason),
    }
}

pub(super) fn bad_message(why: &str) -> CloseReason {
    CloseReason {
        code: 4400,
        reason: format!("Invalid message: {why}").into(),
    }
}

pub(super) fn forbidden(why: &str) -> CloseReason {
    CloseReason {
        code: 4403,
        reason: format!("Forbidden: {why}").into(),
    }
}

/// Truncates a text to the maximum length of a close reason.
pub(super) fn truncate_reason(text: &str) -> String {
    let mut end = text.len().min(MAX_REASON_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

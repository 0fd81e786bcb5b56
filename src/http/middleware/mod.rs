//! What is done for every request before and after it is handled.

pub(crate) mod accept_encoding;
pub(crate) mod body_limit;
pub mod client_ip;
pub mod cors;
pub(crate) mod host;
pub mod rate_limit;
pub(crate) mod request_context;

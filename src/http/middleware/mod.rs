//! What is done for every request before and after it is handled.

pub mod body_limit;
pub mod client_ip;
pub mod cors;
pub mod host;
pub mod rate_limit;
pub mod request_context;

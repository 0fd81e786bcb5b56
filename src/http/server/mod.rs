//! Accepts connections within limits, and stops without losing a request.

pub mod accept;
pub(crate) mod connection_limit;
pub mod shutdown;
pub mod stream_limit;
pub(crate) mod write_timeout;

//! Accepts connections within limits, and stops without losing a request.

pub mod accept;
pub mod connection_limit;
pub mod shutdown;
pub mod stream_limit;
pub mod write_timeout;

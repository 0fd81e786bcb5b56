//! Answers GraphQL requests over HTTP, Server-Sent Events and WebSocket.

pub mod admission;
pub(crate) mod content_negotiation;
pub(crate) mod etag;
pub(crate) mod event_stream;
pub(crate) mod handler;
pub(crate) mod long_body;
pub(crate) mod operation_metrics;
pub(crate) mod request;
pub(crate) mod response;
pub mod response_cache;
pub(crate) mod sse;
pub mod websocket;

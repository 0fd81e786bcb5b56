//! Answers GraphQL requests over HTTP, Server-Sent Events and WebSocket.

pub mod admission;
pub mod content_negotiation;
pub mod etag;
pub mod event_stream;
pub mod handler;
pub mod request;
pub mod response;
pub mod response_cache;
pub mod sse;
pub mod websocket;

//! Subscriptions, the event feed, and instances that share a database.

pub mod activity;
pub mod clients;
pub mod instances;
pub mod replaced_history;
pub mod sse;
pub mod start;
pub mod stream_limits;
pub mod websocket;

//! What the stories use: servers, databases, clients, fixtures.

pub mod binary;
pub mod databases;
pub mod fixtures;
pub mod forged_tokens;
#[macro_use]
pub mod harness;
pub mod identity_provider;
pub mod introspection;
pub mod metrics;
pub mod raw_http;
pub mod silent_proxy;
pub mod statements;
pub mod webhook_receiver;
pub mod websocket_client;

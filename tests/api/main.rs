//! Integration tests over HTTP, on real databases.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[macro_use]
mod support;

mod auth;
mod database;
mod http;
mod import_export;
mod mutations;
mod operations;
mod planner;
mod queries;
mod schema;
mod security;
mod subscriptions;
mod webhooks;

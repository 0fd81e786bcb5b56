//! GraphQL API for the register of the collaboration between ITU-T and the UPU.
//!
//! The modules in reading order; each may use those above it and none below: `domain` decides who may do what, `metrics`
//! counts, `trace` follows requests, `db` reads from the databases, `planner` plans and executes queries, `store` writes, `events` publishes changes,
//! `search` finds records by their words, `graphql` is the API, `webhooks` delivers changes, `http` serves the API.

#![forbid(unsafe_code)]

mod domain;
pub mod error;
pub mod metrics;
pub mod trace;

mod db;

mod planner;
pub mod store;

pub mod events;
pub mod import_export;
pub mod seed;

pub mod search;

pub mod graphql;
pub mod http;
pub mod webhooks;

pub mod config;

//! The register of the collaboration between ITU-T and the UPU, as one GraphQL API.
//!
//! The modules in reading order; each may use those above it and none below: `rules` says who may do
//! what, `rows` asks the databases for the read path, `store` writes, `read` answers queries, `feed` tells what is new, `graphql` is the API, `webhooks`
//! delivers what is new, `http` serves it.

#![forbid(unsafe_code)]

pub mod error;
mod rules;

mod rows;

mod read;
pub mod store;

pub mod bulk;
pub mod feed;
pub mod seed;

pub mod graphql;
pub mod http;
pub mod webhooks;

pub mod config;

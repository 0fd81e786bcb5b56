//! The register as its clients meet it: over HTTP, on real databases.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[macro_use]
mod harness;
mod databases;
mod statements;

mod action_items;
mod bodies;
mod counts;
mod explorer;
mod migrations;
mod pages;
mod permissions;
mod plans;
mod reading;
mod schema;
mod tidy;
mod topics;

//! The register as its clients meet it: over HTTP, on real databases.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[macro_use]
mod harness;
mod databases;
mod filled;
mod program;
mod statements;
mod wire;

mod action_items;
mod answers;
mod bodies;
mod command_line;
mod conformance;
mod counts;
mod data;
mod documents;
mod exchange;
mod explorer;
mod fuzz;
mod history;
mod hostile;
mod hostile_requests;
mod http;
mod liaison_statements;
mod limits;
mod migrations;
mod notes;
mod pages;
mod permissions;
mod plans;
mod problems;
mod publications;
mod reading;
mod reference;
mod refusals;
mod refusals_of_collaboration;
mod report;
mod schema;
mod tidy;
mod tokens;
mod topics;
mod writers;
mod year;

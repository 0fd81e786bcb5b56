//! The register as its clients meet it: over HTTP, on real databases.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[macro_use]
mod harness;
mod databases;
mod filled;
mod forged;
mod program;
mod provider;
mod statements;
mod wire;

mod action_items;
mod answers;
mod around;
mod bodies;
mod command_line;
mod counts;
mod data;
mod exchange;
mod explorer;
mod history;
mod http;
mod identity;
mod issuers;
mod liaison_statements;
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
mod server;
mod tidy;
mod tokens;
mod topics;
mod writers;
mod year;

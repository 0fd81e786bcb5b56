//! The register as its clients meet it: over HTTP, on real databases.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[macro_use]
mod harness;
mod databases;
mod endpoint;
mod filled;
mod forged;
mod program;
mod provider;
mod socket;
mod statements;
mod wire;

mod action_items;
mod answers;
mod around;
mod bodies;
mod clients;
mod command_line;
mod conformance;
mod counts;
mod data;
mod deliveries;
mod documents;
mod events;
mod exchange;
mod explorer;
mod exports;
mod following;
mod fuzz;
mod history;
mod hostile;
mod hostile_requests;
mod http;
mod idempotency;
mod identity;
mod imports;
mod imports_of_collaboration;
mod instances;
mod issuers;
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
mod server;
mod sockets;
mod tidy;
mod tokens;
mod topics;
mod webhooks;
mod writers;
mod year;

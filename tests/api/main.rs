//! The register as its clients meet it: over HTTP, on real databases.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[macro_use]
mod harness;
mod databases;
mod program;
mod statements;
mod wire;

mod command_line;
mod data;
mod http;
mod migrations;
mod reading;
mod schema;
mod tidy;
mod tokens;

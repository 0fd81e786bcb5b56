//! The rules of the register: pure functions over plain values, without database, GraphQL or clock.

pub mod rejection;
pub mod version;
pub mod viewer;

pub mod collation;
pub mod idempotency;
pub mod text;
pub mod validation_errors;

pub mod action_item;
pub mod committee;
pub mod examination;
pub mod liaison_statement;
pub mod mandate;
pub mod note;
pub mod organization;
pub mod overlap;
pub mod publication;
pub mod topic;
pub mod translation;

mod address;
pub mod webhook;

#[cfg(test)]
mod decision_table;

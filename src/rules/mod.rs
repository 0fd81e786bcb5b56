//! The rules of the register: pure functions over plain values, without database, GraphQL or clock.

pub mod refusal;
pub mod version;
pub mod viewer;

pub mod idempotency;
pub mod problems;
pub mod text;

pub mod action_item;
pub mod committee;
pub mod examination;
pub mod note;
pub mod organization;
pub mod publication;
pub mod statement;
pub mod topic;

mod address;
pub mod webhook;

#[cfg(test)]
mod table;

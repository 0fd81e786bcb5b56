//! Writes, and what they refuse.

pub mod absent_variables;
pub mod action_items;
pub mod collaboration_refusals;
pub mod concurrency;
pub mod create_permissions;
pub mod end_to_end;
pub mod every_field;
pub mod idempotency;
pub mod liaison_statements;
pub mod normalized_text;
pub mod notes;
pub mod own_committees;
pub mod permissions;
pub mod publications;
pub mod refusals;
pub mod stale;
pub mod topics;
pub mod translations;
pub mod validation_errors;
pub mod wrong_ids;

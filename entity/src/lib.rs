//! The database's entities, one module per table, and the enums and scalars that they share with the API. Plain data:
//! no rules, no queries.

#![forbid(unsafe_code)]

pub mod id;
pub mod party;
pub mod permission;
pub mod scalar;
pub mod word;

pub mod committee;
pub mod committee_predecessor;
pub mod mandate;
pub mod organization;
pub mod provision;

pub mod topic;
pub mod topic_committee;
pub mod topic_provision;

pub mod action_item;

pub mod publication;
pub mod publication_relation;
pub mod topic_publication;

pub mod examination;
pub mod finding;

pub mod addressee;
pub mod attachment;
pub mod liaison_statement;
pub mod sender;
pub mod statement_topic;

pub mod note;

pub mod overlap_dismissal;

pub mod translation;

pub mod activity;
pub mod counter;
pub mod idempotency_key;

pub mod delivery;
pub mod webhook;

/// Queries join tables by their columns, so no entity describes its relations.
#[derive(Clone, Copy, Debug, sea_orm::EnumIter, sea_orm::DeriveRelation)]
pub enum Relation {}

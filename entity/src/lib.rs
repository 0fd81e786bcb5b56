//! The database's tables, one module each, and the words that tables, rules and API share. Plain data: no rule, no query.

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

pub mod activity;
pub mod counter;

//! Reads.

pub mod arguments;
pub mod bad_arguments;
pub mod exchange;
pub mod filters;
pub mod history;
pub mod language_lists;
pub mod languages;
pub mod list_orders;
pub mod lists;
pub mod mirrors;
pub mod organizations;
pub mod overlaps;
pub mod pages;
pub mod real_data;
pub mod records;
pub mod report;
pub mod response_cache;
pub mod response_size;
pub mod search;
pub mod search_table;
pub mod seed_data;
pub mod shown_texts;
pub mod silent_topics;
pub mod slow_statements;
pub mod truncated_lists;

//! What the planner sends to the database.

pub mod fuzz;
pub mod index_usage;
pub mod orders;
pub mod readme;
pub mod reference_executor;
pub mod snapshots;
pub mod statement_counts;

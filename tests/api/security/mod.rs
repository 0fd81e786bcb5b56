//! Hostile requests and forged tokens.

pub mod documents;
pub mod failures;
pub mod hostile;
pub mod hostile_requests;
pub mod response_memory;

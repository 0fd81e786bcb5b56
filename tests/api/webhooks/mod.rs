//! Deliveries to webhooks.

pub mod deliveries;
pub mod endpoints;
pub mod targets;

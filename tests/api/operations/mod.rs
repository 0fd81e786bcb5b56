//! The command line, settings, health and shutdown.

pub mod alerts;
pub mod backups;
pub mod command_line;
pub mod documentation;
pub mod health;
pub mod log_lines;
pub mod metrics;
pub mod packages;
pub mod process;
pub mod setting_errors;
pub mod settings;
pub mod shutdown;
pub mod traces;

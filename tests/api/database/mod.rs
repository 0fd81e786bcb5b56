//! Faults and set-ups of the databases.

pub mod broken_network;
pub mod failed_writes;
pub mod file_permissions;
pub mod full_disk;
pub mod lost_connections;
pub mod migrations;
pub mod read_only_files;
pub mod reconnects;
pub mod schema_versions;
pub mod start;
pub mod tls;
pub mod two_roles;

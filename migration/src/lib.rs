//! The database migrations, oldest first. A migration that has run anywhere is never changed.

#![forbid(unsafe_code)]

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::prelude::{MigratorTrait, SchemaManager};
pub use sea_orm_migration::seaql_migrations;

mod column;
mod m20261124_000001_bodies;
mod m20261124_000002_topics;
mod m20261124_000003_activity;
mod m20261124_000004_publications;
mod m20261124_000005_statements;
mod m20261124_000006_append_only;
mod m20261124_000007_idempotency;
mod m20261124_000008_notify;
mod m20261124_000009_webhooks;
mod m20261124_000010_newest_topics;
mod m20261126_000011_next_position;
mod m20261126_000012_number_identity;
mod m20261126_000013_codes;
mod m20261127_000016_webhook_ping;
mod m20261127_000017_list_orders;
mod m20261127_000018_webhook_activity;
mod m20261127_000019_translations;
mod m20261127_000020_shown_texts;
mod m20261127_000022_activity_trace;
mod m20261128_000023_overlap_dismissals;
mod m20261128_000024_ping_outcome;

/// The migrator that applies and reverts all migrations.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_bodies::Migration),
            Box::new(m20261124_000002_topics::Migration),
            Box::new(m20261124_000003_activity::Migration),
            Box::new(m20261124_000004_publications::Migration),
            Box::new(m20261124_000005_statements::Migration),
            Box::new(m20261124_000006_append_only::Migration),
            Box::new(m20261124_000007_idempotency::Migration),
            Box::new(m20261124_000008_notify::Migration),
            Box::new(m20261124_000009_webhooks::Migration),
            Box::new(m20261124_000010_newest_topics::Migration),
            Box::new(m20261126_000011_next_position::Migration),
            Box::new(m20261126_000012_number_identity::Migration),
            Box::new(m20261126_000013_codes::Migration),
            Box::new(m20261127_000016_webhook_ping::Migration),
            Box::new(m20261127_000017_list_orders::Migration),
            Box::new(m20261127_000018_webhook_activity::Migration),
            Box::new(m20261127_000019_translations::Migration),
            Box::new(m20261127_000020_shown_texts::Migration),
            Box::new(m20261127_000022_activity_trace::Migration),
            Box::new(m20261128_000023_overlap_dismissals::Migration),
            Box::new(m20261128_000024_ping_outcome::Migration),
        ]
    }
}

//! The idempotency keys.

use sea_orm_migration::prelude::*;

use crate::column::{by_bytes, drop_tables, id, indexes, one_of, words};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("idempotency_key")
                    .col(one_of("party", &["ITU", "UPU", "TSB"]).not_null())
                    .col(by_bytes(manager, words("key", 255).not_null().take()))
                    .col(words("hash", 64).not_null())
                    .col(words("subject_type", 100).not_null())
                    .col(id("subject_id"))
                    .col(
                        ColumnDef::new("created_at")
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .primary_key(Index::create().col("party").col("key"))
                    .take(),
            )
            .await?;
        let plain: [&[_]; 1] = [&["created_at"]];
        indexes(manager, "idempotency_key", &[], &plain).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["idempotency_key"]).await
    }
}

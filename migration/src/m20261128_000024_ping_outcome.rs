//! The outcome of the ping of a webhook. Null for pings that were sent before this migration.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut status = ColumnDef::new("ping_status");
        status.integer();
        let mut response = ColumnDef::new("ping_response");
        response.text();
        for column in [status, response] {
            let mut table = Table::alter();
            manager
                .alter_table(table.table("webhook").add_column(column).take())
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["ping_response", "ping_status"] {
            let mut table = Table::alter();
            manager
                .alter_table(table.table("webhook").drop_column(column).take())
                .await?;
        }
        Ok(())
    }
}

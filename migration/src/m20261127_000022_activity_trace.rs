//! The trace that an activity was part of, so that deliveries to webhooks continue it.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = ColumnDef::new("trace_parent");
        column.text();
        let mut table = Table::alter();
        manager
            .alter_table(table.table("activity").add_column(column).take())
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::alter();
        manager
            .alter_table(table.table("activity").drop_column("trace_parent").take())
            .await
    }
}

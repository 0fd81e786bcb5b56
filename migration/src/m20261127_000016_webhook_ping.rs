//! Whether a webhook was sent its ping. Those that there are have deliveries by now, and get none.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = ColumnDef::new("pinged_at");
        column.timestamp_with_time_zone();
        let mut table = Table::alter();
        manager
            .alter_table(table.table("webhook").add_column(column).take())
            .await?;
        let mut update = Query::update();
        update
            .table("webhook")
            .value("pinged_at", Expr::col("created_at"));
        manager.get_connection().execute(&update).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::alter();
        manager
            .alter_table(table.table("webhook").drop_column("pinged_at").take())
            .await
    }
}

//! Webhooks and their deliveries.

use sea_orm_migration::prelude::*;

use crate::column::{drop_tables, id, indexes, key, one_of, raw, reference, words};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        webhook(manager).await?;
        delivery(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["webhook", "delivery"]).await
    }
}

async fn webhook(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("webhook")
                .col(key())
                .col(one_of("party", &["ITU", "UPU", "TSB"]).not_null())
                .col(words("url", 2000).not_null())
                .col(words("filter", 20000))
                .col(ColumnDef::new("enabled").boolean().not_null())
                .col(ColumnDef::new("deleted").boolean().not_null())
                .col(words("secret", 100).not_null())
                .col(words("former_secret", 100))
                .col(moment("former_until"))
                .col(ColumnDef::new("position").big_integer().not_null())
                .col(moment("failing_since"))
                .col(ColumnDef::new("attempts").integer().not_null())
                .col(moment("next_attempt_at"))
                .col(ColumnDef::new("lease").uuid())
                .col(moment("leased_until"))
                .col(
                    ColumnDef::new("version")
                        .integer()
                        .not_null()
                        .check(raw("\"version\" >= 1")),
                )
                .col(moment("created_at").not_null())
                .col(moment("updated_at").not_null())
                .check(raw("not (\"enabled\" and \"deleted\")"))
                .take(),
        )
        .await?;
    let plain: [&[_]; 2] = [&["party", "created_at", "id"], &["enabled"]];
    indexes(manager, "webhook", &[], &plain).await
}

async fn delivery(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("delivery")
                .col(key())
                .col(id("webhook_id"))
                .col(id("activity_id"))
                .col(ColumnDef::new("position").big_integer().not_null())
                .col(ColumnDef::new("attempts").integer().not_null())
                .col(ColumnDef::new("delivered").boolean().not_null())
                .col(ColumnDef::new("status").integer())
                .col(ColumnDef::new("response").text())
                .col(moment("last_attempt_at").not_null())
                .col(moment("next_attempt_at"))
                .foreign_key(&mut reference("delivery", "webhook_id", "webhook"))
                .foreign_key(&mut reference("delivery", "activity_id", "activity"))
                .check(raw("length(\"response\") <= 1024"))
                .take(),
        )
        .await?;
    let unique: [&[_]; 1] = [&["webhook_id", "position"]];
    let plain: [&[_]; 1] = [&["last_attempt_at"]];
    indexes(manager, "delivery", &unique, &plain).await
}

fn moment(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).timestamp_with_time_zone().take()
}

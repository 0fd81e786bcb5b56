//! Unique numbers of publications, compared without case and with single spaces.

use std::collections::HashSet;

use sea_orm_migration::prelude::*;
use unicode_normalization::UnicodeNormalization;

use crate::column::sort_key;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = sort_key(manager, "number_identity").default("").take();
        let mut table = Table::alter();
        table.table("publication").add_column(column);
        manager.alter_table(table).await?;
        convert(manager.get_connection()).await?;
        let mut index = Index::drop();
        index.name("publication_number_idx").table("publication");
        manager.drop_index(index).await?;
        unique(manager, "number_identity").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut index = Index::drop();
        index
            .name("publication_number_identity_idx")
            .table("publication");
        manager.drop_index(index).await?;
        let mut table = Table::alter();
        table.table("publication").drop_column("number_identity");
        manager.alter_table(table).await?;
        unique(manager, "number").await
    }
}

/// Fills the column of the existing rows. Among rows with the same number, the oldest gets the value; the others remain
/// reachable by their ids only.
async fn convert(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    let mut query = Query::select();
    query
        .column("number")
        .from("publication")
        .order_by("id", Order::Asc);
    let mut taken = HashSet::new();
    for row in db.query_all(&query).await? {
        let number: String = row.try_get_by_index(0)?;
        let mut value = identity(&number);
        if !taken.insert(value.clone()) {
            // No lookup value contains a line break.
            value = format!("\n{number}");
        }
        let mut update = Query::update();
        update
            .table("publication")
            .value("number_identity", value)
            .and_where(Expr::col("number").eq(number));
        db.execute(&update).await?;
    }
    Ok(())
}

/// Copy of the service's function as of this migration.
fn identity(number: &str) -> String {
    let words: Vec<&str> = number.split_whitespace().collect();
    let lower = words.join(" ");
    lower.chars().flat_map(char::to_lowercase).nfc().collect()
}

async fn unique(manager: &SchemaManager<'_>, column: &'static str) -> Result<(), DbErr> {
    crate::column::indexes(manager, "publication", &[&[column]], &[]).await
}

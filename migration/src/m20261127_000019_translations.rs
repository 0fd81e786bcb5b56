//! Translations of the texts of records.

use sea_orm_migration::prelude::*;

use crate::column::{drop_tables, id, one_of, raw, sort_key, words};

#[derive(DeriveMigrationName)]
pub struct Migration;

const LANGUAGES: [&str; 8] = ["AR", "ZH", "EN", "FR", "RU", "ES", "DE", "PT"];
const FIELDS: [&str; 5] = ["NAME", "MANDATE", "TITLE", "SUMMARY", "DESCRIPTION"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The primary key is the index by which the text of a record in a language is found.
        let mut key = Index::create()
            .col("subject_id")
            .col("field")
            .col("language")
            .take();
        let table = Table::create()
            .table("translation")
            .col(words("subject_type", 100).not_null())
            .col(id("subject_id"))
            .col(one_of("field", &FIELDS).not_null())
            .col(one_of("language", &LANGUAGES).not_null())
            .col(words("text", 8000).not_null())
            .col(sort_key(manager, "text_key"))
            .col(ColumnDef::new("folded").text().not_null())
            .col(one_of("kind", &["OFFICIAL", "COURTESY", "MACHINE"]).not_null())
            .col(ColumnDef::new("outdated").boolean().not_null())
            .col(
                ColumnDef::new("subject_version")
                    .integer()
                    .not_null()
                    .check(raw("\"subject_version\" >= 1")),
            )
            .col(one_of("party", &["ITU", "UPU", "TSB"]).not_null())
            .col(
                ColumnDef::new("created_at")
                    .timestamp_with_time_zone()
                    .not_null(),
            )
            .col(
                ColumnDef::new("updated_at")
                    .timestamp_with_time_zone()
                    .not_null(),
            )
            .primary_key(&mut key)
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["translation"]).await
    }
}

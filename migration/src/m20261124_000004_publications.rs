//! Publications, their relations and topics, and their joint examination.

use sea_orm_migration::prelude::*;

use crate::column::{
    drop_tables, first_to_last, id, indexes, key, last_to_first, one_of, raw, reference, sort_key,
    stamps, words,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        publication(manager).await?;
        links(manager).await?;
        examination(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "publication",
            "publication_relation",
            "topic_publication",
            "examination",
            "finding",
        ];
        drop_tables(manager, &tables).await
    }
}

async fn publication(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table
        .table("publication")
        .col(key())
        .col(words("number", 100).not_null())
        .col(sort_key(manager, "number_key"))
        .col(words("title", 500).not_null())
        .col(
            one_of(
                "kind",
                &[
                    "RECOMMENDATION",
                    "SUPPLEMENT",
                    "UPU_STANDARD",
                    "RESOLUTION",
                    "OTHER",
                ],
            )
            .not_null(),
        )
        .col(one_of(
            "status",
            &[
                "DRAFT",
                "PREPUBLISHED",
                "IN_FORCE",
                "SUPERSEDED",
                "WITHDRAWN",
            ],
        ))
        .col(id("organization_id"))
        .col(ColumnDef::new("committee_id").uuid())
        .col(one_of("side", &["ITU", "UPU"]))
        .col(ColumnDef::new("approved_on").date())
        .col(first_to_last(manager, "approved_asc", "approved_on"))
        .col(last_to_first(manager, "approved_desc", "approved_on"))
        .col(words("url", 2000))
        .col(ColumnDef::new("supersedes_id").uuid())
        .col(ColumnDef::new("folded").text().not_null())
        .check(raw("\"supersedes_id\" <> \"id\""))
        .foreign_key(&mut reference(
            "publication",
            "organization_id",
            "organization",
        ))
        .foreign_key(&mut reference("publication", "committee_id", "committee"))
        .foreign_key(&mut reference(
            "publication",
            "supersedes_id",
            "publication",
        ));
    for column in stamps() {
        table.col(column);
    }
    manager.create_table(table).await?;
    let unique: [&[_]; 1] = [&["number"]];
    let plain: [&[_]; 7] = [
        &["number_key", "id"],
        &["approved_asc", "id"],
        &["approved_desc", "id"],
        &["updated_at", "id"],
        &["organization_id", "number_key"],
        &["committee_id"],
        &["supersedes_id", "number_key"],
    ];
    indexes(manager, "publication", &unique, &plain).await
}

async fn links(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("publication_relation")
                .col(id("publication_id"))
                .col(id("related_id"))
                .primary_key(Index::create().col("publication_id").col("related_id"))
                .check(raw("\"publication_id\" <> \"related_id\""))
                .foreign_key(&mut reference(
                    "publication_relation",
                    "publication_id",
                    "publication",
                ))
                .foreign_key(&mut reference(
                    "publication_relation",
                    "related_id",
                    "publication",
                ))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("topic_publication")
                .col(id("topic_id"))
                .col(id("publication_id"))
                .primary_key(Index::create().col("topic_id").col("publication_id"))
                .foreign_key(&mut reference("topic_publication", "topic_id", "topic"))
                .foreign_key(&mut reference(
                    "topic_publication",
                    "publication_id",
                    "publication",
                ))
                .take(),
        )
        .await?;
    let plain: [&[_]; 1] = [&["publication_id", "topic_id"]];
    indexes(manager, "topic_publication", &[], &plain).await
}

async fn examination(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("examination")
                .col(key())
                .col(id("publication_id"))
                .col(one_of("requested_by", &["ITU", "UPU", "TSB"]).not_null())
                .col(words("reason", 8000))
                .col(ColumnDef::new("due_on").date())
                .col(ColumnDef::new("complete").boolean().not_null())
                .col(
                    ColumnDef::new("created_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .foreign_key(&mut reference(
                    "examination",
                    "publication_id",
                    "publication",
                ))
                .take(),
        )
        .await?;
    let plain: [&[_]; 1] = [&["publication_id", "id"]];
    indexes(manager, "examination", &[], &plain).await?;
    manager
        .create_index(
            Index::create()
                .name("examination_one_under_way_idx")
                .table("examination")
                .col("publication_id")
                .unique()
                .and_where(raw("not \"complete\""))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("finding")
                .col(id("examination_id"))
                .col(one_of("side", &["ITU", "UPU"]).not_null())
                .col(
                    one_of(
                        "impact",
                        &["NONE", "INFORMATIVE", "ALIGNMENT_NEEDED", "CONFLICT"],
                    )
                    .not_null(),
                )
                .col(words("statement", 8000).not_null())
                .col(ColumnDef::new("committee_id").uuid())
                .col(
                    ColumnDef::new("found_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .primary_key(Index::create().col("examination_id").col("side"))
                .foreign_key(&mut reference("finding", "examination_id", "examination"))
                .foreign_key(&mut reference("finding", "committee_id", "committee"))
                .take(),
        )
        .await
}

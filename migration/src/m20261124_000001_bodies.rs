//! Organizations, committees and mandates.

use sea_orm_migration::prelude::*;

use crate::column::{
    by_bytes, drop_tables, id, indexes, key, one_of, raw, reference, sort_key, stamps, words,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        organization(manager).await?;
        committee(manager).await?;
        mandate(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "organization",
            "committee",
            "committee_predecessor",
            "mandate",
            "provision",
        ];
        drop_tables(manager, &tables).await
    }
}

async fn organization(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table
        .table("organization")
        .col(key())
        .col(words("acronym", 32).not_null())
        .col(sort_key(manager, "acronym_key"))
        .col(words("name", 500).not_null())
        .col(sort_key(manager, "name_key"))
        .col(
            one_of(
                "kind",
                &[
                    "UNION", "SECTOR", "COUNCIL", "BUREAU", "ASSEMBLY", "PARTNER",
                ],
            )
            .not_null(),
        )
        .col(one_of("side", &["ITU", "UPU"]))
        .col(words("website", 2000))
        .col(ColumnDef::new("parent_id").uuid())
        .col(ColumnDef::new("folded").text().not_null())
        .check(raw("(\"kind\" = 'PARTNER') = (\"side\" is null)"))
        .foreign_key(&mut reference("organization", "parent_id", "organization"));
    for column in stamps() {
        table.col(column);
    }
    manager.create_table(table).await?;
    let unique: [&[_]; 1] = [&["acronym"]];
    let plain: [&[_]; 4] = [
        &["acronym_key", "id"],
        &["name_key", "id"],
        &["updated_at", "id"],
        &["parent_id", "acronym_key"],
    ];
    indexes(manager, "organization", &unique, &plain).await
}

async fn committee(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table
        .table("committee")
        .col(key())
        .col(id("organization_id"))
        .col(words("code", 32).not_null())
        .col(sort_key(manager, "code_key"))
        .col(by_bytes(manager, words("period", 32).not_null().take()))
        .col(words("name", 500).not_null())
        .col(sort_key(manager, "name_key"))
        .col(words("mandate", 8000))
        .col(
            one_of(
                "kind",
                &[
                    "STUDY_GROUP",
                    "ADVISORY_GROUP",
                    "WORKING_PARTY",
                    "QUESTION",
                    "FOCUS_GROUP",
                    "COMMITTEE",
                    "GROUP",
                    "CONTACT_COMMITTEE",
                    "JOINT_GROUP",
                    "SECRETARIAT",
                ],
            )
            .not_null(),
        )
        .col(one_of("status", &["ACTIVE", "CONCLUDED"]).not_null())
        .col(one_of("side", &["ITU", "UPU"]))
        .col(one_of("party", &["ITU", "UPU", "TSB"]))
        .col(ColumnDef::new("starts_on").date())
        .col(ColumnDef::new("ends_on").date())
        .col(ColumnDef::new("parent_id").uuid())
        .col(ColumnDef::new("folded").text().not_null())
        .check(raw("\"ends_on\" >= \"starts_on\""))
        .check(raw("(\"side\" is null) = (\"party\" is null)"))
        .foreign_key(&mut reference(
            "committee",
            "organization_id",
            "organization",
        ))
        .foreign_key(&mut reference("committee", "parent_id", "committee"));
    for column in stamps() {
        table.col(column);
    }
    manager.create_table(table).await?;
    let unique: [&[_]; 1] = [&["organization_id", "code", "period"]];
    let plain: [&[_]; 7] = [
        &["code_key", "id"],
        &["name_key", "id"],
        &["period", "id"],
        &["updated_at", "id"],
        &["organization_id", "code_key"],
        &["parent_id", "code_key"],
        &["status", "code_key"],
    ];
    indexes(manager, "committee", &unique, &plain).await?;

    manager
        .create_table(
            Table::create()
                .table("committee_predecessor")
                .col(id("committee_id"))
                .col(id("predecessor_id"))
                .primary_key(Index::create().col("committee_id").col("predecessor_id"))
                .check(raw("\"committee_id\" <> \"predecessor_id\""))
                .foreign_key(&mut reference(
                    "committee_predecessor",
                    "committee_id",
                    "committee",
                ))
                .foreign_key(&mut reference(
                    "committee_predecessor",
                    "predecessor_id",
                    "committee",
                ))
                .take(),
        )
        .await?;
    let plain: [&[_]; 1] = [&["predecessor_id"]];
    indexes(manager, "committee_predecessor", &[], &plain).await
}

async fn mandate(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("mandate")
                .col(key())
                .col(words("code", 32).not_null().unique_key())
                .col(words("title", 500).not_null())
                .col(words("edition", 500).not_null())
                .col(ColumnDef::new("adopted_on").date())
                .col(ColumnDef::new("history").json().not_null())
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("provision")
                .col(key())
                .col(id("mandate_id"))
                .col(ColumnDef::new("ordinal").integer().not_null())
                .col(
                    one_of(
                        "section",
                        &[
                            "CONSIDERING",
                            "RECOGNIZING",
                            "RECALLING",
                            "OBSERVING",
                            "RESOLVES",
                            "INSTRUCTS",
                        ],
                    )
                    .not_null(),
                )
                .col(words("letter", 32))
                .col(words("summary", 8000).not_null())
                .foreign_key(&mut reference("provision", "mandate_id", "mandate"))
                .take(),
        )
        .await?;
    let unique: [&[_]; 1] = [&["mandate_id", "ordinal"]];
    indexes(manager, "provision", &unique, &[]).await
}

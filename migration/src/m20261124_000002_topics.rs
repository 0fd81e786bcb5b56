//! Topics, their links and their action items.

use sea_orm_migration::prelude::*;

use crate::column::{
    drop_tables, first_to_last, generated, id, indexes, key, last_to_first, one_of, raw, reference,
    sort_key, stamps, words,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        topic(manager).await?;
        links(manager).await?;
        action_item(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = ["topic", "topic_committee", "topic_provision", "action_item"];
        drop_tables(manager, &tables).await
    }
}

const PARTIES: [&str; 3] = ["ITU", "UPU", "TSB"];
const POSITIONS: [&str; 4] = ["PENDING", "AGREED", "DECLINED", "RELEASED"];

const STATUS: &str = "case \
    when 'DECLINED' in (itu_position, upu_position) then 'DECLINED' \
    when 'PENDING' in (itu_position, upu_position) then 'PROPOSED' \
    when itu_position = 'AGREED' and upu_position = 'AGREED' then 'ACTIVE' \
    when itu_position = 'RELEASED' and upu_position = 'RELEASED' then 'RETIRED' \
    else 'CLOSING' end";

async fn topic(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table
        .table("topic")
        .col(key())
        .col(ColumnDef::new("number").integer().not_null())
        .col(words("title", 500).not_null())
        .col(sort_key(manager, "title_key"))
        .col(words("summary", 8000).not_null())
        .col(one_of("proposed_by", &PARTIES).not_null())
        .col(one_of("itu_position", &POSITIONS).not_null())
        .col(words("itu_reason", 8000))
        .col(ColumnDef::new("itu_taken_at").timestamp_with_time_zone())
        .col(one_of("upu_position", &POSITIONS).not_null())
        .col(words("upu_reason", 8000))
        .col(ColumnDef::new("upu_taken_at").timestamp_with_time_zone())
        .col(generated(ColumnDef::new("status").text(), STATUS))
        .col(ColumnDef::new("review_on").date())
        .col(first_to_last(manager, "review_asc", "review_on"))
        .col(last_to_first(manager, "review_desc", "review_on"))
        .col(ColumnDef::new("illustrative").boolean().not_null())
        .col(ColumnDef::new("folded").text().not_null());
    for column in stamps() {
        table.col(column);
    }
    manager.create_table(table).await?;
    let unique: [&[_]; 1] = [&["number"]];
    let plain: [&[_]; 6] = [
        &["title_key", "id"],
        &["review_asc", "id"],
        &["review_desc", "id"],
        &["created_at", "id"],
        &["updated_at", "id"],
        &["status", "number"],
    ];
    indexes(manager, "topic", &unique, &plain).await
}

async fn links(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("topic_committee")
                .col(id("topic_id"))
                .col(id("committee_id"))
                .col(one_of("role", &["LEAD", "CONTRIBUTING", "INFORMED"]).not_null())
                .col(one_of("party", &PARTIES))
                .primary_key(Index::create().col("topic_id").col("committee_id"))
                .check(raw(
                    "\"role\" <> 'LEAD' or (\"party\" is not null and \"party\" <> 'TSB')",
                ))
                .foreign_key(&mut reference("topic_committee", "topic_id", "topic"))
                .foreign_key(&mut reference(
                    "topic_committee",
                    "committee_id",
                    "committee",
                ))
                .take(),
        )
        .await?;
    let plain: [&[_]; 1] = [&["committee_id", "topic_id"]];
    indexes(manager, "topic_committee", &[], &plain).await?;
    manager
        .create_index(
            Index::create()
                .name("topic_committee_one_lead_idx")
                .table("topic_committee")
                .col("topic_id")
                .col("party")
                .unique()
                .and_where(raw("\"role\" = 'LEAD'"))
                .take(),
        )
        .await?;

    manager
        .create_table(
            Table::create()
                .table("topic_provision")
                .col(id("topic_id"))
                .col(id("provision_id"))
                .primary_key(Index::create().col("topic_id").col("provision_id"))
                .foreign_key(&mut reference("topic_provision", "topic_id", "topic"))
                .foreign_key(&mut reference(
                    "topic_provision",
                    "provision_id",
                    "provision",
                ))
                .take(),
        )
        .await?;
    let plain: [&[_]; 1] = [&["provision_id", "topic_id"]];
    indexes(manager, "topic_provision", &[], &plain).await
}

async fn action_item(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table
        .table("action_item")
        .col(key())
        .col(ColumnDef::new("number").integer().not_null())
        .col(id("topic_id"))
        .col(id("committee_id"))
        .col(ColumnDef::new("counterpart_id").uuid())
        .col(words("title", 500).not_null())
        .col(words("description", 8000))
        .col(
            one_of(
                "status",
                &[
                    "REQUESTED",
                    "OPEN",
                    "IN_PROGRESS",
                    "POSTPONED",
                    "DONE",
                    "CONFIRMED",
                    "DECLINED",
                    "WITHDRAWN",
                ],
            )
            .not_null(),
        )
        .col(one_of("priority", &["LOW", "NORMAL", "HIGH"]).not_null())
        .col(generated(
            ColumnDef::new("priority_rank").integer(),
            "case priority when 'LOW' then 1 when 'NORMAL' then 2 else 3 end",
        ))
        .col(ColumnDef::new("due_on").date())
        .col(first_to_last(manager, "due_asc", "due_on"))
        .col(last_to_first(manager, "due_desc", "due_on"))
        .col(one_of("side", &["ITU", "UPU"]).not_null())
        .col(one_of("owned_by", &PARTIES).not_null())
        .col(one_of("requested_by", &PARTIES).not_null())
        .col(words("outcome", 8000))
        .col(ColumnDef::new("completed_at").timestamp_with_time_zone())
        .col(words("external_key", 100))
        .col(ColumnDef::new("illustrative").boolean().not_null())
        .col(ColumnDef::new("folded").text().not_null())
        .check(raw(
            "(\"status\" in ('DONE', 'CONFIRMED')) = (\"completed_at\" is not null)",
        ))
        .foreign_key(&mut reference("action_item", "topic_id", "topic"))
        .foreign_key(&mut reference("action_item", "committee_id", "committee"))
        .foreign_key(&mut reference("action_item", "counterpart_id", "committee"));
    for column in stamps() {
        table.col(column);
    }
    manager.create_table(table).await?;
    let unique: [&[_]; 2] = [&["number"], &["requested_by", "external_key"]];
    let plain: [&[_]; 12] = [
        &["due_asc", "id"],
        &["due_desc", "id"],
        &["priority_rank", "id"],
        &["created_at", "id"],
        &["updated_at", "id"],
        &["topic_id", "number"],
        &["topic_id", "due_asc", "id"],
        &["committee_id", "number"],
        &["counterpart_id", "number"],
        &["status", "number"],
        &["status", "due_asc", "id"],
        &["owned_by", "status"],
    ];
    indexes(manager, "action_item", &unique, &plain).await
}

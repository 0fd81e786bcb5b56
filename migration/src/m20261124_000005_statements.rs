//! Liaison statements, notes and reminders.

use sea_orm_migration::prelude::*;

use crate::column::{drop_tables, id, indexes, key, one_of, raw, reference, words};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statement(manager).await?;
        parts(manager).await?;
        note(manager).await?;
        let mut reminders = ColumnDef::new("reminders");
        reminders.integer().not_null().default(0);
        manager
            .alter_table(
                Table::alter()
                    .table("action_item")
                    .add_column(reminders)
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let alter = Table::alter()
            .table("action_item")
            .drop_column("reminders")
            .take();
        manager.alter_table(alter).await?;
        manager
            .execute(
                Query::delete()
                    .from_table("counter")
                    .and_where(Expr::col("name").eq("liaison_statement"))
                    .take(),
            )
            .await?;
        let tables = [
            "liaison_statement",
            "sender",
            "addressee",
            "attachment",
            "statement_topic",
            "note",
        ];
        drop_tables(manager, &tables).await
    }
}

async fn statement(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("liaison_statement")
                .col(key())
                .col(ColumnDef::new("number").integer().not_null())
                .col(words("title", 500).not_null())
                .col(words("body", 20000))
                .col(words("contact", 500))
                .col(ColumnDef::new("in_reply_to_id").uuid())
                .col(one_of("sent_by", &["ITU", "UPU", "TSB"]).not_null())
                .col(one_of("side", &["ITU", "UPU"]).not_null())
                .col(
                    ColumnDef::new("sent_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .col(ColumnDef::new("folded").text().not_null())
                .foreign_key(&mut reference(
                    "liaison_statement",
                    "in_reply_to_id",
                    "liaison_statement",
                ))
                .take(),
        )
        .await?;
    let unique: [&[_]; 1] = [&["number"]];
    let plain: [&[_]; 3] = [
        &["in_reply_to_id", "number"],
        &["sent_at", "number"],
        &["side", "number"],
    ];
    indexes(manager, "liaison_statement", &unique, &plain).await?;
    manager
        .execute(
            Query::insert()
                .into_table("counter")
                .columns(["name", "value"])
                .values_panic(["liaison_statement".into(), 0_i64.into()])
                .take(),
        )
        .await
}

async fn parts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let of_statement = |table| reference(table, "statement_id", "liaison_statement");
    manager
        .create_table(
            Table::create()
                .table("sender")
                .col(id("statement_id"))
                .col(id("committee_id"))
                .col(ColumnDef::new("ordinal").integer().not_null())
                .primary_key(Index::create().col("statement_id").col("committee_id"))
                .foreign_key(&mut of_statement("sender"))
                .foreign_key(&mut reference("sender", "committee_id", "committee"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("addressee")
                .col(id("statement_id"))
                .col(id("committee_id"))
                .col(ColumnDef::new("ordinal").integer().not_null())
                .col(one_of("purpose", &["ACTION", "COMMENT", "INFORMATION"]).not_null())
                .col(ColumnDef::new("reply_by").date())
                .col(ColumnDef::new("replied_at").timestamp_with_time_zone())
                .primary_key(Index::create().col("statement_id").col("committee_id"))
                .check(raw("\"reply_by\" is null or \"purpose\" = 'ACTION'"))
                .foreign_key(&mut of_statement("addressee"))
                .foreign_key(&mut reference("addressee", "committee_id", "committee"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("attachment")
                .col(id("statement_id"))
                .col(ColumnDef::new("ordinal").integer().not_null())
                .col(words("name", 500).not_null())
                .col(words("url", 2000).not_null())
                .primary_key(Index::create().col("statement_id").col("ordinal"))
                .foreign_key(&mut of_statement("attachment"))
                .take(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table("statement_topic")
                .col(id("statement_id"))
                .col(id("topic_id"))
                .primary_key(Index::create().col("statement_id").col("topic_id"))
                .foreign_key(&mut of_statement("statement_topic"))
                .foreign_key(&mut reference("statement_topic", "topic_id", "topic"))
                .take(),
        )
        .await?;
    let by_committee: [&[_]; 1] = [&["committee_id", "statement_id"]];
    indexes(manager, "sender", &[], &by_committee).await?;
    indexes(manager, "addressee", &[], &by_committee).await?;
    let by_topic: [&[_]; 1] = [&["topic_id", "statement_id"]];
    indexes(manager, "statement_topic", &[], &by_topic).await
}

async fn note(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("note")
                .col(key())
                .col(words("subject_type", 100).not_null())
                .col(id("subject_id"))
                .col(ColumnDef::new("topic_id").uuid())
                .col(ColumnDef::new("body").text().not_null())
                .col(one_of("party", &["ITU", "UPU", "TSB"]).not_null())
                .col(ColumnDef::new("retracted").boolean().not_null())
                .col(
                    ColumnDef::new("created_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .foreign_key(&mut reference("note", "topic_id", "topic"))
                .check(raw("\"retracted\" = (length(\"body\") = 0)"))
                .check(raw("length(\"body\") <= 20000"))
                .take(),
        )
        .await?;
    let plain: [&[_]; 1] = [&["subject_id", "created_at", "id"]];
    indexes(manager, "note", &[], &plain).await
}

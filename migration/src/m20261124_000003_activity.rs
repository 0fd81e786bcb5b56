//! The activity log and the counters. The check on `verb` lists the verbs of the whole API, because SQLite cannot
//! widen a check constraint later without replacing the definition of the table.

use sea_orm_migration::prelude::*;

use crate::column::{drop_tables, id, indexes, key, one_of, reference, words};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("activity")
                    .col(key())
                    .col(ColumnDef::new("position").big_integer().not_null())
                    .col(ColumnDef::new("at").timestamp_with_time_zone().not_null())
                    .col(words("actor", 500).not_null())
                    .col(one_of("party", &["ITU", "UPU", "TSB"]).not_null())
                    .col(
                        one_of(
                            "verb",
                            &[
                                "CREATED",
                                "UPDATED",
                                "TRANSLATED",
                                "POSITION_TAKEN",
                                "COMMITTEE_LINKED",
                                "COMMITTEE_UNLINKED",
                                "REAFFIRMED",
                                "STATUS_CHANGED",
                                "REMINDED",
                                "NOTED",
                                "NOTE_RETRACTED",
                                "EXAMINATION_REQUESTED",
                                "FINDING_RECORDED",
                                "SENT",
                                "REPLIED",
                                "CONCLUDED",
                            ],
                        )
                        .not_null(),
                    )
                    .col(words("subject_type", 100).not_null())
                    .col(id("subject_id"))
                    .col(ColumnDef::new("topic_id").uuid())
                    .col(ColumnDef::new("itu").boolean().not_null())
                    .col(ColumnDef::new("upu").boolean().not_null())
                    .col(ColumnDef::new("changes").json().not_null())
                    .foreign_key(&mut reference("activity", "topic_id", "topic"))
                    .take(),
            )
            .await?;
        let unique: [&[_]; 1] = [&["position"]];
        let plain: [&[_]; 2] = [&["subject_id", "position"], &["topic_id", "position"]];
        indexes(manager, "activity", &unique, &plain).await?;

        manager
            .create_table(
                Table::create()
                    .table("counter")
                    .col(ColumnDef::new("name").text().primary_key())
                    .col(ColumnDef::new("value").big_integer().not_null())
                    .take(),
            )
            .await?;
        manager
            .execute(
                Query::insert()
                    .into_table("counter")
                    .columns(["name", "value"])
                    .values_panic(["activity".into(), 0_i64.into()])
                    .values_panic(["topic".into(), 0_i64.into()])
                    .values_panic(["action_item".into(), 0_i64.into()])
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["activity", "counter"]).await
    }
}

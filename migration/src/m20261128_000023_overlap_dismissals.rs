//! Pairs of texts that a side found to be different, and the verb for it in the log.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, Statement};

use crate::column::{drop_tables, id, indexes, one_of, words};

#[derive(DeriveMigrationName)]
pub struct Migration;

const VERBS: &str = "'CREATED', 'UPDATED', 'TRANSLATED', 'POSITION_TAKEN', 'COMMITTEE_LINKED', 'COMMITTEE_UNLINKED', \
    'REAFFIRMED', 'STATUS_CHANGED', 'REMINDED', 'NOTED', 'NOTE_RETRACTED', 'EXAMINATION_REQUESTED', 'FINDING_RECORDED', \
    'SENT', 'REPLIED', 'CONCLUDED'";
const BEFORE: &str = "'NOTE_RETRACTED', ";
const ADDED: &str = "'OVERLAP_DISMISSED', ";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let verbs = [VERBS, &VERBS.replace(BEFORE, &format!("{BEFORE}{ADDED}"))];
        replace_verbs(manager, verbs).await?;
        let mut key = Index::create().col("itu_id").col("upu_id").take();
        let table = Table::create()
            .table("overlap_dismissal")
            .col(words("itu_type", 100).not_null())
            .col(id("itu_id"))
            .col(words("upu_type", 100).not_null())
            .col(id("upu_id"))
            .col(words("reason", 8000).not_null())
            .col(one_of("party", &["ITU", "UPU"]).not_null())
            .col(
                ColumnDef::new("created_at")
                    .timestamp_with_time_zone()
                    .not_null(),
            )
            .primary_key(&mut key)
            .take();
        manager.create_table(table).await?;
        indexes(manager, "overlap_dismissal", &[], &[&["upu_id"]]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "select 1 from activity where verb = 'OVERLAP_DISMISSED' limit 1";
        let statement = Statement::from_string(manager.get_database_backend(), sql);
        let logged = manager.get_connection().query_one_raw(statement).await?;
        if logged.is_some() {
            return Err(DbErr::Migration(
                "the history has dismissed overlaps, which the version before does not know: restore a backup instead"
                    .to_owned(),
            ));
        }
        let verbs = [&VERBS.replace(BEFORE, &format!("{BEFORE}{ADDED}")), VERBS];
        replace_verbs(manager, verbs).await?;
        drop_tables(manager, &["overlap_dismissal"]).await
    }
}

/// Replaces the verbs that the log may have.
async fn replace_verbs(manager: &SchemaManager<'_>, [from, to]: [&str; 2]) -> Result<(), DbErr> {
    let db = manager.get_connection();
    if manager.get_database_backend() == DbBackend::Postgres {
        let sql = format!(
            "alter table activity drop constraint activity_verb_check, \
             add constraint activity_verb_check check (verb in ({to}))"
        );
        db.execute_unprepared(&sql).await?;
        return Ok(());
    }
    // SQLite cannot change a check. Its documentation allows to replace the definition of a table where that changes
    // nothing of what is stored (https://sqlite.org/lang_altertable.html). Other connections read the schema again
    // because a table is created or dropped next.
    let (from, to) = (from.replace('\'', "''"), to.replace('\'', "''"));
    db.execute_unprepared("pragma writable_schema = on").await?;
    let sql = format!(
        "update sqlite_schema set sql = replace(sql, '{from}', '{to}') where type = 'table' and name = 'activity'"
    );
    db.execute_unprepared(&sql).await?;
    db.execute_unprepared("pragma writable_schema = reset")
        .await?;
    let sql = format!(
        "select 1 from sqlite_schema where type = 'table' and name = 'activity' and instr(sql, '{to}') > 0"
    );
    let replaced = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql));
    if replaced.await?.is_none() {
        let message = "the table `activity` has another check on `verb` than expected";
        return Err(DbErr::Migration(message.to_owned()));
    }
    Ok(())
}

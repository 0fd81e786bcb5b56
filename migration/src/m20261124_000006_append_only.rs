//! Triggers that make the log append-only.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::column::indexes;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // For reports about a period.
        indexes(manager, "activity", &[], &[&["verb", "at"]]).await?;
        // SeaQuery cannot create triggers.
        let statements: &[&str] = match manager.get_database_backend() {
            DbBackend::Postgres => &[
                "create function activity_stays() returns trigger language plpgsql as \
                 $$ begin raise exception 'the log is only ever added to'; end $$",
                "create trigger activity_stays before update or delete or truncate on activity \
                 for each statement execute function activity_stays()",
            ],
            _ => &[
                "create trigger activity_stays_as_it_is before update on activity \
                 begin select raise(abort, 'the log is only ever added to'); end",
                "create trigger activity_stays before delete on activity \
                 begin select raise(abort, 'the log is only ever added to'); end",
            ],
        };
        run(manager, statements).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements: &[&str] = match manager.get_database_backend() {
            DbBackend::Postgres => &[
                "drop trigger activity_stays on activity",
                "drop function activity_stays()",
            ],
            _ => &[
                "drop trigger activity_stays_as_it_is",
                "drop trigger activity_stays",
            ],
        };
        run(manager, statements).await?;
        let mut index = Index::drop();
        index.name("activity_verb_at_idx").table("activity");
        manager.drop_index(index).await
    }
}

async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

//! A trigger on PostgreSQL that notifies all instances of new log entries, also of those that other programs insert.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SeaQuery cannot create triggers. One notification per statement, sent when its transaction commits.
        let statements = [
            "create function activity_tells() returns trigger language plpgsql as \
             $$ begin perform pg_notify('liaison_activity', max(position)::text) from added; return null; end $$",
            "create trigger activity_tells after insert on activity referencing new table as added \
             for each statement execute function activity_tells()",
        ];
        on_postgres(manager, &statements).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            "drop trigger activity_tells on activity",
            "drop function activity_tells()",
        ];
        on_postgres(manager, &statements).await
    }
}

async fn on_postgres(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        for statement in statements {
            let done = manager.get_connection().execute_unprepared(statement);
            done.await?;
        }
    }
    Ok(())
}

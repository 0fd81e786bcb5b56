//! Triggers that accept only the next position of the log: no entry is replaced or inserted before another.
//!
//! The next position is the counter's value and greater than all others. While the counter is 0, an export is being
//! restored, and positions may have gaps: an export omits the activities of webhooks.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SeaQuery cannot create triggers.
        let statements: &[&str] = match manager.get_database_backend() {
            // Once per statement, so that many rows cost one check. Positions and ids are unique.
            DbBackend::Postgres => &[
                "create function activity_next_position() returns trigger language plpgsql as $$
                 declare
                     first bigint;
                     last bigint;
                     added_rows bigint;
                 begin
                     select min(position), max(position), count(*) into first, last, added_rows from added;
                     if first < 1
                         or added_rows <> (select count(*) from activity where position >= first)
                         or last > (select value from counter where name = 'activity' and value > 0)
                     then
                         raise exception 'the log is only ever added to, at its next position';
                     end if;
                     return null;
                 end $$",
                "create trigger activity_next_position after insert on activity
                 referencing new table as added
                 for each statement execute function activity_next_position()",
            ],
            // `insert or replace` deletes the row with the same id, position or rowid without firing a `delete`
            // trigger. The rowid is -1 here unless the statement sets it.
            _ => &["create trigger activity_next_position before insert on activity
                 when new.position <= (select coalesce(max(position), 0) from activity)
                     or new.position > (select value from counter where name = 'activity' and value > 0)
                     or exists (select 1 from activity where id = new.id)
                     or exists (select 1 from activity where rowid = new.rowid)
                 begin select raise(abort, 'the log is only ever added to, at its next position'); end"],
        };
        run(manager, statements).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements: &[&str] = match manager.get_database_backend() {
            DbBackend::Postgres => &[
                "drop trigger activity_next_position on activity",
                "drop function activity_next_position()",
            ],
            _ => &["drop trigger activity_next_position"],
        };
        run(manager, statements).await
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

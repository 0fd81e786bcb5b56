//! Dry runs: tries a write on a private copy of the register, so that it blocks no other writer.

use std::time::Instant;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend};
use tempfile::TempDir;

use crate::domain::viewer::Actor;
use crate::error::{INSUFFICIENT_PRIVILEGE, database_code};
use crate::import_export::ImportError;
use crate::store::Database;
use crate::store::transaction::WriteTransaction;
use crate::store::watchdog::Session;

/// Copies the tables into temporary tables, which PostgreSQL resolves first. The log is long and a write only appends
/// to it, so its copy is empty.
const COPY: &str = "
set local statement_timeout = 0;
do $$
declare
    source record;
    columns text;
begin
    for source in
        select oid::regclass as name, relname from pg_class
        where relkind = 'r' and pg_table_is_visible(oid) and relnamespace = current_schema()::regnamespace
        and relname <> 'seaql_migrations'
    loop
        execute format('create temporary table %I (like %s including all) on commit drop', source.relname, source.name);
        if source.relname <> 'activity' and source.relname not like '%\\_version' then
            select string_agg(quote_ident(attname), ', ') into columns from pg_attribute
            where attrelid = source.name and attnum > 0 and not attisdropped and attgenerated = '';
            execute format('insert into %1$I (%2$s) select %2$s from %3$s', source.relname, columns, source.name);
        end if;
    end loop;
end $$;
discard plans";

/// A write on a copy, which is never committed.
pub struct Rehearsal {
    pub writing: WriteTransaction,
    pub session: Session,
    pub started_at: Instant,
    _copy: Option<TempDir>,
}

impl Rehearsal {
    /// Copies the current state of the register. Takes no lock that a writer needs.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read, or there is no space for a copy.
    pub async fn begin(
        db: &Database,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Self, ImportError> {
        if db.orm_write.get_database_backend() == DbBackend::Postgres {
            let transaction = db.snapshot().await?;
            let session = db.session(&transaction).await?;
            let copied = transaction.execute_unprepared(COPY);
            let copied = db.watched(session, copied).await;
            copied.map_err(|error| match database_code(&error).as_deref() {
                Some(INSUFFICIENT_PRIVILEGE) => ImportError::Privilege(
                    "a dry run, and an import of more than 500 records, needs the privilege TEMPORARY on the \
                     database: run it as the role that owns the tables",
                ),
                _ => error.into(),
            })?;
            let writing = WriteTransaction::on_copy(db, transaction, actor, now);
            return Ok(Self {
                writing: db.watched(session, writing).await?,
                session,
                started_at: Instant::now(),
                _copy: None,
            });
        }
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("copy.db");
        db.copy_to(&file).await?;
        let copy = Database::connect(&format!("sqlite:{}", file.display()), 1).await?;
        Ok(Self {
            writing: WriteTransaction::begin(&copy, actor, now).await?,
            session: Session::default(),
            started_at: Instant::now(),
            _copy: Some(directory),
        })
    }
}

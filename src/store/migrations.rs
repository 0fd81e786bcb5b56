//! Compares the schema of the database with the migrations of this program, and brings one to the other.

use migration::{Migrator, MigratorTrait, SchemaManager, seaql_migrations};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryOrder, Statement,
};

use super::Database;
use crate::db::ReadConnection;
use crate::error::{INSUFFICIENT_PRIVILEGE, database_code};

/// The migrations that a database has and those that this program knows. Each is named by its version, in order of time.
#[derive(Clone, Debug)]
pub struct SchemaVersions {
    pub applied: Vec<String>,
    known: Vec<String>,
}

impl SchemaVersions {
    /// Returns the migrations that the database still needs.
    #[must_use]
    pub fn pending(&self) -> Vec<&str> {
        missing(&self.known, &self.applied)
    }

    /// Returns the migrations that this program does not know: a newer one has applied them.
    #[must_use]
    pub fn unknown(&self) -> Vec<&str> {
        missing(&self.applied, &self.known)
    }

    /// Returns the last migration that was applied.
    #[must_use]
    pub fn current(&self) -> Option<&str> {
        self.applied.last().map(String::as_str)
    }

    /// Checks that this program knows all migrations of the database.
    ///
    /// # Errors
    /// Returns a line with both versions if the database is newer.
    fn check_not_newer(&self) -> Result<(), String> {
        let Some(newest) = self.unknown().last().copied() else {
            return Ok(());
        };
        let needed = self.known.last().map_or("none", String::as_str);
        Err(format!(
            "the database has version {newest}, which is newer than version {needed} of this program: run a newer \
             program, or go back with `liaison migrate --down {needed}` of the newer one"
        ))
    }

    /// Checks that this program can work with the database as it is.
    ///
    /// # Errors
    /// Returns a line with both versions if the database is newer or older.
    pub fn check(&self) -> Result<(), String> {
        self.check_not_newer()?;
        let pending = self.pending();
        let Some(needed) = pending.last() else {
            return Ok(());
        };
        let state = self.current().map_or_else(
            || "the database has no tables".to_owned(),
            |current| format!("the database has version {current}"),
        );
        Err(format!(
            "{state}, and this program needs version {needed}: run `liaison migrate` first"
        ))
    }
}

fn missing<'a>(from: &'a [String], other: &[String]) -> Vec<&'a str> {
    let versions = from.iter().filter(|version| !other.contains(version));
    versions.map(String::as_str).collect()
}

impl Database {
    /// Returns the versions of the database and of this program. It only reads.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn schema_versions(&self) -> Result<SchemaVersions, DbErr> {
        let applied = async {
            if !self.has_migration_table().await? {
                return Ok(Vec::new());
            }
            let query = seaql_migrations::Entity::find()
                .order_by_asc(seaql_migrations::Column::Version)
                .all(&self.orm_read);
            query.await
        };
        let applied = self.query(applied).await?;
        let known = Migrator::migrations();
        Ok(SchemaVersions {
            applied: applied.into_iter().map(|row| row.version).collect(),
            known: known.iter().map(|known| known.name().to_owned()).collect(),
        })
    }

    async fn has_migration_table(&self) -> Result<bool, DbErr> {
        let table = Migrator::migration_table_name().to_string();
        if let ReadConnection::Sqlite(connection) = &self.orm_read {
            return SchemaManager::new(connection).has_table(table).await;
        }
        // Other than `information_schema`, this finds a table that the role may not read: that is another error.
        let name = format!("\"{table}\"");
        let query = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "select to_regclass($1) is not null",
            [name.into()],
        );
        let row = self.orm_read.query_one_raw(query).await?;
        row.map_or(Ok(false), |row| row.try_get_by_index(0))
    }

    /// Applies the migrations that are missing, and returns their versions. If none are, it only reads. Several
    /// instances may start at once: one migrates, the others wait.
    ///
    /// # Errors
    /// Returns an error if the database is newer than this program, its role may not change tables, or it fails.
    pub async fn migrate(&self) -> Result<Vec<String>, DbErr> {
        let versions = self.schema_versions().await?;
        versions.check_not_newer().map_err(DbErr::Migration)?;
        let Err(reason) = versions.check() else {
            return Ok(Vec::new());
        };
        let migrated = async {
            let (transaction, session, _permit) = self.exclusive().await?;
            // Another instance may have migrated meanwhile.
            let versions = self.schema_versions().await?;
            self.watched(session, Migrator::up(&transaction, None))
                .await?;
            self.watched(session, transaction.commit()).await?;
            Ok(versions.pending().into_iter().map(str::to_owned).collect())
        };
        migrated.await.map_err(|error| {
            if database_code(&error).as_deref() == Some(INSUFFICIENT_PRIVILEGE) {
                let who = "as the role that owns the tables: this role may not change them";
                DbErr::Migration(format!("{reason}, {who}"))
            } else {
                error
            }
        })
    }

    /// Reverts the migrations after `version`, newest first, all or none of them. Returns their versions.
    ///
    /// # Errors
    /// Returns an error if the database does not have that version, is newer than this program, or fails.
    pub async fn migrate_down(&self, version: &str) -> Result<Vec<String>, DbErr> {
        let (transaction, session, _permit) = self.exclusive().await?;
        let versions = self.schema_versions().await?;
        versions.check_not_newer().map_err(DbErr::Migration)?;
        let Some(target) = versions
            .applied
            .iter()
            .position(|applied| applied == version)
        else {
            return Err(DbErr::Migration(format!(
                "the database does not have version {version}: `liaison migrate --status` lists those that it has"
            )));
        };
        let reverted: Vec<String> = versions
            .applied
            .into_iter()
            .skip(target + 1)
            .rev()
            .collect();
        let steps = u32::try_from(reverted.len()).unwrap_or(u32::MAX);
        self.watched(session, Migrator::down(&transaction, Some(steps)))
            .await?;
        self.watched(session, transaction.commit()).await?;
        Ok(reverted)
    }
}

/// Brings the tables up to date in a transaction that may be rolled back.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn migrate_within(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    Migrator::up(transaction, None).await
}

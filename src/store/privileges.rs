//! Whether the database can be written: the privileges of the role on PostgreSQL, the permissions of the file on SQLite.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::health::is_file_inaccessible;
use super::{Database, begin};

/// What to do if a privilege is missing.
pub const GRANT: &str = "grant the role what docs/operations.md lists under `Two roles on PostgreSQL`, or run this as the role that owns the tables";

/// The tables of this program. A newer one may have added others.
pub const TABLES: &str = "action_item activity addressee attachment committee committee_predecessor counter delivery \
    examination finding idempotency_key liaison_statement mandate note organization overlap_dismissal provision \
    publication publication_relation seaql_migrations sender statement_topic topic topic_committee topic_provision \
    topic_publication translation webhook";

/// Returns a query of the privileges that the role lacks. docs/operations.md grants them.
pub(super) fn missing_query() -> String {
    format!(
        "select privilege, privilege || ' on ' || name as missing
        from unnest(string_to_array('{TABLES}', ' ')) name,
            unnest(array['select', 'insert', 'update', 'delete']) privilege
        where not has_table_privilege(to_regclass(name), privilege)
            and case privilege
                when 'select' then true
                when 'insert' then name <> 'seaql_migrations'
                when 'update' then name not in ('activity', 'seaql_migrations')
                else name in ('committee_predecessor', 'delivery', 'idempotency_key', 'topic_committee',
                    'topic_provision', 'topic_publication', 'translation', 'webhook')
            end"
    )
}

/// How many missing privileges an error names.
const SHOWN: usize = 5;

impl Database {
    /// Returns whether SQLite can only read its file. SQLite decides it: a program that opens the file beside it releases
    /// the locks of the whole process when it closes the file, and others then delete the write-ahead log in use.
    pub async fn is_read_only(&self) -> bool {
        if self.is_shared() {
            return false;
        }
        // SQLite begins such a transaction even if it can only read, and refuses a statement that could write.
        let Ok((transaction, _permit)) = begin(self).await else {
            return false;
        };
        let nothing = "delete from seaql_migrations where false";
        let written = transaction.execute_unprepared(nothing).await;
        written.is_err_and(|error| is_file_inaccessible(&error))
    }

    /// Returns the privileges on tables that the role lacks, to write or else to read; `None` if it has them all.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn missing_privileges(&self, writes: bool) -> Result<Option<String>, DbErr> {
        if !self.is_shared() {
            return Ok(None);
        }
        let of_reads = if writes {
            ""
        } else {
            " and privilege = 'select'"
        };
        let query = format!("{}{of_reads} order by 2", missing_query());
        let query = Statement::from_string(DbBackend::Postgres, query);
        let rows = self.query(self.orm_read.query_all_raw(query)).await?;
        let missing = rows.iter().map(|row| row.try_get_by_index(1));
        let missing: Vec<String> = missing.collect::<Result<_, _>>()?;
        let shown = missing.iter().take(SHOWN).cloned().collect::<Vec<_>>();
        let more = match missing.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Ok((!missing.is_empty()).then(|| format!("{}{more}", shown.join(", "))))
    }
}

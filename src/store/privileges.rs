//! The privileges that the role of the service needs on the tables, on PostgreSQL.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Database;

/// What to do if a privilege is missing.
pub const GRANT: &str = "grant the role what docs/operations.md lists under `Two roles on PostgreSQL`, or run this as the role that owns the tables";

/// Selects the privileges that the role lacks on the tables that were made with that of the migrations.
/// docs/operations.md grants them.
pub(super) const MISSING: &str = "
    select privilege, format('%s on %s', privilege, relname) as text
    from pg_class, unnest(array['select', 'insert', 'update', 'delete']) privilege
    where relkind = 'r'
        and (relnamespace, relowner) in (
            select relnamespace, relowner from pg_class where oid = to_regclass('seaql_migrations'))
        and case privilege
            when 'select' then true
            when 'insert' then relname <> 'seaql_migrations'
            when 'update' then relname not in ('activity', 'seaql_migrations')
            else relname in ('committee_predecessor', 'delivery', 'idempotency_key', 'topic_committee',
                'topic_provision', 'topic_publication', 'translation', 'webhook')
        end
        and not has_table_privilege(oid, privilege)";

/// How many missing privileges an error names.
const SHOWN: usize = 5;

impl Database {
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
        let query = format!("{MISSING}{of_reads} order by 2");
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

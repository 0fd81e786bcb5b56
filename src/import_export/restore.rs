//! Restores an export into an empty database.

use entity::examination::Column;
use entity::{examination, finding};
use sea_orm::sea_query::{Expr, ExprTrait, Func, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::domain::text::hex;
use crate::import_export::export::VERSION;
use crate::import_export::progress::Progress;
use crate::import_export::source::ImportSource;
use crate::import_export::tables::{Row, TABLE, TABLES, Table};
use crate::import_export::{BATCH, ImportError};

/// The foreign keys of a table to itself: a row may come before the row that it refers to.
const TO_ITSELF: [(&str, &str); 4] = [
    ("organization", "organization_parent_id_fkey"),
    ("committee", "committee_parent_id_fkey"),
    ("publication", "publication_supersedes_id_fkey"),
    ("liaison_statement", "liaison_statement_in_reply_to_id_fkey"),
];

/// Inserts all rows of an export and returns their number.
///
/// # Errors
/// Returns an error if the register is not empty, or the file is not a complete export: its last line has a checksum.
pub async fn restore(
    db: &DatabaseTransaction,
    source: &mut ImportSource,
    progress: &Progress,
) -> Result<u64, ImportError> {
    empty(db).await?;
    check_references_later(db, true).await?;
    let mut hash = Sha256::new();
    let mut batch = Batch::default();
    let mut rows = 0;
    loop {
        let Some((number, line)) = source.line()? else {
            let what = "the file is cut short: its last line is missing";
            return Err(ImportError::Line(rows + 1, what.to_owned()));
        };
        let wrong = |what: &str| ImportError::Line(number, what.to_owned());
        let mut row: Row =
            serde_json::from_slice(&line).map_err(|_| wrong("it is not an object of JSON"))?;
        if number == 1 {
            if row.get("version").and_then(Json::as_u64) != Some(VERSION) {
                return Err(wrong(&format!(
                    "this program reads exports of version {VERSION}"
                )));
            }
        } else if let Some(seal) = row.get("sha256") {
            batch.write(db).await?;
            let is_complete =
                seal.as_str() == Some(&hex(&hash.finalize())) && row["rows"].as_u64() == Some(rows);
            if !is_complete {
                return Err(wrong(
                    "the file is not as it was exported: what is above has another hash",
                ));
            }
            if source.line()?.is_some() {
                return Err(wrong("something follows the last line"));
            }
            break;
        } else {
            let name = row.remove(TABLE);
            let name = name.as_ref().and_then(Json::as_str).unwrap_or_default();
            let table = TABLES.iter().find(|table| table.name == name);
            let table = table.ok_or_else(|| wrong(&format!("there is no table `{name}`")))?;
            batch.add(db, table, number, row).await?;
            rows += 1;
        }
        hash.update(&line);
        progress.at(source.position());
    }
    date_examinations(db).await?;
    check_references_later(db, false).await?;
    Ok(rows)
}

/// Consecutive rows of one table.
#[derive(Default)]
struct Batch {
    table: Option<&'static Table>,
    /// Line number of the first row.
    first: u64,
    rows: Vec<Row>,
}

impl Batch {
    async fn add(
        &mut self,
        db: &DatabaseTransaction,
        table: &'static Table,
        number: u64,
        row: Row,
    ) -> Result<(), ImportError> {
        let other = self.table.is_some_and(|current| current.name != table.name);
        if other || self.rows.len() == BATCH {
            self.write(db).await?;
        }
        if self.rows.is_empty() {
            self.table = Some(table);
            self.first = number;
        }
        self.rows.push(row);
        Ok(())
    }

    async fn write(&mut self, db: &DatabaseTransaction) -> Result<(), ImportError> {
        let Some(table) = self.table.take() else {
            return Ok(());
        };
        let rows = std::mem::take(&mut self.rows);
        let written = (table.write)(db, rows).await;
        written.map_err(|error| {
            let what = format!("the rows of `{}` that begin here: {error}", table.name);
            ImportError::Line(self.first, what)
        })
    }
}

/// Checks that the register is empty.
async fn empty(db: &DatabaseTransaction) -> Result<(), ImportError> {
    for table in TABLES.iter().filter(|table| table.name != "counter") {
        let page = (table.read)(db, None).await?;
        if !page.lines.is_empty() {
            let what = "this is an export, and the register of this database is not empty: import it into a new one";
            return Err(ImportError::Line(1, what.to_owned()));
        }
    }
    Ok(())
}

/// Sets when examinations were last changed, which older exports do not say: at their last finding.
async fn date_examinations(db: &DatabaseTransaction) -> Result<(), DbErr> {
    let found_at = SelectStatement::new()
        .expr(Expr::col((finding::Entity, finding::Column::FoundAt)).max())
        .from(finding::Entity)
        .and_where(
            Expr::col((finding::Entity, finding::Column::ExaminationId))
                .equals((examination::Entity, Column::Id)),
        )
        .take();
    let found_at = Expr::SubQuery(None, Box::new(found_at.into()));
    let updated_at = Func::coalesce([found_at, Expr::col(Column::CreatedAt)]);
    examination::Entity::update_many()
        .col_expr(Column::UpdatedAt, updated_at.into())
        .filter(Expr::col(Column::UpdatedAt).equals(Column::CreatedAt))
        .exec(db)
        .await?;
    Ok(())
}

/// Defers foreign key checks, or checks the references and restores immediate checks.
async fn check_references_later(db: &DatabaseTransaction, later: bool) -> Result<(), DbErr> {
    // SeaQuery does not support this. SQLite checks and resets it at the end of the transaction.
    if db.get_database_backend() != DbBackend::Postgres {
        db.execute_unprepared("pragma defer_foreign_keys = on")
            .await?;
        return Ok(());
    }
    let when = if later {
        "deferrable initially deferred"
    } else {
        db.execute_unprepared("set constraints all immediate")
            .await?;
        "not deferrable"
    };
    for (table, name) in TO_ITSELF {
        let alter = format!("alter table {table} alter constraint {name} {when}");
        db.execute_unprepared(&alter).await?;
    }
    Ok(())
}

//! Exports the whole register with its history as JSON Lines. Equal registers give equal bytes.

use std::io::Write;
use std::time::Duration;

use sea_orm::{
    AccessMode, DatabaseTransaction, DbBackend, IsolationLevel, TransactionOptions,
    TransactionTrait,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::domain::text::hex;
use crate::import_export::ImportError;
use crate::import_export::tables::TABLES;
use crate::store::Database;

/// The start of an export's first line, before its version.
pub const HEAD: &str = "{\"liaison\":\"export\"";
/// How long the rows of a page may take: a connection that passes nothing any more never answers.
const PAGE_TIMEOUT: Duration = Duration::from_mins(1);
/// The version of this form.
pub const VERSION: u64 = 1;

/// Writes a consistent snapshot of all tables and returns the number of rows.
///
/// # Errors
/// Returns an error if the database cannot be read or `out` cannot be written. The output then lacks its last line, and
/// an import rejects it.
pub async fn export(db: &Database, out: impl Write) -> Result<u64, ImportError> {
    // Transactions of SQLite always read one snapshot; PostgreSQL needs an isolation level for that.
    let isolation = match db.orm_read.get_database_backend() {
        DbBackend::Postgres => Some(IsolationLevel::RepeatableRead),
        _ => None,
    };
    let snapshot = db.orm_read.begin_with_options(TransactionOptions {
        isolation_level: isolation,
        access_mode: isolation.map(|_| AccessMode::ReadOnly),
        ..TransactionOptions::default()
    });
    let snapshot = db.bounded(snapshot).await?;
    let written = write(db, &snapshot, out).await?;
    db.bounded(snapshot.rollback()).await?;
    Ok(written)
}

async fn write(
    db: &Database,
    snapshot: &DatabaseTransaction,
    out: impl Write,
) -> Result<u64, ImportError> {
    let mut out = ChecksummedWriter {
        out,
        hash: Sha256::new(),
    };
    out.line(&format!("{HEAD},\"version\":{VERSION}}}"))?;
    let mut rows = 0;
    for table in &TABLES {
        let mut after = None;
        loop {
            let page = (table.read)(snapshot, after);
            let page = db.bounded_by(PAGE_TIMEOUT, page).await?;
            for line in &page.lines {
                out.line(line)?;
            }
            rows += page.lines.len() as u64;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    let end = json!({ "rows": rows, "sha256": hex(&out.hash.clone().finalize()) });
    out.line(&end.to_string())?;
    out.out.flush()?;
    Ok(rows)
}

/// A writer of lines that computes their checksum.
struct ChecksummedWriter<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> ChecksummedWriter<W> {
    fn line(&mut self, line: &str) -> Result<(), ImportError> {
        for part in [line, "\n"] {
            self.hash.update(part);
            self.out.write_all(part.as_bytes())?;
        }
        Ok(())
    }
}

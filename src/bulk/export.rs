//! The whole register as lines of JSON, history included; the same register gives the same bytes.

use std::io::Write;
use std::time::Duration;

use sea_orm::{
    AccessMode, DatabaseTransaction, DbBackend, IsolationLevel, TransactionOptions,
    TransactionTrait,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Fault;
use super::tables::TABLES;
use crate::rules::text::hex;
use crate::store::Database;

/// The first line of an export, up to its version.
pub const HEAD: &str = "{\"liaison\":\"export\"";
/// How long the rows of a page may take: a connection that passes nothing any more never answers.
const PAGE_TIMEOUT: Duration = Duration::from_mins(1);
/// The version of this form.
pub const VERSION: u64 = 1;

/// Writes all that is there at one moment, whatever is written meanwhile; how many rows.
///
/// # Errors
/// Where the database cannot be read or `out` cannot be written. What was written by then has no last line,
/// and no import takes it.
pub async fn export(db: &Database, out: impl Write) -> Result<u64, Fault> {
    // Every statement of a transaction of SQLite sees the same; PostgreSQL has to be told.
    let isolation = match db.read.get_database_backend() {
        DbBackend::Postgres => Some(IsolationLevel::RepeatableRead),
        _ => None,
    };
    let snapshot = db.read.begin_with_options(TransactionOptions {
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
) -> Result<u64, Fault> {
    let mut out = Sealed {
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

/// Lines, and the hash of all of them.
struct Sealed<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Sealed<W> {
    fn line(&mut self, line: &str) -> Result<(), Fault> {
        for part in [line, "\n"] {
            self.hash.update(part);
            self.out.write_all(part.as_bytes())?;
        }
        Ok(())
    }
}

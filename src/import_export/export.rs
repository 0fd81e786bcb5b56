//! Exports the whole register with its history as JSON Lines. Equal registers give equal bytes.

use std::io::Write;

use sea_orm::DatabaseTransaction;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::domain::text::hex;
use crate::import_export::ImportError;
use crate::import_export::tables::TABLES;
use crate::store::Database;

/// The start of an export's first line, before its version.
pub const HEAD: &str = "{\"liaison\":\"export\"";
/// The version of this form.
pub const VERSION: u64 = 1;

/// Writes a consistent snapshot of all tables and returns the number of rows.
///
/// # Errors
/// Returns an error if the database cannot be read or `out` cannot be written. The output then lacks its last line, and
/// an import rejects it.
pub async fn export(db: &Database, out: impl Write) -> Result<u64, ImportError> {
    let snapshot = db.snapshot().await?;
    let session = db.session(&snapshot).await?;
    let written = db.watched(session, write(&snapshot, out)).await?;
    db.bounded(snapshot.rollback()).await?;
    Ok(written)
}

async fn write(snapshot: &DatabaseTransaction, out: impl Write) -> Result<u64, ImportError> {
    let mut out = ChecksummedWriter {
        out,
        hash: Sha256::new(),
    };
    out.line(&format!("{HEAD},\"version\":{VERSION}}}"))?;
    let mut rows = 0;
    for table in &TABLES {
        let mut after = None;
        loop {
            let page = (table.read)(snapshot, after).await?;
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

//! Export and import: a complete export, which can be restored into an empty database, and bulk import of records.

mod csv;
mod dry_run;
mod export;
mod fields;
mod names;
mod order;
mod progress;
mod records;
mod restore;
mod source;
mod tables;

use std::io;

use sea_orm::DbErr;

use crate::error::Error;
use crate::store::health::explain;

pub use crate::import_export::export::export;
pub use crate::import_export::records::{ImportSettings, Imported, RecordType, import};
pub use crate::import_export::source::{Format, ImportSource};

/// Number of rows read or written at once, which bounds memory use.
const BATCH: usize = 500;

/// The reason why an export or import was aborted. It has changed nothing then, unless its outcome is unknown.
#[derive(Debug)]
pub enum ImportError {
    /// The file cannot be read or written.
    File(io::Error),
    /// An error at a line that makes the whole file invalid.
    Line(u64, String),
    /// The role of the database may not do what this needs; the text says what.
    Privilege(&'static str),
    /// The database failed, or the party may not act at all.
    Register(Error),
}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<DbErr> for ImportError {
    fn from(error: DbErr) -> Self {
        Self::Register(error.into())
    }
}

impl From<Error> for ImportError {
    fn from(error: Error) -> Self {
        Self::Register(error)
    }
}

impl ImportError {
    /// Returns whether the import may have been stored nevertheless.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::Register(Error::OutcomeUnknown(_)))
    }

    /// Returns the error as one line for the operator.
    #[must_use]
    pub fn line(&self) -> String {
        let text = match self {
            Self::File(error) => error.to_string(),
            Self::Line(number, what) => format!("line {number}: {what}"),
            Self::Privilege(needed) => (*needed).to_owned(),
            Self::Register(Error::Database(error)) => format!("the database: {}", explain(error)),
            Self::Register(Error::OutcomeUnknown(_)) => {
                "the connection to the database was lost while the import was stored: it may have been made. Import \
                 the file again: what is there already stays as it is"
                    .to_owned()
            }
            Self::Register(error) => format!("{error:?}"),
        };
        text.lines().next().unwrap_or_default().to_owned()
    }
}

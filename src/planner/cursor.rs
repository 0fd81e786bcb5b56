//! Cursors: the sort key and id of a row, with a checksum over list, order and filter.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{DbBackend, DbErr};
use sha2::{Digest, Sha256};

use crate::db::Row;
use crate::error::{Error, Result};
use crate::planner::schema::{CursorKey, Order, col};

/// Version of the cursor format. It changes with the format, so that older cursors are invalid.
const VERSION: u8 = 1;
/// Length of the checksum in bytes. It detects damage and mix-ups; it is not a security measure.
const CHECKSUM_LENGTH: usize = 8;
const KEY: usize = 16;

/// The list, order and filter that a cursor is valid for.
#[derive(Clone)]
pub struct CursorCodec(Sha256);

/// The position of a row in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorPosition {
    id: Uuid,
    key: String,
}

impl CursorCodec {
    /// Creates the scope of a list; `list` is the parent type and name of the field.
    pub fn new(list: &str, order: &Order, filter: &str) -> Self {
        let order = format!("{} {}", order.key.name(), order.descending);
        Self::of_parts(&[list, &order, filter])
    }

    /// Creates the scope of a list whose rows are not sorted by the database.
    pub fn of_parts(parts: &[&str]) -> Self {
        let mut hash = Sha256::new_with_prefix([VERSION]);
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Self(hash)
    }

    pub fn encode(&self, position: &CursorPosition) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.checksum(position));
        bytes.extend(position.id.as_bytes());
        bytes.extend(position.key.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// Returns an error if the cursor is damaged or belongs to another scope.
    pub fn decode(&self, text: &str) -> Result<CursorPosition> {
        self.position(text).ok_or(Error::InvalidCursor)
    }

    fn position(&self, text: &str) -> Option<CursorPosition> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (&[version], rest) = bytes.split_first_chunk()?;
        let (checksum, rest) = rest.split_first_chunk::<CHECKSUM_LENGTH>()?;
        let (id, key) = rest.split_first_chunk::<KEY>()?;
        let position = CursorPosition {
            id: Uuid::from_bytes(*id),
            key: String::from_utf8(key.to_vec()).ok()?,
        };
        (version == VERSION && *checksum == self.checksum(&position)).then_some(position)
    }

    fn checksum(&self, position: &CursorPosition) -> [u8; CHECKSUM_LENGTH] {
        let mut hash = self.0.clone();
        hash.update(position.id.as_bytes());
        hash.update(&position.key);
        let mut checksum = [0; CHECKSUM_LENGTH];
        checksum.copy_from_slice(&hash.finalize()[..CHECKSUM_LENGTH]);
        checksum
    }
}

impl CursorPosition {
    /// Creates the position of a row with this id and numeric key.
    pub fn numbered(id: Uuid, number: i64) -> Self {
        let key = number.to_string();
        Self { id, key }
    }

    /// Creates the position of a row with this id and key.
    pub fn keyed(id: Uuid, key: String) -> Self {
        Self { id, key }
    }

    /// Returns the key of the row.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the id of the row.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns the numeric key of the row; `None` if its key is no number.
    pub fn number(&self) -> Option<i64> {
        self.key.parse().ok()
    }

    /// Reads the position of a row from the cells with its id and key.
    ///
    /// # Errors
    /// Returns an error if a cell has another type.
    pub fn of(row: Row<'_>, id: usize, key: usize, kind: &CursorKey) -> Result<Self, DbErr> {
        let key = match kind {
            CursorKey::Text => row.get::<&str>(key)?.to_owned(),
            CursorKey::Int => row.get::<i32>(key)?.to_string(),
            CursorKey::Long => row.get::<i64>(key)?.to_string(),
            CursorKey::Time => row
                .get::<DateTime<Utc>>(key)?
                .timestamp_micros()
                .to_string(),
            CursorKey::OpenDate(_) => row
                .find::<NaiveDate>(key)?
                .map_or_else(String::new, |date| date.to_string()),
        };
        let id = row.get(id)?;
        Ok(Self { id, key })
    }

    /// Returns the seek condition for the rows after this position, or before it if `back`.
    ///
    /// # Errors
    /// Returns an invalid-cursor error if the key does not fit the order. Only a forged cursor has such a key.
    pub fn seek_condition(&self, order: &Order, back: bool, backend: DbBackend) -> Result<Expr> {
        let key = self.value(order, backend).ok_or(Error::InvalidCursor)?;
        let column = order.key.value();
        let (row, here) = if order.unique {
            (column, key)
        } else {
            (
                Expr::tuple([column, col("id")]),
                Expr::tuple([key, Expr::val(self.id)]),
            )
        };
        Ok(if order.descending == back {
            row.gt(here)
        } else {
            row.lt(here)
        })
    }

    fn value(&self, order: &Order, backend: DbBackend) -> Option<Expr> {
        let key = &self.key;
        Some(match &order.kind {
            CursorKey::Text if key.contains('\0') => return None,
            CursorKey::Text => Expr::val(key.as_str()),
            CursorKey::Int => Expr::val(key.parse::<i32>().ok()?),
            CursorKey::Long => Expr::val(key.parse::<i64>().ok()?),
            CursorKey::Time => Expr::val(DateTime::from_timestamp_micros(key.parse().ok()?)?),
            CursorKey::OpenDate(_) if key.is_empty() => {
                let end = if order.descending {
                    "-infinity"
                } else {
                    "infinity"
                };
                match backend {
                    DbBackend::Postgres => Expr::val(end).cast_as("date"),
                    _ => Expr::val(end),
                }
            }
            CursorKey::OpenDate(_) => Expr::val(key.parse::<NaiveDate>().ok()?),
        })
    }
}

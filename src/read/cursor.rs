//! Cursors: the sort key and id of a row, with a checksum over list, order and filter.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{DbBackend, DbErr};
use sha2::{Digest, Sha256};

use super::shape::{Key, Order, col};
use crate::error::{Error, Result};
use crate::rows::Row;

/// Version of the cursor format. It changes with the format, so that older cursors are invalid.
const VERSION: u8 = 1;
/// Length of the checksum in bytes. It detects damage and mix-ups; it is not a security measure.
const SEAL: usize = 8;
const KEY: usize = 16;

/// The list, order and filter that a cursor is valid for.
#[derive(Clone)]
pub struct Scope(Sha256);

/// The position of a row in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    id: Uuid,
    key: String,
}

impl Scope {
    /// Creates the scope of a list; `list` is the parent type and name of the field.
    pub fn new(list: &str, order: &Order, filter: &str) -> Self {
        let order = format!("{:?} {}", order.key, order.descending);
        let mut hash = Sha256::new_with_prefix([VERSION]);
        for part in [list, &order, filter] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Self(hash)
    }

    pub fn write(&self, position: &Position) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.seal(position));
        bytes.extend(position.id.as_bytes());
        bytes.extend(position.key.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// Returns an error if the cursor is damaged or belongs to another scope.
    pub fn read(&self, text: &str) -> Result<Position> {
        self.position(text).ok_or(Error::InvalidCursor)
    }

    fn position(&self, text: &str) -> Option<Position> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (&[version], rest) = bytes.split_first_chunk()?;
        let (seal, rest) = rest.split_first_chunk::<SEAL>()?;
        let (id, key) = rest.split_first_chunk::<KEY>()?;
        let position = Position {
            id: Uuid::from_bytes(*id),
            key: String::from_utf8(key.to_vec()).ok()?,
        };
        (version == VERSION && *seal == self.seal(&position)).then_some(position)
    }

    fn seal(&self, position: &Position) -> [u8; SEAL] {
        let mut hash = self.0.clone();
        hash.update(position.id.as_bytes());
        hash.update(&position.key);
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&hash.finalize()[..SEAL]);
        seal
    }
}

impl Position {
    /// Creates the position of a row with this id and numeric key.
    pub fn numbered(id: Uuid, number: i64) -> Self {
        let key = number.to_string();
        Self { id, key }
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
    pub fn of(row: Row<'_>, id: usize, key: usize, kind: &Key) -> Result<Self, DbErr> {
        let key = match kind {
            Key::Text => row.get::<&str>(key)?.to_owned(),
            Key::Int => row.get::<i32>(key)?.to_string(),
            Key::Long => row.get::<i64>(key)?.to_string(),
            Key::Time => row
                .get::<DateTime<Utc>>(key)?
                .timestamp_micros()
                .to_string(),
            Key::OpenDate(_) => row
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
    pub fn beyond(&self, order: &Order, back: bool, backend: DbBackend) -> Result<Expr> {
        let key = self.value(order, backend).ok_or(Error::InvalidCursor)?;
        let column = col(order.key.clone());
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
            Key::Text if key.contains('\0') => return None,
            Key::Text => Expr::val(key.as_str()),
            Key::Int => Expr::val(key.parse::<i32>().ok()?),
            Key::Long => Expr::val(key.parse::<i64>().ok()?),
            Key::Time => Expr::val(DateTime::from_timestamp_micros(key.parse().ok()?)?),
            Key::OpenDate(_) if key.is_empty() => {
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
            Key::OpenDate(_) => Expr::val(key.parse::<NaiveDate>().ok()?),
        })
    }
}

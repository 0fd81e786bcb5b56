//! Cursors: the key of a row, sealed for one list, order and filter.

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

/// Changes when the form of cursors does; older ones are then told apart from damaged ones by nobody.
const VERSION: u8 = 1;
/// Bytes of the seal. It finds damage and mistakes; it keeps no secret.
const SEAL: usize = 8;
const KEY: usize = 16;

/// What a cursor is for: it holds for no other list, order or filter.
#[derive(Clone)]
pub struct Scope(Sha256);

/// A place in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    id: Uuid,
    key: String,
}

impl Scope {
    /// `list` is the type and name of the field.
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
    /// An invalid cursor where it is damaged or was written in another scope.
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
    /// The position of a row with this id and number.
    pub fn numbered(id: Uuid, number: i64) -> Self {
        let key = number.to_string();
        Self { id, key }
    }

    /// The id of the row.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The number of a row that has one for its key.
    pub fn number(&self) -> Option<i64> {
        self.key.parse().ok()
    }

    /// The position of a row whose id and key stand in these places.
    ///
    /// # Errors
    /// Where the database holds something else there.
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
                .map_or_else(String::new, |it| it.to_string()),
        };
        let id = row.get(id)?;
        Ok(Self { id, key })
    }

    /// What holds for the rows beyond this position: after it, or before it where `back`.
    ///
    /// # Errors
    /// An invalid cursor where its key is none of this order's: somebody has made it by hand.
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

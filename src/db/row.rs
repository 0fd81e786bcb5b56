//! The cells of a result row, borrowed from the driver's buffer.

use std::str::from_utf8;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use sea_orm::DbErr;
use sea_orm::prelude::Uuid;
use sea_orm::sqlx::Row as _;
use sea_orm::sqlx::postgres::PgRow;
use serde_json::Value;

use crate::db::postgres::failed;
use crate::db::sqlite::{CellRef, RowRef};

/// A result row of either database.
#[derive(Clone, Copy, Debug)]
pub enum Row<'r> {
    Postgres(&'r PgRow),
    Sqlite(RowRef<'r>),
}

impl<'r> Row<'r> {
    /// Returns the value of a cell; `None` if it is null.
    ///
    /// # Errors
    /// Returns an error if the cell has another type.
    pub fn find<T: FromCell<'r>>(self, column: usize) -> Result<Option<T>, DbErr> {
        match self {
            Self::Postgres(row) => {
                let value = row.try_get_raw(column).map_err(failed)?;
                // `as_bytes` fails for null.
                let Ok(bytes) = value.as_bytes() else {
                    return Ok(None);
                };
                T::of_postgres(bytes).map(Some)
            }
            Self::Sqlite(row) => match row.cell(column) {
                Some(CellRef::Null) => return Ok(None),
                cell => cell.and_then(T::of_sqlite).map(Some),
            },
        }
        .ok_or_else(|| DbErr::Type(format!("cell {column} holds something else")))
    }

    /// Returns the value of a cell that is not null.
    ///
    /// # Errors
    /// Returns an error if the cell is null or has another type.
    pub fn get<T: FromCell<'r>>(self, column: usize) -> Result<T, DbErr> {
        let found = self.find(column)?;
        found.ok_or_else(|| DbErr::Type(format!("cell {column} is null")))
    }

    /// Returns the length of a text cell in bytes, 0 if it is null. Neither copies nor validates the text.
    #[must_use]
    pub fn length(self, column: usize) -> usize {
        match self {
            Self::Postgres(row) => {
                let value = row.try_get_raw(column).ok();
                value
                    .and_then(|value| value.as_bytes().ok())
                    .map_or(0, <[u8]>::len)
            }
            Self::Sqlite(row) => match row.cell(column) {
                Some(CellRef::Text(text)) => text.len(),
                _ => 0,
            },
        }
    }
}

/// A type that a cell can be decoded to, on both databases. `None` if the cell has another type.
pub trait FromCell<'r>: Sized {
    /// Decodes PostgreSQL's binary format.
    fn of_postgres(bytes: &'r [u8]) -> Option<Self>;

    fn of_sqlite(cell: CellRef<'r>) -> Option<Self>;
}

macro_rules! from_cell {
    ($($ty:ty: $bytes:ident => $sent:expr, $cell:pat => $held:expr;)*) => {$(
        impl<'r> FromCell<'r> for $ty {
            fn of_postgres($bytes: &'r [u8]) -> Option<Self> {
                $sent
            }

            fn of_sqlite(cell: CellRef<'r>) -> Option<Self> {
                match cell {
                    $cell => $held,
                    _ => None,
                }
            }
        }
    )*};
}

from_cell! {
    &'r str: bytes => from_utf8(bytes).ok(), CellRef::Text(text) => Some(text);
    i32: bytes => Some(Self::from_be_bytes(bytes.try_into().ok()?)), CellRef::Int(number) => number.try_into().ok();
    i64: bytes => Some(Self::from_be_bytes(bytes.try_into().ok()?)), CellRef::Int(number) => Some(number);
    f64: bytes => Some(Self::from_be_bytes(bytes.try_into().ok()?)), CellRef::Real(number) => Some(number);
    bool: bytes => Some(bytes != [0]), CellRef::Int(number) => Some(number != 0);
    NaiveDate: bytes => date(i32::of_postgres(bytes)?), CellRef::Text(text) => parse_date(text);
    DateTime<Utc>: bytes => timestamp(i64::of_postgres(bytes)?), CellRef::Text(text) => parse_timestamp(text);
    Uuid: bytes => Self::from_slice(bytes).ok(), CellRef::Key(key) => Some(key);
    Value: bytes => serde_json::from_slice(bytes).ok(), CellRef::Text(text) => serde_json::from_str(text).ok();
}

/// PostgreSQL counts dates in days and timestamps in microseconds from the start of this year.
const EPOCH: i32 = 2000;

fn date(days: i32) -> Option<NaiveDate> {
    let begin = NaiveDate::from_yo_opt(EPOCH, 1)?;
    begin.checked_add_signed(TimeDelta::try_days(days.into())?)
}

fn timestamp(microseconds: i64) -> Option<DateTime<Utc>> {
    let begin = date(0)?.and_time(NaiveTime::MIN).and_utc();
    begin.checked_add_signed(TimeDelta::microseconds(microseconds))
}

/// Parses a date as SQLite stores it: `2026-11-24`. chrono's parser accepts more forms and is several times slower.
fn parse_date(text: &str) -> Option<NaiveDate> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let year = i32::try_from(number(year, 4)?).ok()?;
    NaiveDate::from_ymd_opt(year, number(month, 2)?, number(day, 2)?)
}

/// Parses a timestamp as SQLite stores it, usually `2026-11-24T10:00:00.123456+00:00`.
fn parse_timestamp(text: &str) -> Option<DateTime<Utc>> {
    parse_usual_timestamp(text).or_else(|| text.parse().ok())
}

fn parse_usual_timestamp(text: &str) -> Option<DateTime<Utc>> {
    let (day, time) = text.strip_suffix("+00:00")?.split_once('T')?;
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "000000"));
    let mut parts = seconds.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let time = parse_date(day)?.and_hms_micro_opt(hour, minute, second, number(fraction, 6)?)?;
    parts.next().is_none().then(|| time.and_utc())
}

/// Parses a decimal number of exactly `digits` digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    let all = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = text.bytes().map(|byte| u32::from(byte - b'0'));
    all.then(|| digits.fold(0, |number, digit| number * 10 + digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_parsed_like_chrono_parses_them() {
        for text in [
            "2026-11-24T10:00:00+00:00",
            "2026-11-24T10:00:00.123456+00:00",
            "2026-11-24T10:00:00.123+00:00",
            "2026-11-24T10:00:00.123456789+00:00",
            "2026-11-24T23:59:59.999999+00:00",
            "1984-02-29T00:00:00+00:00",
            "2026-11-24T10:00:00Z",
            "2026-11-24T10:00:00+02:00",
            "2026-11-24T10:00:00:00+00:00",
            "2026-11-24T10:00+00:00",
            "2026-02-30T10:00:00+00:00",
            "2026-11-24T+1:00:00+00:00",
            "2026-11-24",
            "",
        ] {
            assert_eq!(parse_timestamp(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn dates_are_parsed_from_text_and_binary() {
        for text in ["2026-11-24", "2024-02-29", "0001-01-01", "9999-12-31"] {
            let day: NaiveDate = text.parse().unwrap();
            assert_eq!(parse_date(text), Some(day));
            let days = day
                .signed_duration_since(super::date(0).unwrap())
                .num_days();
            let sent = i32::try_from(days).unwrap().to_be_bytes();
            assert_eq!(NaiveDate::of_postgres(&sent), Some(day));
        }
        for text in ["2026-02-30", "infinity", "2026-1-1", "2026-11-24 ", "", "-"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn postgres_timestamps_are_decoded_to_the_microsecond() {
        for (sent, read) in [
            (0, "2000-01-01T00:00:00Z"),
            (1, "2000-01-01T00:00:00.000001Z"),
            (-1, "1999-12-31T23:59:59.999999Z"),
            (848_829_600_123_456, "2026-11-24T10:00:00.123456Z"),
        ] {
            let read: DateTime<Utc> = read.parse().unwrap();
            assert_eq!(timestamp(sent), Some(read));
        }
        // PostgreSQL's `infinity` has no counterpart.
        assert_eq!(timestamp(i64::MAX), None);
        assert_eq!(date(i32::MAX), None);
    }
}

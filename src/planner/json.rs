//! A JSON writer that appends to one string, without a tree of values.

use std::fmt::{Display, Write};

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use sea_orm::DbErr;
use sea_orm::prelude::Uuid;

use crate::db::Row;

/// How a cell is decoded and written as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    String,
    /// A name that needs no escaping: an enum value.
    Enum,
    Int,
    /// A 64-bit integer.
    BigInt,
    /// A number that is rounded to two decimals.
    Float,
    Bool,
    Date,
    DateTime,
    /// A UUID, written as a public id with this prefix.
    Id(&'static str),
    /// A list of strings, stored as JSON.
    StringList,
}

/// Returns the index of the next byte that a JSON string must escape.
fn find_escape(bytes: &[u8], from: usize) -> Option<usize> {
    let is = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // Nearly all chunks contain none, and the compiler vectorizes a check of all their bytes.
    let (chunks, _) = bytes[from..].as_chunks::<16>();
    let plain = |chunk: &&[u8; 16]| !chunk.iter().fold(false, |any, byte| any | is(*byte));
    let begin = from + 16 * chunks.iter().take_while(plain).count();
    let found = bytes[begin..].iter().position(|byte| is(*byte))?;
    Some(begin + found)
}

/// A JSON text under construction, and the number of fields and records in it.
pub struct Json(String, u64);

impl Default for Json {
    /// Reserves enough for most responses.
    fn default() -> Self {
        Self(String::with_capacity(4096), 0)
    }
}

impl Json {
    pub fn into_text(self) -> String {
        self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Counts a field or a record.
    pub fn count_value(&mut self) {
        self.1 += 1;
    }

    /// Returns the number of fields and records.
    pub fn values(&self) -> u64 {
        self.1
    }

    /// Discards what was written after the text had this length.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    pub fn null(&mut self) {
        self.raw("null");
    }

    pub fn bool(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    /// Writes an integer.
    pub fn number(&mut self, value: impl itoa::Integer) {
        self.raw(itoa::Buffer::new().format(value));
    }

    /// Writes a string that needs no escaping.
    pub fn raw_string(&mut self, word: &str) {
        self.0.push('"');
        self.raw(word);
        self.0.push('"');
    }

    /// Appends a JSON value.
    pub fn value(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::String(text) => self.text(text),
            value => self.raw(&value.to_string()),
        }
    }

    pub fn text(&mut self, text: &str) {
        self.0.push('"');
        let mut escaped = 0;
        while let Some(at) = find_escape(text.as_bytes(), escaped) {
            self.raw(&text[escaped..at]);
            escaped = at + 1;
            let byte = text.as_bytes()[at];
            match byte {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                b'\n' => self.raw("\\n"),
                b'\r' => self.raw("\\r"),
                b'\t' => self.raw("\\t"),
                _ => self.display(format_args!("\\u{byte:04x}")),
            }
        }
        self.raw(&text[escaped..]);
        self.0.push('"');
    }

    /// Writes a string that consists of a text without special characters and a number.
    pub fn numbered(&mut self, word: &str, number: i32) {
        self.0.push('"');
        self.raw(word);
        self.number(number);
        self.0.push('"');
    }

    pub fn date(&mut self, date: NaiveDate) {
        self.0.push('"');
        self.day(date);
        self.0.push('"');
    }

    /// Writes a UTC timestamp with 0, 3 or 6 decimals of a second, as needed.
    pub fn time(&mut self, time: DateTime<Utc>) {
        self.0.push('"');
        self.day(time.date_naive());
        for (mark, part) in [
            ('T', time.hour()),
            (':', time.minute()),
            (':', time.second()),
        ] {
            self.0.push(mark);
            self.digits(part, 2);
        }
        match time.timestamp_subsec_micros() {
            0 => {}
            micros => {
                self.0.push('.');
                if micros.is_multiple_of(1000) {
                    self.digits(micros / 1000, 3);
                } else {
                    self.digits(micros, 6);
                }
            }
        }
        self.raw("Z\"");
    }

    // chrono parses its format string for each value, which would take longer than the rest of a short row.
    fn day(&mut self, date: NaiveDate) {
        match u32::try_from(date.year()) {
            Ok(year @ 0..=9999) => self.digits(year, 4),
            _ => return self.display(date),
        }
        for part in [date.month(), date.day()] {
            self.0.push('-');
            self.digits(part, 2);
        }
    }

    /// Writes the last `count` digits of a number.
    fn digits(&mut self, number: u32, count: u32) {
        for exponent in (0..count).rev() {
            let digit = number / 10_u32.pow(exponent) % 10;
            self.0.push(char::from(b'0' + digit as u8));
        }
    }

    pub fn id(&mut self, prefix: &str, key: Uuid) {
        self.0.push('"');
        self.raw(prefix);
        self.0.push('_');
        entity::id::push_base32(&mut self.0, key);
        self.0.push('"');
    }

    /// Writes a list whose items `item` writes.
    pub fn list<T, E>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T) -> Result<(), E>,
    ) -> Result<(), E> {
        self.0.push('[');
        for (index, value) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            item(self, value)?;
        }
        self.0.push(']');
        Ok(())
    }

    /// Writes a list of strings that need no escaping.
    pub fn words(&mut self, words: impl IntoIterator<Item = impl AsRef<str>>) {
        let written: Result<(), std::convert::Infallible> = self.list(words, |json, word| {
            json.raw_string(word.as_ref());
            Ok(())
        });
        match written {
            Ok(()) => {}
        }
    }

    /// Writes the cell of a row at an index.
    ///
    /// # Errors
    /// Returns an error if the cell has another type.
    pub fn cell(&mut self, row: Row<'_>, index: usize, scalar: Scalar) -> Result<(), DbErr> {
        match scalar {
            Scalar::String => self.or_null(row.find::<&str>(index)?, Self::text),
            Scalar::Enum => self.or_null(row.find::<&str>(index)?, Self::raw_string),
            Scalar::Int => self.or_null(row.find::<i32>(index)?, Self::number),
            Scalar::BigInt => self.or_null(row.find::<i64>(index)?, Self::number),
            Scalar::Float => self.or_null(row.find::<f64>(index)?, |json, number| {
                json.display((number * 100.0).round() / 100.0);
            }),
            Scalar::Bool => self.or_null(row.find::<bool>(index)?, Self::bool),
            Scalar::Date => self.or_null(row.find::<NaiveDate>(index)?, Self::date),
            Scalar::DateTime => self.or_null(row.find::<DateTime<Utc>>(index)?, Self::time),
            Scalar::Id(prefix) => {
                self.or_null(row.find::<Uuid>(index)?, |json, key| json.id(prefix, key));
            }
            Scalar::StringList => {
                let list: serde_json::Value = row.get(index)?;
                self.display(list);
            }
        }
        Ok(())
    }

    fn or_null<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.null(),
        }
    }

    fn display(&mut self, value: impl Display) {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "{value}");
    }
}

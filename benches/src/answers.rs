//! Whether two services give the same answer: what only the form makes different is taken away.

use chrono::DateTime;
use entity::id;
use serde_json::{Value, json};
use uuid::Uuid;

/// Brings an answer to the one form.
///
/// Keys become UUIDs, codes what people read, moments seconds; a list of links loses PostGraphile's level in between;
/// of a cursor only its being there counts, since each service makes its own.
pub fn plain(answer: Value) -> Value {
    match answer {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("code", Value::Number(number)) => json!(format!("T-{number}")),
                    ("endCursor", cursor) => json!(cursor.is_string()),
                    ("committees", Value::Object(mut level)) => plain(level["nodes"].take()),
                    ("id", Value::String(key)) => json!(key_of(&key)),
                    ("updatedAt", Value::String(moment)) => json!(seconds(&moment)),
                    (_, value) => plain(value),
                };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

fn key_of(text: &str) -> Option<Uuid> {
    match id::split(text) {
        Some((_, key)) => Some(key),
        None => text.parse().ok(),
    }
}

fn seconds(text: &str) -> Option<i64> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    Some(moment.timestamp())
}

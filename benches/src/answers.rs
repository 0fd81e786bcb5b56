//! Compares the responses of services, ignoring differences of representation.

use chrono::DateTime;
use entity::id;
use serde_json::{Value, json};
use uuid::Uuid;

/// Normalizes a response.
///
/// Keys become UUIDs, codes the form of the API, timestamps seconds; PostGraphile's intermediate level of join tables
/// is removed; each cursor only counts as present, because each service has its own format.
pub fn plain(response: Value) -> Value {
    match response {
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

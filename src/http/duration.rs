//! Parses durations with their units, such as `10s`.

use std::time::Duration;

/// Parses a duration with its unit, such as `500ms`, `10s` or `2m`.
///
/// # Errors
///
/// Returns an error if the unit is missing or unknown.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "write a duration with its unit, such as 500ms, 10s or 2m".to_owned())
}

/// Parses a timeout: a duration from one millisecond to one hour.
///
/// # Errors
///
/// Returns an error if the unit is missing or unknown, or the duration out of range.
pub fn timeout(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(1)..=Duration::from_hours(1);
    let timeout = duration(text)?;
    if range.contains(&timeout) {
        Ok(timeout)
    } else {
        Err("a timeout is from 1ms to 1h".to_owned())
    }
}

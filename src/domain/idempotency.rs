//! Rules for idempotency keys: one key creates one record.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::rejection::{Code, Decision, Rejection};

/// Name of the input field with the key.
pub const FIELD: &str = "idempotencyKey";
/// Maximum length of a key in characters.
pub const KEY: usize = 255;
/// Retention of a key.
pub const KEY_VALIDITY: TimeDelta = TimeDelta::days(7);

/// The earlier use of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedKey {
    /// Hash of the mutation and its input.
    pub hash: String,
    pub at: DateTime<Utc>,
}

/// Checks that a text can be a key. It is stored unchanged, so invisible control characters are rejected.
pub fn fits(key: &str) -> Result<(), String> {
    if key.trim().is_empty() {
        return Err("Must not be blank: omit it, or give a unique key.".to_owned());
    }
    if let Some(control) = key.chars().find(|character| character.is_control()) {
        return Err(format!(
            "Must not contain control characters; this has U+{:04X}.",
            u32::from(control)
        ));
    }
    let length = key.chars().count();
    if KEY < length {
        return Err(format!(
            "Must be {KEY} characters long at most; this has {length}."
        ));
    }
    Ok(())
}

/// Returns whether a request repeats the one that used its key earlier. An expired key counts as new.
pub fn repeats(used: &UsedKey, hash: &str, now: DateTime<Utc>) -> Decision<bool> {
    if used.at < now - KEY_VALIDITY {
        Ok(false)
    } else if used.hash == hash {
        Ok(true)
    } else {
        Err(Rejection::one(
            Code::KeyReused,
            FIELD,
            "Your party has used this key with another input: give each request a key of its own, and send the same input when you send one again.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_any_printable_text() {
        let most = "é".repeat(KEY);
        for key in ["a", " a ", "0f9e-1", "clé n° 1", most.as_str()] {
            assert_eq!(fits(key), Ok(()), "{key:?}");
        }
        let longer = "a".repeat(KEY + 1);
        for key in [
            "",
            " ",
            "\u{a0}",
            "a\nb",
            "a\0",
            "\t",
            "a\u{7f}",
            longer.as_str(),
        ] {
            assert!(fits(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_key_expires_after_seven_days() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a moment");
        let used = |at| UsedKey {
            hash: "one".to_owned(),
            at,
        };
        let reused = |decision: Decision<bool>| matches!(decision, Err(Rejection::Problems(found)) if found[0].code == Code::KeyReused);
        for at in [now, now - KEY_VALIDITY] {
            assert_eq!(repeats(&used(at), "one", now), Ok(true));
            assert!(reused(repeats(&used(at), "other", now)));
        }
        let before = now - KEY_VALIDITY - TimeDelta::microseconds(1);
        for hash in ["one", "other"] {
            assert_eq!(repeats(&used(before), hash, now), Ok(false));
        }
    }
}

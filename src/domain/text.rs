//! Text normalization for storage, search and sorting.

use icu_properties::CodePointSetData;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Maximum length in characters of a code, an acronym or a period.
pub const MAX_CODE_LENGTH: usize = 32;
/// Maximum length in characters of an external key or a publication's number.
pub const MAX_KEY_LENGTH: usize = 100;
/// Maximum length in characters of a title or a name.
pub const MAX_NAME_LENGTH: usize = 500;
/// Maximum length in characters of a summary, mandate, description, reason or outcome.
pub const MAX_TEXT_LENGTH: usize = 8000;
/// Maximum length in characters of the body of a statement or a note.
pub const MAX_BODY_LENGTH: usize = 20_000;

const MAX_SORT_KEY_LENGTH: usize = 200;
const DIGITS: usize = 10;

/// Normalizes a text for storage, lookup and comparison: trimmed, in Unicode NFC, every line break as `\n`.
#[must_use]
pub fn normalize(given: &str) -> String {
    let text = given.replace("\r\n", "\n").replace('\r', "\n");
    text.trim().nfc().collect()
}

/// Returns the form of a publication's number that identifies it: lower case, with single spaces.
#[must_use]
pub fn number_identity(number: &str) -> String {
    let words: Vec<&str> = number.split_whitespace().collect();
    let lower = words.join(" ");
    lower.chars().flat_map(char::to_lowercase).nfc().collect()
}

/// Returns the number of a publication as lists sort it, like [`natural_key`], with its editions by year, then month:
/// `X.1 (09/2015)` as `X.1 (2015) 09`, so that amendments, which name the year alone, follow the edition that they amend.
#[must_use]
pub fn number_key(number: &str) -> String {
    let number = number_identity(number);
    let (mut sorted, mut rest) = (String::new(), number.as_str());
    while let Some((before, parenthesis)) = rest.split_once('(') {
        sorted.push_str(before);
        rest = if let Some((Some(month), year, after)) = edition(parenthesis) {
            let text = sorted.trim_end().len();
            sorted.truncate(text);
            sorted.extend([" (", year, ") ", month]);
            after
        } else {
            sorted.push('(');
            parenthesis
        };
    }
    sorted.push_str(rest);
    natural_key(&sorted)
}

/// Returns what the numbers of all editions of a publication have in common: the number, as [`number_identity`] has it,
/// without the `(MM/YYYY)` or `(YYYY)` at its end.
#[must_use]
pub fn series(number: &str) -> String {
    let number = number_identity(number);
    match number.rsplit_once('(') {
        Some((text, parenthesis))
            if matches!(edition(parenthesis), Some((.., ""))) && !text.trim_end().is_empty() =>
        {
            text.trim_end().to_owned()
        }
        _ => number,
    }
}

/// The month, if there is one, and the year of an edition, of which a parenthesis was opened, and what follows it.
fn edition(parenthesis: &str) -> Option<(Option<&str>, &str, &str)> {
    let (date, after) = parenthesis.split_once(')')?;
    let (month, year) = match date.split_once('/') {
        Some((month, year)) => (Some(month), year),
        None => (None, date),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_month = |text: &str| (1..=2).contains(&text.len()) && digits(text);
    (year.len() == 4 && digits(year) && month.is_none_or(is_month)).then_some((month, year, after))
}

/// Returns whether a character leaves nothing to see by itself.
fn is_invisible(character: char) -> bool {
    // The blank braille pattern is a symbol by its Unicode properties.
    character == '\u{2800}'
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        || CodePointSetData::new::<BidiControl>().contains(character)
}

/// Returns a code, an acronym or a key in its stored form, like [`normalize_text`]. Invisible characters are rejected, so that
/// no two identifiers look alike.
///
/// # Errors
/// Returns a message for the user if the text is invalid.
pub fn identifier(given: &str, max: usize) -> Result<Option<String>, String> {
    let stored = normalize_text(given, max)?;
    let hidden = |character: &char| is_invisible(*character);
    match stored.as_deref().and_then(|text| text.chars().find(hidden)) {
        Some(hidden) => Err(format!(
            "Must not contain invisible characters; this has U+{:04X}.",
            u32::from(hidden)
        )),
        None => Ok(stored),
    }
}

/// Returns the normalized form of a text; `None` if it has no visible character.
///
/// # Errors
/// Returns a message for the user if the text is invalid.
pub fn normalize_text(given: &str, max: usize) -> Result<Option<String>, String> {
    let text = normalize(given);
    let control = |character: &char| character.is_control() && !matches!(character, '\n' | '\t');
    if let Some(control) = text.chars().find(control) {
        return Err(format!(
            "Must not contain control characters other than line breaks and tabs; this has U+{:04X}.",
            u32::from(control)
        ));
    }
    let length = text.chars().count();
    if max < length {
        return Err(format!(
            "Must be {max} characters long at most; this has {length}."
        ));
    }
    let is_blank = |character: char| {
        character.is_whitespace() || is_invisible(character) || is_combining_mark(character)
    };
    Ok((!text.chars().all(is_blank)).then_some(text))
}

/// Returns a text without case and accents, for full-text search.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let plain = text
        .nfkd()
        .filter(|character| !is_combining_mark(*character));
    for letter in plain.flat_map(char::to_lowercase) {
        match letter {
            // Letters that are often typed without their stroke, but have no decomposition in Unicode.
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            letter => folded.push(letter),
        }
    }
    folded
}

/// Ends each part of a search text that consists of several. No text contains it, because texts have no control
/// characters.
pub const PART_END: char = '\u{1f}';

/// Returns the search text of a record: what identifies it, then each of its texts that can be translated.
#[must_use]
pub fn search_text(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(&fold(part));
        text.push(PART_END);
    }
    text
}

/// Returns the natural sort key of a text, compared byte by byte: without case and accents, SG2 before SG12.
#[must_use]
pub fn natural_key(text: &str) -> String {
    let mut key = String::new();
    let mut digits = String::new();
    for letter in fold(text).chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
        } else {
            push_number(&mut key, &mut digits);
            key.push(letter);
        }
    }
    push_number(&mut key, &mut digits);
    key.chars().take(MAX_SORT_KEY_LENGTH).collect()
}

fn push_number(key: &mut String, digits: &mut String) {
    if !digits.is_empty() {
        key.extend(std::iter::repeat_n(
            '0',
            DIGITS.saturating_sub(digits.len()),
        ));
        key.push_str(digits);
        digits.clear();
    }
}

/// Returns a count with its noun: `1 open topic`, `2 open topics`.
#[must_use]
pub fn pluralize(count: i64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Returns bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_stored_trimmed_in_nfc_with_plain_line_breaks() {
        let of = |text: &str| normalize_text(text, 20).unwrap();
        assert_eq!(of("  a\r\nb\rc\td \u{a0}"), Some("a\nb\nc\td".to_owned()));
        assert_eq!(of("Floriano\u{301}polis"), Some("Florianópolis".to_owned()));
        assert_eq!(of(" \n\t\u{3000}"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn length_is_counted_in_characters_of_what_is_stored() {
        assert!(normalize_text(&"é".repeat(32), 32).is_ok());
        assert!(normalize_text(&"e\u{301}".repeat(32), 32).is_ok());
        assert!(normalize_text(&format!("  {}  ", "e".repeat(32)), 32).is_ok());
        assert_eq!(
            normalize_text(&"é".repeat(33), 32),
            Err("Must be 32 characters long at most; this has 33.".to_owned())
        );
    }

    #[test]
    fn a_text_with_only_invisible_characters_is_blank() {
        for text in [
            "\u{200b}",
            "\u{feff}",
            "\u{ad}",
            "\u{2060}",
            "\u{200e}",
            "\u{3164}",
            "\u{2800}",
            "\u{301}",
            "\u{202e} \u{200b}",
        ] {
            assert_eq!(normalize_text(text, 20), Ok(None), "{text:?}");
        }
        let family = "\u{1f468}\u{200d}\u{1f469}";
        assert_eq!(normalize_text(family, 20), Ok(Some(family.to_owned())));
    }

    #[test]
    fn identifiers_contain_no_invisible_characters() {
        assert_eq!(identifier(" SG17 ", 20), Ok(Some("SG17".to_owned())));
        for text in ["SG\u{200b}17", "\u{202e}SG17", "SG17\u{feff}", "S\u{ad}G"] {
            assert!(identifier(text, 20).is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_are_the_same_whatever_their_case_and_blanks() {
        for text in ["ITU-T X.1", "ITU-T  X.1", "ITU-T\u{a0}X.1", " itu-t x.1 "] {
            assert_eq!(number_identity(text), "itu-t x.1", "{text:?}");
        }
        assert_eq!(number_identity("\u{212b} 1"), number_identity("\u{c5} 1"));
        assert_ne!(number_identity("X.11"), number_identity("X.1 1"));
    }

    #[test]
    fn editions_are_sorted_by_year_then_month() {
        let sorted = [
            "ITU-T X.9 (12/2021)",
            "ITU-T X.10",
            "ITU-T X.10 (2009)",
            "ITU-T X.10 (11/2009)",
            "itu-t  X.10(2/2012)",
            "ITU-T X.10 (10/2012)",
            "ITU-T X.10 (2012) Amd. 1 (03/2014)",
            "ITU-T X.10 (2012) Amd. 1 (01/2015)",
            "ITU-T X.10 (09/2015)",
            "ITU-T X.10 (all/2015)",
        ];
        let keys = sorted.map(number_key);
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn editions_of_one_number_are_of_one_series() {
        for number in ["ITU-T X.1 (09/2015)", "itu-t  x.1(2016)", "ITU-T X.1"] {
            assert_eq!(series(number), "itu-t x.1", "{number}");
        }
        let amendment = "ITU-T X.1 (2015) Amd. 1 (03/2017)";
        assert_eq!(series(amendment), "itu-t x.1 (2015) amd. 1");
        for number in [
            "(2015)",
            "x (all)",
            "x (109/2015)",
            "x (09/15)",
            "x (2015",
            "x 2015)",
        ] {
            assert_eq!(series(number), number);
        }
    }

    #[test]
    fn bytes_have_two_digits_each() {
        assert_eq!(hex(&[0, 1, 16, 171, 255]), "000110abff");
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["a\0b", "\0", "a\u{7}b", "a\u{1b}[0m", "a\u{7f}", "a\u{9f}b"] {
            assert!(normalize_text(text, 20).is_err(), "{text:?}");
        }
    }

    #[test]
    fn search_text_has_no_case_and_no_accents() {
        let same = [
            ("CONSEIL D'EXPLOITATION", "conseil d'exploitation"),
            ("Florianópolis", "FLORIANO\u{301}POLIS"),
            ("Straße", "STRASSE"),
            ("Łódź", "lodz"),
            ("İstanbul", "istanbul"),
            ("ΟΔΟΣ", "οδος"),
            ("Союз", "СОЮЗ"),
            ("ＳＧ１７", "sg17"),
            ("万国邮政联盟", "万国邮政联盟"),
        ];
        for (one, other) in same {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("50%"), fold("50_"));
    }

    #[test]
    fn lists_are_in_natural_order() {
        let sorted = [
            "C1 2013-2016",
            "C1-CUST 2013-2016",
            "C4 2009-2012",
            "C4 2013-2016",
            "C4-ESG 2009-2012",
            "é2",
            "É12",
            "SG2",
            "sg12",
            "SG12 2013-2016",
        ];
        let keys = sorted.map(natural_key);
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(natural_key("SG2"), "sg0000000002");
        assert_eq!(natural_key("12345678901"), "12345678901");
        assert_eq!(natural_key(&"1a".repeat(500)).chars().count(), 200);
    }
}

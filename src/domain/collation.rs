//! Sort keys of titles and names, in the alphabetical order of their language.

use std::sync::LazyLock;

use entity::party::Language;
use entity::word::all;
use icu_collator::options::CollatorOptions;
use icu_collator::preferences::CollationNumericOrdering;
use icu_collator::{CollatorBorrowed, CollatorPreferences};
use icu_locale_core::locale;

/// Maximum length of a key in bytes of the collation. Longer texts that begin alike are sorted by id.
const MAX_KEY_LENGTH: usize = 300;

static COLLATORS: LazyLock<Vec<(Language, CollatorBorrowed<'static>)>> = LazyLock::new(|| {
    let collator = |language| {
        Some((
            language,
            CollatorBorrowed::try_new(preferences(language), CollatorOptions::default()).ok()?,
        ))
    };
    all::<Language>().filter_map(collator).collect()
});

fn preferences(language: Language) -> CollatorPreferences {
    let locale = match language {
        Language::Ar => locale!("ar"),
        Language::Zh => locale!("zh"),
        Language::En => locale!("en"),
        Language::Fr => locale!("fr"),
        Language::Ru => locale!("ru"),
        Language::Es => locale!("es"),
        Language::De => locale!("de"),
        Language::Pt => locale!("pt"),
    };
    let mut preferences = CollatorPreferences::from(locale);
    // Version 2 comes before version 12.
    preferences.numeric_ordering = Some(CollationNumericOrdering::True);
    preferences
}

/// Returns the digit with which the keys of texts in a language begin. Keys of different scripts cannot be compared,
/// because each collation puts its own script first.
#[must_use]
pub const fn script_rank(language: Language) -> char {
    match language {
        Language::En | Language::Fr | Language::Es | Language::De | Language::Pt => '1',
        Language::Ru => '2',
        Language::Ar => '3',
        Language::Zh => '4',
    }
}

/// Returns the sort key of a text, compared byte by byte. The keys are stored: if a new version of the library orders
/// differently, a migration has to compute them again.
#[must_use]
pub fn collation_key(text: &str, language: Language) -> String {
    let mut key = Vec::new();
    if let Some((_, collator)) = COLLATORS.iter().find(|(of, _)| *of == language) {
        let Ok(()) = collator.write_sort_key_to(text, &mut key);
    }
    key.truncate(MAX_KEY_LENGTH);
    // As characters, the bytes keep their order in UTF-8.
    let key = key.into_iter().map(char::from);
    std::iter::once(script_rank(language)).chain(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(language: Language, texts: &[&str]) {
        let keys: Vec<String> = texts
            .iter()
            .map(|text| collation_key(text, language))
            .collect();
        assert!(
            keys.is_sorted_by(|one, other| one < other),
            "{language:?}: {texts:?}"
        );
        assert!(keys.iter().all(|key| !key.contains('\0')));
    }

    #[test]
    fn texts_are_in_the_alphabetical_order_of_their_language() {
        sorted(
            Language::En,
            &["", "security", "Security", "SG 2", "SG 12", "Zürich"],
        );
        sorted(
            Language::Fr,
            &["cote", "coté", "côte", "côté", "École", "usine"],
        );
        sorted(
            Language::De,
            &["Apfel", "Äpfel", "Bahn", "Strasse", "Straße", "Zug"],
        );
        sorted(Language::Es, &["nube", "ñandú", "oficina"]);
        sorted(Language::En, &["ñandú", "nube", "oficina"]);
        sorted(Language::Pt, &["ação", "acordo", "órgão", "postal"]);
        sorted(
            Language::Ru,
            &["ёлка", "ель", "жук", "йод", "яблоко", "apple"],
        );
        sorted(Language::Ar, &["اتحاد", "بريد", "قطاع", "مكتب", "post"]);
        // By pinyin: dianxin, guoji, wanguo, youzheng.
        sorted(Language::Zh, &["电信", "国际", "万国", "邮政", "post"]);
    }

    #[test]
    fn every_language_has_its_collator_and_keys_are_short() {
        assert_eq!(COLLATORS.len(), all::<Language>().count());
        let long = collation_key(&"é".repeat(500), Language::Fr);
        assert!(long.len() <= 2 * MAX_KEY_LENGTH + 1);
    }
}

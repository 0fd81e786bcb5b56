//! The words of a text, as they are searched for: without case and accents, codes in their parts, Chinese by characters.

use std::collections::HashSet;
use std::ops::Range;

use entity::party::Language;
use frostem::{Algorithm, Stemmer};

use crate::domain::text::fold;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its byte offset in the text.
    pub range: Range<usize>,
    /// The word without case and accents.
    pub folded: String,
    /// Whether it continues the word before it: `X.1341`, `S42` and `e-mail` are two words each, that belong together.
    pub joined: bool,
}

/// What a character is to the words of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    /// A word by itself: Chinese is written without spaces.
    Ideograph,
    /// Part of whatever it stands in: accents, and characters that cannot be seen.
    Mark,
    /// Joins the words on both sides of it.
    Joiner,
    Separator,
}

fn class(character: char) -> Class {
    match character {
        '.' | '-' | '/' | '_' | '\u{2010}' | '\u{2011}' => Class::Joiner,
        // The tatweel stretches Arabic words. The others are invisible.
        '\u{640}'
        | '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => Class::Mark,
        '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Class::Ideograph,
        _ if character.is_numeric() => Class::Digit,
        _ if character.is_alphabetic() => Class::Letter,
        _ if unicode_normalization::char::is_combining_mark(character) => Class::Mark,
        _ => Class::Separator,
    }
}

/// Splits a text into its words.
pub fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut current: Option<(Range<usize>, Class, bool)> = None;
    // Where the word or joiner before ended, if the next word would continue it.
    let mut joins_at = None;
    let mut finish = |current: &mut Option<(Range<usize>, Class, bool)>| {
        if let Some((range, _, joined)) = current.take() {
            let folded = folded(&text[range.clone()]);
            if !folded.is_empty() {
                words.push(Word {
                    range,
                    folded,
                    joined,
                });
            }
        }
    };
    for (start, character) in text.char_indices() {
        let end = start + character.len_utf8();
        match class(character) {
            Class::Mark => {
                if let Some((range, ..)) = &mut current {
                    range.end = end;
                    joins_at = Some(end);
                }
            }
            Class::Separator => {
                finish(&mut current);
                joins_at = None;
            }
            Class::Joiner => {
                // A second one is a dash or an ellipsis.
                joins_at = current.is_some().then_some(end);
                finish(&mut current);
            }
            kind => match &mut current {
                Some((range, class, _)) if *class == kind && kind != Class::Ideograph => {
                    range.end = end;
                    joins_at = Some(end);
                }
                _ => {
                    finish(&mut current);
                    current = Some((start..end, kind, joins_at == Some(start)));
                    joins_at = Some(end);
                }
            },
        }
    }
    finish(&mut current);
    words
}

/// Returns a word without case and accents, letters of Arabic that are written in several ways as one.
fn folded(word: &str) -> String {
    let letters = fold(word).chars().collect::<Vec<_>>();
    let letters = letters.into_iter().filter_map(|letter| match letter {
        'ى' => Some('ي'),
        'ة' => Some('ه'),
        '٠'..='٩' => char::from_digit(u32::from(letter) - u32::from('٠'), 10),
        '۰'..='۹' => char::from_digit(u32::from(letter) - u32::from('۰'), 10),
        _ if class(letter) == Class::Mark => None,
        letter => Some(letter),
    });
    letters.collect()
}

/// The languages whose words have stems, each with its algorithm.
pub const STEMMED: [(Language, Algorithm); 7] = [
    (Language::Ar, Algorithm::Arabic),
    (Language::En, Algorithm::English),
    (Language::Fr, Algorithm::French),
    (Language::Ru, Algorithm::Russian),
    (Language::Es, Algorithm::Spanish),
    (Language::De, Algorithm::German),
    (Language::Pt, Algorithm::Portuguese),
];

/// Endings of plurals whose stem is another than that of the singular, each with the ending of the singular. Without accents.
const PLURALS: [(Language, &str, &str); 15] = [
    (Language::Ar, "ات", ""),
    (Language::Ar, "ات", "ه"),
    (Language::De, "s", ""),
    (Language::En, "ses", "sis"),
    (Language::Es, "s", ""),
    (Language::Es, "es", ""),
    (Language::Es, "ces", "z"),
    (Language::Fr, "s", ""),
    (Language::Fr, "aux", "ail"),
    (Language::Pt, "s", ""),
    (Language::Pt, "oes", "ao"),
    (Language::Pt, "ais", "al"),
    (Language::Pt, "eis", "el"),
    (Language::Pt, "ns", "m"),
    (Language::Ru, "еи", "ея"),
];

/// What is written in one with an Arabic noun: the article, with and without a preposition or conjunction.
const ARABIC_PREFIXES: [&str; 4] = ["ال", "وال", "بال", "لل"];

/// Returns the stems of a word in a language. The first is that of the word as it is written; the others are those of the
/// word without accents, as many people type it, and of its singular.
pub fn stems(written: &str, folded_word: &str, language: Language) -> Vec<String> {
    let algorithm = STEMMED.iter().find(|stemmed| stemmed.0 == language);
    let Some((_, algorithm)) = algorithm else {
        return Vec::new();
    };
    let is_stemmed = |word: &str| word.chars().count() >= SHORTEST_STEMMED;
    if !is_stemmed(folded_word) {
        return Vec::new();
    }
    let mut forms = vec![folded_word.to_owned()];
    if language == Language::Ar {
        let nouns = ARABIC_PREFIXES.iter();
        forms.extend(nouns.filter_map(|prefix| Some(folded_word.strip_prefix(prefix)?.to_owned())));
    }
    for (_, plural, singular) in PLURALS.iter().filter(|of| of.0 == language) {
        let plurals = forms.iter().filter_map(|form| form.strip_suffix(plural));
        let singulars: Vec<String> = plurals.map(|form| format!("{form}{singular}")).collect();
        forms.extend(singulars);
    }
    forms.retain(|form| is_stemmed(form));
    let stemmer = Stemmer::new(*algorithm);
    let mut stems = vec![folded(&stemmer.stem(&written.to_lowercase()))];
    for form in forms {
        let stem = folded(&stemmer.stem(&form));
        // The stemmer takes the first letter of some Arabic nouns for a preposition.
        let noun = (language == Language::Ar).then_some(form);
        stems.extend([Some(stem), noun].into_iter().flatten());
    }
    let mut distinct = HashSet::new();
    stems.retain(|stem| !stem.is_empty() && distinct.insert(stem.clone()));
    stems
}

/// Shorter words are codes more often than not: `LS` is no plural.
const SHORTEST_STEMMED: usize = 3;

/// Words that say little by themselves: articles, prepositions, conjunctions, without accents. A search does not require
/// them if it has other words.
const FUNCTION_WORDS: &[&str] = &[
    // Arabic
    "في", "من", "علي", "الي", "عن", "مع", "او", "ان", "التي", "الذي", "هذا", "هذه", "بين",
    // Chinese
    "的", "和", "与", "及", "在", // English
    "a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on",
    "or", "s", "that", "the", "their", "this", "to", "with", // French
    "au", "aux", "avec", "c", "ce", "d", "dans", "de", "des", "du", "en", "et", "l", "la", "le",
    "les", "n", "ou", "par", "pour", "qu", "que", "sa", "ses", "son", "sur", "un", "une",
    // Russian
    "в", "во", "для", "до", "за", "и", "из", "или", "к", "как", "на", "о", "об", "от", "по", "при",
    "с", "со", "у", // Spanish
    "al", "con", "del", "el", "las", "lo", "los", "para", "por", "se", "su", "una", "y",
    // German
    "als", "am", "auf", "aus", "bei", "das", "dem", "den", "der", "die", "ein", "eine", "einer",
    "fur", "im", "mit", "nach", "oder", "uber", "und", "von", "zu", "zum", "zur",
    // Portuguese
    "ao", "as", "com", "da", "das", "do", "dos", "e", "em", "na", "nas", "no", "nos", "o", "os",
    "pela", "pelo", "um", "uma",
];

/// Returns whether a word says little by itself.
pub fn is_function_word(folded: &str) -> bool {
    FUNCTION_WORDS.contains(&folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words, with a `+` before those that continue the word before.
    fn of(text: &str) -> Vec<String> {
        let words = words(text).into_iter();
        let sign = |word: Word| format!("{}{}", if word.joined { "+" } else { "" }, word.folded);
        words.map(sign).collect()
    }

    #[test]
    fn codes_have_the_same_tokens_in_every_spelling() {
        assert_eq!(of("X.1341"), ["x", "+1341"]);
        assert_eq!(of("x1341"), ["x", "+1341"]);
        assert_eq!(of("S42"), ["s", "+42"]);
        assert_eq!(of("A-7"), ["a", "+7"]);
        assert_eq!(of("SG 17"), ["sg", "17"]);
        assert_eq!(
            of("ITU-T X.1341 (09/2015)"),
            ["itu", "+t", "x", "+1341", "09", "+2015"]
        );
    }

    #[test]
    fn tokens_have_no_case_accents_or_invisible_characters() {
        assert_eq!(of("L'Électricité, ÉTÉ"), ["l", "electricite", "ete"]);
        assert_eq!(of("Stra\u{ad}ße ＳＧ"), ["strasse", "sg"]);
        assert_eq!(of("Internet -- and ... more"), ["internet", "and", "more"]);
        assert_eq!(of("e\u{301}te\u{301}"), ["ete"]);
        assert_eq!(of(" .,;!\"'*() "), [] as [&str; 0]);
    }

    #[test]
    fn each_chinese_character_is_a_token() {
        assert_eq!(of("万国邮政"), ["万", "+国", "+邮", "+政"]);
        assert_eq!(of("5G网络"), ["5", "+g", "+网", "+络"]);
    }

    #[test]
    fn arabic_has_no_vowel_marks_and_no_tatweel() {
        assert_eq!(of("البَرِيد"), of("البريد"));
        assert_eq!(of("البـــريد"), of("البريد"));
        assert_eq!(of("أمن"), of("امن"));
        assert_eq!(of("٢٠١٥"), ["2015"]);
    }

    #[test]
    fn a_token_has_its_offsets() {
        let text = "Été: X.1341";
        let shown: Vec<&str> = words(text)
            .into_iter()
            .map(|word| &text[word.range])
            .collect();
        assert_eq!(shown, ["Été", "X", "1341"]);
    }

    #[test]
    fn singular_and_plural_have_a_stem_in_common_with_and_without_accents() {
        let of = |word: &str, language| stems(word, &folded(word), language);
        for (language, words) in [
            (
                Language::Ar,
                "الاتحاد اتحاد|البريدي بريدي|خدمة خدمات|شبكة شبكات|توصية توصيات|دراسة دراسات|جمعية جمعيات|اتصال اتصالات|\
                 اتصالات والاتصالات|اتصالات للاتصالات|منظمة منظمات|سياسة سياسات|مؤتمر مؤتمرات|بريد بالبريد|بريد للبريد",
            ),
            (
                Language::De,
                "Dienste diensten|Versammlung Versammlungen|Büro Büros|Amt Ämter|Qualität Qualitäten|Überweisung Überweisungen",
            ),
            (
                Language::En,
                "services service|assembly assemblies|analysis analyses|address addresses|currency currencies",
            ),
            (
                Language::Es,
                "estandarización estandarizar|asamblea asambleas|luz luces|calidad calidades|línea líneas|tarea tareas|\
                 río ríos|vía vías|unión uniones|red redes|vez veces|operador operadores|análisis análisis",
            ),
            (
                Language::Fr,
                "qualités qualité|commission commissions|envoi envois|travail travaux|loi lois|canal canaux|réseau réseaux",
            ),
            (
                Language::Pt,
                "serviços serviço|união uniões|lei leis|comissão comissões|postal postais|móvel móveis|nível níveis|\
                 mão mãos|fim fins|mensagem mensagens|operação operações|assembleia assembleias",
            ),
            (
                Language::Ru,
                "союза союз|ассамблея ассамблеи|ассамблея ассамблей|идея идеи|услуга услуг|сеть сетей|комиссия комиссий",
            ),
        ] {
            for pair in words.split('|') {
                let (one, other) = pair.split_once(' ').unwrap();
                let stems = of(one, language);
                for other in [other, &folded(other)] {
                    let others = of(other, language);
                    let in_common = stems.iter().any(|stem| others.contains(stem));
                    assert!(in_common, "{one} {other}: {stems:?} {others:?}");
                }
            }
        }
        assert_eq!(of("万", Language::Zh), [] as [String; 0]);
    }
}

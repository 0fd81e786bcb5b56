//! Random documents in random languages: each text is in the right language, and filters and orders use the
//! text that is shown.

use std::collections::HashMap;
use std::fmt::Write;

use proptest::prelude::Rng;
use proptest::test_runner::{TestRng, TestRunner};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::support::harness::{Client, Server};

on_both_databases! {
    random_documents_filter_and_sort_by_the_shown_text
}

/// 2,000 on both databases together.
const DOCUMENTS: usize = 1000;

const LANGUAGES: [&str; 8] = ["AR", "ZH", "EN", "FR", "RU", "ES", "DE", "PT"];

/// The lists with their types, texts and what identifies their records.
const LISTS: [(&str, &str, &[&str], &[&str]); 5] = [
    ("organizations", "NAME", &["name"], &["acronym"]),
    (
        "committees",
        "NAME",
        &["name", "mandate"],
        &["code", "period"],
    ),
    ("topics", "TITLE", &["title", "summary"], &["code"]),
    ("actionItems", "TITLE", &["title", "description"], &["code"]),
    ("publications", "TITLE", &["title"], &["number"]),
];

/// A record as the register has it: its originals and translations.
struct Record {
    value: Value,
    translations: HashMap<(String, String), String>,
}

impl Record {
    /// Returns the text that is shown in the first of these languages, with its language.
    fn shown(&self, text: &str, languages: &[&str]) -> Option<(&str, &str)> {
        let original = self.value[text].as_str()?;
        let own = self.value["originalLanguage"].as_str().unwrap();
        for language in languages {
            if *language == own {
                break;
            }
            let key = (text.to_uppercase(), (*language).to_owned());
            if let Some((key, found)) = self.translations.get_key_value(&key) {
                return Some((found, &key.1));
            }
        }
        Some((original, own))
    }
}

async fn random_documents_filter_and_sort_by_the_shown_text(server: &Server) {
    let mut runner = TestRunner::deterministic();
    let random = runner.rng();
    let upu = server.upu();
    translate(server, &upu, random).await;
    let reader = server.anonymous();
    let mut model = HashMap::new();
    for (list, _, texts, identity) in LISTS {
        model.insert(list, records(&reader, list, texts, identity).await);
    }
    for _ in 0..DOCUMENTS {
        let place = below(random, LISTS.len());
        check(&reader, LISTS[place], &model[LISTS[place].0], random).await;
    }
}

fn below(random: &mut TestRng, bound: usize) -> usize {
    random.next_u32() as usize % bound
}

fn word(random: &mut TestRng) -> String {
    (0..3)
        .map(|_| char::from(b'a' + u8::try_from(below(random, 26)).unwrap()))
        .collect()
}

/// Returns a text without case and accents.
fn folded(text: &str) -> String {
    let plain = text.nfkd().filter(|letter| !is_combining_mark(*letter));
    plain.flat_map(char::to_lowercase).collect()
}

/// Gives about half of the texts that the UPU may translate a translation or two, of lower-case words.
async fn translate(server: &Server, upu: &Client<'_>, random: &mut TestRng) {
    for (list, _, texts, _) in LISTS {
        let document = format!(
            "{{ {list}(first: 100) {{ nodes {{ id originalLanguage viewerPermissions {} }} }} }}",
            texts.join(" ")
        );
        let data = upu.data(&document, json!({})).await;
        for node in data[list]["nodes"].as_array().unwrap() {
            if !node["viewerPermissions"]
                .as_array()
                .unwrap()
                .contains(&json!("TRANSLATE"))
            {
                continue;
            }
            for text in texts {
                for _ in 0..below(random, 3) {
                    let language = LANGUAGES[below(random, 8)];
                    if node[text].is_null() || node["originalLanguage"] == language {
                        continue;
                    }
                    let translation = format!("{} {}", word(random), word(random));
                    let id = node["id"].as_str().unwrap();
                    server
                        .translate(id, &text.to_uppercase(), language, &translation)
                        .await;
                }
            }
        }
    }
}

async fn records(
    reader: &Client<'_>,
    list: &str,
    texts: &[&str],
    identity: &[&str],
) -> HashMap<String, Record> {
    let fields = [texts, identity].concat().join(" ");
    let document = format!(
        "query($after: String) {{ {list}(first: 100, after: $after) {{ nodes {{ id originalLanguage {fields} translations {{ field language text }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut records, mut after) = (HashMap::new(), Value::Null);
    loop {
        let mut data = reader.data(&document, json!({ "after": after })).await;
        for node in data[list]["nodes"].as_array_mut().unwrap() {
            let translations = node["translations"]
                .as_array()
                .unwrap()
                .iter()
                .map(|translation| {
                    let of = |name: &str| translation[name].as_str().unwrap().to_owned();
                    ((of("field"), of("language")), of("text"))
                });
            let translations = translations.collect();
            let id = node["id"].as_str().unwrap().to_owned();
            records.insert(
                id,
                Record {
                    value: node.take(),
                    translations,
                },
            );
        }
        if data[list]["pageInfo"]["hasNextPage"] == false {
            return records;
        }
        after = data[list]["pageInfo"]["endCursor"].clone();
    }
}

/// Returns what to look for: nothing, some letters, or a word of a text that is shown.
fn needle(
    records: &HashMap<String, Record>,
    text: &str,
    context: &[&str],
    random: &mut TestRng,
) -> Option<String> {
    match below(random, 3) {
        0 => None,
        1 => Some(word(random)[..=below(random, 2)].to_owned()),
        _ => {
            let mut all: Vec<&String> = records.keys().collect();
            all.sort_unstable();
            let record = &records[all[below(random, all.len())]];
            let (text, _) = record.shown(text, context).unwrap();
            text.split(' ').next().map(str::to_owned)
        }
    }
}

async fn check(
    reader: &Client<'_>,
    (list, order, texts, identity): (&str, &str, &[&str], &[&str]),
    records: &HashMap<String, Record>,
    random: &mut TestRng,
) {
    let context: Vec<&str> = (0..below(random, 4))
        .map(|_| LANGUAGES[below(random, 8)])
        .collect();
    let mut fields = String::new();
    let mut asked = Vec::new();
    for text in texts {
        for place in 0..=below(random, 2) {
            let argument = match below(random, 3) {
                0 => Some(LANGUAGES[below(random, 8)]),
                _ => None,
            };
            let argument_text =
                argument.map_or(String::new(), |language| format!("(language: {language})"));
            write!(fields, " {text}{place}: {text}{argument_text} {text}{place}Language: {text}Language{argument_text}").unwrap();
            asked.push((*text, place, argument));
        }
    }
    let needle = needle(records, texts[0], &context, random);
    let sorted = below(random, 2) == 0;
    let direction = ["ASC", "DESC"][below(random, 2)];
    let order_by = if sorted {
        format!(", orderBy: {{ field: {order}, direction: {direction} }}")
    } else {
        String::new()
    };
    let document = format!(
        "query($text: String) @inContext(languages: [{}]) {{ {list}(first: 100, filter: {{ text: $text }}{order_by}) {{ totalCount nodes {{ id{fields} }} }} }}",
        context.join(", ")
    );
    let data = reader.data(&document, json!({ "text": needle })).await;
    let nodes = data[list]["nodes"].as_array().unwrap();

    for node in nodes {
        let record = &records[node["id"].as_str().unwrap()];
        for (text, place, argument) in &asked {
            let languages: Vec<&str> = argument.iter().chain(&context).copied().collect();
            let expected = record.shown(text, &languages);
            let told = (
                node[format!("{text}{place}")].as_str(),
                node[format!("{text}{place}Language")].as_str(),
            );
            assert_eq!(
                told,
                (expected.map(|shown| shown.0), expected.map(|shown| shown.1)),
                "{document}"
            );
        }
    }
    if let Some(needle) = &needle {
        let needle = folded(needle);
        let contains = |text: &str| folded(text).contains(&needle);
        let matching = records.values().filter(|record| {
            let named: Vec<&str> = identity
                .iter()
                .map(|field| record.value[*field].as_str().unwrap())
                .collect();
            contains(&named.join(" "))
                || texts.iter().any(|text| {
                    record
                        .shown(text, &context)
                        .is_some_and(|shown| contains(shown.0))
                })
        });
        assert_eq!(
            data[list]["totalCount"],
            matching.count(),
            "{document} {needle}"
        );
    }
    if sorted {
        // Translations of two lower-case words are in the same order in each of the Latin scripts.
        let latin = |node: &&Value| {
            let (text, language) =
                records[node["id"].as_str().unwrap()].shown(texts[0], &context)?;
            let plain = text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b' ');
            (plain && !["RU", "AR", "ZH"].contains(&language)).then_some(text.to_owned())
        };
        let shown: Vec<String> = nodes.iter().filter_map(|node| latin(&node)).collect();
        let in_order = match direction {
            "ASC" => shown.is_sorted(),
            _ => shown.is_sorted_by(|one, other| one >= other),
        };
        assert!(in_order, "{document}: {shown:?}");
    }
}

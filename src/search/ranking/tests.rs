//! Compares searches with a scan of all texts.

use std::collections::BTreeMap;

use entity::party::Language;

use super::*;
use crate::search::document::{Document, FieldWeight, OverlapFacts, Text};
use crate::search::index::Record;
use crate::search::query::Query;

/// Words of texts and searches; the first are the most frequent. Some have the same stem or beginning.
const WORDS: [&str; 24] = [
    "post", "union", "service", "mail", "the", "e-mail", "postal", "services", "of", "unions", "e",
    "email", "posts", "code", "securing", "unity", "parcel", "coding", "secured", "secure",
    "parcels", "train", "trains", "training",
];
const LANGUAGES: [Language; 3] = [Language::En, Language::Fr, Language::Zh];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from((self.0 >> 33) % bound as u64).unwrap()
    }

    fn word(&mut self) -> &'static str {
        let bound = 1 + self.below(WORDS.len());
        WORDS[self.below(bound)]
    }

    fn words(&mut self, most: usize) -> String {
        let words: Vec<_> = (0..=self.below(most)).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn document(&mut self, number: usize) -> Document {
        let mut texts = Vec::new();
        for (field, most) in [("code", 2), ("title", 6), ("description", 20)] {
            for language in &LANGUAGES[..self.below(3)] {
                texts.push(text(field, *language, &self.words(most)));
            }
        }
        document(number, texts)
    }

    fn query(&mut self) -> String {
        let mut parts = Vec::new();
        for _ in 0..=self.below(3) {
            parts.push(match self.below(4) {
                0 => format!("\"{}\"", self.words(3)),
                1 => format!("{}-{}", self.word(), self.word()),
                _ => self.word().to_owned(),
            });
        }
        if self.below(3) == 0 {
            let word = self.word();
            parts.push(word[..word.len().min(2)].to_owned());
        }
        parts.join(" ")
    }
}

fn text(field: &'static str, language: Language, content: &str) -> Text {
    Text {
        field,
        language,
        content: content.to_owned(),
    }
}

fn document(number: usize, texts: Vec<Text>) -> Document {
    Document {
        ty: SearchType::ALL[number % SearchType::ALL.len()],
        id: Uuid::from_u128(number as u128),
        sides: vec![[Side::Itu, Side::Upu][number % 2]],
        texts,
        overlap: OverlapFacts::default(),
    }
}

/// Returns the score of a record for a clause, if it matches, without how rare that is.
fn scan_record(index: &Index, record: &Record, clause: &ResolvedClause) -> Option<f64> {
    let mut fields: Vec<(&str, f64)> = Vec::new();
    for text in index.texts(record) {
        let places = 0..text.words.len();
        let matches = places.filter_map(|place| clause.matches(text, place));
        let counts = matches.map(|(_, counts)| counts).sum();
        if counts == 0 {
            continue;
        }
        let facts = TextFacts {
            slot: None,
            length: u32::try_from(text.words.len()).unwrap(),
            weight: FieldWeight::of(text.field),
            field: 0,
        };
        let score = score(clause, facts, counts);
        match fields.last_mut() {
            Some((field, best)) if *field == text.field => *best = best.max(score),
            _ => fields.push((text.field, score)),
        }
    }
    let scores = || fields.iter().map(|(_, score)| *score);
    let best = scores().reduce(f64::max)?;
    Some(best + OTHER_FIELDS * (scores().sum::<f64>() - best))
}

/// Returns all hits, best first, and the statistics, by reading all texts.
fn scan(index: &Index, query: &ResolvedQuery, filter: &HitFilter) -> (Vec<Hit>, Statistics) {
    let mut statistics = Statistics {
        records: index.len(),
        matching: Vec::new(),
    };
    let mut sums: BTreeMap<Uuid, f64> = index.records().map(|record| (record.id, 0.0)).collect();
    for clause in &query.clauses {
        let scores = index
            .records()
            .filter_map(|record| Some((record.id, scan_record(index, record, clause)?)));
        let scores: BTreeMap<Uuid, f64> = scores.collect();
        let frequency = u32::try_from(scores.len()).unwrap();
        statistics.matching.push(frequency);
        let rarity = rarity(statistics.records, frequency);
        sums.retain(|id, sum| {
            let score = scores.get(id);
            *sum += score.map_or(0.0, |score| score * rarity);
            score.is_some() || !clause.is_required
        });
    }
    let hits = sums.into_iter().filter_map(|(id, sum)| {
        let record = index.record(id)?;
        let types = filter.types.as_ref();
        let sides = filter.sides.as_ref();
        let is_wanted = types.is_none_or(|types| types.contains(&record.ty))
            && sides.is_none_or(|sides| sides.contains(&record.sides[0]));
        is_wanted.then_some(Hit {
            ty: record.ty,
            id,
            score: (sum * PRECISION).round() / PRECISION,
        })
    });
    let mut hits: Vec<Hit> = hits.collect();
    hits.sort_by(Hit::order);
    (hits, statistics)
}

/// Returns the hits of all pages, and the statistics of the first.
fn pages(
    index: &Index,
    query: &ResolvedQuery,
    filter: &HitFilter,
    first: usize,
) -> (Vec<Hit>, Statistics) {
    let mut hits: Vec<Hit> = Vec::new();
    let mut statistics = None;
    loop {
        let after = hits.last().map(|last| (last.score, last.id));
        let found = search(index, query, filter, first, after, statistics);
        hits.extend(&found.page);
        if !found.has_more {
            let total: u32 = found.counts.iter().sum();
            assert_eq!(hits.len(), total as usize);
            return (hits, found.statistics);
        }
        assert_eq!(found.page.len(), first);
        statistics = Some(found.statistics);
    }
}

#[test]
fn a_search_finds_what_a_scan_of_all_texts_finds_whatever_changed() {
    let mut random = Random(7);
    // Has all words in all languages and is not changed: stems and compounds are known until the index is built anew,
    // even if no text has them any more.
    let all = LANGUAGES.map(|language| text("description", language, &WORDS.join(" ")));
    let all = document(0, all.into());
    let mut index = Index::build([all.clone()]);
    let mut documents = BTreeMap::from([(all.id, all)]);
    let (mut compacted, mut found_some) = (0, 0);
    for _ in 0..200 {
        for _ in 0..=random.below(4) {
            let number = 1 + random.below(40);
            let document = random.document(number);
            if random.below(4) == 0 {
                index.remove(document.id);
                documents.remove(&document.id);
            } else {
                index.put(document.clone());
                documents.insert(document.id, document);
            }
        }
        let texts = index.text_count();
        index.compact();
        compacted += usize::from(index.text_count() < texts);
        let anew = Index::build(documents.values().cloned());
        for _ in 0..10 {
            let text = random.query();
            let query = Query::parse(&text).unwrap();
            let types = (random.below(3) == 0).then(|| SearchType::ALL[..4].to_vec());
            let sides = (random.below(3) == 0).then(|| vec![Side::Upu]);
            let filter = HitFilter { types, sides };
            let first = 1 + random.below(6);
            let found = pages(&index, &query.resolve(&index), &filter, first);
            let scanned = scan(&anew, &query.resolve(&anew), &filter);
            assert_eq!(found, scanned, "{text}");
            found_some += usize::from(found.0.len() > 1);
        }
    }
    assert!(compacted > 3, "{compacted}");
    assert!(found_some > 500, "{found_some}");
}

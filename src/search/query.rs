//! A search: what it asks for, and the records that have it, best first.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use entity::party::Side;
use sea_orm::prelude::Uuid;

use crate::search::document::{SearchType, weight};
use crate::search::index::{Index, IndexedText};
use crate::search::words::{is_function_word, words};

/// A parsed search text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    clauses: Vec<Clause>,
}

/// Words that a text has to have one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clause {
    words: Vec<QueryWord>,
    /// Whether it stands in quotes: only these very words count.
    is_quoted: bool,
    /// Whether a record needs it to be found.
    is_required: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct QueryWord {
    written: String,
    folded: String,
    /// Whether longer words that begin so count, too.
    is_prefix: bool,
}

const QUOTES: [char; 6] = ['"', '“', '”', '„', '«', '»'];

/// A single letter as the last word stands for itself: too many words begin so.
const SHORTEST_PREFIX: usize = 2;

impl Query {
    /// Parses a search text; `None` if it has no word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut clauses = Vec::new();
        let mut rest = text;
        loop {
            let quoted = rest.split_once(QUOTES).and_then(|(before, after)| {
                let (quoted, after) = after.split_once(QUOTES)?;
                Some((before, quoted, after))
            });
            let Some((before, quoted, after)) = quoted else {
                break;
            };
            add_words(&mut clauses, before);
            let quoted = words_of(quoted).map(|word| word.0).collect::<Vec<_>>();
            if !quoted.is_empty() {
                clauses.push(Clause {
                    words: quoted,
                    is_quoted: true,
                    is_required: true,
                });
            }
            rest = after;
        }
        let quoted = clauses.len();
        add_words(&mut clauses, rest);
        if let Some(last) = clauses[quoted..].last_mut() {
            let is_joined = last.words.len() > 1;
            if let Some(word) = last.words.last_mut() {
                word.is_prefix = is_joined || word.folded.chars().count() >= SHORTEST_PREFIX;
            }
        }
        let mut distinct: Vec<Clause> = Vec::new();
        for clause in clauses {
            if !distinct.contains(&clause) {
                distinct.push(clause);
            }
        }
        if distinct.iter().all(Clause::says_little) {
            for clause in &mut distinct {
                clause.is_required = true;
            }
        }
        (!distinct.is_empty()).then_some(Self { clauses: distinct })
    }

    /// Looks up its words in an index.
    #[must_use]
    pub fn resolve(&self, index: &Index) -> ResolvedQuery {
        let clauses = self.clauses.iter().map(|clause| clause.resolve(index));
        ResolvedQuery {
            clauses: clauses.collect(),
        }
    }
}

fn words_of(text: &str) -> impl Iterator<Item = (QueryWord, bool)> {
    words(text).into_iter().map(|word| {
        let query_word = QueryWord {
            written: text[word.range].to_owned(),
            folded: word.folded,
            is_prefix: false,
        };
        (query_word, word.joined)
    })
}

/// Adds the words of a text that is not quoted: each is a clause, or continues that of the word that it belongs to.
fn add_words(clauses: &mut Vec<Clause>, text: &str) {
    let first = clauses.len();
    for (word, is_joined) in words_of(text) {
        match clauses[first..].last_mut() {
            Some(clause) if is_joined => clause.words.push(word),
            _ => clauses.push(Clause {
                words: vec![word],
                is_quoted: false,
                is_required: true,
            }),
        }
    }
    for clause in &mut clauses[first..] {
        clause.is_required = !clause.says_little();
    }
}

/// What a word counts: as it is written, with the same stem, and as the beginning of another.
const EXACT: u32 = 10;
const SAME_STEM: u32 = 8;
const BEGINNING: u32 = 5;

/// Words of an index, by id, with what each counts.
type WordSet = Vec<(u32, u32)>;

impl Clause {
    fn says_little(&self) -> bool {
        !self.is_quoted && self.words.len() == 1 && is_function_word(&self.words[0].folded)
    }

    fn resolve(&self, index: &Index) -> ResolvedClause {
        let sets = self.words.iter().map(|word| self.resolve_word(word, index));
        let mut alternatives = vec![sets.collect::<Vec<_>>()];
        if !self.is_quoted {
            let whole: String = self.words.iter().map(|word| word.folded.as_str()).collect();
            if self.words.len() > 1 {
                // `cyber-security` finds `cybersecurity`,
                let whole = index.exact(&whole);
                alternatives.extend(whole.map(|whole| vec![vec![(whole, EXACT)]]));
            } else {
                // and `email` finds `e-mail`.
                let parts = index.parts(&whole).iter();
                alternatives.extend(parts.map(|parts| {
                    let sets = parts.iter().map(|part| vec![(*part, EXACT)]);
                    sets.collect()
                }));
            }
        }
        ResolvedClause {
            alternatives,
            is_required: self.is_required,
        }
    }

    fn resolve_word(&self, word: &QueryWord, index: &Index) -> WordSet {
        let mut set: WordSet = Vec::new();
        set.extend(index.exact(&word.folded).map(|id| (id, EXACT)));
        if !self.is_quoted {
            let related = index.related(&word.written, &word.folded);
            set.extend(related.into_iter().map(|id| (id, SAME_STEM)));
        }
        if word.is_prefix {
            let longer = index.beginning(&word.folded);
            set.extend(longer.map(|id| (id, BEGINNING)));
        }
        set.sort_unstable_by_key(|(id, counts)| (*id, u32::MAX - counts));
        set.dedup_by_key(|(id, _)| *id);
        set
    }
}

/// A query with its words as an index has them.
pub struct ResolvedQuery {
    pub clauses: Vec<ResolvedClause>,
}

pub struct ResolvedClause {
    /// The words that a text has one after the other, in one of several ways.
    alternatives: Vec<Vec<WordSet>>,
    pub is_required: bool,
}

impl ResolvedClause {
    /// Returns how many words of a text match from a place on, and what they count.
    pub fn matches(&self, text: &IndexedText, place: usize) -> Option<(usize, u32)> {
        let alternatives = self.alternatives.iter();
        let mut matching = alternatives.filter_map(|sets| {
            let mut counts = sets.iter().enumerate();
            let least = counts.try_fold(EXACT, |least, (offset, set)| {
                let word = text.words.get(place + offset)?.word;
                let found = set.binary_search_by_key(&word, |(id, _)| *id).ok()?;
                Some(least.min(set[found].1))
            });
            Some((sets.len(), least?))
        });
        matching.next()
    }

    /// Returns the texts that match, by number, with what their matches count together.
    fn texts(&self, index: &Index) -> Vec<(u32, u32)> {
        if let [only] = self.alternatives.as_slice()
            && let [set] = only.as_slice()
        {
            return sum_postings(index, set);
        }
        // The texts that have the rarest word of an alternative, and then those that have the others beside it.
        let mut candidates = WordSet::new();
        for sets in &self.alternatives {
            let size = |set: &&WordSet| {
                let sizes = set.iter().map(|(word, _)| index.postings(*word).len());
                sizes.sum::<usize>()
            };
            candidates.extend(sets.iter().min_by_key(size).into_iter().flatten());
        }
        let candidates = sum_postings(index, &candidates);
        let matching = candidates.into_iter().filter_map(|(number, _)| {
            let (_, text) = index.text(number)?;
            let places = 0..text.words.len();
            let counts = places.filter_map(|place| Some(self.matches(text, place)?.1));
            let sum: u32 = counts.sum();
            (sum > 0).then_some((number, sum))
        });
        matching.collect()
    }
}

/// Postings up to which they are sorted; more are summed in a table of all texts.
const FEW: usize = 4096;

/// Returns the texts that have one of the words, by number, with what these count together.
fn sum_postings(index: &Index, set: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let postings = || {
        set.iter().flat_map(|(word, counts)| {
            let postings = index.postings(*word).iter();
            postings.map(move |posting| (posting.text, posting.count * counts))
        })
    };
    let size: usize = set
        .iter()
        .map(|(word, _)| index.postings(*word).len())
        .sum();
    if set.len() < 2 || size <= FEW {
        let mut sums: Vec<(u32, u32)> = postings().collect();
        sums.sort_unstable_by_key(|(text, _)| *text);
        sums.dedup_by(|other, first| {
            let is_same = other.0 == first.0;
            first.1 += if is_same { other.1 } else { 0 };
            is_same
        });
        return sums;
    }
    let mut sums = vec![0; index.capacity().1];
    for (text, counts) in postings() {
        sums[text as usize] += counts;
    }
    let sums = (0..).zip(sums).filter(|(_, sum)| *sum > 0);
    sums.collect()
}

/// What a ranking depends on beyond the record: how many records there are, and how many match each clause. A cursor
/// holds it, so that further pages rank every record as the first page did, whatever is written meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    pub records: u32,
    pub matching: Vec<u32>,
}

/// Which hits are wanted.
#[derive(Clone, Debug, Default)]
pub struct HitFilter {
    /// `None` is all; an empty list is none.
    pub types: Option<Vec<SearchType>>,
    pub sides: Option<Vec<Side>>,
}

/// A record that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    pub ty: SearchType,
    pub id: Uuid,
    pub score: f64,
}

impl Hit {
    /// Best first; of equal ones the older record.
    fn order(&self, other: &Self) -> Ordering {
        other
            .place()
            .partial_cmp(&self.place())
            .unwrap_or(Ordering::Equal)
    }

    fn place(&self) -> (f64, std::cmp::Reverse<Uuid>) {
        (self.score, std::cmp::Reverse(self.id))
    }
}

/// A page of hits.
pub struct Hits {
    pub page: Vec<Hit>,
    pub has_more: bool,
    /// How many hits each type has, on all pages.
    pub counts: BTreeMap<SearchType, u32>,
    pub statistics: Statistics,
}

// The usual constants of BM25: how fast further occurrences count less, and how much long texts do.
const SATURATION: f64 = 1.2;
const LENGTH: f64 = 0.75;
/// Scores are rounded, so that they are the same on all machines.
const PRECISION: f64 = 1e6;

/// Returns the hits after a place, best first, at most `first`.
pub fn search(
    index: &Index,
    query: &ResolvedQuery,
    filter: &HitFilter,
    first: usize,
    after: Option<(f64, Uuid)>,
    pinned: Option<Statistics>,
) -> Hits {
    let (slots, _) = index.capacity();
    let mut scores = vec![0.0; slots];
    let mut satisfied = vec![0_u32; slots];
    let mut required = 0;
    let mut statistics = Statistics {
        records: index.len(),
        matching: Vec::new(),
    };
    let pinned = pinned.filter(|pinned| pinned.matching.len() == query.clauses.len());
    for (place, clause) in query.clauses.iter().enumerate() {
        let matching = scored(index, clause);
        let frequency = u32::try_from(matching.len()).unwrap_or(u32::MAX);
        statistics.matching.push(frequency);
        let (records, frequency) = match &pinned {
            Some(pinned) => (pinned.records, pinned.matching[place]),
            None => (statistics.records, frequency),
        };
        let rarity = rarity(records, frequency);
        for (slot, score) in matching {
            scores[slot as usize] += rarity * score;
            satisfied[slot as usize] += u32::from(clause.is_required);
        }
        required += u32::from(clause.is_required);
    }
    let mut counts: BTreeMap<SearchType, u32> = BTreeMap::new();
    let mut page = Vec::new();
    // The hit after the page, of those so far: worse ones are not held.
    let mut worst: Option<Hit> = None;
    for (slot, (score, satisfied)) in (0..).zip(scores.into_iter().zip(satisfied)) {
        let Some(record) = index.at(slot) else {
            continue;
        };
        if satisfied < required || !filter.includes(record.ty, &record.sides) {
            continue;
        }
        *counts.entry(record.ty).or_default() += 1;
        let hit = Hit {
            ty: record.ty,
            id: record.id,
            score: (score * PRECISION).round() / PRECISION,
        };
        let is_after = after.is_none_or(|(score, id)| {
            let last = Hit { id, score, ..hit };
            last.order(&hit) == Ordering::Less
        });
        let is_better = worst.is_none_or(|worst| hit.order(&worst) == Ordering::Less);
        if is_after && is_better {
            page.push(hit);
        }
        if page.len() > 4 * (first + 1) {
            page.select_nth_unstable_by(first, Hit::order);
            page.truncate(first + 1);
            worst = page.last().copied();
        }
    }
    page.sort_unstable_by(Hit::order);
    let has_more = page.len() > first;
    page.truncate(first);
    Hits {
        page,
        has_more,
        counts,
        statistics: pinned.unwrap_or(statistics),
    }
}

impl HitFilter {
    fn includes(&self, ty: SearchType, sides: &[Side]) -> bool {
        let types = self.types.as_ref();
        let wanted = self.sides.as_ref();
        types.is_none_or(|types| types.contains(&ty))
            && wanted.is_none_or(|wanted| sides.iter().any(|side| wanted.contains(side)))
    }
}

/// What the fields of a record beside its best one count.
const OTHER_FIELDS: f64 = 0.25;
/// What a text counts that has nothing but the words that were looked for, as an acronym does.
const WHOLE_TEXT: f64 = 2.0;

/// Returns the records of matching texts, by slot, each with its score: of each field the best language, and of these the
/// best field and a part of the others.
fn scored(index: &Index, clause: &ResolvedClause) -> Vec<(u32, f64)> {
    let texts = clause.texts(index).into_iter();
    let texts = texts.filter_map(|(number, counts)| {
        let (slot, text) = index.text(number)?;
        Some((slot, text.field, clause.score(text, counts)))
    });
    let texts: Vec<(u32, &str, f64)> = texts.collect();
    let records = texts.chunk_by(|one, other| one.0 == other.0);
    let records = records.map(|record| {
        let (mut best, mut sum) = (0.0_f64, 0.0);
        for field in record.chunk_by(|one, other| one.1 == other.1) {
            let score = field.iter().map(|text| text.2).fold(0.0, f64::max);
            best = best.max(score);
            sum += score;
        }
        (record[0].0, best + OTHER_FIELDS * (sum - best))
    });
    records.collect()
}

impl ResolvedClause {
    /// Returns the score of a text by what its matches count together.
    fn score(&self, text: &IndexedText, counts: u32) -> f64 {
        let float = |length: usize| f64::from(u32::try_from(length).unwrap_or(u32::MAX));
        let (weight, typical) = weight(text.field);
        let occurrences = f64::from(counts) / f64::from(EXACT);
        let length = float(text.words.len());
        let damping = SATURATION * (1.0 - LENGTH + LENGTH * length / typical);
        let score = weight * occurrences * (SATURATION + 1.0) / (occurrences + damping);
        let is_whole = occurrences * float(self.alternatives[0].len()) >= length;
        if is_whole { WHOLE_TEXT * score } else { score }
    }
}

/// Returns what a match counts by how few records have it.
fn rarity(records: u32, matching: u32) -> f64 {
    let (records, matching) = (f64::from(records), f64::from(matching));
    ((records - matching + 0.5).max(0.5) / (matching + 0.5) + 1.0).ln()
}

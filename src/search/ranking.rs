//! The records that match a search, best first.

use std::cmp::Ordering;

use entity::party::Side;
use sea_orm::prelude::Uuid;

use crate::search::document::SearchType;
use crate::search::index::{Index, Place, TextFacts};
use crate::search::query::{EXACT, ResolvedClause, ResolvedQuery, WordSet};

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
    pub counts: [u32; SearchType::ALL.len()],
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
    let mut statistics = Statistics {
        records: index.len(),
        matching: Vec::new(),
    };
    let pinned = pinned.filter(|pinned| pinned.matching.len() == query.clauses.len());
    // By slot: the records that have all required clauses so far, which come first, with their scores.
    let mut found: Vec<(u32, f64)> = Vec::new();
    for (number, clause) in query.clauses.iter().enumerate() {
        let mut matching = scored(index, clause);
        let frequency = u32::try_from(matching.len()).unwrap_or(u32::MAX);
        statistics.matching.push(frequency);
        let (records, frequency) = match &pinned {
            Some(pinned) => (pinned.records, pinned.matching[number]),
            None => (statistics.records, frequency),
        };
        let rarity = rarity(records, frequency);
        for (_, score) in &mut matching {
            *score *= rarity;
        }
        if number == 0 {
            found = matching;
            continue;
        }
        let mut score_of = lookup(matching.into_iter());
        found.retain_mut(|(slot, sum)| {
            let score = score_of(*slot);
            *sum += score.unwrap_or(0.0);
            score.is_some() || !clause.is_required
        });
    }
    let mut counts = [0; SearchType::ALL.len()];
    let mut page = Vec::new();
    // The hit after the page, of those so far: worse ones are not held.
    let mut worst: Option<Hit> = None;
    for (slot, score) in found {
        if !filter.includes(index, slot) {
            continue;
        }
        counts[index.ty(slot) as usize] += 1;
        // Most are not among the first, and need not be rounded and compared.
        if worst.is_some_and(|worst| score < worst.score - 1.0 / PRECISION) {
            continue;
        }
        let Some(record) = index.at(slot) else {
            continue;
        };
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
    fn includes(&self, index: &Index, slot: u32) -> bool {
        let types = self.types.as_ref();
        let sides = self.sides.as_ref();
        types.is_none_or(|types| types.contains(&index.ty(slot)))
            && sides.is_none_or(|sides| {
                let record = index.at(slot);
                record.is_some_and(|record| record.sides.iter().any(|side| sides.contains(side)))
            })
    }
}

/// What the fields of a record beside its best one count.
const OTHER_FIELDS: f64 = 0.25;
/// What a text counts that has nothing but the words that were looked for, as an acronym does.
const WHOLE_TEXT: f64 = 2.0;

/// Places up to which they are sorted; more are summed in a table of all texts. This bounds what sorting takes, against an
/// allocation of 4 bytes for each text of the index. It is an estimate. Tests have few places, and use both.
const FEW: usize = if cfg!(test) { 16 } else { 4096 };

/// Returns the records that match, by slot, each with its score: of each field the best language, and of these the
/// best field and a part of the others.
fn scored(index: &Index, clause: &ResolvedClause) -> Vec<(u32, f64)> {
    let texts = texts(index, clause);
    let mut records = Vec::with_capacity(texts.len());
    // Of the record at hand: its slot and field, the best text of that field, the best field before it, and their sum.
    let (mut last, mut text, mut best, mut sum) = (None, 0.0_f64, 0.0_f64, 0.0);
    for (number, counts) in texts {
        let facts = index.facts(number);
        let Some(slot) = facts.slot else {
            continue;
        };
        let score = score(clause, facts, counts);
        if last == Some((slot, facts.field)) {
            text = text.max(score);
            continue;
        }
        best = best.max(text);
        sum += text;
        text = score;
        if let Some((before, _)) = last
            && before != slot
        {
            records.push((before, best + OTHER_FIELDS * (sum - best)));
            (best, sum) = (0.0, 0.0);
        }
        last = Some((slot, facts.field));
    }
    if let Some((slot, _)) = last {
        best = best.max(text);
        sum += text;
        records.push((slot, best + OTHER_FIELDS * (sum - best)));
    }
    records
}

/// Returns the texts that match, in order, with what their matches count together.
fn texts(index: &Index, clause: &ResolvedClause) -> Vec<(u32, u32)> {
    if let [sets] = clause.alternatives.as_slice()
        && let [set] = sets.as_slice()
    {
        return sum_of_words(index, set);
    }
    let alternatives = clause.alternatives.iter();
    let places = alternatives.flat_map(|sets| phrase(index, sets));
    let mut places: Vec<(Place, u32)> = places.collect();
    // Of several at one place the first counts. Those of each alternative are in order, which this sort makes use of.
    places.sort_by_key(|(place, _)| *place);
    places.dedup_by_key(|(place, _)| *place);
    let places = places.into_iter();
    sum_in_order(places.map(|(place, counts)| (place.text(), counts)))
}

/// Returns the score of a text by what its matches count together.
fn score(clause: &ResolvedClause, text: TextFacts, counts: u32) -> f64 {
    let (weight, typical) = text.weight.values();
    let occurrences = f64::from(counts) / f64::from(EXACT);
    let length = f64::from(text.length);
    let damping = SATURATION * (1.0 - LENGTH + LENGTH / typical * length);
    let score = weight * occurrences * (SATURATION + 1.0) / (occurrences + damping);
    let words = u32::try_from(clause.alternatives[0].len()).unwrap_or(u32::MAX);
    let is_whole = occurrences * f64::from(words) >= length;
    if is_whole { WHOLE_TEXT * score } else { score }
}

/// Returns the texts that have words of a set, in order, with what these count together.
fn sum_of_words(index: &Index, set: &WordSet) -> Vec<(u32, u32)> {
    let matches_of = |(word, counts): (u32, u32)| {
        let places = index.places(word).iter();
        places.map(move |place| (place.text(), counts))
    };
    if let [word] = set.as_slice() {
        return sum_in_order(matches_of(*word));
    }
    let size = size(index, set);
    if size <= FEW {
        let mut matches: Vec<(u32, u32)> = set.iter().copied().flat_map(matches_of).collect();
        matches.sort_unstable_by_key(|(text, _)| *text);
        return sum_in_order(matches.into_iter());
    }
    let mut sums = vec![0; index.text_count()];
    for word in set {
        for (text, counts) in matches_of(*word) {
            sums[text as usize] += counts;
        }
    }
    let mut texts = Vec::with_capacity(size.min(sums.len()));
    texts.extend((0..).zip(sums).filter(|(_, sum)| *sum > 0));
    texts
}

/// Adds up what matches count, of which those of one text stand together.
fn sum_in_order(matches: impl Iterator<Item = (u32, u32)>) -> Vec<(u32, u32)> {
    let mut texts: Vec<(u32, u32)> = Vec::with_capacity(matches.size_hint().0);
    for (text, counts) in matches {
        match texts.last_mut() {
            Some((last, sum)) if *last == text => *sum += counts,
            _ => texts.push((text, counts)),
        }
    }
    texts
}

/// Returns where texts have a word of each set one after the other, in order, with what the least of these words counts.
fn phrase(index: &Index, sets: &[WordSet]) -> Vec<(Place, u32)> {
    let mut sets: Vec<(usize, &WordSet)> = sets.iter().enumerate().collect();
    // The rarest first: there are no more candidates than it has places, and none if it has none.
    sets.sort_by_cached_key(|(_, set)| size(index, set));
    let mut sets = sets.into_iter();
    let Some((offset, rarest)) = sets.next() else {
        return Vec::new();
    };
    let places_of_rarest = places(index, rarest).into_iter();
    let starts =
        places_of_rarest.filter_map(|(place, counts)| Some((place.before(offset)?, counts)));
    let mut found: Vec<(Place, u32)> = starts.collect();
    for (offset, set) in sets {
        if found.is_empty() {
            break;
        }
        if let [(word, counts)] = set.as_slice() {
            let places = index.places(*word).iter();
            retain(&mut found, offset, places.map(|place| (*place, *counts)));
        } else {
            retain(&mut found, offset, places(index, set).into_iter());
        }
    }
    found
}

/// Retains what is so many words before one of the places, with the lesser of what both count.
fn retain(
    found: &mut Vec<(Place, u32)>,
    offset: usize,
    places: impl Iterator<Item = (Place, u32)>,
) {
    let mut counts_at = lookup(places);
    found.retain_mut(|(start, least)| {
        let counts = counts_at(start.after(offset));
        *least = (*least).min(counts.unwrap_or(0));
        counts.is_some()
    });
}

/// Returns where texts have a word of a set, in order, with what the word counts.
fn places(index: &Index, set: &WordSet) -> Vec<(Place, u32)> {
    let mut places = Vec::with_capacity(size(index, set));
    for (word, counts) in set {
        let of_word = index.places(*word).iter();
        places.extend(of_word.map(|place| (*place, *counts)));
    }
    // Those of each word are in order, which this sort makes use of.
    places.sort_by_key(|(place, _)| *place);
    places
}

/// Returns how many places have a word of a set.
fn size(index: &Index, set: &WordSet) -> usize {
    let sizes = set.iter().map(|(word, _)| index.places(*word).len());
    sizes.sum()
}

/// Returns a function that returns the values of keys in a list, both in ascending order.
fn lookup<K: Ord + Copy, V: Copy>(
    list: impl Iterator<Item = (K, V)>,
) -> impl FnMut(K) -> Option<V> {
    let mut rest = list.peekable();
    move |wanted| {
        while rest.next_if(|(key, _)| *key < wanted).is_some() {}
        let next = rest.peek().filter(|(key, _)| *key == wanted);
        next.map(|(_, value)| *value)
    }
}

/// Returns what a match counts by how few records have it.
fn rarity(records: u32, matching: u32) -> f64 {
    let (records, matching) = (f64::from(records), f64::from(matching));
    ((records - matching + 0.5).max(0.5) / (matching + 0.5) + 1.0).ln()
}

#[cfg(test)]
mod tests;

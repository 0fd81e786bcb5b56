//! Pairs of an ITU and a UPU text that are on the same ground: texts that share rare words.
//!
//! The weight of a word is a whole number that changes only when a count passes a power of two. So scores depend on the
//! texts alone, and few of them have to be computed again when a text changes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::ops::Bound;

use entity::party::{Language, Side};
use sea_orm::prelude::Uuid;

use crate::search::document::{Document, SearchType, Text};
use crate::search::words::{is_function_word, stems, words};

/// Maximum number of pairs per text: its most similar texts.
const PARTNERS: usize = 10;
/// Scores are whole numbers of this fraction of 1.
const SCALE: u32 = 10_000;
/// The score from which a pair is listed.
const LEAST: u32 = SCALE / 5;
/// Terms without texts, beyond half of all, after which the overlaps are built anew.
const SPARE_TERMS: usize = 1000;
/// How many shared terms of a pair are shown.
const SHOWN_TERMS: usize = 10;

/// A place in the list of pairs: most alike first, then by the ids of the ITU and of the UPU text.
pub type PairKey = (Reverse<u32>, Uuid, Uuid);

/// The texts of both sides, and their pairs.
#[derive(Default)]
pub struct Overlaps {
    members: HashMap<Uuid, Member>,
    /// The numbers of terms, which are stems of a language.
    terms: HashMap<(Language, String), u32>,
    /// The vectors that have a term, by side.
    postings: Vec<[Vec<u32>; 2]>,
    /// How many terms have a vector.
    used_terms: usize,
    /// By number; those of `free` are in no posting.
    vectors: Vec<TermVector>,
    free: Vec<u32>,
    /// Topics and the publications that are linked to them, both ways round.
    topic_links: BTreeSet<(Uuid, Uuid)>,
    /// The pairs of each text with its partners, most alike first.
    partners: HashMap<Uuid, Vec<PairKey>>,
    /// The texts that have a text among their partners.
    partner_of: HashMap<Uuid, HashSet<Uuid>>,
    /// The pairs in which one text is among the partners of the other.
    pairs: BTreeSet<PairKey>,
    /// The records that were added, removed or changed since `partners` was computed.
    changed: HashSet<Uuid>,
    /// The number of members when `partners` was computed; `None` before that.
    settled_size: Option<usize>,
    /// The terms that were added to texts or removed since then, with the number of their vectors at that time.
    changed_terms: HashMap<u32, usize>,
}

/// A record of one side with its texts.
struct Member {
    ty: SearchType,
    side: Side,
    /// One for each language.
    vectors: Vec<u32>,
    /// The records that it is related to, or that were dismissed as its partners.
    linked: Vec<Uuid>,
    /// The terms of all texts, each once, with the word as it is written first.
    words: Vec<(u32, String)>,
}

/// The terms of a record in one of its languages.
struct TermVector {
    member: Uuid,
    terms: Vec<u32>,
    /// The square of its length.
    norm: u32,
}

/// A pair, and why it is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub itu: (SearchType, Uuid),
    pub upu: (SearchType, Uuid),
    pub score: f64,
    pub shared_terms: Vec<String>,
}

/// A page of pairs.
pub struct PairPage {
    pub pairs: Vec<(PairKey, Pair)>,
    pub has_more: bool,
    pub total: usize,
}

impl Overlaps {
    /// Adds a record, or replaces it.
    pub fn put(&mut self, document: &Document) {
        if document.ty == SearchType::Topic {
            self.link_publications(document.id, &document.overlap.publications);
        }
        let Some(side) = document.overlap.side else {
            return self.remove(document.id);
        };
        let mut of_languages: BTreeMap<Language, BTreeSet<u32>> = BTreeMap::new();
        let mut seen = HashSet::new();
        let mut words = Vec::new();
        for text in document.texts.iter().filter(|text| is_compared(text)) {
            for (term, word) in terms(text) {
                let term = self.term(text.language, term);
                of_languages.entry(text.language).or_default().insert(term);
                if seen.insert(term) {
                    words.push((term, word));
                }
            }
        }
        if let Some(member) = self.members.get_mut(&document.id)
            && member.side == side
            && member.words == words
        {
            // Its scores stay as they are.
            member.linked.clone_from(&document.overlap.linked);
            self.changed.insert(document.id);
            return;
        }
        self.remove(document.id);
        let vectors = of_languages.into_values();
        let vectors = vectors.map(|terms| self.add_vector(document.id, side, terms));
        let member = Member {
            ty: document.ty,
            side,
            vectors: vectors.collect(),
            linked: document.overlap.linked.clone(),
            words,
        };
        self.members.insert(document.id, member);
        self.changed.insert(document.id);
    }

    /// Removes a record, if it is there.
    pub fn remove(&mut self, id: Uuid) {
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        for number in member.vectors {
            for term in std::mem::take(&mut self.vectors[number as usize].terms) {
                self.change_posting(term, member.side, |vectors| {
                    vectors.retain(|vector| *vector != number);
                });
            }
            self.free.push(number);
        }
        self.changed.insert(id);
    }

    /// Links a topic to its publications, and to no others.
    fn link_publications(&mut self, topic: Uuid, publications: &[Uuid]) {
        for publication in self.topic_links(topic).collect::<Vec<_>>() {
            self.topic_links.remove(&(topic, publication));
            self.topic_links.remove(&(publication, topic));
            self.changed.insert(publication);
        }
        for publication in publications {
            self.topic_links.insert((topic, *publication));
            self.topic_links.insert((*publication, topic));
            self.changed.insert(*publication);
        }
    }

    fn add_vector(&mut self, member: Uuid, side: Side, terms: BTreeSet<u32>) -> u32 {
        let vector = TermVector {
            member,
            terms: terms.iter().copied().collect(),
            norm: 0,
        };
        let number = if let Some(number) = self.free.pop() {
            self.vectors[number as usize] = vector;
            number
        } else {
            self.vectors.push(vector);
            number(self.vectors.len() - 1)
        };
        for term in terms {
            self.change_posting(term, side, |vectors| vectors.push(number));
        }
        number
    }

    fn term(&mut self, language: Language, term: String) -> u32 {
        let next = number(self.postings.len());
        let number = *self.terms.entry((language, term)).or_insert(next);
        if number == next {
            self.postings.push(Default::default());
        }
        number
    }

    /// Changes the vectors that have a term.
    fn change_posting(&mut self, term: u32, side: Side, change: impl FnOnce(&mut Vec<u32>)) {
        let posting = &mut self.postings[term as usize];
        let before = size(posting);
        self.changed_terms.entry(term).or_insert(before);
        change(&mut posting[place(side)]);
        self.used_terms += usize::from(size(posting) > 0);
        self.used_terms -= usize::from(before > 0);
    }

    /// Adds the texts whose scores depend on a count that has passed a power of two: the number of all texts, or of those
    /// that have one of their terms.
    fn add_rescored(&mut self) {
        let changed_terms = std::mem::take(&mut self.changed_terms);
        let settled_size = self.settled_size.replace(self.members.len());
        if settled_size.unwrap_or(0).checked_ilog2() != self.members.len().checked_ilog2() {
            self.changed.extend(self.members.keys());
            return;
        }
        for (term, before) in changed_terms {
            let posting = &self.postings[term as usize];
            if size(posting).checked_ilog2() != before.checked_ilog2() {
                let vectors = posting.iter().flatten();
                let members = vectors.map(|vector| self.vectors[*vector as usize].member);
                self.changed.extend(members);
            }
        }
    }

    /// Returns whether the pairs were computed before.
    pub fn is_settled(&self) -> bool {
        self.settled_size.is_some()
    }

    /// Returns whether more than half of the terms are in no text any more, which only new overlaps forget.
    pub fn is_mostly_unused(&self) -> bool {
        let unused = self.postings.len() - self.used_terms;
        unused > self.postings.len() / 2 + SPARE_TERMS
    }

    fn weight(&self, term: u32) -> u32 {
        let halvings = |size: usize| size.checked_ilog2().unwrap_or(0);
        let all = halvings(self.members.len());
        let weight = 1 + all.saturating_sub(halvings(size(&self.postings[term as usize])));
        weight * weight
    }

    /// Returns the topics of a publication, or the publications of a topic.
    fn topic_links(&self, id: Uuid) -> impl Iterator<Item = Uuid> {
        let links = (id, Uuid::nil())..=(id, Uuid::max());
        self.topic_links.range(links).map(|(_, other)| *other)
    }

    fn are_related(&self, one: Uuid, other: Uuid) -> bool {
        let names = |one: Uuid, other: Uuid| {
            let member = self.members.get(&one);
            member.is_some_and(|member| member.linked.contains(&other))
        };
        let mut links = self.topic_links(one);
        names(one, other)
            || names(other, one)
            || links.any(|link| link == other || self.topic_links.contains(&(link, other)))
    }

    /// Computes the pairs of what has changed.
    pub fn settle(&mut self) {
        self.add_rescored();
        let changed = std::mem::take(&mut self.changed);
        for id in &changed {
            self.measure(*id);
        }
        let mut products = vec![0; self.vectors.len()];
        let mut pairs = Vec::new();
        // The texts that were not changed, but have other partners now.
        let mut affected = HashSet::new();
        let are_all_changed = self.members.keys().all(|id| changed.contains(id));
        for id in &changed {
            let alike = self.alike(*id, &mut products);
            if !are_all_changed {
                affected.extend(self.partner_of.get(id).into_iter().flatten().copied());
                let others = alike.iter().map(|pair| (pair, partner(*pair, *id)));
                let beaten = others.filter(|(pair, other)| {
                    let partners = self.partners.get(other).map_or(&[][..], Vec::as_slice);
                    let last = partners.get(PARTNERS - 1);
                    last.is_none_or(|last| *pair < last)
                });
                affected.extend(beaten.map(|(_, other)| other));
            }
            pairs.push((*id, self.most_alike(*id, alike)));
        }
        for id in affected.difference(&changed) {
            let alike = self.alike(*id, &mut products);
            pairs.push((*id, self.most_alike(*id, alike)));
        }
        for (id, _) in &pairs {
            self.forget_partners(*id);
        }
        for (id, partners) in pairs {
            self.add_partners(id, partners);
        }
    }

    /// Computes the lengths of the vectors of a record.
    fn measure(&mut self, id: Uuid) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        for number in &member.vectors {
            let terms = self.vectors[*number as usize].terms.iter();
            let norm = terms.map(|term| self.weight(*term)).sum();
            self.vectors[*number as usize].norm = norm;
        }
    }

    /// Returns the pairs of a text with those that are like it, in no order. `products` has a zero
    /// for each vector, before and after.
    fn alike(&self, id: Uuid, products: &mut [u32]) -> Vec<PairKey> {
        let Some(member) = self.members.get(&id) else {
            return Vec::new();
        };
        let mut alike = Vec::new();
        let mut touched = Vec::new();
        for number in &member.vectors {
            let vector = &self.vectors[*number as usize];
            for term in &vector.terms {
                let weight = self.weight(*term);
                for other in &self.postings[*term as usize][place(member.side.other())] {
                    let product = &mut products[*other as usize];
                    if *product == 0 {
                        touched.push(*other);
                    }
                    *product += weight;
                }
            }
            for other in touched.drain(..) {
                let product = std::mem::take(&mut products[other as usize]);
                let other = &self.vectors[other as usize];
                let score = Reverse(cosine(product, vector.norm, other.norm));
                if score.0 >= LEAST {
                    alike.push(match member.side {
                        Side::Itu => (score, id, other.member),
                        Side::Upu => (score, other.member, id),
                    });
                }
            }
        }
        if member.vectors.len() > 1 {
            // Of several languages the one in which they are most alike.
            alike.sort_unstable_by_key(|pair| (partner(*pair, id), *pair));
            alike.dedup_by_key(|pair| partner(*pair, id));
        }
        alike
    }

    /// Returns the first pairs of texts that are not related, in order.
    fn most_alike(&self, id: Uuid, alike: Vec<PairKey>) -> Vec<PairKey> {
        // Only the first of what may be many are sorted.
        let mut alike: BinaryHeap<_> = alike.into_iter().map(Reverse).collect();
        let alike = std::iter::from_fn(|| alike.pop());
        let alike = alike.map(|Reverse(pair)| pair);
        let unrelated = alike.filter(|pair| !self.are_related(id, partner(*pair, id)));
        unrelated.take(PARTNERS).collect()
    }

    fn forget_partners(&mut self, id: Uuid) {
        for pair in self.partners.remove(&id).unwrap_or_default() {
            let other = partner(pair, id);
            if let Some(others) = self.partner_of.get_mut(&other) {
                others.remove(&id);
            }
            let is_mutual = self.partner_of.get(&id);
            if !is_mutual.is_some_and(|others| others.contains(&other)) {
                self.pairs.remove(&pair);
            }
        }
    }

    fn add_partners(&mut self, id: Uuid, partners: Vec<PairKey>) {
        for pair in &partners {
            let others = self.partner_of.entry(partner(*pair, id)).or_default();
            others.insert(id);
            self.pairs.insert(*pair);
        }
        if !partners.is_empty() {
            self.partners.insert(id, partners);
        }
    }

    /// Returns the pairs after a position that score at least `minimum`, most similar first.
    pub fn page(&self, minimum: f64, first: usize, after: Option<PairKey>) -> PairPage {
        let is_listed = |pair: &&PairKey| score(**pair) >= minimum;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.pairs.range((start, Bound::Unbounded));
        let mut rest = rest.take_while(is_listed);
        let pairs = rest.by_ref().take(first);
        let pairs = pairs.filter_map(|key| Some((*key, self.pair(*key)?)));
        PairPage {
            pairs: pairs.collect(),
            has_more: rest.next().is_some(),
            total: self.pairs.iter().take_while(is_listed).count(),
        }
    }

    fn pair(&self, key: PairKey) -> Option<Pair> {
        let (_, itu, upu) = key;
        let (one, other) = (self.members.get(&itu)?, self.members.get(&upu)?);
        Some(Pair {
            itu: (one.ty, itu),
            upu: (other.ty, upu),
            score: score(key),
            shared_terms: self.shared_terms(one, other),
        })
    }

    /// Returns words that both have, as the ITU text writes them: the rarest first.
    fn shared_terms(&self, itu: &Member, upu: &Member) -> Vec<String> {
        let others = upu.vectors.iter();
        let others = others.flat_map(|number| &self.vectors[*number as usize].terms);
        let others: HashSet<u32> = others.copied().collect();
        let shared = itu.words.iter().filter(|(term, _)| others.contains(term));
        let shared = shared.map(|(term, word)| (Reverse(self.weight(*term)), word));
        let mut shared: Vec<(Reverse<u32>, &String)> = shared.collect();
        shared.sort();
        let shown = shared.into_iter().take(SHOWN_TERMS);
        shown.map(|(_, word)| word.clone()).collect()
    }
}

/// Returns the other text of a pair.
fn partner((_, itu, upu): PairKey, id: Uuid) -> Uuid {
    if itu == id { upu } else { itu }
}

/// Returns the score of a pair, 0 to 1.
fn score((Reverse(score), ..): PairKey) -> f64 {
    f64::from(score) / f64::from(SCALE)
}

fn size(posting: &[Vec<u32>; 2]) -> usize {
    posting.iter().map(Vec::len).sum()
}

const fn place(side: Side) -> usize {
    match side {
        Side::Itu => 0,
        Side::Upu => 1,
    }
}

/// Memory ends long before a number is too large.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Returns the cosine of two vectors from their product and the squares of their lengths, rounded down.
fn cosine(product: u32, one: u32, other: u32) -> u32 {
    let [product, one, other] = [product, one, other].map(u128::from);
    let scale = u128::from(SCALE * SCALE);
    let squared = product * product * scale / (one * other).max(1);
    u32::try_from(squared.isqrt()).unwrap_or(u32::MAX)
}

/// Whether a text says what its record is about.
fn is_compared(text: &Text) -> bool {
    matches!(text.field, "title" | "summary")
}

/// Returns the terms of a text: the stems of its words that say something, each with the word. Of Chinese, pairs of
/// characters.
fn terms(text: &Text) -> Vec<(String, String)> {
    let words = words(&text.content);
    let mut terms = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let is_ideograph = |letter: char| letter >= '\u{2e80}';
        if text.language == Language::Zh && word.folded.chars().all(is_ideograph) {
            if let Some(next) = words.get(place + 1).filter(|next| next.joined) {
                let pair = text.content[word.range.start..next.range.end].to_owned();
                terms.push((pair.clone(), pair));
            }
            continue;
        }
        let has_letters = word.folded.chars().any(char::is_alphabetic);
        let is_long = word.folded.chars().count() > 1;
        if has_letters && is_long && !is_function_word(&word.folded) {
            let written = text.content[word.range.clone()].to_lowercase();
            let mut stems = stems(&written, &word.folded, text.language).into_iter();
            terms.push((stems.next().unwrap_or_else(|| word.folded.clone()), written));
        }
    }
    terms
}

#[cfg(test)]
mod tests;

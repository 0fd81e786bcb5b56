//! The inverted index: which texts have which words.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use entity::party::{Language, Side};
use sea_orm::prelude::Uuid;

use crate::search::document::{Document, FieldWeight, OverlapFacts, SearchType, Text};
use crate::search::words::{STEMMED, stems, words};

/// An index of documents. What is found depends on the documents alone, not on the order in which they came, except that
/// the stems and compounds of words of earlier versions are known until the index is built anew.
#[derive(Default)]
pub struct Index {
    /// By slot; `None` once the record has changed, which gives it another slot.
    records: Vec<Option<Record>>,
    /// The types of the records, by slot: apart from them, because a search reads those of all records that it finds.
    types: Vec<SearchType>,
    slots: HashMap<Uuid, u32>,
    /// By number. The texts of a record stand together.
    texts: Vec<IndexedText>,
    /// Of each text: apart from them, because a search reads those of all texts that have one of its words.
    facts: Vec<TextFacts>,
    /// Where each word stands, in order.
    words: Vec<Vec<Place>>,
    lookup: BTreeMap<Box<str>, u32>,
    /// The words with each stem, by language.
    stems: HashMap<Language, HashMap<String, Vec<u32>>>,
    /// The words that are written as one by some and with a hyphen by others, each with its parts.
    compounds: HashMap<String, Vec<[u32; 2]>>,
    /// The words whose stems are known, as they are written, by language.
    forms: HashMap<Language, HashMap<Box<str>, u32>>,
}

pub struct Record {
    pub ty: SearchType,
    pub id: Uuid,
    pub sides: Vec<Side>,
    /// The numbers of its texts.
    texts: Range<usize>,
    overlap: OverlapFacts,
}

/// What the score of a text depends on beyond the words that are looked for.
#[derive(Clone, Copy)]
pub struct TextFacts {
    /// The slot of its record; `None` once that has changed.
    pub slot: Option<u32>,
    /// How many words it has.
    pub length: u32,
    pub weight: FieldWeight,
    /// The number of its field among those of its record.
    pub field: u8,
}

pub struct IndexedText {
    pub field: &'static str,
    pub language: Language,
    pub text: Box<str>,
    pub words: Box<[Position]>,
}

/// A word of a text.
#[derive(Clone, Copy)]
pub struct Position {
    pub word: u32,
    /// Its byte offset in the text.
    pub start: u32,
    pub end: u32,
}

/// A position in a text, counted in words. The places of a text stand together, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

impl Place {
    fn new(text: u32, word: usize) -> Self {
        Self(u64::from(text) << 32 | word as u64)
    }

    /// Returns the number of the text.
    pub const fn text(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Returns the position that is so many words later.
    pub const fn after(self, words: usize) -> Self {
        Self(self.0 + words as u64)
    }

    /// Returns the place that is so many words earlier; `None` if the text begins after it.
    pub fn before(self, words: usize) -> Option<Self> {
        let place_in_text = self.0 & u64::from(u32::MAX);
        (place_in_text >= words as u64).then(|| Self(self.0 - words as u64))
    }
}

/// Slots without a record, beyond as many as there are records, after which the index is built anew. Tests have few.
const SPARE_SLOTS: usize = if cfg!(test) { 10 } else { 1000 };

impl Index {
    pub fn build(documents: impl IntoIterator<Item = Document>) -> Self {
        let mut index = Self::default();
        for document in documents {
            index.put(document);
        }
        index
    }

    /// Adds a record, or replaces it.
    pub fn put(&mut self, document: Document) {
        self.remove(document.id);
        let Document {
            ty,
            id,
            sides,
            texts,
            overlap,
        } = document;
        let slot = number(self.records.len());
        let first = self.texts.len();
        let (mut field, mut last) = (0, None);
        for text in texts {
            field += u8::from(last.is_some_and(|last| last != text.field));
            last = Some(text.field);
            self.index_text(slot, field, text);
        }
        self.types.push(ty);
        self.records.push(Some(Record {
            ty,
            id,
            sides,
            texts: first..self.texts.len(),
            overlap,
        }));
        self.slots.insert(id, slot);
    }

    /// Removes a record, if it is there.
    pub fn remove(&mut self, id: Uuid) {
        let slot = self.slots.remove(&id);
        let record = slot.and_then(|slot| self.records[slot as usize].take());
        for number in record.map_or(0..0, |record| record.texts) {
            self.facts[number].slot = None;
            let text = &mut self.texts[number];
            text.text = Box::default();
            text.words = Box::default();
        }
    }

    /// Builds the index anew if much of it is about earlier versions of records.
    pub fn compact(&mut self) {
        if self.records.len() > 2 * self.slots.len() + SPARE_SLOTS {
            *self = Self::build(self.records().map(|record| self.document(record)));
        }
    }

    fn index_text(&mut self, slot: u32, field_number: u8, text: Text) {
        let Text {
            field,
            language,
            content,
        } = text;
        let number_of_text = number(self.texts.len());
        let mut positions: Vec<Position> = Vec::new();
        let words = words(&content);
        for (position, word) in words.iter().enumerate() {
            let id = self.word(&content[word.range.clone()], &word.folded, language);
            if let Some(last) = positions.last()
                && word.joined
                && is_name(&words[position - 1].folded)
                && is_name(&word.folded)
            {
                let compound = format!("{}{}", words[position - 1].folded, word.folded);
                let parts = self.compounds.entry(compound).or_default();
                if !parts.contains(&[last.word, id]) {
                    parts.push([last.word, id]);
                }
            }
            self.words[id as usize].push(Place::new(number_of_text, position));
            positions.push(Position {
                word: id,
                start: number(word.range.start),
                end: number(word.range.end),
            });
        }
        self.facts.push(TextFacts {
            slot: Some(slot),
            length: number(positions.len()),
            weight: FieldWeight::of(field),
            field: field_number,
        });
        self.texts.push(IndexedText {
            field,
            language,
            text: content.into(),
            words: positions.into(),
        });
    }

    /// Returns the id of a word, which is added if it is new.
    fn word(&mut self, written: &str, folded: &str, language: Language) -> u32 {
        let forms = self.forms.entry(language).or_default();
        if let Some(word) = forms.get(written) {
            return *word;
        }
        let word = if let Some(word) = self.lookup.get(folded) {
            *word
        } else {
            let word = number(self.words.len());
            self.words.push(Vec::new());
            self.lookup.insert(folded.into(), word);
            word
        };
        forms.insert(written.into(), word);
        for stem in stems(written, folded, language) {
            let of_language = self.stems.entry(language).or_default();
            let words = of_language.entry(stem).or_default();
            if !words.contains(&word) {
                words.push(word);
            }
        }
        word
    }

    /// How many records there are.
    pub fn len(&self) -> u32 {
        number(self.slots.len())
    }

    pub fn record(&self, id: Uuid) -> Option<&Record> {
        self.at(*self.slots.get(&id)?)
    }

    pub fn at(&self, slot: u32) -> Option<&Record> {
        self.records.get(slot as usize)?.as_ref()
    }

    /// Returns the type of the record of a slot.
    pub fn ty(&self, slot: u32) -> SearchType {
        self.types[slot as usize]
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().flatten()
    }

    /// How many texts there are, those of earlier versions of records included.
    pub fn text_count(&self) -> usize {
        self.texts.len()
    }

    /// Returns what the score of a text depends on.
    pub fn facts(&self, text: u32) -> TextFacts {
        self.facts[text as usize]
    }

    /// Returns the texts of a record. Those of one field stand together, the original first.
    pub fn texts(&self, record: &Record) -> &[IndexedText] {
        &self.texts[record.texts.clone()]
    }

    pub fn document(&self, record: &Record) -> Document {
        let texts = self.texts(record).iter().map(|text| Text {
            field: text.field,
            language: text.language,
            content: text.text.to_string(),
        });
        Document {
            ty: record.ty,
            id: record.id,
            sides: record.sides.clone(),
            texts: texts.collect(),
            overlap: record.overlap.clone(),
        }
    }

    /// Returns where a word stands, in order, also in texts of records that have changed since.
    pub fn places(&self, word: u32) -> &[Place] {
        &self.words[word as usize]
    }

    /// Returns the word that is written so, without case and accents.
    pub fn exact(&self, folded: &str) -> Option<u32> {
        self.lookup.get(folded).copied()
    }

    /// Returns the pairs of words that make this word when they are written as one.
    pub fn parts(&self, folded: &str) -> &[[u32; 2]] {
        self.compounds.get(folded).map_or(&[], Vec::as_slice)
    }

    /// Returns the words that begin so.
    pub fn beginning(&self, folded: &str) -> impl Iterator<Item = u32> {
        self.lookup
            .range::<str, _>((
                std::ops::Bound::Included(folded),
                std::ops::Bound::Unbounded,
            ))
            .take_while(move |(word, _)| word.starts_with(folded))
            .map(|(_, word)| *word)
    }

    /// Returns the words that have the same stem in any language.
    pub fn related(&self, written: &str, folded: &str) -> Vec<u32> {
        let mut related = Vec::new();
        for (language, _) in STEMMED {
            let Some(of_language) = self.stems.get(&language) else {
                continue;
            };
            for stem in stems(written, folded, language) {
                related.extend(of_language.get(&stem).into_iter().flatten().copied());
            }
        }
        related
    }
}

/// Whether a word has letters of an alphabet alone.
fn is_name(folded: &str) -> bool {
    folded
        .chars()
        .all(|letter| letter.is_alphabetic() && letter < '\u{2e80}')
}

/// Memory ends long before a number is too large.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

//! Where the words of a search stand in the texts of a record.

use entity::party::Language;

use crate::search::index::IndexedText;
use crate::search::query::ResolvedQuery;

/// A text of a record that has words of the search: the whole text, or the part of a long one around the first match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlight {
    pub field: &'static str,
    pub language: Language,
    /// The parts of the text in order, and whether each is a match.
    pub fragments: Vec<(String, bool)>,
}

/// How many bytes of a long text are shown before the first match, and in all.
const BEFORE: usize = 60;
const EXCERPT: usize = 240;

/// Returns the texts of a record that have matches, in their order.
pub fn highlights(texts: &[IndexedText], query: &ResolvedQuery) -> Vec<Highlight> {
    let highlights = texts.iter().filter_map(|text| {
        let matches = matches(text, query);
        let first = matches.first()?;
        Some(Highlight {
            field: text.field,
            language: text.language,
            fragments: fragments(text, &matches, first.0),
        })
    });
    highlights.collect()
}

/// Returns where matches begin and end, in bytes.
fn matches(text: &IndexedText, query: &ResolvedQuery) -> Vec<(usize, usize)> {
    let mut matches: Vec<(usize, usize)> = Vec::new();
    for index in 0..text.words.len() {
        let clauses = query.clauses.iter().filter(|clause| clause.is_required);
        let longest = clauses.filter_map(|clause| clause.matches(text, index));
        let Some(length) = longest.map(|(length, _)| length).max() else {
            continue;
        };
        let start = text.words[index].start as usize;
        let end = text.words[index + length - 1].end as usize;
        match matches.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => matches.push((start, end)),
        }
    }
    matches
}

fn fragments(text: &IndexedText, matches: &[(usize, usize)], first: usize) -> Vec<(String, bool)> {
    let all: &str = &text.text;
    let (mut from, mut to) = (0, all.len());
    if to > EXCERPT {
        let mut words = text.words.iter();
        let is_near = |start: u32| start as usize + BEFORE >= first;
        let begins = words.find(|word| is_near(word.start));
        if first > BEFORE {
            from = begins.map_or(0, |word| word.start as usize);
        }
        let ends = text.words.iter().map(|word| word.end as usize);
        let ends = ends.filter(|end| *end <= from + EXCERPT);
        to = ends.max().unwrap_or(to).max(matches[0].1);
        if from + EXCERPT >= all.len() {
            to = all.len();
        }
    }
    let mut fragments = Vec::new();
    let mut add = |range: std::ops::Range<usize>, is_match| {
        if let Some(part) = all.get(range).filter(|part| !part.is_empty()) {
            fragments.push((part.to_owned(), is_match));
        }
    };
    let mut done = from;
    for (start, end) in matches
        .iter()
        .filter(|(start, end)| *start >= from && *end <= to)
    {
        add(done..*start, false);
        add(*start..*end, true);
        done = *end;
    }
    add(done..to, false);
    fragments
}

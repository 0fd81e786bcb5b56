//! A search text, and its words as an index has them.

use crate::search::index::{Index, IndexedText};
use crate::search::words::{is_function_word, words};

/// A parsed search text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Those that are required come first.
    clauses: Vec<Clause>,
}

/// Words that a text has to have one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clause {
    words: Vec<QueryWord>,
    /// Whether it is quoted: only exact words match.
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
        distinct.sort_by_key(|clause| !clause.is_required);
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
pub const EXACT: u32 = 10;
const SAME_STEM: u32 = 8;
const BEGINNING: u32 = 5;

/// Words of an index, by id, with what each counts.
pub type WordSet = Vec<(u32, u32)>;

impl Clause {
    fn says_little(&self) -> bool {
        !self.is_quoted && self.words.len() == 1 && is_function_word(&self.words[0].folded)
    }

    fn resolve(&self, index: &Index) -> ResolvedClause {
        let sets = self.words.iter().map(|word| self.resolve_word(word, index));
        let mut alternatives = vec![sets.collect::<Vec<_>>()];
        if !self.is_quoted {
            let joined: String = self.words.iter().map(|word| word.folded.as_str()).collect();
            if self.words.len() > 1 {
                // `cyber-security` finds `cybersecurity`,
                let joined = index.exact(&joined);
                alternatives.extend(joined.map(|joined| vec![vec![(joined, EXACT)]]));
            } else {
                // and `email` finds `e-mail`.
                let parts = index.parts(&joined).iter();
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
    pub alternatives: Vec<Vec<WordSet>>,
    pub is_required: bool,
}

impl ResolvedClause {
    /// Returns how many words of a text match from an index on, and their weight.
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
}

//! The order in which records of a file are imported: each after those that it refers to, wherever they are in the
//! file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

use super::fields::Fields;
use super::records::{ADDRESSEES, Kind};
use crate::rules::text::number_identity;
use crate::store::committee;

/// Maximum length of a record's key in the report, in characters.
const CALLED: usize = 60;

/// What a record is known by in a file.
#[derive(Clone, Debug)]
pub struct Key {
    kind: Kind,
    /// As the register finds it: keys with the same one are equal.
    identity: String,
    name: String,
}

impl Key {
    fn new(kind: Kind, name: String) -> Self {
        let identity = match kind {
            Kind::Publication | Kind::Examination | Kind::Finding => number_identity(&name),
            _ => name.clone(),
        };
        Self {
            kind,
            identity,
            name,
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.identity == other.identity
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        self.identity.hash(state);
    }
}

/// A record that is not entered yet.
pub struct Record {
    /// Its line number.
    pub number: u64,
    pub kind: Kind,
    pub fields: Fields,
    pub key: Option<Key>,
    /// The keys of the records that it refers to.
    names: Vec<Key>,
}

/// The records of a file that others can refer to, with the first line of each.
#[derive(Clone, Default)]
pub struct Announced(HashMap<Key, u64>);

/// The state of ordering: which records are deferred until others are imported.
#[derive(Default)]
pub struct Order {
    /// The records that others can refer to and that are not imported yet, with their first lines.
    missing: HashMap<Key, u64>,
    /// The lines of each record that were read and are not imported yet.
    open: HashMap<Key, BTreeSet<u64>>,
    /// The deferred records, by the key that they wait for.
    waiting: HashMap<Key, Vec<Record>>,
    /// Deferred records that can be imported now.
    ready: BTreeMap<u64, Record>,
}

impl Record {
    pub fn new(number: u64, kind: Kind, mut fields: Fields) -> Self {
        let name = key(kind, &fields);
        let names = names(kind, &fields);
        if let Some(name) = &name {
            let mut called: String = name.chars().take(CALLED).collect();
            if called.len() < name.len() {
                called.push('…');
            }
            fields.is_called(format!("{} {called}", kind.name()));
        }
        let key = name.map(|name| Key::new(kind, name));
        Self {
            number,
            kind,
            fields,
            key,
            names,
        }
    }
}

impl Announced {
    pub fn add(&mut self, record: &Record) {
        let is_named = matches!(
            record.kind,
            Kind::Organization
                | Kind::Committee
                | Kind::Publication
                | Kind::ActionItem
                | Kind::Examination
        );
        if let Some(key) = record.key.as_ref().filter(|_| is_named) {
            let number = record.number;
            self.0.entry(key.clone()).or_insert(number);
        }
    }
}

impl Order {
    /// Starts with the records of a file, none of which is imported yet.
    pub fn new(announced: Announced) -> Self {
        Self {
            missing: announced.0,
            ..Self::default()
        }
    }

    /// Registers a record that was read.
    pub fn read(&mut self, record: &Record) {
        if let Some(key) = &record.key {
            let open = self.open.entry(key.clone()).or_default();
            open.insert(record.number);
        }
    }

    /// Returns the key that a record must wait for; `None` if it can be imported. It is the record's own key if an
    /// earlier line has the same record.
    pub fn blocks<'a>(&self, record: &'a Record) -> Option<&'a Key> {
        if let Some(key) = &record.key
            && let Some(first) = self.open.get(key).and_then(BTreeSet::first)
            && *first < record.number
        {
            return Some(key);
        }
        let mut names = record.names.iter();
        names.find(|name| record.key.as_ref() != Some(name) && self.missing.contains_key(name))
    }

    /// Defers a record until `key` is imported.
    pub fn wait(&mut self, key: Key, record: Record) {
        self.waiting.entry(key).or_default().push(record);
    }

    /// Registers that a line is imported or rejected. The records that waited for it become ready.
    pub fn entered(&mut self, number: u64, key: Option<&Key>) {
        let Some(key) = key else { return };
        if let Some(open) = self.open.get_mut(key) {
            open.remove(&number);
            if open.is_empty() {
                self.open.remove(key);
            }
        }
        if self.missing.get(key) == Some(&number) {
            self.missing.remove(key);
        }
        let ready = self.waiting.remove(key).into_iter().flatten();
        self.ready
            .extend(ready.map(|record| (record.number, record)));
    }

    /// Takes the first ready record.
    pub fn ready(&mut self) -> Option<Record> {
        self.ready.pop_first().map(|(_, record)| record)
    }

    /// Releases one record of a reference cycle, so that it is tried. All records of the cycle get an error, unless
    /// what they refer to is in the register already. Returns `false` if no record is deferred.
    pub fn break_circle(&mut self) -> bool {
        let waiting = || self.waiting.iter();
        let blocks: HashMap<u64, &Key> = waiting()
            .flat_map(|(key, records)| records.iter().map(move |record| (record.number, key)))
            .collect();
        let Some(mut number) = blocks.keys().min().copied() else {
            return false;
        };
        // Each deferred record waits for another deferred record, so following them leads into a cycle.
        let mut path: Vec<(u64, Key)> = Vec::new();
        while !path.iter().any(|(passed, _)| *passed == number)
            && let Some(key) = blocks.get(&number)
        {
            path.push((number, (*key).clone()));
            let first = self.open.get(key).and_then(BTreeSet::first);
            number = first.copied().unwrap_or(number);
        }
        let start = path.iter().position(|(passed, _)| *passed == number);
        let circle = path.get(start.unwrap_or_default()..).unwrap_or_default();
        let names: Vec<&str> = circle.iter().map(|(_, key)| key.name.as_str()).collect();
        let last = names.last().copied().unwrap_or_default();
        let message = format!(
            "Names itself in a circle: {last} -> {}.",
            names.join(" -> ")
        );
        for record in self.waiting.values_mut().flatten() {
            if let Some((_, key)) = circle.iter().find(|(passed, _)| *passed == record.number) {
                record.fields.is_in_circle(&key.identity, &message);
            }
        }
        for (_, key) in circle.iter().take(1) {
            self.missing.remove(key);
            let ready = self.waiting.remove(key).into_iter().flatten();
            self.ready
                .extend(ready.map(|record| (record.number, record)));
        }
        true
    }
}

/// Returns the key of a record, unique within its type.
fn key(kind: Kind, fields: &Fields) -> Option<String> {
    match kind {
        Kind::Organization => fields.peek("acronym"),
        Kind::Committee => Some(committee::named(
            &fields.peek("organization")?,
            &fields.peek("code")?,
            &fields.peek("period")?,
        )),
        Kind::Topic => fields.peek("code").or_else(|| fields.peek("title")),
        Kind::Publication => fields.peek("number"),
        Kind::ActionItem => fields.peek("externalKey"),
        Kind::Examination | Kind::Finding => fields.peek("publication"),
        Kind::LiaisonStatement => fields.peek("title"),
        Kind::Note => None,
    }
}

/// Returns the keys of the records that a record refers to and that a file can create. Topics and statements are
/// referred to by codes that the register assigns, so a file cannot create them.
fn names(kind: Kind, fields: &Fields) -> Vec<Key> {
    let named: &[(&'static str, Kind)] = match kind {
        Kind::Organization => &[("parent", Kind::Organization)],
        Kind::Committee => &[
            ("organization", Kind::Organization),
            ("parent", Kind::Committee),
            ("predecessors", Kind::Committee),
        ],
        Kind::Topic => &[
            ("leadCommittee", Kind::Committee),
            ("publications", Kind::Publication),
        ],
        Kind::Publication => &[
            ("organization", Kind::Organization),
            ("committee", Kind::Committee),
            ("supersedes", Kind::Publication),
        ],
        Kind::ActionItem => &[
            ("committee", Kind::Committee),
            ("counterpart", Kind::Committee),
        ],
        Kind::Examination => &[("publication", Kind::Publication)],
        Kind::Finding => &[
            ("publication", Kind::Publication),
            ("publication", Kind::Examination),
            ("committee", Kind::Committee),
        ],
        Kind::LiaisonStatement => &[("from", Kind::Committee), (ADDRESSEES, Kind::Committee)],
        Kind::Note => &[
            ("actionItem", Kind::ActionItem),
            ("publication", Kind::Publication),
            ("examination", Kind::Publication),
            ("examination", Kind::Examination),
        ],
    };
    let keys = |(field, kind)| {
        fields.peek_all(field).into_iter().filter_map(move |name| {
            // `POC C5 (2013-2016): ACTION`
            let name = if field == ADDRESSEES {
                name.rsplit_once(':')?.0.trim().to_owned()
            } else {
                name
            };
            Some(Key::new(kind, name))
        })
    };
    named.iter().copied().flat_map(keys).collect()
}

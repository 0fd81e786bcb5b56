//! The order in which records of a file are imported: each after those that it refers to, wherever they are in the
//! file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

use crate::domain::text::number_identity;
use crate::import_export::fields::RecordFields;
use crate::import_export::records::{ADDRESSEES, RecordType, TRANSLATED};
use crate::store::committee;

/// Maximum length of a record's key in the report, in characters.
const KEY_FIELDS: usize = 60;

/// The key of a record in a file.
#[derive(Clone, Debug)]
pub struct RecordKey {
    kind: RecordType,
    /// As the register finds it: keys with the same one are equal.
    identity: String,
    name: String,
}

impl RecordKey {
    fn new(kind: RecordType, name: String) -> Self {
        let identity = match kind {
            RecordType::Publication | RecordType::Examination | RecordType::Finding => {
                number_identity(&name)
            }
            _ => name.clone(),
        };
        Self {
            kind,
            identity,
            name,
        }
    }
}

impl PartialEq for RecordKey {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.identity == other.identity
    }
}

impl Eq for RecordKey {}

impl Hash for RecordKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        self.identity.hash(state);
    }
}

/// A record that is not entered yet.
pub struct Record {
    /// Its line number.
    pub number: u64,
    pub kind: RecordType,
    pub fields: RecordFields,
    pub key: Option<RecordKey>,
    /// The keys of the records that it refers to.
    names: Vec<RecordKey>,
}

/// The records of a file that others can refer to, with the first line of each.
#[derive(Clone, Default)]
pub struct PendingRecord(HashMap<RecordKey, u64>);

/// The state of ordering: which records are deferred until others are imported.
#[derive(Default)]
pub struct ImportOrder {
    /// The records that others can refer to and that are not imported yet, with their first lines.
    missing: HashMap<RecordKey, u64>,
    /// The lines of each record that were read and are not imported yet.
    open: HashMap<RecordKey, BTreeSet<u64>>,
    /// The deferred records, by the key that they wait for.
    waiting: HashMap<RecordKey, Vec<Record>>,
    /// Deferred records that can be imported now.
    ready: BTreeMap<u64, Record>,
}

impl Record {
    pub fn new(number: u64, kind: RecordType, mut fields: RecordFields) -> Self {
        let name = key(kind, &fields);
        let names = references(kind, &fields);
        if let Some(name) = &name {
            let mut called: String = name.chars().take(KEY_FIELDS).collect();
            if called.len() < name.len() {
                called.push('…');
            }
            fields.set_key(format!("{} {called}", kind.name()));
        }
        let key = name.map(|name| RecordKey::new(kind, name));
        Self {
            number,
            kind,
            fields,
            key,
            names,
        }
    }
}

impl PendingRecord {
    pub fn add(&mut self, record: &Record) {
        let is_named = matches!(
            record.kind,
            RecordType::Organization
                | RecordType::Committee
                | RecordType::Publication
                | RecordType::ActionItem
                | RecordType::Examination
        );
        if let Some(key) = record.key.as_ref().filter(|_| is_named) {
            let number = record.number;
            self.0.entry(key.clone()).or_insert(number);
        }
    }
}

impl ImportOrder {
    /// Starts with the records of a file, none of which is imported yet.
    pub fn new(announced: PendingRecord) -> Self {
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
    pub fn blocks<'a>(&self, record: &'a Record) -> Option<&'a RecordKey> {
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
    pub fn defer(&mut self, key: RecordKey, record: Record) {
        self.waiting.entry(key).or_default().push(record);
    }

    /// Registers that a line is imported or rejected. The records that waited for it become ready.
    pub fn mark_imported(&mut self, number: u64, key: Option<&RecordKey>) {
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
    pub fn next_ready(&mut self) -> Option<Record> {
        self.ready.pop_first().map(|(_, record)| record)
    }

    /// Releases one record of a reference cycle, so that it is tried. All records of the cycle get an error, unless
    /// what they refer to is in the register already. Returns `false` if no record is deferred.
    pub fn break_cycle(&mut self) -> bool {
        let waiting = || self.waiting.iter();
        let blocks: HashMap<u64, &RecordKey> = waiting()
            .flat_map(|(key, records)| records.iter().map(move |record| (record.number, key)))
            .collect();
        let Some(mut number) = blocks.keys().min().copied() else {
            return false;
        };
        // Each deferred record waits for another deferred record, so following them leads into a cycle.
        let mut path: Vec<(u64, RecordKey)> = Vec::new();
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
            "Refers to itself in a cycle: {last} -> {}.",
            names.join(" -> ")
        );
        for record in self.waiting.values_mut().flatten() {
            if let Some((_, key)) = circle.iter().find(|(passed, _)| *passed == record.number) {
                record.fields.add_cycle_error(&key.identity, &message);
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
fn key(kind: RecordType, fields: &RecordFields) -> Option<String> {
    match kind {
        RecordType::Organization => fields.peek("acronym"),
        RecordType::Committee => Some(committee::named(
            &fields.peek("organization")?,
            &fields.peek("code")?,
            &fields.peek("period")?,
        )),
        RecordType::Topic => fields.peek("code").or_else(|| fields.peek("title")),
        RecordType::Publication => fields.peek("number"),
        RecordType::ActionItem => fields.peek("externalKey"),
        RecordType::Examination | RecordType::Finding => fields.peek("publication"),
        RecordType::LiaisonStatement => fields.peek("title"),
        RecordType::Note => None,
        RecordType::Translation => {
            let record = TRANSLATED.into_iter().find_map(|name| fields.peek(name));
            let (field, language) = (fields.peek("field")?, fields.peek("language")?);
            Some(format!("{} {field} {language}", record?))
        }
    }
}

/// Returns the keys of the records that a record refers to and that a file can create. Topics and statements are
/// referred to by codes that the register assigns, so a file cannot create them.
fn references(kind: RecordType, fields: &RecordFields) -> Vec<RecordKey> {
    let named: &[(&'static str, RecordType)] = match kind {
        RecordType::Organization => &[("parent", RecordType::Organization)],
        RecordType::Committee => &[
            ("organization", RecordType::Organization),
            ("parent", RecordType::Committee),
            ("predecessors", RecordType::Committee),
        ],
        RecordType::Topic => &[
            ("leadCommittee", RecordType::Committee),
            ("publications", RecordType::Publication),
        ],
        RecordType::Publication => &[
            ("organization", RecordType::Organization),
            ("committee", RecordType::Committee),
            ("supersedes", RecordType::Publication),
        ],
        RecordType::ActionItem => &[
            ("committee", RecordType::Committee),
            ("counterpart", RecordType::Committee),
        ],
        RecordType::Examination => &[("publication", RecordType::Publication)],
        RecordType::Finding => &[
            ("publication", RecordType::Publication),
            ("publication", RecordType::Examination),
            ("committee", RecordType::Committee),
        ],
        RecordType::LiaisonStatement => &[
            ("from", RecordType::Committee),
            (ADDRESSEES, RecordType::Committee),
        ],
        RecordType::Note => &[
            ("actionItem", RecordType::ActionItem),
            ("publication", RecordType::Publication),
            ("examination", RecordType::Publication),
            ("examination", RecordType::Examination),
        ],
        RecordType::Translation => &[
            ("organization", RecordType::Organization),
            ("committee", RecordType::Committee),
            ("actionItem", RecordType::ActionItem),
            ("publication", RecordType::Publication),
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
            Some(RecordKey::new(kind, name))
        })
    };
    named.iter().copied().flat_map(keys).collect()
}

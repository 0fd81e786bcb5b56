//! The fields of one record: read as the API reads those of an input, with all that is wrong gathered.

use std::collections::{BTreeSet, HashMap};

use async_graphql::resolver_utils::EnumType;
use async_graphql::{ID, InputType, MaybeUndefined, Pos, Value};
use entity::id::Id;
use serde_json::{Map, Value as Json};

use super::Fault;
use crate::error::Error;
use crate::rules::refusal::{Code, Problem, Refusal};
use crate::rules::text;
use crate::store::writing::Writing;

/// What a line gives, and what is wrong with it.
pub struct Fields {
    given: Map<String, Json>,
    problems: Vec<Problem>,
    /// The fields that a record of this type does not have.
    unknown: Vec<Problem>,
    /// What the report calls the record.
    called: Option<String>,
    /// What the record names that leads back to the record, and how.
    circle: Option<(String, String)>,
}

/// What a report says of a line.
pub struct Told {
    /// The record, if the line says which.
    pub called: Option<String>,
    pub problems: Vec<Problem>,
    /// What is wrong with the columns rather than with the line.
    pub unknown: Vec<Problem>,
}

impl Fields {
    pub fn new(given: Map<String, Json>) -> Self {
        Self {
            given,
            problems: Vec::new(),
            unknown: Vec::new(),
            called: None,
            circle: None,
        }
    }

    /// Says what the report calls the record.
    pub fn is_called(&mut self, name: String) {
        self.called = Some(name);
    }

    /// Says that the record with this identity, which this one names, leads back to this one.
    pub fn is_in_circle(&mut self, identity: &str, message: &str) {
        self.circle = Some((identity.to_owned(), message.to_owned()));
    }

    pub fn wrong(&mut self, code: Code, field: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(code, field, message));
    }

    /// Something that is wrong with the line as a whole.
    pub fn whole(&mut self, message: String) {
        self.problems.push(Problem {
            code: Code::Invalid,
            field: Vec::new(),
            message,
        });
    }

    pub fn is_right(&self) -> bool {
        self.problems.is_empty() && self.unknown.is_empty()
    }

    /// Returns all that is wrong.
    pub fn into_told(self) -> Told {
        Told {
            called: self.called,
            problems: self.problems,
            unknown: self.unknown,
        }
    }

    /// Finds fields that a record of this type does not have: those that nobody has taken.
    pub fn nothing_else(&mut self, ty: &str) {
        for name in std::mem::take(&mut self.given).keys() {
            let message = format!("An import of {ty} has no such field.");
            self.unknown
                .push(Problem::new(Code::Invalid, name, message));
        }
    }

    /// Whether the line says anything in this field, before it is taken.
    pub fn give(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|it| !it.is_null())
    }

    /// Returns a name as it is stored, before it is taken.
    pub fn peek(&self, name: &str) -> Option<String> {
        stored(self.given.get(name)?.as_str()?)
    }

    /// Returns the names that a field lists, as they are stored, before they are taken.
    pub fn peek_all(&self, name: &str) -> Vec<String> {
        match self.given.get(name) {
            Some(Json::String(text)) => text.split(';').filter_map(stored).collect(),
            Some(Json::Array(all)) => {
                let texts = all.iter().filter_map(Json::as_str);
                texts.filter_map(stored).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A value of a type of the API.
    pub fn value<T: InputType>(&mut self, name: &str) -> MaybeUndefined<T> {
        match self.given.remove(name) {
            None => MaybeUndefined::Undefined,
            Some(Json::Null) => MaybeUndefined::Null,
            Some(json) => self.parse(name, json),
        }
    }

    /// A value of an enum.
    pub fn word<T: InputType + EnumType>(&mut self, name: &str) -> MaybeUndefined<T> {
        match self.given.remove(name) {
            None => MaybeUndefined::Undefined,
            Some(Json::Null) => MaybeUndefined::Null,
            Some(json) => self.one_of(name, json),
        }
    }

    /// A value of an enum that a field names among other things.
    pub fn one_of<T: InputType + EnumType>(&mut self, name: &str, json: Json) -> MaybeUndefined<T> {
        let found = self.problems.len();
        let value = self.parse(name, json);
        if let Some(problem) = self.problems.get_mut(found) {
            let words: Vec<&str> = T::items().iter().map(|it| it.name).collect();
            problem.message = format!("Must be one of {}.", words.join(", "));
        }
        value
    }

    pub fn parse<T: InputType>(&mut self, name: &str, json: Json) -> MaybeUndefined<T> {
        let json = match json {
            Json::String(text) => Json::String(text.trim().to_owned()),
            json => json,
        };
        let value = Value::from_json(json).map_err(|error| error.to_string());
        let parsed = value.and_then(|value| {
            T::parse(Some(value)).map_err(|error| {
                let message = error.into_server_error(Pos::default()).message;
                match message.split_once("\": ") {
                    Some((_, why)) => why.to_owned(),
                    None => message,
                }
            })
        });
        match parsed {
            Ok(value) => MaybeUndefined::Value(value),
            Err(message) => {
                self.wrong(Code::Invalid, name, message);
                MaybeUndefined::Undefined
            }
        }
    }

    /// A text as it is stored; a blank one clears.
    pub fn text(&mut self, name: &str, max: usize) -> MaybeUndefined<String> {
        let given = match self.value::<String>(name) {
            MaybeUndefined::Value(given) => given,
            other => return other,
        };
        match text::stored(&given, max) {
            Ok(Some(text)) => MaybeUndefined::Value(text),
            Ok(None) => MaybeUndefined::Null,
            Err(message) => {
                self.wrong(Code::Invalid, name, message);
                MaybeUndefined::Undefined
            }
        }
    }

    /// What names a record and so cannot be left out.
    pub fn key(&mut self, name: &str, max: usize) -> Option<String> {
        let given = self.text(name, max);
        self.needed(name, given)
    }

    /// A value that a new record cannot be without.
    pub fn needed<T>(&mut self, name: &str, given: MaybeUndefined<T>) -> Option<T> {
        let given = given.take();
        if given.is_none() && !self.complains_of(name) {
            self.wrong(Code::Invalid, name, "Must be given, and not be blank.");
        }
        given
    }

    /// A text that a new record cannot be without; where it is missing, one to find out with what else is wrong.
    pub fn needed_text(&mut self, name: &str, given: MaybeUndefined<String>) -> String {
        self.needed(name, given).unwrap_or_else(|| "?".to_owned())
    }

    /// A value that an update leaves as it is, since it never changes; giving it is giving what it is.
    pub fn lasting<T: PartialEq>(&mut self, name: &str, given: &MaybeUndefined<T>, is: Option<&T>) {
        if !same(given, is) {
            let message =
                "Never changes, and the record has another: give what it has, or leave it out.";
            self.wrong(Code::Invalid, name, message);
        }
    }

    /// The record that a field names.
    pub fn named<I: Id>(&mut self, name: &str, known: &HashMap<String, I>) -> MaybeUndefined<ID> {
        match self.value::<String>(name) {
            MaybeUndefined::Value(given) => match self.find(name, known, &given) {
                Some(id) => MaybeUndefined::Value(id),
                None => MaybeUndefined::Undefined,
            },
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
        }
    }

    /// The records that a field lists; in one text they stand apart by semicolons.
    pub fn listed<I: Id>(
        &mut self,
        name: &str,
        known: &HashMap<String, I>,
    ) -> MaybeUndefined<Vec<ID>> {
        match self.texts(name, text::NAME) {
            MaybeUndefined::Value(given) => {
                let found = given.iter().filter_map(|it| self.find(name, known, it));
                MaybeUndefined::Value(found.collect())
            }
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
        }
    }

    /// A list of texts; in one they stand apart by semicolons.
    pub fn texts(&mut self, name: &str, max: usize) -> MaybeUndefined<Vec<String>> {
        let given = match self.given.get(name) {
            Some(Json::String(text)) => {
                let parts = text.split(';').map(str::to_owned);
                let parts = parts.filter(|it| !it.trim().is_empty()).collect();
                self.given.remove(name);
                MaybeUndefined::Value(parts)
            }
            _ => self.value::<Vec<String>>(name),
        };
        given.map_value(|texts| {
            let mut stored = Vec::with_capacity(texts.len());
            for given in texts {
                match text::stored(&given, max) {
                    Ok(text) => stored.push(text.unwrap_or_default()),
                    Err(message) => self.wrong(Code::Invalid, name, message),
                }
            }
            stored
        })
    }

    /// Reads the entries of a list. What is wrong with one has its place in the list.
    pub fn each<T>(
        &mut self,
        texts: &[String],
        read: impl Fn(&mut Self, &str) -> Option<T>,
    ) -> Vec<T> {
        let mut all = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let found = self.problems.len();
            all.extend(read(self, text));
            for problem in self.problems.iter_mut().skip(found) {
                problem.field.push(index.to_string());
            }
        }
        all
    }

    /// The record that is called so.
    pub fn find<I: Id>(
        &mut self,
        name: &str,
        known: &HashMap<String, I>,
        given: &str,
    ) -> Option<ID> {
        let found = known.get(&text::normalize(given));
        if found.is_none() {
            self.no_such(name, I::TYPE, given);
        }
        found.map(|id| ID(id.public()))
    }

    pub fn no_such(&mut self, name: &str, ty: &str, given: &str) {
        let identities = [text::normalize(given), text::number_identity(given)];
        let message = match &self.circle {
            Some((next, message)) if identities.contains(next) => message.clone(),
            _ => format!("There is no {ty} `{given}`."),
        };
        self.wrong(Code::NotFound, name, message);
    }

    /// Whether something is wrong with this field by now.
    pub fn complains_of(&self, name: &str) -> bool {
        let mut problems = self.problems.iter();
        problems.any(|it| it.field.first().is_some_and(|field| field == name))
    }

    /// Does what the line asks for. Where something is wrong with it already, what else is wrong is found out, and nothing is done.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn carry_out<T>(
        &mut self,
        writing: &mut Writing,
        work: impl AsyncFnOnce(&mut Writing) -> Result<T, Error>,
    ) -> Result<Option<T>, Fault> {
        let done = if self.is_right() {
            work(writing).await
        } else {
            let mut trial = writing.trial().await?;
            let tried = work(&mut trial).await;
            trial.undo().await?;
            tried
        };
        match done {
            Ok(done) => Ok(Some(done).filter(|_| self.is_right())),
            Err(error) => {
                self.refused(error)?;
                Ok(None)
            }
        }
    }

    /// Adds why the store has refused the line, by the names that fields have here.
    ///
    /// # Errors
    /// Where it did not refuse, but failed.
    pub fn refused(&mut self, error: Error) -> Result<(), Fault> {
        match error {
            Error::Refused(Refusal::Problems(problems)) => {
                let mut more = Vec::with_capacity(problems.len());
                for mut problem in problems {
                    for field in &mut problem.field {
                        *field = plain(field);
                    }
                    let named = problem.field.first();
                    // What was not read was not there for the store, which says no more than that.
                    if !named.is_some_and(|it| self.complains_of(it)) {
                        more.push(problem);
                    }
                }
                self.problems.extend(more);
            }
            Error::Refused(
                Refusal::Forbidden(message)
                | Refusal::Unauthenticated(message)
                | Refusal::Stale { message, .. },
            ) => {
                self.whole(message);
            }
            other => return Err(other.into()),
        }
        Ok(())
    }
}

/// Returns a name as it is stored; `None` if it is no name.
fn stored(given: &str) -> Option<String> {
    text::stored(given, text::NAME).ok()?
}

/// Whether a line gives nothing else than what the record has.
pub fn same<T: PartialEq>(given: &MaybeUndefined<T>, is: Option<&T>) -> bool {
    match given {
        MaybeUndefined::Undefined => true,
        MaybeUndefined::Null => is.is_none(),
        MaybeUndefined::Value(given) => is == Some(given),
    }
}

/// The same for a list, in whatever order.
pub fn same_list(given: &MaybeUndefined<Vec<ID>>, is: impl IntoIterator<Item = ID>) -> bool {
    let is: BTreeSet<ID> = is.into_iter().collect();
    match given {
        MaybeUndefined::Undefined => true,
        MaybeUndefined::Null => is.is_empty(),
        MaybeUndefined::Value(given) => given.iter().cloned().collect::<BTreeSet<ID>>() == is,
    }
}

/// What a line gives, where that is something else than what the record has.
pub fn news<T: PartialEq>(given: MaybeUndefined<T>, is: Option<&T>) -> MaybeUndefined<T> {
    if same(&given, is) {
        MaybeUndefined::Undefined
    } else {
        given
    }
}

/// What the API calls `committeeId` and `topicIds` is a name here: `committee`, `topics`.
fn plain(field: &str) -> String {
    match field.strip_suffix("Ids") {
        // No noun, and so the same for one and for many.
        Some("from") => "from".to_owned(),
        Some(stem) => format!("{stem}s"),
        None => field.strip_suffix("Id").unwrap_or(field).to_owned(),
    }
}

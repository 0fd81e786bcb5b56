//! The fields of a record, parsed like the fields of an API input, with all validation errors collected.

use std::collections::{BTreeSet, HashMap};

use async_graphql::resolver_utils::EnumType;
use async_graphql::{ID, InputType, MaybeUndefined, Pos, Value};
use entity::id::Id;
use serde_json::{Map, Value as Json};

use crate::domain::rejection::{Code, Rejection, ValidationError};
use crate::domain::text;
use crate::error::Error;
use crate::import_export::ImportError;
use crate::store::transaction::WriteTransaction;

/// The fields of a line and its errors.
pub struct RecordFields {
    given: Map<String, Json>,
    /// The names of the fields that were taken, also those that the line lacks.
    known: Vec<&'static str>,
    problems: Vec<ValidationError>,
    /// Fields that records of this type do not have.
    unknown: Vec<ValidationError>,
    /// The name of the record in the report.
    called: Option<String>,
    /// A reference of the record that leads back to it, and the error message for that.
    circle: Option<(String, String)>,
}

/// The errors of a line for the report.
pub struct ReportedFields {
    /// The name of the record, if the line has its key.
    pub called: Option<String>,
    pub problems: Vec<ValidationError>,
    /// Errors that concern columns rather than the line.
    pub unknown: Vec<ValidationError>,
}

impl RecordFields {
    pub fn new(given: Map<String, Json>) -> Self {
        Self {
            given,
            known: Vec::new(),
            problems: Vec::new(),
            unknown: Vec::new(),
            called: None,
            circle: None,
        }
    }

    /// Sets the name of the record in the report.
    pub fn set_key(&mut self, name: String) {
        self.called = Some(name);
    }

    /// Says that the record with this identity, which this one names, leads back to this one.
    pub fn add_cycle_error(&mut self, identity: &str, message: &str) {
        self.circle = Some((identity.to_owned(), message.to_owned()));
    }

    pub fn add_error(&mut self, code: Code, field: &str, message: impl Into<String>) {
        self.problems
            .push(ValidationError::new(code, field, message));
    }

    /// Adds an error of the whole line.
    pub fn add_record_error(&mut self, message: String) {
        self.problems.push(ValidationError {
            code: Code::Invalid,
            field: Vec::new(),
            message,
        });
    }

    pub fn is_valid(&self) -> bool {
        self.problems.is_empty() && self.unknown.is_empty()
    }

    /// Returns all errors.
    pub fn into_reported(self) -> ReportedFields {
        ReportedFields {
            called: self.called,
            problems: self.problems,
            unknown: self.unknown,
        }
    }

    /// Adds an error for each remaining field, which records of this type do not have.
    pub fn reject_unknown(&mut self, ty: &str) {
        for name in std::mem::take(&mut self.given).keys() {
            let known = self.known.join(", ");
            let message = format!("An import of {ty} has no such field: its fields are {known}.");
            self.unknown
                .push(ValidationError::new(Code::Invalid, name, message));
        }
    }

    /// Returns whether the line has a value in this field. Does not take it.
    pub fn has_field(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| !value.is_null())
    }

    /// Returns the normalized name in a field without taking it.
    pub fn peek(&self, name: &str) -> Option<String> {
        normalized(self.given.get(name)?.as_str()?)
    }

    /// Returns the normalized names listed in a field without taking them.
    pub fn peek_all(&self, name: &str) -> Vec<String> {
        match self.given.get(name) {
            Some(Json::String(text)) => text.split(';').filter_map(normalized).collect(),
            Some(Json::Array(all)) => {
                let texts = all.iter().filter_map(Json::as_str);
                texts.filter_map(normalized).collect()
            }
            _ => Vec::new(),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Json> {
        self.known.push(name);
        self.given.remove(name)
    }

    /// Takes a value of a type of the API.
    pub fn value<T: InputType>(&mut self, name: &'static str) -> MaybeUndefined<T> {
        match self.take(name) {
            None => MaybeUndefined::Undefined,
            Some(Json::Null) => MaybeUndefined::Null,
            Some(json) => self.parse(name, json),
        }
    }

    /// Takes an enum value.
    pub fn enum_value<T: InputType + EnumType>(&mut self, name: &'static str) -> MaybeUndefined<T> {
        match self.take(name) {
            None => MaybeUndefined::Undefined,
            Some(Json::Null) => MaybeUndefined::Null,
            Some(json) => self.one_of(name, json),
        }
    }

    /// Parses an enum value that is a part of a field.
    pub fn one_of<T: InputType + EnumType>(&mut self, name: &str, json: Json) -> MaybeUndefined<T> {
        let found = self.problems.len();
        let value = self.parse(name, json);
        if let Some(problem) = self.problems.get_mut(found) {
            let words: Vec<&str> = T::items().iter().map(|item| item.name).collect();
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
                self.add_error(Code::Invalid, name, message);
                MaybeUndefined::Undefined
            }
        }
    }

    /// Takes a text in its stored form; a blank text becomes null.
    pub fn text(&mut self, name: &'static str, max: usize) -> MaybeUndefined<String> {
        let given = match self.value::<String>(name) {
            MaybeUndefined::Value(given) => given,
            other => return other,
        };
        match text::normalize_text(&given, max) {
            Ok(Some(text)) => MaybeUndefined::Value(text),
            Ok(None) => MaybeUndefined::Null,
            Err(message) => {
                self.add_error(Code::Invalid, name, message);
                MaybeUndefined::Undefined
            }
        }
    }

    /// Takes a text of the record's key, which is required.
    pub fn key(&mut self, name: &'static str, max: usize) -> Option<String> {
        let given = self.text(name, max);
        self.required(name, given)
    }

    /// Returns a value that a new record requires.
    pub fn required<T>(&mut self, name: &str, given: MaybeUndefined<T>) -> Option<T> {
        let given = given.take();
        if given.is_none() && !self.has_error(name) {
            self.add_error(Code::Invalid, name, "Must be given, and not be blank.");
        }
        given
    }

    /// Adds an error unless the line has a value in exactly one of these fields. Does not take them.
    pub fn require_one_of(&mut self, names: &[&str]) {
        let given = names.iter().filter(|name| self.has_field(name));
        if given.count() != 1 {
            let names = names.join(", ");
            self.add_record_error(format!(
                "Say what it is about in one of the fields {names}."
            ));
        }
    }

    /// Returns a text that a new record requires; if it is missing, a placeholder, so that further errors are found.
    pub fn required_text(&mut self, name: &str, given: MaybeUndefined<String>) -> String {
        self.required(name, given).unwrap_or_else(|| "?".to_owned())
    }

    /// Adds an error if an immutable value is given and differs from the current one.
    pub fn immutable<T: PartialEq>(
        &mut self,
        name: &str,
        given: &MaybeUndefined<T>,
        is: Option<&T>,
    ) {
        if !is_unchanged(given, is) {
            let message = "Cannot be changed, and differs from the record's value: give the same value, or omit it.";
            self.add_error(Code::Invalid, name, message);
        }
    }

    /// Takes a reference to a record by name.
    pub fn named<I: Id>(
        &mut self,
        name: &'static str,
        known: &HashMap<String, I>,
    ) -> MaybeUndefined<ID> {
        match self.value::<String>(name) {
            MaybeUndefined::Value(given) => match self.find(name, known, &given) {
                Some(id) => MaybeUndefined::Value(id),
                None => MaybeUndefined::Undefined,
            },
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
        }
    }

    /// Takes a list of references; a single text is split at semicolons.
    pub fn references<I: Id>(
        &mut self,
        name: &'static str,
        known: &HashMap<String, I>,
    ) -> MaybeUndefined<Vec<ID>> {
        match self.text_list(name, text::MAX_NAME_LENGTH) {
            MaybeUndefined::Value(given) => {
                let found = given
                    .iter()
                    .filter_map(|given| self.find(name, known, given));
                MaybeUndefined::Value(found.collect())
            }
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
        }
    }

    /// Takes a list of texts; a single text is split at semicolons.
    pub fn text_list(&mut self, name: &'static str, max: usize) -> MaybeUndefined<Vec<String>> {
        let given = match self.given.get(name) {
            Some(Json::String(text)) => {
                let parts = text.split(';').map(str::to_owned);
                let parts = parts.filter(|part| !part.trim().is_empty()).collect();
                self.take(name);
                MaybeUndefined::Value(parts)
            }
            _ => self.value::<Vec<String>>(name),
        };
        given.map_value(|texts| {
            let mut stored = Vec::with_capacity(texts.len());
            for given in texts {
                match text::normalize_text(&given, max) {
                    Ok(text) => stored.push(text.unwrap_or_default()),
                    Err(message) => self.add_error(Code::Invalid, name, message),
                }
            }
            stored
        })
    }

    /// Parses the elements of a list. Errors get the index of their element.
    pub fn list_of<T>(
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

    /// Looks up a record by name.
    pub fn find<I: Id>(
        &mut self,
        name: &str,
        known: &HashMap<String, I>,
        given: &str,
    ) -> Option<ID> {
        let given = text::normalize(given);
        let found = known.get(&given);
        if found.is_none() {
            self.add_not_found(name, I::TYPE, &given);
            // Committees are named with their period.
            let is_longer = |known: &&String| {
                let rest = known.strip_prefix(&given);
                rest.is_some_and(|rest| rest.starts_with(" ("))
            };
            if let Some(newest) = known.keys().filter(is_longer).max()
                && let Some(problem) = self.problems.last_mut()
            {
                problem.message = format!("{} Write `{newest}`.", problem.message);
            }
        }
        found.map(|id| ID(id.to_global_id()))
    }

    pub fn add_not_found(&mut self, name: &str, ty: &str, given: &str) {
        let identities = [text::normalize(given), text::number_identity(given)];
        let message = match &self.circle {
            Some((next, message)) if identities.contains(next) => message.clone(),
            _ => format!("There is no {ty} `{given}`."),
        };
        self.add_error(Code::NotFound, name, message);
    }

    /// Returns whether this field has errors so far.
    pub fn has_error(&self, name: &str) -> bool {
        let mut problems = self.problems.iter();
        problems.any(|problem| problem.field.first().is_some_and(|field| field == name))
    }

    /// Applies the record. If it already has errors, the work is tried and rolled back to find further errors.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn apply<T>(
        &mut self,
        writing: &mut WriteTransaction,
        work: impl AsyncFnOnce(&mut WriteTransaction) -> Result<T, Error>,
    ) -> Result<Option<T>, ImportError> {
        let done = if self.is_valid() {
            work(writing).await
        } else {
            let mut trial = writing.savepoint().await?;
            let tried = work(&mut trial).await;
            let undone = trial.rollback().await;
            // SQLite may have rolled back by itself; the first error says why.
            if !matches!(tried, Err(Error::Database(_))) {
                undone?;
            }
            tried
        };
        match done {
            Ok(done) => Ok(Some(done).filter(|_| self.is_valid())),
            Err(error) => {
                self.reject(error)?;
                Ok(None)
            }
        }
    }

    /// Adds the validation errors of the store, under the names that fields have in files.
    ///
    /// # Errors
    /// Returns an error if the store failed for another reason.
    pub fn reject(&mut self, error: Error) -> Result<(), ImportError> {
        match error {
            Error::Refused(Rejection::Problems(problems)) => {
                let mut more = Vec::with_capacity(problems.len());
                for mut problem in problems {
                    for field in &mut problem.field {
                        *field = plain(field);
                    }
                    let named = problem.field.first();
                    // A field that could not be parsed was missing for the store, whose error would be misleading.
                    if !named.is_some_and(|field| self.has_error(field)) {
                        more.push(problem);
                    }
                }
                self.problems.extend(more);
            }
            Error::Refused(
                Rejection::Forbidden(message)
                | Rejection::Unauthenticated(message)
                | Rejection::Stale { message, .. },
            ) => {
                self.add_record_error(message);
            }
            other => return Err(other.into()),
        }
        Ok(())
    }
}

/// Returns a name in its stored form; `None` if it is blank or invalid.
fn normalized(given: &str) -> Option<String> {
    text::normalize_text(given, text::MAX_NAME_LENGTH).ok()?
}

/// Returns whether a line gives no other value than the record has.
pub fn is_unchanged<T: PartialEq>(given: &MaybeUndefined<T>, is: Option<&T>) -> bool {
    match given {
        MaybeUndefined::Undefined => true,
        MaybeUndefined::Null => is.is_none(),
        MaybeUndefined::Value(given) => is == Some(given),
    }
}

/// Returns whether a line gives no other list than the record has, in any order.
pub fn is_list_unchanged(
    given: &MaybeUndefined<Vec<ID>>,
    is: impl IntoIterator<Item = ID>,
) -> bool {
    let is: BTreeSet<ID> = is.into_iter().collect();
    match given {
        MaybeUndefined::Undefined => true,
        MaybeUndefined::Null => is.is_empty(),
        MaybeUndefined::Value(given) => given.iter().cloned().collect::<BTreeSet<ID>>() == is,
    }
}

/// Returns the list of a line if it differs from the record's.
pub fn if_list_changed(
    given: MaybeUndefined<Vec<ID>>,
    is: impl IntoIterator<Item = ID>,
) -> MaybeUndefined<Vec<ID>> {
    if is_list_unchanged(&given, is) {
        MaybeUndefined::Undefined
    } else {
        given
    }
}

/// Returns the value of a line if it differs from the record's.
pub fn if_changed<T: PartialEq>(given: MaybeUndefined<T>, is: Option<&T>) -> MaybeUndefined<T> {
    if is_unchanged(&given, is) {
        MaybeUndefined::Undefined
    } else {
        given
    }
}

/// Returns the name of an API field in files: `committee` for `committeeId`, `topics` for `topicIds`.
fn plain(field: &str) -> String {
    match field.strip_suffix("Ids") {
        // `fromIds` has no plural form.
        Some("from") => "from".to_owned(),
        Some(stem) => format!("{stem}s"),
        None => field.strip_suffix("Id").unwrap_or(field).to_owned(),
    }
}

//! Validation errors of an input, collected so that all are reported at once.

use crate::domain::rejection::{Code, Decision, Rejection, ValidationError};
use crate::domain::text;

/// The validation errors found so far.
#[derive(Debug, Default)]
pub struct ValidationErrors(Vec<ValidationError>);

impl ValidationErrors {
    pub fn add(&mut self, code: Code, field: &str, message: impl Into<String>) {
        self.0.push(ValidationError::new(code, field, message));
    }

    /// Adds an error at an element of a list.
    pub fn add_at(&mut self, code: Code, field: &str, index: usize, message: impl Into<String>) {
        let mut problem = ValidationError::new(code, field, message);
        problem.field.push(index.to_string());
        self.0.push(problem);
    }

    /// Adds an error at a field of a list element.
    pub fn add_in(
        &mut self,
        code: Code,
        list: &str,
        index: usize,
        field: &str,
        message: impl Into<String>,
    ) {
        let mut problem = ValidationError::new(code, list, message);
        problem.field.extend([index.to_string(), field.to_owned()]);
        self.0.push(problem);
    }

    /// Adds the errors of list elements; an error at an element is moved to its field `field`.
    pub fn add_all(&mut self, found: Self, field: &str) {
        self.0.extend(found.0.into_iter().map(|mut problem| {
            if problem.field.len() == 2 {
                problem.field.push(field.to_owned());
            }
            problem
        }));
    }

    /// Adds the problems of a decision. Returns other refusals, such as a missing permission, at once.
    pub fn decide(&mut self, decision: Decision) -> Decision {
        match decision {
            Err(Rejection::Problems(mut found)) => {
                self.0.append(&mut found);
                Ok(())
            }
            decision => decision,
        }
    }

    /// Adds the message of a failed rule as an error of a field.
    pub fn check(&mut self, field: &str, finding: Result<(), String>) {
        if let Err(message) = finding {
            self.add(Code::Invalid, field, message);
        }
    }

    /// Returns a required text in its stored form.
    pub fn text(&mut self, field: &str, given: &str, max: usize) -> String {
        self.required_text(field, Some(given), max, "Must not be blank.")
    }

    /// Returns a required code, acronym or key in its stored form.
    pub fn identifier(&mut self, field: &str, given: &str, max: usize) -> String {
        let before = self.0.len();
        let stored = self.optional_identifier(field, Some(given), max);
        if stored.is_none() && self.0.len() == before {
            self.add(Code::Invalid, field, "Must not be blank.");
        }
        stored.unwrap_or_default()
    }

    /// Returns an optional code, acronym or key in its stored form; `None` if it is blank.
    pub fn optional_identifier(
        &mut self,
        field: &str,
        given: Option<&str>,
        max: usize,
    ) -> Option<String> {
        match text::identifier(given?, max) {
            Ok(text) => text,
            Err(message) => {
                self.add(Code::Invalid, field, message);
                None
            }
        }
    }

    /// Returns a text that is required in this case, in its stored form; `missing` is the message if it is blank.
    pub fn required_text(
        &mut self,
        field: &str,
        given: Option<&str>,
        max: usize,
        missing: &str,
    ) -> String {
        match text::normalize_text(given.unwrap_or_default(), max) {
            Ok(Some(text)) => return text,
            Ok(None) => self.add(Code::Invalid, field, missing),
            Err(message) => self.add(Code::Invalid, field, message),
        }
        String::new()
    }

    /// Returns an optional text in its stored form; `None` if it is blank.
    pub fn optional_text(
        &mut self,
        field: &str,
        given: Option<&str>,
        max: usize,
    ) -> Option<String> {
        match text::normalize_text(given?, max) {
            Ok(text) => text,
            Err(message) => {
                self.add(Code::Invalid, field, message);
                None
            }
        }
    }

    /// Returns the record if there are no errors. If the record is missing, its error has already been added.
    pub fn found<T>(self, record: Option<T>) -> Decision<T> {
        match record {
            Some(record) if self.0.is_empty() => Ok(record),
            _ => Err(Rejection::Problems(self.0)),
        }
    }

    /// Returns an error if there are any.
    pub fn into_result(self) -> Decision {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Rejection::Problems(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_are_reported_at_once() {
        let mut problems = ValidationErrors::default();
        assert_eq!(problems.text("title", " Security ", 10), "Security");
        assert_eq!(problems.optional_text("summary", None, 10), None);
        assert_eq!(problems.optional_text("summary", Some("  "), 10), None);
        problems.text("title", " ", 10);
        problems.optional_text("summary", Some("eleven char"), 10);
        problems.add_at(Code::NotFound, "provisionIds", 2, "There is no such thing.");
        problems.check("reviewOn", Err("Must be in the future.".to_owned()));
        problems.check("reviewOn", Ok(()));

        let Err(Rejection::Problems(found)) = problems.into_result() else {
            panic!("nothing was found");
        };
        let fields: Vec<String> = found
            .iter()
            .map(|problem| problem.field.join("."))
            .collect();
        assert_eq!(fields, ["title", "summary", "provisionIds.2", "reviewOn"]);
        assert_eq!(ValidationErrors::default().into_result(), Ok(()));
    }
}

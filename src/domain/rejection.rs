//! The result of a rule.

use entity::id::Uuid;

/// The result of a rule: a value or a rejection.
pub type Decision<T = ()> = Result<T, Rejection>;

/// The reason why a write is refused. Messages are for users: what is wrong, then what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There is no token. Requests without a token may only read.
    Unauthenticated(String),
    /// The viewer's party may never do this.
    Forbidden(String),
    /// The record was changed since the version that the input names.
    Stale { record: Uuid, message: String },
    /// The party may, but not with this input or not now: each problem stands for itself. Never empty.
    Problems(Vec<ValidationError>),
}

/// A validation error of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    pub code: Code,
    /// Path of the field within the input; empty if the error concerns the whole input.
    pub field: Vec<String>,
    pub message: String,
}

/// Kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Invalid,
    NotFound,
    Taken,
    Stale,
    NotAllowedNow,
    KeyReused,
}

impl Rejection {
    #[must_use]
    pub fn one(code: Code, field: &str, message: impl Into<String>) -> Self {
        Self::Problems(vec![ValidationError::new(code, field, message)])
    }

    /// Creates the refusal for a record whose current state does not allow the change.
    #[must_use]
    pub fn not_now(message: impl Into<String>) -> Self {
        Self::Problems(vec![ValidationError {
            code: Code::NotAllowedNow,
            field: Vec::new(),
            message: message.into(),
        }])
    }

    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden(message.into())
    }
}

impl ValidationError {
    #[must_use]
    pub fn new(code: Code, field: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            field: vec![field.to_owned()],
            message: message.into(),
        }
    }
}

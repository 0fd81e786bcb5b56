//! Why a rule said no.

use entity::id::Uuid;

/// An answer of the rules: a value, or a refusal.
pub type Decision<T = ()> = Result<T, Refusal>;

/// Why a request to write was not carried out. Messages are for people: what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no token: whoever it is may only read.
    Unauthenticated(String),
    /// Its party may not do this at all.
    Forbidden(String),
    /// The record was changed since the version that the input names.
    Stale { record: Uuid, message: String },
    /// The party may, but not with this input or not now: each problem stands for itself. Never empty.
    Problems(Vec<Problem>),
}

/// One thing that is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    /// The path of the field within the input; empty where it is about the whole.
    pub field: Vec<String>,
    pub message: String,
}

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Invalid,
    NotFound,
    Taken,
    Stale,
    NotAllowedNow,
    KeyReused,
}

impl Refusal {
    #[must_use]
    pub fn one(code: Code, field: &str, message: impl Into<String>) -> Self {
        Self::Problems(vec![Problem::new(code, field, message)])
    }

    /// The record is not in a state that allows it.
    #[must_use]
    pub fn not_now(message: impl Into<String>) -> Self {
        Self::Problems(vec![Problem {
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

impl Problem {
    #[must_use]
    pub fn new(code: Code, field: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            field: vec![field.to_owned()],
            message: message.into(),
        }
    }
}

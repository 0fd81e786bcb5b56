//! The arguments of one field, with variables filled in.

use async_graphql::parser::types::Field;
use async_graphql::{InputType, Pos};

use crate::error::{Error, Result};
use crate::planner::selection::Selections;

/// The arguments of a field.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    document: Selections<'a>,
    field: &'a Field,
}

impl<'a> Args<'a> {
    pub fn new(document: Selections<'a>, field: &'a Field) -> Self {
        Self { document, field }
    }

    /// Returns the argument of this name; an omitted argument is parsed as null.
    ///
    /// # Errors
    /// Returns a bad-input error if the value is not a valid `T`.
    pub fn get<T: InputType>(&self, name: &str) -> Result<T> {
        let given = self.field.get_argument(name);
        let value = given.and_then(|argument| self.document.constant(&argument.node));
        T::parse(value).map_err(|error| {
            let message = error.into_server_error(Pos::default()).message;
            Error::BadInput(format!("`{name}`: {message}"))
        })
    }
}

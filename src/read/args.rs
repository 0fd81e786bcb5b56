//! The arguments of one field, as the request gave them.

use async_graphql::parser::types::Field;
use async_graphql::{InputType, Pos};

use super::document::Document;
use crate::error::{Error, Result};

/// What a field was given.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    document: Document<'a>,
    field: &'a Field,
}

impl<'a> Args<'a> {
    pub fn new(document: Document<'a>, field: &'a Field) -> Self {
        Self { document, field }
    }

    /// The argument of this name; one that was left out is null.
    ///
    /// # Errors
    /// Bad input where the value is not one of `T`.
    pub fn get<T: InputType>(&self, name: &str) -> Result<T> {
        let given = self.field.get_argument(name);
        let value = given.and_then(|it| self.document.constant(&it.node));
        T::parse(value).map_err(|error| {
            let message = error.into_server_error(Pos::default()).message;
            Error::BadInput(format!("`{name}`: {message}"))
        })
    }
}

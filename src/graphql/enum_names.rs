//! Writes enum values.

use async_graphql::resolver_utils::EnumType;

use crate::planner::json::Json;

/// Returns the API's word for a value.
pub fn word<E: EnumType>(value: E) -> &'static str {
    let mut items = E::items().iter();
    items
        .find(|item| item.value == value)
        .map_or("", |item| item.name)
}

/// Writes a list of values.
pub fn list<E: EnumType>(json: &mut Json, values: impl IntoIterator<Item = E>) {
    json.words(values.into_iter().map(word));
}

/// Writes a value.
pub fn one<E: EnumType>(json: &mut Json, value: E) {
    json.raw_string(word(value));
}

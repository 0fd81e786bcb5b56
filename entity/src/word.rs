//! The names of enum values in tables and in the API.

use sea_orm::{ActiveEnum, Iterable};

/// Returns the name of a value, such as `IN_PROGRESS`.
#[must_use]
pub fn enum_name<E: ActiveEnum<Value = String> + Copy>(value: E) -> String {
    value.to_value()
}

/// Returns all values of an enum in declaration order.
pub fn all<E: Iterable>() -> impl Iterator<Item = E> {
    E::iter()
}

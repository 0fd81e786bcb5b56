//! The words that tables and API have for the values of an enum.

use sea_orm::{ActiveEnum, Iterable};

/// The word for `value`: `IN_PROGRESS`.
#[must_use]
pub fn word<E: ActiveEnum<Value = String> + Copy>(value: E) -> String {
    value.to_value()
}

/// All values of an enum, in its order.
pub fn all<E: Iterable>() -> impl Iterator<Item = E> {
    E::iter()
}

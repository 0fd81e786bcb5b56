//! Who may do what, and when: pure functions over plain values, with no database, no GraphQL and no clock.

pub mod refusal;
pub mod viewer;

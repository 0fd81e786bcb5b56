//! The schema, the documents, and the shape of the source.

pub mod contract;
pub mod layers;
pub mod source_layout;

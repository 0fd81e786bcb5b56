//! Tokens and issuers.

pub mod identity;
pub mod issuers;
pub mod tokens;

//! HTTP, GraphQL over HTTP, validation and limits.

pub mod admission;
pub mod charged_bytes;
pub mod compression;
pub mod conformance;
pub mod documents;
pub mod every_limit;
pub mod explorer;
pub mod graphql_over_http;
pub mod handshakes;
pub mod headers;
pub mod introspection;
pub mod limits;
pub mod merged_fields;
pub mod middleware;
pub mod response_format;
pub mod server;
pub mod validation;
pub mod variables;

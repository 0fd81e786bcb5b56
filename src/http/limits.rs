//! The limits of requests, with their settings and defaults.

use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::duration::timeout;
use super::number::number;
use crate::http::server::shutdown::StreamTimeouts;

/// The limits of requests.
#[derive(Clone, Debug, Args)]
pub struct Limits {
    /// Maximum size of a request body or a WebSocket message in bytes.
    #[arg(id = "max_body_bytes", long = "max-body-bytes", env = "LIAISON_MAX_BODY_BYTES", default_value_t = DEFAULT.body_bytes, value_parser = number::<usize>(1..))]
    pub body_bytes: usize,
    /// Maximum number of tokens (names, punctuators, values) in a document.
    #[arg(id = "max_tokens", long = "max-tokens", env = "LIAISON_MAX_TOKENS", default_value_t = DEFAULT.tokens, value_parser = number::<usize>(1..))]
    pub tokens: usize,
    /// Maximum nesting depth of fields in a document.
    #[arg(id = "max_depth", long = "max-depth", env = "LIAISON_MAX_DEPTH", default_value_t = DEFAULT.depth, value_parser = number::<usize>(1..))]
    pub depth: usize,
    /// Maximum number of fields and fragments in a document, with fragments expanded.
    #[arg(id = "max_selections", long = "max-selections", env = "LIAISON_MAX_SELECTIONS", default_value_t = DEFAULT.selections, value_parser = number::<u64>(1..))]
    pub selections: u64,
    /// Maximum number of aliases in a document, with fragments expanded.
    #[arg(id = "max_aliases", long = "max-aliases", env = "LIAISON_MAX_ALIASES", default_value_t = DEFAULT.aliases, value_parser = number::<u64>(1..))]
    pub aliases: u64,
    /// Maximum number of directives in a document, with fragments expanded.
    #[arg(id = "max_directives", long = "max-directives", env = "LIAISON_MAX_DIRECTIVES", default_value_t = DEFAULT.directives, value_parser = number::<u64>(1..))]
    pub directives: u64,
    /// Maximum number of root fields of an operation.
    #[arg(id = "max_root_fields", long = "max-root-fields", env = "LIAISON_MAX_ROOT_FIELDS", default_value_t = DEFAULT.root_fields, value_parser = number::<u64>(1..))]
    pub root_fields: u64,
    /// Maximum number of mutations in a document.
    #[arg(id = "max_mutations", long = "max-mutations", env = "LIAISON_MAX_MUTATIONS", default_value_t = DEFAULT.mutations, value_parser = number::<u64>(1..))]
    pub mutations: u64,
    /// Maximum cost of an operation, computed before it runs: each field costs 1, multiplied by the sizes of the lists around it; what reads whole tables has a price of its own.
    #[arg(id = "max_complexity", long = "max-complexity", env = "LIAISON_MAX_COMPLEXITY", default_value_t = DEFAULT.cost, value_parser = number::<u64>(1..))]
    pub cost: u64,
    /// Maximum size of a response in bytes, checked during execution.
    #[arg(id = "max_response_bytes", long = "max-response-bytes", env = "LIAISON_MAX_RESPONSE_BYTES", default_value_t = DEFAULT.response_bytes, value_parser = number::<usize>(1..))]
    pub response_bytes: usize,
    /// Maximum number of concurrent operations on one WebSocket.
    #[arg(id = "max_websocket_operations", long = "max-websocket-operations", env = "LIAISON_MAX_WEBSOCKET_OPERATIONS", default_value_t = DEFAULT.operations, value_parser = number::<usize>(1..))]
    pub operations: usize,
    /// Timeouts of long-lived connections.
    #[arg(skip)]
    pub stream_timeouts: StreamTimeouts,
    /// Timeout of a request, such as `10s`.
    #[arg(id = "request_timeout", long = "request-timeout", env = "LIAISON_REQUEST_TIMEOUT", default_value = "10s", value_parser = timeout)]
    pub request_timeout: Duration,
    /// Disable introspection and the schema download.
    #[arg(long, env = "LIAISON_NO_INTROSPECTION", value_parser = BoolishValueParser::new())]
    pub no_introspection: bool,
}

const DEFAULT: Limits = Limits {
    body_bytes: 1_000_000,
    tokens: 10_000,
    depth: 20,
    selections: 2_000,
    aliases: 100,
    directives: 100,
    root_fields: 20,
    mutations: 10,
    cost: 100_000,
    response_bytes: 10_000_000,
    operations: 50,
    stream_timeouts: StreamTimeouts::DEFAULT,
    request_timeout: Duration::from_secs(10),
    no_introspection: false,
};

impl Limits {
    /// Returns the timeout of a request's statements: slightly longer than the request's own, which normally ends them.
    #[must_use]
    pub const fn longest_statement(&self) -> Duration {
        self.request_timeout.saturating_add(Duration::from_secs(1))
    }
}

impl Default for Limits {
    fn default() -> Self {
        DEFAULT
    }
}

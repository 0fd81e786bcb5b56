//! The limits of requests, with their settings and defaults.

use std::time::Duration;

use clap::Args;
use clap::builder::{BoolishValueParser, RangedU64ValueParser};

use super::open::Patience;

/// The limits of requests.
#[derive(Clone, Debug, Args)]
pub struct Limits {
    /// Maximum size of a request body or a WebSocket message in bytes.
    #[arg(id = "body_limit", long = "body-limit", env = "LIAISON_BODY_LIMIT", default_value_t = DEFAULT.body, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub body: usize,
    /// Maximum number of tokens (names, punctuators, values) in a document.
    #[arg(id = "document_limit", long = "document-limit", env = "LIAISON_DOCUMENT_LIMIT", default_value_t = DEFAULT.tokens, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub tokens: usize,
    /// Maximum nesting depth of fields in a document.
    #[arg(id = "depth_limit", long = "depth-limit", env = "LIAISON_DEPTH_LIMIT", default_value_t = DEFAULT.depth, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub depth: usize,
    /// Maximum number of fields and fragments in a document, with fragments expanded.
    #[arg(id = "selection_limit", long = "selection-limit", env = "LIAISON_SELECTION_LIMIT", default_value_t = DEFAULT.selections, value_parser = clap::value_parser!(u64).range(1..))]
    pub selections: u64,
    /// Maximum number of aliases in a document, with fragments expanded.
    #[arg(id = "alias_limit", long = "alias-limit", env = "LIAISON_ALIAS_LIMIT", default_value_t = DEFAULT.aliases, value_parser = clap::value_parser!(u64).range(1..))]
    pub aliases: u64,
    /// Maximum number of directives in a document, with fragments expanded.
    #[arg(id = "directive_limit", long = "directive-limit", env = "LIAISON_DIRECTIVE_LIMIT", default_value_t = DEFAULT.directives, value_parser = clap::value_parser!(u64).range(1..))]
    pub directives: u64,
    /// Maximum number of root fields of an operation.
    #[arg(id = "root_limit", long = "root-limit", env = "LIAISON_ROOT_LIMIT", default_value_t = DEFAULT.roots, value_parser = clap::value_parser!(u64).range(1..))]
    pub roots: u64,
    /// Maximum number of mutations in a document.
    #[arg(id = "mutation_limit", long = "mutation-limit", env = "LIAISON_MUTATION_LIMIT", default_value_t = DEFAULT.mutations, value_parser = clap::value_parser!(u64).range(1..))]
    pub mutations: u64,
    /// What an operation may cost, counted before it runs: each field is one, times the sizes of the lists it is in; what reads whole tables has a price.
    #[arg(id = "cost_limit", long = "cost-limit", env = "LIAISON_COST_LIMIT", default_value_t = DEFAULT.cost, value_parser = clap::value_parser!(u64).range(1..))]
    pub cost: u64,
    /// Maximum size of a response in bytes, checked during execution.
    #[arg(id = "answer_limit", long = "answer-limit", env = "LIAISON_ANSWER_LIMIT", default_value_t = DEFAULT.answer, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub answer: usize,
    /// Maximum number of concurrent operations on one WebSocket.
    #[arg(id = "socket_operations", long = "socket-operations", env = "LIAISON_SOCKET_OPERATIONS", default_value_t = DEFAULT.operations, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub operations: usize,
    /// Timeouts of long-lived connections.
    #[arg(skip)]
    pub patience: Patience,
    /// Timeout of a request in seconds.
    #[arg(id = "time_limit", long = "time-limit", env = "LIAISON_TIME_LIMIT", default_value_t = DEFAULT.seconds, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Disable introspection and the schema download.
    #[arg(long, env = "LIAISON_NO_INTROSPECTION", value_parser = BoolishValueParser::new())]
    pub no_introspection: bool,
}

const DEFAULT: Limits = Limits {
    body: 1_000_000,
    tokens: 10_000,
    depth: 20,
    selections: 2_000,
    aliases: 100,
    directives: 100,
    roots: 20,
    mutations: 10,
    cost: 100_000,
    answer: 10_000_000,
    operations: 50,
    patience: Patience::DEFAULT,
    seconds: 10,
    no_introspection: false,
};

impl Limits {
    /// Returns the timeout of a request's statements: slightly longer than the request's own, which normally ends them.
    #[must_use]
    pub const fn longest_statement(&self) -> Duration {
        Duration::from_secs(self.seconds + 1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        DEFAULT
    }
}

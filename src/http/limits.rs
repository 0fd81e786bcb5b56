//! What a request may ask for at most: each limit with its meaning, default and setting.

use std::time::Duration;

use clap::Args;
use clap::builder::{BoolishValueParser, RangedU64ValueParser};

use super::open::Patience;

/// What a request may ask for at most.
#[derive(Clone, Debug, Args)]
pub struct Limits {
    /// How many bytes the body of a request, or a message over WebSocket, may have.
    #[arg(id = "body_limit", long = "body-limit", env = "LIAISON_BODY_LIMIT", default_value_t = DEFAULT.body, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub body: usize,
    /// How many tokens (names, signs, values) a document may have.
    #[arg(id = "document_limit", long = "document-limit", env = "LIAISON_DOCUMENT_LIMIT", default_value_t = DEFAULT.tokens, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub tokens: usize,
    /// How deep the fields of a document may be nested.
    #[arg(id = "depth_limit", long = "depth-limit", env = "LIAISON_DEPTH_LIMIT", default_value_t = DEFAULT.depth, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub depth: usize,
    /// How many fields and fragments a document may select, its fragments written out.
    #[arg(id = "selection_limit", long = "selection-limit", env = "LIAISON_SELECTION_LIMIT", default_value_t = DEFAULT.selections, value_parser = clap::value_parser!(u64).range(1..))]
    pub selections: u64,
    /// How many aliases a document may have, its fragments written out.
    #[arg(id = "alias_limit", long = "alias-limit", env = "LIAISON_ALIAS_LIMIT", default_value_t = DEFAULT.aliases, value_parser = clap::value_parser!(u64).range(1..))]
    pub aliases: u64,
    /// How many directives a document may have, its fragments written out.
    #[arg(id = "directive_limit", long = "directive-limit", env = "LIAISON_DIRECTIVE_LIMIT", default_value_t = DEFAULT.directives, value_parser = clap::value_parser!(u64).range(1..))]
    pub directives: u64,
    /// How many fields an operation may have at its root.
    #[arg(id = "root_limit", long = "root-limit", env = "LIAISON_ROOT_LIMIT", default_value_t = DEFAULT.roots, value_parser = clap::value_parser!(u64).range(1..))]
    pub roots: u64,
    /// How many mutations a document may ask for.
    #[arg(id = "mutation_limit", long = "mutation-limit", env = "LIAISON_MUTATION_LIMIT", default_value_t = DEFAULT.mutations, value_parser = clap::value_parser!(u64).range(1..))]
    pub mutations: u64,
    /// What an operation may cost, counted before it runs: each field is one, times the sizes of the lists it is in; what reads whole tables has a price.
    #[arg(id = "cost_limit", long = "cost-limit", env = "LIAISON_COST_LIMIT", default_value_t = DEFAULT.cost, value_parser = clap::value_parser!(u64).range(1..))]
    pub cost: u64,
    /// How many bytes an answer may have, counted while it is read and written.
    #[arg(id = "answer_limit", long = "answer-limit", env = "LIAISON_ANSWER_LIMIT", default_value_t = DEFAULT.answer, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub answer: usize,
    /// How many operations may be under way at once on one WebSocket.
    #[arg(id = "socket_operations", long = "socket-operations", env = "LIAISON_SOCKET_OPERATIONS", default_value_t = DEFAULT.operations, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub operations: usize,
    /// How long connections that stay open wait for their clients.
    #[arg(skip)]
    pub patience: Patience,
    /// How many seconds a request may run.
    #[arg(id = "time_limit", long = "time-limit", env = "LIAISON_TIME_LIMIT", default_value_t = DEFAULT.seconds, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Answer no introspection, and keep the schema's text to ourselves.
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
    /// How long a statement of a request may run. It ends with its request, and a moment later if nobody ends it.
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

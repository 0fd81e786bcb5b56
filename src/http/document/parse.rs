//! From text to syntax, within the bounds of tokens and nesting.

use std::borrow::Cow;

use apollo_compiler::ast::Document;
use apollo_compiler::diagnostic::ToCliReport;
use apollo_compiler::parser::Parser;

use super::super::limits::Limits;
use super::super::refused::Refused;
use super::guard::{nesting, too_deep};
use super::place::{self, Places};
use super::{describe, valueless};

/// Parses a document; the second is how many tokens it has.
pub fn parse(text: &str, limits: &Limits) -> Result<(Document, usize), Refused> {
    let mut parser = Parser::new()
        .token_limit(limits.tokens)
        .recursion_limit(nesting(limits));
    let mut bare = Cow::Borrowed(text);
    let mut parsed = parser.parse_ast(text, "");
    if parsed.is_err()
        && let Some(described) = describe::without(text, limits.tokens)
    {
        parsed = parser.parse_ast(described.as_str(), "");
        bare = Cow::Owned(described);
    }
    if parser.tokens_reached() > limits.tokens {
        let limit = limits.tokens;
        let message = format!(
            "The document has more than {limit} tokens (names, signs, values, spaces and comments), the most that are read."
        );
        return Err(Refused::beyond("tokens", "QUERY_TOO_COMPLEX", message));
    }
    if parser.recursion_reached() > nesting(limits) {
        return Err(too_deep(limits, None));
    }
    let tokens = parser.tokens_reached();
    let document = parsed.map_err(|found| {
        // What follows the first error is guesswork.
        let first = found.errors.iter().next();
        let problem = first.map(|it| {
            let at = place::of(it.error.location(), it.sources);
            (sentence(&it.error.to_string()), at)
        });
        Refused::invalid("GRAPHQL_PARSE_FAILED", problem)
    })?;
    if let Some((offset, name)) = valueless::first(&bare, limits.tokens, nesting(limits)) {
        let message = format!("Syntax error: expected a colon and a value after `{name}`.");
        let problem = (message, Some(Places::of(text).at(offset)));
        return Err(Refused::invalid("GRAPHQL_PARSE_FAILED", [problem]));
    }
    Ok((document, tokens))
}

/// What the parser says, for people.
fn sentence(text: &str) -> String {
    let text = text.trim_start_matches("syntax error: ");
    let text = text.lines().next().unwrap_or_default();
    format!("Syntax error: {}.", text.trim_end_matches('.'))
}

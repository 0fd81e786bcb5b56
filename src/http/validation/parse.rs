//! Parses a document within the limits of tokens and nesting.

use std::borrow::Cow;

use apollo_compiler::ast::Document;
use apollo_compiler::diagnostic::ToCliReport;
use apollo_compiler::parser::Parser;
use apollo_parser::{Lexer, TokenKind};

use crate::http::error::{DocumentError, RequestError};
use crate::http::limits::Limits;
use crate::http::validation::limits::{nesting, too_deep};
use crate::http::validation::position::{self, LineIndex};
use crate::http::validation::{descriptions, missing_values};

/// Parses a document and returns it with its number of tokens.
pub fn parse(text: &str, limits: &Limits) -> Result<(Document, usize), RequestError> {
    let mut parser = Parser::new()
        .token_limit(limits.tokens)
        .recursion_limit(nesting(limits));
    let mut bare = Cow::Borrowed(text);
    let mut parsed = parser.parse_ast(text, "");
    if parsed.is_err()
        && let Some(described) = descriptions::strip_descriptions(text, limits.tokens)
    {
        parsed = parser.parse_ast(described.as_str(), "");
        bare = Cow::Owned(described);
    }
    if parser.tokens_reached() > limits.tokens {
        let limit = limits.tokens;
        let message = format!(
            "The document has more than {limit} tokens (names, signs, values, spaces and comments), the most that are read."
        );
        return Err(RequestError::limit_exceeded(
            "tokens",
            "QUERY_TOO_COMPLEX",
            message,
        ));
    }
    if parser.recursion_reached() > nesting(limits) {
        return Err(too_deep(limits, None));
    }
    let tokens = parser.tokens_reached();
    let document = parsed.map_err(|found| {
        // Errors after the first one are often consequences of it.
        let first = found.errors.iter().next();
        let problem = first.map(|error| {
            let location = error.error.location();
            let found = location.and_then(|span| bare.get(span.offset()..));
            let message = sentence(&error.error.to_string(), found.unwrap_or_default());
            DocumentError::new(message, position::of(location, error.sources))
        });
        RequestError::invalid_document("GRAPHQL_PARSE_FAILED", problem)
    })?;
    if let Some((offset, name)) =
        missing_values::find_missing_value(&bare, limits.tokens, nesting(limits))
    {
        let message = format!("Syntax error: expected a colon and a value after `{name}`.");
        return Err(invalid(text, offset, message));
    }
    if let Some(offset) = broken_string(text, limits.tokens) {
        let message = "Syntax error: a line break within a string; use \\n, or three quotes around a text of several lines.";
        return Err(invalid(text, offset, message.to_owned()));
    }
    Ok((document, tokens))
}

fn invalid(text: &str, offset: usize, message: String) -> RequestError {
    let problem = DocumentError::new(message, Some(LineIndex::of(text).at(offset)));
    RequestError::invalid_document("GRAPHQL_PARSE_FAILED", [problem])
}

/// Returns the offset of the first string with a line break: the lexer accepts one right after the opening quote.
fn broken_string(text: &str, tokens: usize) -> Option<usize> {
    if !text.contains("\"\n") && !text.contains("\"\r") {
        return None;
    }
    let tokens = Lexer::new(text).with_limit(tokens).filter_map(Result::ok);
    let mut strings = tokens.filter(|token| token.kind() == TokenKind::StringValue);
    let broken = strings.find(|token| {
        let string = token.data();
        !string.starts_with("\"\"\"") && string.contains(['\n', '\r'])
    })?;
    Some(broken.index())
}

/// The parser's names of the parts of a document, and plain ones.
const PARTS: [(&str, &str); 7] = [
    (
        "StringValue, Name or OperationDefinition",
        "`query`, `mutation`, `subscription`, `fragment` or `{`",
    ),
    ("at least one Selection in Selection Set", "a field"),
    ("a Selection Set", "`{` and fields"),
    ("a valid Value", "a value"),
    ("a Name", "a name"),
    ("a Type", "a type"),
    ("<EOF>", "end of the document"),
];

/// The parser's names of tokens, and their text in a document.
const TOKENS: [(&str, &str); 8] = [
    ("R_CURLY", "`}`"),
    ("L_CURLY", "`{`"),
    ("R_PAREN", "`)`"),
    ("L_PAREN", "`(`"),
    ("R_BRACK", "`]`"),
    ("L_BRACK", "`[`"),
    ("COLON", "`:`"),
    ("EOF", "the end of the document"),
];

/// Formats a message of the parser as a sentence. `found` is the document from the place of the error.
fn sentence(text: &str, found: &str) -> String {
    let text = text.trim_start_matches("syntax error: ");
    let text = text.lines().next().unwrap_or_default();
    // The text after the comma is quoted from the document.
    let (expected, got) = text.split_once(", got ").unwrap_or((text, ""));
    let written = |text: &str| {
        let words = text.split(' ').map(|word| {
            let token = TOKENS.iter().find(|token| token.0 == word);
            token.map_or(word, |token| token.1)
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let expected = PARTS
        .iter()
        .fold(written(expected.trim_end_matches('.')), |text, part| {
            text.replace(part.0, part.1)
        });
    match got {
        "" if expected.starts_with("expected") => {
            let got = found.chars().next().map(|got| format!("`{got}`"));
            let got = got.unwrap_or_else(|| written("EOF"));
            format!("Syntax error: {expected}, got {got}.")
        }
        "" => format!("Syntax error: {expected}."),
        "EOF" => format!("Syntax error: {expected}, got {}.", written(got)),
        got => format!("Syntax error: {expected}, got `{got}`."),
    }
}

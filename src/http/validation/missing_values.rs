//! Finds arguments and input fields without a value. They are a syntax error, but the parser ignores them, so the
//! client's intention would be lost.

use apollo_parser::cst::CstNode;
use apollo_parser::{Parser, SyntaxKind};

/// Returns the byte offset and name of the first one. The text must have been parsed within these limits.
pub fn find_missing_value(text: &str, tokens: usize, nesting: usize) -> Option<(usize, String)> {
    let parser = Parser::new(text)
        .token_limit(tokens)
        .recursion_limit(nesting);
    let document = parser.parse().document();
    let mut nodes = document
        .syntax()
        .descendants()
        .filter(|node| matches!(node.kind(), SyntaxKind::ARGUMENT | SyntaxKind::OBJECT_FIELD));
    let valueless = nodes.find(|node| {
        let mut parts = node.children_with_tokens();
        !parts.any(|part| part.kind() == SyntaxKind::COLON)
    })?;
    let offset = usize::from(valueless.text_range().start());
    Some((offset, valueless.text().to_string().trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_value_is_found() {
        let found = |text: &str| find_missing_value(text, 1000, 50);
        for (text, offset, name) in [
            ("{ a(b) }", 4, "b"),
            ("{ a(b: 1 c) }", 9, "c"),
            ("{ a(b: { c: 1 d, e: 2 }) }", 14, "d"),
            ("{ a(b: [{ c }]) }", 10, "c"),
            ("{ a @include(if) }", 13, "if"),
            ("query Q($a: A = { b }) { c }", 18, "b"),
            ("{ a(b: C\u{feff}_D: 1 e) }", 17, "e"),
        ] {
            assert_eq!(found(text), Some((offset, name.to_owned())), "{text}");
        }
        for text in [
            "{ a(b: C d: [E F] g: { h: I, j: {} }) @k(l: $m) { n } }",
            "query Q($a: A = { b: C }, $d: [E!]! = [F]) { g(h: $a) ...I } fragment I on J { k }",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}

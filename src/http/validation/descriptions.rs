//! Removes the descriptions of operations, fragments and variables: the specification allows them since September 2025,
//! but the parser does not support them yet.

use std::ops::Range;

use apollo_parser::{Lexer, TokenKind};

/// Replaces descriptions by spaces, so that positions stay the same; `None` if there are none.
pub fn strip_descriptions(text: &str, tokens: usize) -> Option<String> {
    let mut descriptions = Vec::new();
    let mut open = Vec::new();
    let mut before = None;
    let mut text_before: Option<Range<usize>> = None;
    for token in Lexer::new(text).with_limit(tokens) {
        let token = token.ok()?;
        let kind = token.kind();
        if matches!(
            kind,
            TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma
        ) {
            continue;
        }
        let described = match open.as_slice() {
            [] => {
                let words = ["query", "mutation", "subscription", "fragment"];
                kind == TokenKind::Name && words.contains(&token.data())
            }
            [TokenKind::LParen] => kind == TokenKind::Dollar,
            _ => false,
        };
        if let Some(range) = text_before.take().filter(|_| described) {
            descriptions.push(range);
        }
        match kind {
            TokenKind::LCurly | TokenKind::LParen | TokenKind::LBracket => open.push(kind),
            TokenKind::RCurly | TokenKind::RParen | TokenKind::RBracket => {
                open.pop();
            }
            // A string after these tokens is a value.
            TokenKind::StringValue if !matches!(before, Some(TokenKind::Eq | TokenKind::Colon)) => {
                text_before = Some(token.index()..token.index() + token.data().len());
            }
            _ => {}
        }
        before = Some(kind);
    }
    if descriptions.is_empty() {
        return None;
    }
    let mut bare = String::with_capacity(text.len());
    let mut from = 0;
    for range in descriptions {
        bare.push_str(text.get(from..range.start)?);
        let blank = text.get(range.clone())?.bytes();
        bare.extend(blank.map(|byte| {
            if byte == b'\n' || byte == b'\r' {
                byte as char
            } else {
                ' '
            }
        }));
        from = range.end;
    }
    bare.push_str(text.get(from..)?);
    Some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptions_are_stripped() {
        let bare = |text: &str| strip_descriptions(text, 1000);
        assert_eq!(
            bare("\"a\" query Q(\"b\" $a: String = \"c\" \"d\" $b: Int) { e(f: \"g\") }")
                .as_deref(),
            Some("    query Q(    $a: String = \"c\"     $b: Int) { e(f: \"g\") }")
        );
        assert_eq!(
            bare("{ a }\n\"\"\"b\nc\"\"\" fragment F on A { b }").as_deref(),
            Some("{ a }\n    \n     fragment F on A { b }")
        );
        for text in [
            "{ a(b: \"query\") }",
            "\"a\" { b }",
            "query Q($a: String = \"b\" $c: Int) { d }",
            "query Q @d(a: \"b\" $c: 1) { d }",
            "{ a(b: [\"c\" $d]) }",
            "\"never closed",
        ] {
            assert_eq!(bare(text), None, "{text}");
        }
    }
}

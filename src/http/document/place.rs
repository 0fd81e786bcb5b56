//! Where something stands in a document's text.

use apollo_compiler::parser::{SourceMap, SourceSpan};
use async_graphql::Pos;

/// Line and column of every byte of a text, found without reading it again.
pub struct Places<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    pub fn of(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|it| it.1 == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|it| it.0 + 1));
        Self {
            text,
            lines: lines.collect(),
        }
    }

    /// Line and column of the byte at `offset`, each from 1; the column counts characters.
    pub fn at(&self, offset: usize) -> Pos {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let before = &self.text.as_bytes()[self.lines[line - 1]..offset];
        // A character has one byte that does not continue another.
        let column = 1 + before.iter().filter(|it| **it & 0xc0 != 0x80).count();
        Pos { line, column }
    }
}

/// Where a node begins, for a problem.
pub fn of(span: Option<SourceSpan>, sources: &SourceMap) -> Option<Pos> {
    let place = span?.line_column(sources)?;
    Some(Pos {
        line: place.line,
        column: place.column,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let places = Places::of("{ é\n  x }\n");
        for (offset, line, column) in [
            (0, 1, 1),
            (2, 1, 3),
            (4, 1, 4),
            (5, 2, 1),
            (7, 2, 3),
            (99, 3, 1),
        ] {
            assert_eq!(places.at(offset), Pos { line, column }, "{offset}");
        }
    }
}

//! Positions in the text of a document.

use apollo_compiler::parser::{SourceMap, SourceSpan};
use async_graphql::Pos;

/// An index of line starts, which converts byte offsets to lines and columns.
pub struct LineIndex {
    /// Byte offset of each line.
    lines: Vec<usize>,
    /// Number of characters before each byte; `None` for ASCII texts.
    characters: Option<Vec<u32>>,
}

impl LineIndex {
    pub fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|byte| byte.1 == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|line_break| line_break.0 + 1));
        let characters = (!text.is_ascii()).then(|| {
            let mut count = 0;
            let starts = text.bytes().chain([0]).map(|byte| {
                let before = count;
                // Continuation bytes of UTF-8 do not start a character.
                count += u32::from(byte & 0xc0 != 0x80);
                before
            });
            starts.collect()
        });
        Self {
            lines: lines.collect(),
            characters,
        }
    }

    /// Returns line and column of the byte at `offset`, from 1; the column counts characters.
    pub fn at(&self, offset: usize) -> Pos {
        let line = self.lines.partition_point(|start| *start <= offset);
        let before = |offset: usize| match &self.characters {
            Some(counts) => counts
                .get(offset)
                .or(counts.last())
                .map_or(0, |count| *count as usize),
            None => offset,
        };
        let column = before(offset).saturating_sub(before(self.lines[line - 1])) + 1;
        Pos { line, column }
    }
}

/// Returns the position where a node starts.
pub fn of(span: Option<SourceSpan>, sources: &SourceMap) -> Option<Pos> {
    let location = span?.line_column(sources)?;
    Some(Pos {
        line: location.line,
        column: location.column,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let places = LineIndex::of("{ é\n  x }\n");
        for (offset, line, column) in [
            (0, 1, 1),
            (2, 1, 3),
            (4, 1, 4),
            (5, 2, 1),
            (7, 2, 3),
            (10, 2, 6),
            (11, 3, 1),
            (99, 3, 1),
        ] {
            assert_eq!(places.at(offset), Pos { line, column }, "{offset}");
        }
    }
}

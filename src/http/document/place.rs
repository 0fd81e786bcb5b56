//! Where something stands in a document's text.

use apollo_compiler::parser::{SourceMap, SourceSpan};
use async_graphql::Pos;

/// Line and column of every byte of a text, found without reading it again.
pub struct Places {
    /// Where each line starts.
    lines: Vec<usize>,
    /// How many characters start before each byte; none where each byte is one.
    characters: Option<Vec<u32>>,
}

impl Places {
    pub fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|it| it.1 == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|it| it.0 + 1));
        let characters = (!text.is_ascii()).then(|| {
            let mut count = 0;
            let starts = text.bytes().chain([0]).map(|byte| {
                let before = count;
                // A byte that does not continue a character starts one.
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

    /// Line and column of the byte at `offset`, each from 1; the column counts characters.
    pub fn at(&self, offset: usize) -> Pos {
        let line = self.lines.partition_point(|start| *start <= offset);
        let before = |offset: usize| match &self.characters {
            Some(counts) => counts
                .get(offset)
                .or(counts.last())
                .map_or(0, |it| *it as usize),
            None => offset,
        };
        let column = before(offset).saturating_sub(before(self.lines[line - 1])) + 1;
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
            (10, 2, 6),
            (11, 3, 1),
            (99, 3, 1),
        ] {
            assert_eq!(places.at(offset), Pos { line, column }, "{offset}");
        }
    }
}

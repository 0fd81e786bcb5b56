//! A CSV parser for RFC 4180, and for what spreadsheet programs write.
//!
//! The crate `csv` accepts an unclosed quote and counts lines by `\n` alone, so this module parses rows itself.

use std::io::BufRead;

use crate::import_export::ImportError;
use crate::import_export::source::{MAX_RECORD, too_long};

/// A reader of rows. Lines end with LF, CRLF or CR.
pub struct Csv<R> {
    input: R,
    separator: u8,
    /// The line number of the next byte, from 1.
    line: u64,
    /// Whether the last byte was a CR: a following LF ends the same line.
    after_cr: bool,
    read: u64,
}

/// The cells of a row.
pub struct Row {
    /// The line number where it starts.
    pub line: u64,
    /// The concatenated cells.
    bytes: Vec<u8>,
    /// The end offset of each cell.
    ends: Vec<usize>,
}

/// The state of the parser within a cell.
#[derive(Clone, Copy)]
enum State {
    /// Before the first byte that is not a space or tab.
    Start,
    Plain,
    Quoted {
        /// The line number of the opening quote.
        from: u64,
    },
    /// After a quote in a quoted cell, which ends the cell unless another quote follows.
    Closed {
        from: u64,
    },
}

impl<R: BufRead> Csv<R> {
    pub fn new(input: R, separator: u8) -> Self {
        Self {
            input,
            separator,
            line: 1,
            after_cr: false,
            read: 0,
        }
    }

    /// Returns the number of bytes read.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// Returns the next row that is not a blank line; `None` at the end of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, ends within quotes, has text after a closing quote, or has a row of
    /// more than [`MAX_RECORD`] bytes.
    pub fn row(&mut self) -> Result<Option<Row>, ImportError> {
        let mut row = Row {
            line: self.line,
            bytes: Vec::new(),
            ends: Vec::new(),
        };
        let mut state = State::Start;
        let mut size = 0;
        while let Some(byte) = self.byte()? {
            let ends_line = matches!(byte, b'\r' | b'\n');
            if byte == b'\n' && self.after_cr && !matches!(state, State::Quoted { .. }) {
                // The LF of a CRLF whose CR has ended the previous row.
                self.after_cr = false;
                row.line = self.line;
                continue;
            }
            let line = self.line;
            self.count_line(byte);
            size += 1;
            if size == MAX_RECORD {
                return Err(too_long(row.line));
            }
            state = match (state, byte) {
                (State::Quoted { from }, b'"') => State::Closed { from },
                (State::Quoted { .. }, _) => {
                    row.bytes.push(byte);
                    state
                }
                (State::Closed { from }, b'"') => {
                    row.bytes.push(byte);
                    State::Quoted { from }
                }
                (_, _) if ends_line => {
                    if row.ends.is_empty() && row.bytes.is_empty() && matches!(state, State::Start)
                    {
                        row.line = self.line;
                        size = 0;
                        State::Start
                    } else {
                        row.ends.push(row.bytes.len());
                        return Ok(Some(row));
                    }
                }
                (_, _) if byte == self.separator => {
                    row.ends.push(row.bytes.len());
                    State::Start
                }
                (State::Start | State::Closed { .. }, b' ' | b'\t') => state,
                (State::Start, b'"') => State::Quoted { from: line },
                (State::Closed { .. }, _) => {
                    let what = "text follows a closing quote: a quote within a cell is written twice, within a cell in quotes";
                    return Err(ImportError::Line(line, what.to_owned()));
                }
                (State::Start | State::Plain, _) => {
                    row.bytes.push(byte);
                    State::Plain
                }
            };
        }
        if let State::Quoted { from } = state {
            let what = format!(
                "the file ends within quotes that open in line {from}: close them, or import the whole file"
            );
            return Err(ImportError::Line(from, what));
        }
        if row.ends.is_empty() && matches!(state, State::Start) {
            return Ok(None);
        }
        row.ends.push(row.bytes.len());
        Ok(Some(row))
    }

    fn byte(&mut self) -> Result<Option<u8>, ImportError> {
        let byte = self.input.fill_buf()?.first().copied();
        if byte.is_some() {
            self.input.consume(1);
            self.read += 1;
        }
        Ok(byte)
    }

    fn count_line(&mut self, byte: u8) {
        if byte == b'\r' || (byte == b'\n' && !self.after_cr) {
            self.line += 1;
        }
        self.after_cr = byte == b'\r';
    }
}

impl Row {
    /// Returns the trimmed cells; `None` if they are not UTF-8.
    pub fn cells(&self) -> Option<Vec<&str>> {
        let mut start = 0;
        let cells = self.ends.iter().map(|end| {
            let cell = self.bytes.get(start..*end)?;
            start = *end;
            Some(std::str::from_utf8(cell).ok()?.trim())
        });
        cells.collect()
    }
}

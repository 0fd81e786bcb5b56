//! The lines of a file: JSON Lines, or CSV with a head.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::Fault;
use super::export::HEAD;

/// The most bytes of a line: more than any record has.
const LINE: u64 = 2_000_000;
/// The mark that spreadsheets put before UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// How records are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    JsonLines,
    Csv,
}

/// A file that is read from its beginning to its end.
pub struct Source {
    input: BufReader<Box<dyn Read + Send>>,
    /// In bytes; none where it is not a file.
    pub length: Option<u64>,
    number: u64,
    read: u64,
}

/// One record as the file has it.
pub struct Line {
    /// Its place in the file, from 1.
    pub number: u64,
    /// Its fields, or why it has none.
    pub fields: Result<Map<String, Value>, String>,
}

impl Source {
    /// Opens a file; `-` is the standard input.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (input, length): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            (Box::new(file), Some(length))
        };
        let mut source = Self {
            input: BufReader::new(input),
            length,
            number: 0,
            read: 0,
        };
        if source.input.fill_buf()?.starts_with(MARK) {
            source.input.consume(MARK.len());
        }
        Ok(source)
    }

    /// Whether it begins as an export does.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn is_export(&mut self) -> io::Result<bool> {
        Ok(self.input.fill_buf()?.starts_with(HEAD.as_bytes()))
    }

    /// How many bytes were read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.read
    }

    /// The next line with its end, and its place; none at the end of the file.
    pub fn line(&mut self) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let mut line = Vec::new();
        let read = (&mut self.input).take(LINE).read_until(b'\n', &mut line)?;
        self.number += 1;
        self.read += read as u64;
        if read as u64 == LINE {
            let what = format!("it is longer than {LINE} bytes");
            return Err(Fault::Line(self.number, what));
        }
        Ok((read > 0).then_some((self.number, line)))
    }

    pub fn records(self, format: Format) -> Result<Records, Fault> {
        Ok(match format {
            Format::JsonLines => Records::JsonLines(self),
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new()
                    .flexible(true)
                    .from_reader(self.input);
                let head = reader.headers().map_err(wrong)?.clone();
                for (place, name) in head.iter().enumerate() {
                    if head.iter().take(place).any(|it| it == name) {
                        return Err(Fault::Line(1, format!("there are two columns `{name}`")));
                    }
                }
                Records::Csv(Box::new(reader), head)
            }
        })
    }
}

/// The records of a file, one after the other.
pub enum Records {
    JsonLines(Source),
    Csv(
        Box<csv::Reader<BufReader<Box<dyn Read + Send>>>>,
        csv::StringRecord,
    ),
}

impl Records {
    /// The next record; lines with nothing on them are passed over.
    pub fn next(&mut self) -> Result<Option<Line>, Fault> {
        match self {
            Self::JsonLines(source) => {
                while let Some((number, line)) = source.line()? {
                    if !line.trim_ascii().is_empty() {
                        let fields = serde_json::from_slice(&line).map_err(|error| {
                            format!("It is not an object of JSON: {}.", without_place(&error))
                        });
                        return Ok(Some(Line { number, fields }));
                    }
                }
                Ok(None)
            }
            Self::Csv(reader, head) => {
                let mut record = csv::StringRecord::new();
                let number = reader.position().line();
                match reader.read_record(&mut record) {
                    Ok(false) => Ok(None),
                    Ok(true) => {
                        let number = record.position().map_or(number, csv::Position::line);
                        let fields = cells(head, &record);
                        Ok(Some(Line { number, fields }))
                    }
                    Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                        let fields = Err("It is not written in UTF-8.".to_owned());
                        Ok(Some(Line { number, fields }))
                    }
                    Err(error) => Err(wrong(error)),
                }
            }
        }
    }

    /// How many bytes were read.
    pub fn position(&self) -> u64 {
        match self {
            Self::JsonLines(source) => source.position(),
            Self::Csv(reader, _) => reader.position().byte(),
        }
    }
}

/// The cells of a line by the names of their columns. One that is empty was left out.
fn cells(
    head: &csv::StringRecord,
    record: &csv::StringRecord,
) -> Result<Map<String, Value>, String> {
    if record.len() != head.len() {
        return Err(format!(
            "It has {} cells, and the head has {}.",
            record.len(),
            head.len()
        ));
    }
    let given = head.iter().zip(record).filter(|(_, cell)| !cell.is_empty());
    Ok(given
        .map(|(name, cell)| (name.trim().to_owned(), cell.into()))
        .collect())
}

/// What the parser says, without the line and column that it counts from the line's beginning.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    text.to_owned()
}

fn wrong(error: csv::Error) -> Fault {
    let line = error.position().map_or(1, csv::Position::line);
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Fault::File(error),
        _ => Fault::Line(line, text),
    }
}

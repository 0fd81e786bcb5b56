//! Reads the records of a file: JSON Lines or CSV, in UTF-8 or UTF-16.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::import_export::ImportError;
use crate::import_export::csv::{Csv, Row};
use crate::import_export::export::HEAD;

/// Maximum size of a record in bytes. The largest valid record is smaller.
pub const MAX_RECORD: u64 = 2_000_000;

/// Number of bytes that are examined to detect the type of a file.
const START: u64 = 512;
/// Byte order mark of UTF-8, as written by spreadsheet programs.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// The format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    JsonLines,
    Csv,
}

/// A file that can be read more than once.
pub struct ImportSource {
    file: File,
    input: BufReader<DecodeReaderBytes<File, Vec<u8>>>,
    /// Size in bytes.
    pub length: u64,
    /// Whether it starts with the header of an export.
    pub is_export: bool,
    number: u64,
    read: u64,
}

/// A record of a file.
pub struct ImportLine {
    /// The line number where it starts, from 1.
    pub number: u64,
    /// Its fields, or a message if they cannot be parsed.
    pub fields: Result<Map<String, Value>, String>,
}

impl ImportSource {
    /// Opens a file; `-` is standard input. Input that cannot be read twice is copied to a temporary file.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, is empty, or is not a text file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = if path == Path::new("-") {
            copy_to_temporary_file(&mut io::stdin().lock())?
        } else {
            let mut file = File::open(path)?;
            if file.metadata()?.is_file() {
                file
            } else {
                copy_to_temporary_file(&mut file)?
            }
        };
        let mut start = Vec::new();
        (&file).take(START).read_to_end(&mut start)?;
        let what = match &start[..] {
            [] => "there is nothing in the file",
            // Formats of spreadsheet programs: ZIP (xlsx, ods) and OLE (xls).
            [b'P', b'K', 3, 4, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => {
                "this is a workbook (such as xlsx) or an archive, not a text: save it as CSV in UTF-8"
            }
            [0xff, 0xfe, ..] => check_utf_16(&file, u16::from_le_bytes)?,
            [0xfe, 0xff, ..] => check_utf_16(&file, u16::from_be_bytes)?,
            _ if start.contains(&0) => {
                "this is no text in UTF-8, nor in UTF-16 with a byte order mark: save it as CSV in UTF-8"
            }
            _ => "",
        };
        if !what.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let start = start.strip_prefix(MARK).unwrap_or(&start);
        Ok(Self {
            is_export: start.starts_with(HEAD.as_bytes()),
            length: file.metadata()?.len(),
            input: decode(&file)?,
            file,
            number: 0,
            read: 0,
        })
    }

    /// Returns the number of bytes read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.read
    }

    /// Returns the next line with its line break, and its number; `None` at the end of the file.
    pub fn line(&mut self) -> Result<Option<(u64, Vec<u8>)>, ImportError> {
        let mut line = Vec::new();
        let read = (&mut self.input)
            .take(MAX_RECORD)
            .read_until(b'\n', &mut line)?;
        self.number += 1;
        self.read += read as u64;
        if read as u64 == MAX_RECORD {
            return Err(too_long(self.number));
        }
        Ok((read > 0).then_some((self.number, line)))
    }

    /// Reads the records from the beginning of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or its header is invalid.
    pub fn records(&self, format: Format) -> Result<Records, ImportError> {
        let input = decode(&self.file)?;
        Ok(match format {
            Format::JsonLines => Records::JsonLines(Box::new(Self {
                file: self.file.try_clone()?,
                input,
                length: self.length,
                is_export: self.is_export,
                number: 0,
                read: 0,
            })),
            Format::Csv => Records::Csv(Box::new(Table::new(input)?)),
        })
    }
}

/// Copies a stream into a temporary file.
fn copy_to_temporary_file(from: &mut impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(from, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// Returns what is wrong with a file in UTF-16; an empty text if nothing is. The decoder would put U+FFFD in the place of what
/// it cannot decode.
fn check_utf_16(file: &File, unit: fn([u8; 2]) -> u16) -> io::Result<&'static str> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let is_even = file.metadata()?.len().is_multiple_of(2);
    let mut bytes = BufReader::new(file).bytes().map_while(Result::ok);
    let units = std::iter::from_fn(|| Some(unit([bytes.next()?, bytes.next()?])));
    let is_whole = is_even && char::decode_utf16(units).all(|decoded| decoded.is_ok());
    Ok(if is_whole {
        ""
    } else {
        "the file is damaged: it is not UTF-16 throughout"
    })
}

/// Reads a file from its start as UTF-8, without a byte order mark.
fn decode(file: &File) -> io::Result<BufReader<DecodeReaderBytes<File, Vec<u8>>>> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let decoder = DecodeReaderBytesBuilder::new()
        .utf8_passthru(true)
        .strip_bom(true)
        .build(file);
    Ok(BufReader::new(decoder))
}

pub fn too_long(line: u64) -> ImportError {
    ImportError::Line(line, format!("it is longer than {MAX_RECORD} bytes"))
}

/// An iterator over the records of a file.
pub enum Records {
    JsonLines(Box<ImportSource>),
    Csv(Box<Table>),
}

impl Records {
    /// Returns the next record. Blank lines and rows of empty cells are skipped.
    pub fn next(&mut self) -> Result<Option<ImportLine>, ImportError> {
        match self {
            Self::JsonLines(source) => {
                while let Some((number, line)) = source.line()? {
                    if !line.trim_ascii().is_empty() {
                        let object: Result<UniqueKeysObject, _> = serde_json::from_slice(&line);
                        let fields = object.map(|object| object.0).map_err(|error| {
                            if error.is_syntax() {
                                "It is not JSON. For a table give --format csv.".to_owned()
                            } else {
                                format!(
                                    "It is not an object of JSON: {}.",
                                    without_position(&error)
                                )
                            }
                        });
                        return Ok(Some(ImportLine { number, fields }));
                    }
                }
                Ok(None)
            }
            Self::Csv(table) => table.next(),
        }
    }

    /// Returns the number of bytes read.
    pub fn position(&self) -> u64 {
        match self {
            Self::JsonLines(source) => source.position(),
            Self::Csv(table) => table.csv.position(),
        }
    }
}

/// CSV with a header row.
pub struct Table {
    csv: Csv<Box<dyn BufRead + Send>>,
    header: Vec<String>,
}

impl Table {
    fn new(mut input: impl BufRead + Send + 'static) -> Result<Self, ImportError> {
        let start = first_line(&mut input)?;
        // Excel reads the separator from a line before the header.
        let named = match start.strip_prefix(b"sep=") {
            Some([named, b'\r' | b'\n', ..]) => Some(*named),
            _ => None,
        };
        let separator = named.unwrap_or_else(|| separator(&start));
        let input: Box<dyn BufRead + Send> = Box::new(Cursor::new(start).chain(input));
        let mut csv = Csv::new(input, separator);
        if named.is_some() {
            csv.row()?;
        }
        let Some(row) = csv.row()? else {
            return Err(ImportError::Line(1, "there is no header".to_owned()));
        };
        let wrong = |what: String| Err(ImportError::Line(row.line, what));
        let Some(header) = row.cells() else {
            return wrong(
                "the header is not written in UTF-8: save the file as CSV in UTF-8".to_owned(),
            );
        };
        for (index, name) in header.iter().enumerate() {
            if !name.is_empty() && header[..index].contains(name) {
                return wrong(format!("there are two columns `{name}`"));
            }
        }
        Ok(Self {
            header: header.into_iter().map(str::to_owned).collect(),
            csv,
        })
    }

    fn next(&mut self) -> Result<Option<ImportLine>, ImportError> {
        while let Some(row) = self.csv.row()? {
            let fields = match row.cells() {
                None => {
                    Err("It is not written in UTF-8: save the file as CSV in UTF-8.".to_owned())
                }
                Some(cells) if cells.iter().all(|cell| cell.is_empty()) => continue,
                Some(cells) => fields(&self.header, &cells),
            };
            let Row { line: number, .. } = row;
            return Ok(Some(ImportLine { number, fields }));
        }
        Ok(None)
    }
}

/// Reads up to the end of the first line that is not blank.
fn first_line(input: &mut impl BufRead) -> Result<Vec<u8>, ImportError> {
    let mut line = Vec::new();
    for byte in input.by_ref().bytes() {
        let byte = byte?;
        line.push(byte);
        let ends = matches!(byte, b'\r' | b'\n');
        if ends && !line.trim_ascii().is_empty() {
            break;
        }
        if line.len() as u64 == MAX_RECORD {
            return Err(too_long(1));
        }
    }
    Ok(line)
}

/// Returns the separator of a header: the most frequent candidate outside quotes.
fn separator(header: &[u8]) -> u8 {
    let count = |separator: &u8| {
        let mut quoted = false;
        let outside = header.iter().filter(|byte| {
            quoted ^= **byte == b'"';
            !quoted && *byte == separator
        });
        outside.count()
    };
    // On a tie, the last candidate wins.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(count)
        .unwrap_or(b',')
}

/// Returns the cells of a row by column name, without empty cells.
fn fields(header: &[String], cells: &[&str]) -> Result<Map<String, Value>, String> {
    if cells.len() != header.len() {
        let (cells, header) = (cells.len(), header.len());
        return Err(format!(
            "It has {cells} cells, and the header has {header}."
        ));
    }
    let mut fields = Map::new();
    for (index, (name, cell)) in header.iter().zip(cells).enumerate() {
        if cell.is_empty() {
            continue;
        }
        if name.is_empty() {
            let index = index + 1;
            return Err(format!("The header has no name for cell {index}."));
        }
        fields.insert(name.clone(), (*cell).into());
    }
    Ok(fields)
}

/// A JSON object without duplicate keys.
struct UniqueKeysObject(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueKeysObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = UniqueKeysObject;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueKeysObject, A::Error> {
        let mut fields = Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("it has the field `{name}` twice")));
            }
            fields.insert(name, value);
        }
        Ok(UniqueKeysObject(fields))
    }
}

/// Returns the parser's message without the position, which is relative to the line.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    text.to_owned()
}

//! The report of an import: progress, errors by line, and a summary.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::domain::rejection::ValidationError;
use crate::import_export::fields::RecordFields;
use crate::import_export::records::Imported;

/// The result for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportOutcome {
    Created,
    Updated,
    Unchanged,
}

/// A progress bar on the terminal; hidden without a terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts a bar for a file of this many bytes.
    pub fn new(length: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let style = "{bar:40} {percent} % {elapsed} (still {eta})";
        let style = ProgressStyle::with_template(style);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// Sets the number of bytes read.
    pub fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// Errors by line, and counts.
pub struct ImportReport {
    /// Name of the file.
    file: String,
    pub progress: Progress,
    /// Counts by type and result.
    outcome: BTreeMap<(&'static str, ImportOutcome), u64>,
    pub lines: u64,
    pub wrong: u64,
    /// Error texts by line, because records are not imported in line order.
    reported: BTreeMap<u64, String>,
    /// The unknown fields that were reported.
    unknown: HashSet<(String, String)>,
}

impl ImportReport {
    pub fn new(file: String, progress: Progress) -> Self {
        Self {
            file,
            progress,
            outcome: BTreeMap::new(),
            lines: 0,
            wrong: 0,
            reported: BTreeMap::new(),
            unknown: HashSet::new(),
        }
    }

    pub fn count(&mut self, ty: &'static str, outcome: ImportOutcome) {
        *self.outcome.entry((ty, outcome)).or_default() += 1;
    }

    /// Records the errors of a line. An unknown field is reported only once per file.
    pub fn add(&mut self, number: u64, fields: RecordFields) {
        self.wrong += 1;
        let mut reported = fields.into_reported();
        let unknown = &mut self.unknown;
        reported
            .unknown
            .retain(|problem| unknown.insert((problem.field.join("."), problem.message.clone())));
        let record = reported
            .called
            .map_or_else(String::new, |name| format!(" ({name})"));
        let mut text = String::new();
        for problem in reported.problems {
            let field = field(&problem);
            let line = format!(
                "{}:{number}: {field}{}{record}\n",
                self.file, problem.message
            );
            text.push_str(&line);
        }
        for problem in reported.unknown {
            let (field, message) = (field(&problem), problem.message);
            let line = format!(
                "{}:{number}: {field}{message} Reported once for all lines.\n",
                self.file
            );
            text.push_str(&line);
        }
        self.reported.insert(number, text);
    }

    /// Writes the errors in line order, in the format of compilers.
    pub fn write(&mut self, mut out: impl Write) -> io::Result<()> {
        for text in std::mem::take(&mut self.reported).into_values() {
            out.write_all(text.as_bytes())?;
        }
        out.flush()
    }

    /// Returns the result of the import.
    pub fn imported(&self, committed: bool) -> Imported {
        Imported {
            summary: self.summary(committed),
            wrong: self.wrong,
            committed,
        }
    }

    /// Returns the summary, such as `3 lines: 2 Publication created`, or `3 lines: 2 Publication to create, 1 wrong` if
    /// nothing was committed.
    fn summary(&self, committed: bool) -> String {
        let mut parts: Vec<String> = self
            .outcome
            .iter()
            .map(|((ty, outcome), count)| {
                let outcome = match (outcome, committed) {
                    (ImportOutcome::Created, true) => "created",
                    (ImportOutcome::Created, false) => "to create",
                    (ImportOutcome::Updated, true) => "updated",
                    (ImportOutcome::Updated, false) => "to update",
                    (ImportOutcome::Unchanged, _) => "unchanged",
                };
                format!("{count} {ty} {outcome}")
            })
            .collect();
        if self.wrong > 0 {
            parts.push(format!("{} wrong", self.wrong));
        }
        if parts.is_empty() {
            parts.push("nothing to enter".to_owned());
        }
        let lines = crate::domain::text::pluralize(self.lines.cast_signed(), "line");
        format!("{lines}: {}", parts.join(", "))
    }
}

/// Returns the prefix of a message, `title: `; empty for an error of the whole line.
fn field(problem: &ValidationError) -> String {
    match problem.field.join(".") {
        path if path.is_empty() => path,
        path => path + ": ",
    }
}

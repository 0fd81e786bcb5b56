//! What an import tells: how far it is, what is wrong with which line, and what came of it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::rules::refusal::Problem;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Done {
    Created,
    Updated,
    Unchanged,
}

/// A bar on the terminal; nothing where there is none.
pub struct Progress(ProgressBar);

impl Progress {
    /// For a file of so many bytes, where that is known.
    pub fn new(length: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        if length.is_some() {
            let style = "{bar:40} {percent} % {elapsed} (still {eta})";
            let style = ProgressStyle::with_template(style);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        Self(bar)
    }

    /// So many bytes are read.
    pub fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// What is told line by line, and counted.
pub struct Report<W> {
    out: W,
    /// What the file is called.
    file: String,
    pub progress: Progress,
    /// By type and what was done.
    done: BTreeMap<(&'static str, Done), u64>,
    pub lines: u64,
    pub wrong: u64,
}

impl<W: Write> Report<W> {
    pub fn new(out: W, file: String, progress: Progress) -> Self {
        Self {
            out,
            file,
            progress,
            done: BTreeMap::new(),
            lines: 0,
            wrong: 0,
        }
    }

    pub fn count(&mut self, ty: &'static str, done: Done) {
        *self.done.entry((ty, done)).or_default() += 1;
    }

    /// Tells all that is wrong with a line, as compilers do.
    pub fn tell(&mut self, number: u64, problems: &[Problem]) -> io::Result<()> {
        self.wrong += 1;
        let Self { out, file, .. } = self;
        self.progress.0.suspend(|| {
            for problem in problems {
                write!(out, "{file}:{number}: ")?;
                if !problem.field.is_empty() {
                    write!(out, "{}: ", problem.field.join("."))?;
                }
                writeln!(out, "{}", problem.message)?;
            }
            Ok(())
        })
    }

    /// `3 lines: 2 Publication created, 1 wrong`.
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> = self
            .done
            .iter()
            .map(|((ty, done), count)| {
                let done = match done {
                    Done::Created => "created",
                    Done::Updated => "updated",
                    Done::Unchanged => "unchanged",
                };
                format!("{count} {ty} {done}")
            })
            .collect();
        if self.wrong > 0 {
            parts.push(format!("{} wrong", self.wrong));
        }
        if parts.is_empty() {
            parts.push("nothing to enter".to_owned());
        }
        let lines = crate::rules::text::counted(self.lines.cast_signed(), "line");
        format!("{lines}: {}", parts.join(", "))
    }
}

//! Writes to standard output and standard error, whose reader may be gone.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use liaison::config::StartupError;

/// Prints a line. Where the reader has closed the pipe, as `head` does, the output is dropped.
///
/// # Errors
/// Returns an error if the output cannot be written.
pub fn print_line(line: impl Display) -> Result<(), StartupError> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(StartupError::new(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints the error that ends the program.
pub fn print_error(line: impl Display) {
    // There is no other place to report it.
    let _ = writeln!(io::stderr(), "liaison: {line}");
}

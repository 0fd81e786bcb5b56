//! How many bytes one answer may have: counted as rows arrive and as they are written, over all fields of a request.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// What one answer may hold, and what it holds by now.
#[derive(Debug)]
pub struct Bound {
    limit: usize,
    arrived: AtomicUsize,
    written: AtomicUsize,
}

impl Bound {
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            arrived: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
        }
    }

    /// The same for another answer, which holds nothing yet.
    #[must_use]
    pub const fn anew(&self) -> Self {
        Self::new(self.limit)
    }

    /// How many bytes the answer may have.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Counts the texts of a row. They may be twice what an answer may: a page of one record reads the next one, too.
    ///
    /// # Errors
    /// Where they are more.
    pub fn arrives(&self, bytes: usize) -> Result<()> {
        let before = self.arrived.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limit.saturating_mul(2) {
            return Err(self.exceeded());
        }
        Ok(())
    }

    /// How much may still be written.
    #[must_use]
    pub fn left(&self) -> usize {
        let written = self.written.load(Ordering::Relaxed);
        self.limit.saturating_sub(written)
    }

    pub fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    #[must_use]
    pub const fn exceeded(&self) -> Error {
        Error::AnswerTooLong { limit: self.limit }
    }
}

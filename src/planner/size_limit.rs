//! The size limit of a response: counts bytes as rows are read and as fields are written, over all fields of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::planner::budget::Reservation;

/// Bytes that a row takes besides its texts.
const ROW: usize = 100;

/// The size limit of one response, and its current size.
#[derive(Debug)]
pub struct ResponseSizeLimit {
    limit: usize,
    arrived: AtomicUsize,
    written: AtomicUsize,
    /// The fields and records of the response.
    values: AtomicU64,
    /// `None` if what it holds is not counted together with others.
    reservation: Option<Arc<Reservation>>,
}

impl ResponseSizeLimit {
    #[must_use]
    pub const fn new(limit: usize, reservation: Option<Arc<Reservation>>) -> Self {
        Self {
            limit,
            arrived: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            values: AtomicU64::new(0),
            reservation,
        }
    }

    /// Returns the same limit for another response, with nothing counted.
    #[must_use]
    pub fn restarted(&self) -> Self {
        let reservation = self.reservation.as_ref();
        let reservation = reservation.map(|reservation| Arc::new(reservation.sibling()));
        Self::new(self.limit, reservation)
    }

    /// Returns the maximum size of the response in bytes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// The bytes that it has taken from the budget of all responses.
    #[must_use]
    pub const fn reservation(&self) -> Option<&Arc<Reservation>> {
        self.reservation.as_ref()
    }

    /// Counts the text bytes of a row. Rows may have twice the limit, because a page of one record reads the next one, too.
    ///
    /// # Errors
    /// Returns an error if they are more, or more than the budget of all responses has left.
    pub fn count_row(&self, bytes: usize) -> Result<()> {
        let before = self.arrived.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limit.saturating_mul(2) {
            return Err(self.exceeded());
        }
        self.reserve(bytes.saturating_add(ROW))
    }

    /// Returns how many bytes the budget of all responses has left.
    #[must_use]
    pub fn available(&self) -> usize {
        let reservation = self.reservation.as_ref();
        reservation.map_or(usize::MAX, |reservation| reservation.available())
    }

    /// Returns how many bytes may still be written.
    #[must_use]
    pub fn remaining(&self) -> usize {
        let written = self.written.load(Ordering::Relaxed);
        self.limit.saturating_sub(written)
    }

    /// Counts what was written.
    ///
    /// # Errors
    /// Returns an error if it is more than the budget of all responses has left.
    pub fn count_output(&self, bytes: usize) -> Result<()> {
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.reserve(bytes)
    }

    /// Counts fields and records that were written.
    pub fn count_values(&self, values: u64) {
        self.values.fetch_add(values, Ordering::Relaxed);
    }

    /// Returns the number of fields and records that were written.
    #[must_use]
    pub fn values(&self) -> u64 {
        self.values.load(Ordering::Relaxed)
    }

    #[must_use]
    pub const fn exceeded(&self) -> Error {
        Error::AnswerTooLong { limit: self.limit }
    }

    fn reserve(&self, bytes: usize) -> Result<()> {
        self.reservation
            .as_ref()
            .map_or(Ok(()), |reservation| reservation.add(bytes))
    }
}

//! The bytes of responses in memory, over all requests: a large response takes its bytes from one budget.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{Error, Result};

/// Bytes that a response has beside the budget: more than most responses have, so that large ones never stop them.
const FREE_OF_REQUEST: usize = 32 * 1024;

/// The same for a message of a subscription, of which more are under way.
const FREE_OF_MESSAGE: usize = 4 * 1024;

/// A number of bytes that the responses in memory share. Clones share the same bytes.
#[derive(Clone, Debug)]
pub struct ResponseBudget(Arc<Semaphore>);

/// The bytes of one response, given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Semaphore>,
    free: usize,
    held: Mutex<HeldBytes>,
}

#[derive(Debug, Default)]
struct HeldBytes {
    bytes: usize,
    /// Those of them that are taken from the budget.
    taken: Option<OwnedSemaphorePermit>,
}

impl Default for ResponseBudget {
    fn default() -> Self {
        Self::new(256_000_000)
    }
}

impl ResponseBudget {
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Returns a reservation of no bytes yet, for the response of a request.
    #[must_use]
    pub fn request(&self) -> Reservation {
        Reservation::new(self.0.clone(), FREE_OF_REQUEST)
    }

    /// Returns a reservation of no bytes yet, for a message of a subscription.
    #[must_use]
    pub fn message(&self) -> Reservation {
        Reservation::new(self.0.clone(), FREE_OF_MESSAGE)
    }
}

impl Reservation {
    fn new(budget: Arc<Semaphore>, free: usize) -> Self {
        Self {
            budget,
            free,
            held: Mutex::default(),
        }
    }

    /// Returns a reservation of no bytes yet, for another response of the same kind.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self::new(self.budget.clone(), self.free)
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Returns an error if the budget does not have them. The reservation stays as it is.
    pub fn add(&self, bytes: usize) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = held.missing(bytes, self.free);
        if missing > 0 {
            let taken = self.budget.clone().try_acquire_many_owned(missing);
            held.take(taken.map_err(|_| Error::Overloaded)?);
        }
        held.bytes = held.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Adds bytes; waits for this long until the budget has them.
    ///
    /// # Errors
    /// Returns an error if it does not have them by then.
    pub async fn add_with_timeout(&mut self, bytes: usize, max_wait: Duration) -> Result<()> {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        let missing = held.missing(bytes, self.free);
        if missing > 0 {
            let taken = self.budget.clone().acquire_many_owned(missing);
            let taken = timeout(max_wait, taken).await;
            held.take(taken.ok().and_then(Result::ok).ok_or(Error::Overloaded)?);
        }
        held.bytes = held.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Returns about how many bytes can be added now.
    #[must_use]
    pub fn available(&self) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.free.saturating_sub(held.bytes);
        free.saturating_add(self.budget.available_permits())
    }

    /// Makes it this many bytes.
    ///
    /// # Errors
    /// Returns an error if it has fewer and the budget does not have the others.
    pub fn resize(&self, bytes: usize) -> Result<()> {
        let more = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let more = bytes.saturating_sub(held.bytes);
            held.bytes = held.bytes.min(bytes);
            let needed = held.bytes.saturating_sub(self.free);
            if let Some(taken) = &mut held.taken {
                drop(taken.split(taken.num_permits().saturating_sub(needed)));
            }
            more
        };
        self.add(more)
    }
}

impl HeldBytes {
    /// How many bytes the budget has to give, if there are so many more.
    fn missing(&self, more: usize, free: usize) -> u32 {
        let needed = self.bytes.saturating_add(more).saturating_sub(free);
        let taken = self
            .taken
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        u32::try_from(needed.saturating_sub(taken)).unwrap_or(u32::MAX)
    }

    fn take(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_share_the_budget_and_small_ones_are_free() {
        let budget = ResponseBudget::new(100_000);
        let large = budget.request();
        assert!(large.add(FREE_OF_REQUEST).is_ok());
        assert!(large.add(60_000).is_ok());
        assert!(large.add(40_000).is_ok());
        assert!(large.add(1).is_err());
        let small = budget.request();
        assert!(small.add(FREE_OF_REQUEST).is_ok());
        assert!(small.add(1).is_err());
        assert!(large.resize(FREE_OF_REQUEST + 40_000).is_ok());
        assert!(small.add(60_000).is_ok());
        assert!(small.add(1).is_err());
        drop(large);
        assert!(small.resize(FREE_OF_REQUEST + 100_000).is_ok());
        assert!(small.resize(FREE_OF_REQUEST + 100_001).is_err());
        drop(small);
        assert_eq!(budget.0.available_permits(), 100_000);
    }

    #[tokio::test]
    async fn a_message_waits_for_the_bytes_of_others() {
        let budget = ResponseBudget::new(100_000);
        let large = budget.request();
        assert!(large.add(FREE_OF_REQUEST + 100_000).is_ok());
        let mut message = budget.message();
        let refused = message.add_with_timeout(50_000, Duration::ZERO).await;
        assert!(matches!(refused, Err(Error::Overloaded)));
        let given_back = async {
            tokio::task::yield_now().await;
            drop(large);
        };
        let added = message.add_with_timeout(50_000, Duration::from_mins(1));
        let (added, ()) = futures_util::future::join(added, given_back).await;
        assert!(added.is_ok());
    }
}

//! A pool of idle connections, with a semaphore that limits how many are in use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::metrics::PoolWait;

/// Maximum wait for a connection. After that the request fails, so that its client can retry.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct IdleConnections<T> {
    connections: Mutex<Vec<T>>,
    permits: Arc<Semaphore>,
    max_connections: u32,
    /// The name of the pool in the metrics.
    name: Option<&'static str>,
}

impl<T> IdleConnections<T> {
    /// Creates an empty pool for at most this many connections.
    pub fn new(connections: u32, name: Option<&'static str>) -> Self {
        Self {
            connections: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(connections as usize)),
            max_connections: connections,
            name,
        }
    }

    /// Returns the maximum number of connections.
    pub const fn max_connections(&self) -> u32 {
        self.max_connections
    }

    /// Returns the number of connections in use.
    pub fn in_use(&self) -> usize {
        (self.max_connections as usize).saturating_sub(self.permits.available_permits())
    }

    /// Waits until another connection may be used.
    pub async fn permit(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            if let Some(name) = self.name {
                PoolWait::none(name);
            }
            return Ok(permit);
        }
        let waiting = self.name.map(PoolWait::begin);
        // Boxed, because the state of an inlined future enlarges every caller's future, and waiting is rare.
        let permit = self.permits.clone().acquire_owned();
        let permit = Box::pin(timeout(ACQUIRE_TIMEOUT, permit)).await;
        let permit = permit
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
        if let Some(waiting) = waiting {
            waiting.acquired();
        }
        Ok(permit)
    }

    /// Takes an idle connection; `None` if there is none.
    pub fn take(&self) -> Option<T> {
        self.all().pop()
    }

    /// Returns a connection to the pool.
    pub fn release(&self, connection: T) {
        self.all().push(connection);
    }

    /// Closes the idle connections for which `keep` returns false.
    pub fn retain(&self, keep: impl FnMut(&T) -> bool) {
        self.all().retain(keep);
    }

    /// Closes all idle connections.
    pub fn clear(&self) {
        self.all().clear();
    }

    /// Closes all idle connections and refuses further permits.
    pub fn close(&self) {
        self.permits.close();
        self.clear();
    }

    fn all(&self) -> MutexGuard<'_, Vec<T>> {
        let connections = self.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    }
}

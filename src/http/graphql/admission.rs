//! Admission by cost: heavy operations share a part of the connections that read, and one client has a part of that. So
//! do ordinary queries, with more of them: whatever one client sends, those of others are next soon.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::server::stream_limit::LimitedClient;

/// The cost from which a query is heavy: that of a search for a text through a whole table.
pub const HEAVY: u64 = 10_000;

/// The cost from which a query is ordinary. Smaller ones are over at once, and wait for none.
pub const ORDINARY: u64 = 100;

/// The number of clients above which those without an operation are removed.
const MAX_IDLE_CLIENTS: usize = 100;

/// Operations of one kind that run or wait.
#[derive(Debug, Default)]
pub struct Admission {
    all: OnceLock<Arc<Semaphore>>,
    clients: Mutex<HashMap<LimitedClient, Arc<Semaphore>>>,
}

/// Lets an operation run until it is dropped.
#[derive(Debug)]
pub struct OperationPermit {
    _permits: Vec<OwnedSemaphorePermit>,
}

/// Returns how many heavy operations run at a time: each uses one connection.
#[must_use]
pub const fn heavy_limit(connections: u32) -> u32 {
    connections.div_ceil(4)
}

/// Returns how many ordinary queries run at a time: those of one client can use all connections.
#[must_use]
pub const fn ordinary_limit(connections: u32) -> u32 {
    2 * connections
}

impl Admission {
    /// Waits until the operation may run, first come, first served: at most `limit` in all, and half of that for each client.
    pub async fn acquire(&self, limited_client: LimitedClient, limit: u32) -> OperationPermit {
        let mut permits = Vec::new();
        for semaphore in self.semaphores(limited_client, limit) {
            // Never closed, so each gives a permit.
            permits.extend(semaphore.acquire_owned().await.ok());
        }
        OperationPermit { _permits: permits }
    }

    /// Returns the semaphores that a client acquires in order: half of the limit of all, rounded up, then that limit. The
    /// client's own comes first, so that a client with many operations does not fill the common queue.
    pub fn semaphores(&self, limited_client: LimitedClient, limit: u32) -> [Arc<Semaphore>; 2] {
        let limit = limit as usize;
        let all = self.all.get_or_init(|| Arc::new(Semaphore::new(limit)));
        [self.client(limited_client, limit.div_ceil(2)), all.clone()]
    }

    fn client(&self, limited_client: LimitedClient, limit: usize) -> Arc<Semaphore> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() > MAX_IDLE_CLIENTS {
            clients.retain(|_, permits| Arc::strong_count(permits) > 1);
        }
        let permits = clients.entry(limited_client);
        permits
            .or_insert_with(|| Arc::new(Semaphore::new(limit)))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn acquire(admission: &Admission, client: u8) -> Option<OperationPermit> {
        let limited_client = LimitedClient::Anonymous([192, 0, 2, client].into());
        admission.acquire(limited_client, 2).now_or_never()
    }

    #[test]
    fn one_client_gets_at_most_half_of_the_heavy_query_permits() {
        let admission = Admission::default();
        let first = acquire(&admission, 1);
        assert!(first.is_some());
        assert!(acquire(&admission, 1).is_none(), "the same client waits");
        let second = acquire(&admission, 2);
        assert!(second.is_some(), "another client finds room");
        assert!(acquire(&admission, 3).is_none(), "all waits");
        drop(first);
        assert!(acquire(&admission, 3).is_some());
    }

    #[test]
    fn clients_without_heavy_queries_are_removed() {
        let admission = Admission::default();
        for client in 0..=u8::MAX {
            assert!(acquire(&admission, client).is_some());
        }
        let clients = admission.clients.lock().unwrap().len();
        assert!(clients <= MAX_IDLE_CLIENTS + 1);
    }
}

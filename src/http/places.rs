//! The places for connections: so many in all, and so many for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::proxies::{Proxies, network};

/// All places, taken or free.
#[derive(Clone, Debug)]
pub struct Places {
    total: u32,
    /// 0 is no bound.
    each: u32,
    free: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place {
    address: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, u32>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(total: u32, each: u32) -> Self {
        Self {
            total,
            each,
            free: Arc::new(Semaphore::new(total as usize)),
            taken: Arc::default(),
        }
    }

    /// A free place, as soon as there is one; none only where the service is gone.
    pub async fn free(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }

    /// A free place, if there is one now.
    pub fn free_now(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().try_acquire_owned().ok()
    }

    /// Takes a free place for somebody; none where the address has its number. Behind a trusted proxy are many.
    pub fn take(
        &self,
        free: OwnedSemaphorePermit,
        peer: IpAddr,
        proxies: &Proxies,
    ) -> Option<Place> {
        let address = network(peer);
        let bounded = self.each > 0 && !proxies.trusts(peer.to_canonical());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let number = taken.entry(address).or_default();
        if bounded && *number >= self.each {
            return None;
        }
        *number += 1;
        Some(Place {
            address,
            taken: self.taken.clone(),
            _permit: free,
        })
    }

    /// Done once nobody has a place.
    pub async fn empty(&self) {
        // Never closed.
        let _ = self.free.acquire_many(self.total).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = taken.get_mut(&self.address) {
            *number -= 1;
            if *number == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

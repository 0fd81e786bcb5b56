//! Limits of connections: in all, for each address, and a few that are reserved for health checks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::http::middleware::client_ip::{TrustedProxies, ip_prefix};

/// Reserved permits. They serve health checks, and other requests once an ordinary permit is free.
const RESERVE: u32 = 64;

/// Maximum number of reserved permits per address, unless it is a trusted proxy's.
const RESERVE_EACH: u32 = 8;

/// Reserved permits for requests that wait for an ordinary permit.
const WAITING: u32 = RESERVE / 2;

/// Maximum wait for an ordinary permit.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// All permits, taken or free.
#[derive(Clone, Debug)]
pub struct ConnectionLimiter {
    total: u32,
    /// 0 disables the limit.
    each: u32,
    free: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<IpAddr, AddressConnections>>>,
}

/// The permits in use by an address.
#[derive(Debug, Default)]
struct AddressConnections {
    all: u32,
    /// Of the reserve.
    reserved: u32,
}

/// A permit for an open connection. Dropping it releases it.
#[derive(Debug)]
pub struct ConnectionPermit {
    address: IpAddr,
    limiter: ConnectionLimiter,
    is_reserved: AtomicBool,
    permit: Mutex<OwnedSemaphorePermit>,
}

impl ConnectionLimiter {
    pub fn new(total: u32, each: u32) -> Self {
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits as usize));
        Self {
            total,
            each,
            free: semaphore(total),
            reserve: semaphore(RESERVE),
            waiting: semaphore(WAITING),
            taken: Arc::default(),
        }
    }

    /// Waits until a permit is free, a reserved one if there is no other.
    pub async fn wait_for_vacancy(&self) {
        // Neither is ever closed.
        tokio::select! {
            _ = self.free.acquire() => {}
            _ = self.reserve.acquire() => {}
        }
    }

    /// Acquires a permit; `None` if the address has reached its limit. Behind a trusted proxy are many clients.
    pub async fn admit(
        &self,
        peer: IpAddr,
        proxies: &TrustedProxies,
    ) -> Option<Arc<ConnectionPermit>> {
        loop {
            if let Some((permit, is_reserved)) = self.permit() {
                return self.connection_permit(permit, is_reserved, peer, proxies);
            }
            self.wait_for_vacancy().await;
        }
    }

    /// Acquires a permit if one is free now.
    pub fn try_admit(
        &self,
        peer: IpAddr,
        proxies: &TrustedProxies,
    ) -> Option<Arc<ConnectionPermit>> {
        let (permit, is_reserved) = self.permit()?;
        self.connection_permit(permit, is_reserved, peer, proxies)
    }

    fn permit(&self) -> Option<(OwnedSemaphorePermit, bool)> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Some((permit, false));
        }
        let permit = self.reserve.clone().try_acquire_owned().ok()?;
        Some((permit, true))
    }

    fn connection_permit(
        &self,
        permit: OwnedSemaphorePermit,
        is_reserved: bool,
        peer: IpAddr,
        proxies: &TrustedProxies,
    ) -> Option<Arc<ConnectionPermit>> {
        let address = ip_prefix(peer);
        let is_bounded = !proxies.contains(peer.to_canonical());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.entry(address).or_default();
        if is_bounded
            && ((self.each > 0 && own.all >= self.each)
                || (is_reserved && own.reserved >= RESERVE_EACH))
        {
            return None;
        }
        own.all += 1;
        own.reserved += u32::from(is_reserved);
        Some(Arc::new(ConnectionPermit {
            address,
            limiter: self.clone(),
            is_reserved: AtomicBool::new(is_reserved),
            permit: Mutex::new(permit),
        }))
    }

    /// Waits until all connections have ended.
    pub async fn all_released(&self) {
        // Neither is ever closed.
        let _ = self.free.acquire_many(self.total).await;
        let _ = self.reserve.acquire_many(RESERVE).await;
    }
}

impl ConnectionPermit {
    pub fn is_reserved(&self) -> bool {
        self.is_reserved.load(Ordering::Relaxed)
    }

    /// Exchanges a reserved permit for an ordinary one; returns whether one was free in time.
    pub async fn leave_reserved(&self) -> bool {
        if !self.is_reserved() {
            return true;
        }
        let Ok(_waiting) = self.limiter.waiting.try_acquire() else {
            return false;
        };
        let Ok(Ok(ordinary)) =
            timeout(PERMIT_TIMEOUT, self.limiter.free.clone().acquire_owned()).await
        else {
            return false;
        };
        let mut permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        *permit = ordinary;
        self.is_reserved.store(false, Ordering::Relaxed);
        let mut taken = self.taken();
        if let Some(own) = taken.get_mut(&self.address) {
            own.reserved -= 1;
        }
        true
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, AddressConnections>> {
        let taken = self.limiter.taken.lock();
        taken.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.taken();
        if let Some(own) = taken.get_mut(&self.address) {
            own.all -= 1;
            own.reserved -= u32::from(self.is_reserved());
            if own.all == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

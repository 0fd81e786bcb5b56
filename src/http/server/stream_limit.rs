//! Limits of open WebSockets and event streams, and of active subscriptions: in total and per client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{StatusCode, header};

use crate::domain::viewer::Viewer;
use crate::http::error::RequestError;
use crate::http::middleware::client_ip::ip_prefix;
use crate::http::middleware::rate_limit::RateLimited;
use crate::metrics;

/// After how many seconds to try again.
const RETRY_AFTER_SECONDS: u64 = 10;

/// A number of things that clients share. Clones share the same.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What they are, as a message names them, and the name of their limit.
    name: &'static str,
    all: u64,
    /// For the subject of each token, and four times as many as for each address without one; 0 is no bound.
    each: u64,
    taken: Mutex<InUse>,
}

#[derive(Debug, Default)]
struct InUse {
    all: u64,
    /// Those of clients without a token.
    anonymous: u64,
    each: HashMap<LimitedClient, u64>,
}

/// Whose share it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LimitedClient {
    /// An address that has not shown yet whether it has a token.
    Unknown(IpAddr),
    Anonymous(IpAddr),
    Subject(String),
}

/// A share that is taken until this is dropped.
#[derive(Debug)]
pub struct ConcurrencyPermit {
    of: Arc<Inner>,
    limited_client: LimitedClient,
    size: u64,
}

impl LimitedClient {
    /// The client that sends from this address.
    #[must_use]
    pub fn unknown(client: IpAddr) -> Self {
        Self::Unknown(ip_prefix(client))
    }

    /// The client whose token or, without one, whose address it is.
    #[must_use]
    pub fn of(viewer: &Viewer, client: IpAddr) -> Self {
        match &viewer.subject {
            Some(subject) => Self::Subject(subject.clone()),
            None => Self::Anonymous(ip_prefix(client)),
        }
    }

    const fn is_anonymous(&self) -> bool {
        !matches!(self, Self::Subject(_))
    }
}

impl ConcurrencyLimiter {
    /// Creates a limit of the total, half of it for clients without a token, and of the number for each client.
    #[must_use]
    pub fn new(name: &'static str, all: u64, each: u64) -> Self {
        Self(Arc::new(Inner {
            name,
            all,
            each,
            taken: Mutex::default(),
        }))
    }

    /// Takes a share of this size.
    ///
    /// # Errors
    /// Returns a refusal if the client has as many as it may, or all are taken.
    pub fn acquire(
        &self,
        limited_client: LimitedClient,
        size: u64,
    ) -> Result<ConcurrencyPermit, RequestError> {
        let Inner { all, each, .. } = *self.0;
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.each.get(&limited_client).copied().unwrap_or_default();
        let each = if limited_client.is_anonymous() {
            each.div_ceil(4)
        } else {
            each
        };
        // One that exceeds the limit by itself is admitted if the client holds no other.
        if each > 0 && own > 0 && own + size > each {
            return Err(self.client_limit_exceeded(each));
        }
        let anonymous = taken.anonymous + size;
        if taken.all + size > all || (limited_client.is_anonymous() && anonymous > all.div_ceil(2))
        {
            return Err(self.total_limit_exceeded());
        }
        taken.all += size;
        if limited_client.is_anonymous() {
            taken.anonymous = anonymous;
        }
        taken.each.insert(limited_client.clone(), own + size);
        Ok(ConcurrencyPermit {
            of: self.0.clone(),
            limited_client,
            size,
        })
    }

    fn client_limit_exceeded(&self, each: u64) -> RequestError {
        let name = self.0.name;
        let message = format!(
            "You have {each} {name}, the most that you may have: end one first. A client with a token may have more."
        );
        let seconds = RETRY_AFTER_SECONDS;
        let quota = None;
        RequestError::limited(
            name,
            RateLimited {
                seconds,
                message,
                quota,
            },
        )
    }

    /// Returns the shares that are taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        let taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all
    }

    fn total_limit_exceeded(&self) -> RequestError {
        metrics::record_rejection(self.0.name);
        let message = format!(
            "The service has as many {} as it may. Try again in a moment.",
            self.0.name
        );
        let status = StatusCode::SERVICE_UNAVAILABLE;
        RequestError::new(status, "SERVICE_UNAVAILABLE", message)
            .with_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS)
    }
}

impl ConcurrencyPermit {
    /// Transfers the share to another client.
    ///
    /// # Errors
    /// Returns a refusal if that one has as many as it may.
    pub fn transfer_to(self, limited_client: LimitedClient) -> Result<Self, RequestError> {
        let (shares, size) = (ConcurrencyLimiter(self.of.clone()), self.size);
        drop(self);
        shares.acquire(limited_client, size)
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= self.size;
        if self.limited_client.is_anonymous() {
            taken.anonymous -= self.size;
        }
        if let Some(own) = taken.each.get_mut(&self.limited_client) {
            *own -= self.size;
            if *own == 0 {
                taken.each.remove(&self.limited_client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_clients_get_a_quarter_each_and_half_in_total() {
        let shares = ConcurrencyLimiter::new("streams", 100, 40);
        let address = |number: u8| LimitedClient::Anonymous([192, 0, 2, number].into());
        let take = |limited_client: LimitedClient, count: usize| -> Vec<ConcurrencyPermit> {
            (0..count)
                .map_while(|_| shares.acquire(limited_client.clone(), 1).ok())
                .collect()
        };
        let first = take(address(1), 100);
        assert_eq!(first.len(), 10);
        let others: Vec<_> = (2..20).map(|number| take(address(number), 10)).collect();
        assert_eq!(others.iter().map(Vec::len).sum::<usize>(), 40);
        let editor = take(LimitedClient::Subject("an editor".to_owned()), 100);
        assert_eq!(editor.len(), 40);
        drop(others);
        let unknown = take(LimitedClient::Unknown([192, 0, 2, 1].into()), 100);
        assert_eq!(
            unknown.len(),
            10,
            "not those of the same address without a token"
        );
        drop((first, editor, unknown));
        assert_eq!(
            take(LimitedClient::Subject("another".to_owned()), 100).len(),
            40
        );
        let taken = shares.0.taken.lock().unwrap();
        assert_eq!((taken.all, taken.anonymous, taken.each.len()), (0, 0, 0));
    }
}

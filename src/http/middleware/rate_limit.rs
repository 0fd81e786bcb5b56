//! Rate limits: cost per minute by token subject or, without a token, by client address; requests that are refused before
//! they run, by address. Beyond a limit the status is 429.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::domain::text::pluralize;
use crate::http::middleware::client_ip::ip_prefix;
use crate::http::server::stream_limit::LimitedClient;

pub const RATE_LIMIT: &str = "ratelimit";
pub const RATE_LIMIT_POLICY: &str = "ratelimit-policy";

/// Half of the maximum number of clients that are remembered. A client that is forgotten starts with a full budget.
const MAX_BUCKETS: usize = 50_000;

/// The rate limits, and the cost spent by each client.
#[derive(Debug, Default)]
pub struct RateLimiter {
    /// Cost per minute and address without a token; 0 is no limit.
    pub without_token: u32,
    /// Cost per minute and token subject; 0 is no limit.
    pub with_token: u32,
    spent: Mutex<Buckets>,
}

/// The clients by a keyed hash, so that no client can provoke collisions with another.
#[derive(Debug, Default)]
struct Buckets {
    hash: RandomState,
    recent: HashMap<u64, Bucket>,
    /// The older generation, which is evicted next.
    earlier: HashMap<u64, Bucket>,
}

/// The cost that a client has spent and not regained yet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bucket {
    cost: f64,
    at: DateTime<Utc>,
}

impl Bucket {
    /// Returns what has not come back by now.
    fn left(self, limit: u32, now: DateTime<Utc>) -> f64 {
        let passed = (now - self.at).as_seconds_f64().max(0.0);
        (self.cost - passed * f64::from(limit) / 60.0).max(0.0)
    }

    /// Returns what is spent with this cost.
    fn and(self, limit: u32, cost: u64, now: DateTime<Utc>) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the precision of a cost beyond 2^53 does not matter"
        )]
        let cost = self.left(limit, now) + cost as f64;
        Self { cost, at: now }
    }
}

/// The remaining quota of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What the limit is for: `address` or `token`.
    pub policy: &'static str,
    /// Cost per minute.
    pub limit: u32,
    pub remaining: u64,
    /// Whole seconds until all of it is available again.
    pub reset: u64,
}

impl Quota {
    fn of(policy: &'static str, limit: u32, spent: Bucket, now: DateTime<Utc>) -> Self {
        let (remaining, reset) = remaining(limit, spent, now);
        Self {
            policy,
            limit,
            remaining,
            reset,
        }
    }

    /// Returns the fields of draft-ietf-httpapi-ratelimit-headers.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 2] {
        let Self {
            policy,
            limit,
            remaining,
            reset,
        } = self;
        [
            (
                RATE_LIMIT_POLICY,
                format!("\"{policy}\";q={limit};w=60;qu=\"cost\""),
            ),
            (RATE_LIMIT, format!("\"{policy}\";r={remaining};t={reset}")),
        ]
    }
}

/// Why an operation has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimited {
    /// Seconds until it would be accepted, if the client sends nothing else.
    pub seconds: u64,
    /// A message for the client.
    pub message: String,
    /// `None` for a limit that the headers do not report.
    pub quota: Option<Quota>,
}

impl RateLimiter {
    #[must_use]
    pub fn new(without_token: u32, with_token: u32) -> Self {
        Self {
            without_token,
            with_token,
            spent: Mutex::default(),
        }
    }

    /// Charges the cost of an operation, or returns how long to wait. Returns `None` if there is no limit.
    pub fn admit(
        &self,
        client: &LimitedClient,
        cost: u64,
        now: DateTime<Utc>,
    ) -> Result<Option<Quota>, RateLimited> {
        let (policy, limit) = self.policy(client);
        if limit == 0 {
            return Ok(None);
        }
        let quota = |spent| Quota::of(policy, limit, spent, now);
        // A panic elsewhere must not stop the counting.
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = spent.hash.hash_one(client);
        let before = spent.of(sender);
        match take(limit, before, cost, now) {
            Ok(after) => {
                spent.keep(sender, after);
                Ok(Some(quota(after)))
            }
            Err(seconds) => Err(RateLimited {
                seconds,
                quota: Some(quota(before)),
                message: format!(
                    "{} may use a cost of {limit} per minute, and this operation costs {cost}: try again in {}.",
                    if policy == "token" {
                        "The holder of a token"
                    } else {
                        "Each address without a token"
                    },
                    wait(seconds),
                ),
            }),
        }
    }

    /// Adds to the cost that a client has spent, also beyond its limit. Returns `None` if there is no limit.
    pub fn charge(&self, client: &LimitedClient, cost: u64, now: DateTime<Utc>) -> Option<Quota> {
        let (policy, limit) = self.policy(client);
        if limit == 0 {
            return None;
        }
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = spent.hash.hash_one(client);
        let after = spent.of(sender).and(limit, cost, now);
        spent.keep(sender, after);
        Some(Quota::of(policy, limit, after, now))
    }

    /// Returns the name of the limit for a client, and the limit.
    const fn policy(&self, client: &LimitedClient) -> (&'static str, u32) {
        match client {
            LimitedClient::Subject(_) => ("token", self.with_token),
            _ => ("address", self.without_token),
        }
    }
}

/// Rate limit of requests that fail before execution, as with an invalid token. Checking them takes as long as
/// for others.
#[derive(Debug, Default)]
pub struct Failures {
    /// For each address, per minute; 0 is no limit.
    limit: u32,
    spent: Mutex<Buckets>,
}

impl Failures {
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            spent: Mutex::default(),
        }
    }

    /// Checks that a client may have something checked that may fail.
    ///
    /// # Errors
    /// Returns how long to wait if too many of its requests failed lately.
    pub fn check(&self, client: IpAddr, now: DateTime<Utc>) -> Result<(), RateLimited> {
        if self.limit == 0 {
            return Ok(());
        }
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = spent.hash.hash_one(ip_prefix(client));
        self.take(&spent, sender, now).map(|_| ())
    }

    fn take(
        &self,
        spent: &Buckets,
        sender: u64,
        now: DateTime<Utc>,
    ) -> Result<Bucket, RateLimited> {
        take(self.limit, spent.of(sender), 1, now).map_err(|seconds| RateLimited {
            seconds,
            quota: None,
            message: format!(
                "Each address may send {} requests per minute that are refused, as with a bad token, an invalid document or an unknown hash, and has sent them: try again in {}.",
                self.limit,
                wait(seconds),
            ),
        })
    }

    /// Counts a request that failed.
    ///
    /// # Errors
    /// Returns how long to wait if too many of the client's requests failed lately.
    pub fn count(&self, client: IpAddr, now: DateTime<Utc>) -> Result<(), RateLimited> {
        if self.limit == 0 {
            return Ok(());
        }
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = spent.hash.hash_one(ip_prefix(client));
        let after = self.take(&spent, sender, now)?;
        spent.keep(sender, after);
        Ok(())
    }
}

impl Buckets {
    fn of(&self, sender: u64) -> Bucket {
        let known = self.recent.get(&sender);
        known
            .or_else(|| self.earlier.get(&sender))
            .copied()
            .unwrap_or_default()
    }

    fn keep(&mut self, sender: u64, spent: Bucket) {
        if self.recent.len() >= MAX_BUCKETS {
            self.earlier = std::mem::take(&mut self.recent);
        }
        self.recent.insert(sender, spent);
    }
}

/// Returns a number of seconds as text.
fn wait(seconds: u64) -> String {
    pluralize(seconds.cast_signed(), "second")
}

/// Returns the spent cost after an operation, or the seconds to wait. Spent cost is regained evenly within a minute. An
/// operation that exceeds the whole limit waits until nothing is spent, and makes the next wait longer.
fn take(limit: u32, before: Bucket, cost: u64, now: DateTime<Utc>) -> Result<Bucket, u64> {
    let after = before.and(limit, cost.min(limit.into()), now);
    let over = after.cost - f64::from(limit);
    if over <= 0.0 {
        return Ok(before.and(limit, cost, now));
    }
    let per_second = f64::from(limit) / 60.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and the conversion saturates"
    )]
    let seconds = (over / per_second).ceil() as u64;
    Err(seconds.max(1))
}

/// Returns what may still be spent, and after how many seconds nothing is spent any more.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "neither is negative, and what is beyond all bounds is cut to them"
)]
fn remaining(limit: u32, spent: Bucket, now: DateTime<Utc>) -> (u64, u64) {
    let left = spent.left(limit, now);
    let limit = f64::from(limit);
    let reset = left / (limit / 60.0);
    ((limit - left).max(0.0) as u64, reset.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::viewer::Viewer;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn the_bucket_refills_evenly_within_a_minute() {
        // Spent, seconds since, cost: the result is what is spent then, or the wait. The limit is 60 per minute.
        let table = [
            (0.0, 0, 60, Ok(60.0)),
            (0.0, 0, 61, Ok(61.0)),
            (0.0, 0, 600, Ok(600.0)),
            (60.0, 0, 1, Err(1)),
            (60.0, 1, 1, Ok(60.0)),
            (60.0, 1, 2, Err(1)),
            (60.0, 10, 30, Err(20)),
            (60.0, 30, 30, Ok(60.0)),
            (60.0, 3600, 60, Ok(60.0)),
            (600.0, 60, 1, Err(481)),
            (600.0, 541, 1, Ok(60.0)),
            // More than the limit waits until nothing is spent.
            (1.0, 0, 600, Err(1)),
            (60.0, 59, 600, Err(1)),
            (60.0, 60, 600, Ok(600.0)),
            // A clock that was set back has no effect.
            (30.0, -3600, 30, Ok(60.0)),
            (30.0, -3600, 31, Err(1)),
        ];
        for (spent, seconds, cost, expected) in table {
            let before = Bucket {
                cost: spent,
                at: at(0),
            };
            let after = take(60, before, cost, at(seconds)).map(|spent| spent.cost);
            assert_eq!(after, expected, "{spent} {seconds} {cost}");
        }
    }

    #[test]
    fn clients_have_separate_buckets_and_their_number_is_bounded() {
        let rates = RateLimiter::new(60, 120);
        let anonymous = Viewer::default();
        let authenticated = Viewer {
            subject: Some("192.0.2.1".to_owned()),
            ..Viewer::default()
        };
        let spends = |viewer: &Viewer, address: &str, cost| {
            let client = LimitedClient::of(viewer, address.parse().unwrap());
            let admitted = rates.admit(&client, cost, at(0));
            admitted.map(|_| ()).map_err(|refusal| refusal.seconds)
        };
        assert_eq!(spends(&anonymous, "192.0.2.1", 60), Ok(()));
        assert_eq!(spends(&anonymous, "192.0.2.1", 6), Err(6));
        assert_eq!(spends(&anonymous, "::ffff:192.0.2.1", 6), Err(6));
        assert_eq!(spends(&anonymous, "192.0.2.2", 60), Ok(()));
        // A subject has its own limit, whatever its address.
        assert_eq!(spends(&authenticated, "192.0.2.1", 119), Ok(()));
        assert_eq!(spends(&authenticated, "192.0.2.9", 3), Err(1));
        assert_eq!(spends(&anonymous, "2001:db8::1", 60), Ok(()));
        assert_eq!(spends(&anonymous, "2001:db8::2", 1), Err(1));
        assert_eq!(spends(&anonymous, "2001:db8:0:1::1", 1), Ok(()));

        for number in 0..3 * u32::try_from(MAX_BUCKETS).unwrap() {
            let address = IpAddr::from(number.to_be_bytes());
            let client = LimitedClient::of(&anonymous, address);
            rates.admit(&client, 1, at(0)).unwrap();
        }
        let spent = rates.spent.lock().unwrap();
        assert!(spent.recent.len() <= MAX_BUCKETS);
        assert!(spent.earlier.len() <= MAX_BUCKETS);
    }
}

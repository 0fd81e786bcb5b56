//! Rules for webhooks: who owns them, which URLs they may have, and when a failed delivery is retried.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::party::Party;
use ipnet::IpNet;
use url::{Host, Url};

pub use crate::domain::address::is_public;
use crate::domain::rejection::{Code, Decision, Rejection};

/// Maximum number of webhooks per party.
pub const MAX_PER_PARTY: u64 = 20;

/// A webhook whose attempts have all failed for this long is disabled.
pub const DISABLE_AFTER: TimeDelta = TimeDelta::days(3);

/// How long the previous secret still signs.
pub const PREVIOUS_SECRET_VALIDITY: TimeDelta = TimeDelta::days(1);

/// Wait before the first retry. Each further wait is three times as long.
const INITIAL_BACKOFF: TimeDelta = TimeDelta::seconds(5);
/// Upper limit of the exponential backoff, before jitter.
const MAX_BACKOFF: TimeDelta = TimeDelta::hours(6);
/// Maximum random extension of a wait in percent, so that retries spread.
const JITTER_PERCENT: i32 = 20;

/// Which hosts webhook URLs may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WebhookTargets {
    /// Public addresses only, over TLS.
    #[default]
    PublicOnly,
    /// Over TLS: the open Internet, and these networks.
    Networks(Arc<[IpNet]>),
    /// Anywhere, this machine and private networks too, also without TLS.
    Any,
}

impl WebhookTargets {
    /// Whether a connection may be made to an address.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::PublicOnly => is_public(address),
            Self::Networks(networks) => {
                let canonical = address.to_canonical();
                is_public(address) || networks.iter().any(|network| network.contains(&canonical))
            }
            Self::Any => true,
        }
    }
}

/// Only its own party can see and change a webhook; for others it is not found.
pub fn check_owner(party: Party, owner: Party, deleted: bool) -> Decision {
    if party == owner && !deleted {
        Ok(())
    } else {
        Err(Rejection::one(
            Code::NotFound,
            "id",
            "There is no Webhook of your party with this id.",
        ))
    }
}

/// Checks that a party with this many webhooks may create another one.
pub fn check_quota(have: u64) -> Decision {
    if have < MAX_PER_PARTY {
        Ok(())
    } else {
        Err(Rejection::not_now(format!(
            "Your party has {have} webhooks, the most there may be: delete one first."
        )))
    }
}

/// Only an enabled webhook has a next attempt, or gets a ping.
pub fn can_retry(enabled: bool) -> Result<(), String> {
    if enabled {
        Ok(())
    } else {
        Err("Nothing is sent while the webhook is disabled: set `enabled` to true, which also makes the next attempt at once.".to_owned())
    }
}

/// Checks by its text whether this service may deliver to a URL. The addresses that its name resolves to are checked for
/// each connection, against SSRF.
pub fn validate_url(url: &str, targets: &WebhookTargets) -> Result<(), String> {
    let Ok(url) = Url::parse(url) else {
        return Err("Must be an absolute URL.".to_owned());
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "Must not hold a user name or password: deliveries are signed, check the signature instead."
                .to_owned(),
        );
    }
    if *targets == WebhookTargets::Any {
        return Ok(());
    }
    if url.scheme() != "https" {
        return Err("Must start with https://: deliveries go over TLS.".to_owned());
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::from(address)),
        // Names of the networks that are allowed are looked up with each connection.
        Some(Host::Domain(name))
            if is_public_name(name) || *targets != WebhookTargets::PublicOnly =>
        {
            return Ok(());
        }
        _ => None,
    };
    match address {
        Some(address) if targets.allows(address) => Ok(()),
        Some(_) => Err(
            "Is not public: this service does not call this address of a private network."
                .to_owned(),
        ),
        None => Err(
            "Is not public: such a name leads to this machine or a private network, which this service does not call."
                .to_owned(),
        ),
    }
}

/// Returns whether a host name does not denote this machine or a private network by its suffix.
fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    name.contains('.') && !["localhost", "local", "internal", "lan", "home", "arpa"].contains(&last)
}

/// Returns the time of the next attempt after `attempts` failures; `None` if delivery is given up.
///
/// `chance` is a random number; `retry_after` is the `Retry-After` of the endpoint.
#[must_use]
pub fn next_attempt(
    failing_since: DateTime<Utc>,
    attempts: i32,
    now: DateTime<Utc>,
    chance: u32,
    retry_after: Option<Duration>,
) -> Option<DateTime<Utc>> {
    let end = failing_since + DISABLE_AFTER;
    if end <= now {
        return None;
    }
    let further = u32::try_from(attempts - 1).unwrap_or_default().min(12);
    let wait = (INITIAL_BACKOFF * 3_i32.pow(further)).min(MAX_BACKOFF);
    let percent = i32::try_from(chance % 100).unwrap_or_default();
    let wait = wait + wait * JITTER_PERCENT * percent / 10_000;
    let retry_after = retry_after.and_then(|wait| TimeDelta::from_std(wait).ok());
    let wait = retry_after.map_or(wait, |retry_after| retry_after.max(wait));
    // The last attempt is at the end, however long `Retry-After` is.
    Some(now.checked_add_signed(wait).unwrap_or(end).min(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision_table::PARTIES;

    #[test]
    fn a_webhook_is_visible_only_to_its_own_party() {
        for party in PARTIES {
            for owner in PARTIES {
                assert_eq!(check_owner(party, owner, false).is_ok(), party == owner);
                assert!(check_owner(party, owner, true).is_err());
            }
        }
        assert!(check_quota(MAX_PER_PARTY - 1).is_ok());
        assert!(check_quota(MAX_PER_PARTY).is_err());
    }

    #[test]
    fn only_public_https_urls_are_allowed() {
        for good in [
            "https://example.org/hook?key=1",
            "https://example.org:8443/",
            "https://8.8.8.8/",
            "https://[2606:4700:4700::1111]/",
        ] {
            assert_eq!(
                validate_url(good, &WebhookTargets::PublicOnly),
                Ok(()),
                "{good}"
            );
        }
        for bad in [
            "http://example.org/",
            "https://user:secret@example.org/",
            "https://user@example.org/",
            "https://localhost/",
            "https://localhost./",
            "https://LOCALHOST/",
            "https://db/",
            "https://db.internal/",
            "https://printer.local/",
            "https://127.0.0.1/",
            "https://2130706433/", // 127.0.0.1 as one number
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "not an address",
        ] {
            assert!(
                validate_url(bad, &WebhookTargets::PublicOnly).is_err(),
                "{bad}"
            );
        }
        assert_eq!(
            validate_url("http://127.0.0.1:9000/", &WebhookTargets::Any),
            Ok(())
        );
        assert!(validate_url("http://a:b@127.0.0.1/", &WebhookTargets::Any).is_err());
    }

    #[test]
    fn allowed_networks_require_https() {
        let networks = ["10.20.0.0/16", "fd00::/8"].map(|network| network.parse().unwrap());
        let targets = WebhookTargets::Networks(networks.into());
        for good in [
            "https://10.20.3.4/",
            "https://[::ffff:10.20.3.4]/",
            "https://[fd00::1]/",
            "https://hooks.internal/",
            "https://8.8.8.8/",
        ] {
            assert_eq!(validate_url(good, &targets), Ok(()), "{good}");
        }
        for bad in [
            "http://10.20.3.4/",
            "https://10.21.3.4/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/",
        ] {
            assert!(validate_url(bad, &targets).is_err(), "{bad}");
        }
    }

    #[test]
    fn failures_are_retried_with_backoff_for_three_days() {
        let since = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (mut now, mut attempts, mut waits) = (since, 1, Vec::new());
        while let Some(next) = next_attempt(since, attempts, now, 0, None) {
            waits.push((next - now).num_seconds());
            (now, attempts) = (next, attempts + 1);
        }
        assert_eq!(waits[..8], [5, 15, 45, 135, 405, 1215, 3645, 10_935]);
        assert!(waits[8..waits.len() - 1].iter().all(|wait| *wait == 21_600));
        assert_eq!(
            now,
            since + DISABLE_AFTER,
            "the last attempt is at the very end"
        );
        assert_eq!(waits.len(), 20);

        let soon = next_attempt(since, 1, since, 99, None).unwrap();
        assert!(since + INITIAL_BACKOFF <= soon && soon < since + INITIAL_BACKOFF * 2);
        let hour = Some(Duration::from_hours(1));
        let later = next_attempt(since, 1, since, 0, hour).unwrap();
        assert_eq!(later, since + TimeDelta::hours(1));
        let sooner = next_attempt(since, 9, since, 0, Some(Duration::ZERO)).unwrap();
        assert_eq!(sooner, since + MAX_BACKOFF);
        let never = Some(Duration::from_secs(u64::MAX));
        assert_eq!(
            next_attempt(since, 1, since, 0, never),
            Some(since + INITIAL_BACKOFF),
            "what makes no sense is not heard"
        );
        assert_eq!(
            next_attempt(since, 1, since, 0, Some(Duration::from_hours(240))),
            Some(since + DISABLE_AFTER)
        );
    }
}

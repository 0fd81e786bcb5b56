//! The keys that an identity provider publishes: fetched when they are needed, and kept while it is down.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::{Host, Url};

use super::keys::{Algorithm, Claims, Keys};
use crate::http::redact::redact;

/// After this they are fetched again, so that a key that was taken back counts no longer.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// Between two fetches for keys that are not among those held, whoever asks for them how often.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
/// Between two fetches while there are no keys at all.
pub(super) const RETRY: TimeDelta = TimeDelta::seconds(10);

/// For one answer of the provider, from the first byte sent to the last read.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that such an answer may have.
const LONGEST: usize = 256 * 1024;

/// Where an issuer says what its keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A JSON Web Key Set.
    KeySet(Url),
    /// In the key set that the issuer of this name names by OpenID Connect discovery.
    Discovery(String),
}

impl Place {
    /// The address of a key set.
    pub fn key_set(address: &str) -> Result<Self, String> {
        Ok(Self::KeySet(safe(address)?))
    }

    fn address(&self) -> &str {
        match self {
            Self::KeySet(address) => address.as_str(),
            Self::Discovery(issuer) => issuer,
        }
    }

    /// For an issuer whose name is its address, as OpenID Connect has it.
    pub fn discovery(issuer: &str) -> Result<Self, String> {
        description(issuer)?;
        Ok(Self::Discovery(issuer.to_owned()))
    }
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Published {
    place: Place,
    algorithms: Vec<Algorithm>,
    client: Client,
    held: RwLock<Option<Arc<Held>>>,
    /// When the keys were last fetched or tried to be. Held during a fetch: who needs one waits for that of another.
    tried: Mutex<Option<DateTime<Utc>>>,
}

#[derive(Debug)]
struct Held {
    keys: Keys,
    since: DateTime<Utc>,
}

/// There are no keys to check a token with, and it is not the token's fault.
pub(super) struct NoKeys;

impl Published {
    pub fn new(place: Place, algorithms: Vec<Algorithm>) -> Result<Self, String> {
        // Several may be built in one process: the first is it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            // A redirect would lead where nobody has looked whether it is safe.
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no client for the keys of an issuer: {error}"))?;
        Ok(Self {
            place,
            algorithms,
            client,
            held: RwLock::default(),
            tried: Mutex::default(),
        })
    }

    /// What a token says, when one of the keys has signed it.
    pub async fn claims(
        self: &Arc<Self>,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Claims>, NoKeys> {
        let held = self.held();
        let claims = held.as_ref().and_then(|it| it.keys.claims(token));
        let pause = match &held {
            None => RETRY,
            Some(held) if claims.is_some() || held.keys.know(token) => {
                let idle = || {
                    let tried = self.tried.try_lock();
                    tried.is_ok_and(|it| it.is_none_or(|it| long_ago(it, PAUSE, now)))
                };
                if long_ago(held.since, FRESH, now) && idle() {
                    // Nobody waits for it: these keys are good until there are newer ones.
                    tokio::spawn(self.clone().fetch(PAUSE, now));
                }
                return Ok(claims);
            }
            Some(_) => PAUSE,
        };
        self.fetched(pause, now).await;
        let held = self.held().ok_or(NoKeys)?;
        Ok(held.keys.claims(token))
    }

    /// Fetches the keys, if the last time was longer ago than `pause`.
    pub async fn fetched(self: &Arc<Self>, pause: TimeDelta, now: DateTime<Utc>) {
        // On its own: who goes away while it waits must not take the one fetch along.
        let fetch = tokio::spawn(self.clone().fetch(pause, now));
        // Fails where the program stops.
        let _ = fetch.await;
    }

    async fn fetch(self: Arc<Self>, pause: TimeDelta, now: DateTime<Utc>) {
        let mut tried = self.tried.lock().await;
        if tried.is_some_and(|tried| !long_ago(tried, pause, now)) {
            return;
        }
        *tried = Some(now);
        match self.ask().await {
            Ok(keys) => {
                let held = Arc::new(Held { keys, since: now });
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
            }
            Err(why) => tracing::warn!(
                address = redact(self.place.address()),
                why = redact(&why),
                "an issuer's keys cannot be had"
            ),
        }
    }

    /// Whether there are keys, however old. If not, another attempt begins: a service that is not ready gets no token
    /// for which it would.
    pub fn are_fetched(self: &Arc<Self>, now: DateTime<Utc>) -> bool {
        let are_fetched = self.held().is_some();
        if !are_fetched {
            tokio::spawn(self.clone().fetch(RETRY, now));
        }
        are_fetched
    }

    fn held(&self) -> Option<Arc<Held>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    async fn ask(&self) -> Result<Keys, String> {
        let address = match &self.place {
            Place::KeySet(address) => address.clone(),
            Place::Discovery(issuer) => self.discover(issuer).await?,
        };
        Keys::jwks(&self.get(address).await?)?.only(&self.algorithms)
    }

    async fn discover(&self, issuer: &str) -> Result<Url, String> {
        let address = description(issuer)?;
        let described: Described = serde_json::from_str(&self.get(address.clone()).await?)
            .map_err(|error| format!("{address} does not describe an issuer: {error}"))?;
        // Else an issuer could speak in the name of another (OpenID Connect Discovery 1.0, 4.3).
        if described.issuer != issuer {
            return Err(format!(
                "{address} describes another issuer: {}",
                described.issuer
            ));
        }
        let keys = safe(&described.jwks_uri)?;
        // Who is asked safely names nothing unsafe.
        if address.scheme() == "https" && keys.scheme() != "https" {
            return Err(format!("{keys} is not safe, and {address} is"));
        }
        Ok(keys)
    }

    async fn get(&self, address: Url) -> Result<String, String> {
        let failed = |error: reqwest::Error| {
            use std::error::Error;
            // What went wrong stands in the causes.
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            text
        };
        let asked = self.client.get(address.clone());
        let asked = asked.header(ACCEPT, "application/json").send().await;
        let mut answer = asked.map_err(failed)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("{address} answers {}", answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LONGEST {
                return Err(format!("{address} answers more than {LONGEST} bytes"));
            }
        }
        String::from_utf8(bytes).map_err(|_| format!("{address} answers no text"))
    }
}

/// Whether a moment is at least so far away; either way round, since a clock that was set back must not stop this.
fn long_ago(moment: DateTime<Utc>, pause: TimeDelta, now: DateTime<Utc>) -> bool {
    (now - moment).abs() >= pause
}

/// What of an issuer's description is needed here.
#[derive(Deserialize)]
struct Described {
    issuer: String,
    jwks_uri: String,
}

/// Where an issuer describes itself.
fn description(issuer: &str) -> Result<Url, String> {
    let issuer = issuer.trim_end_matches('/');
    safe(&format!("{issuer}/.well-known/openid-configuration"))
}

/// Who could change keys on their way could sign as anybody: they come over TLS, or from this machine.
fn safe(address: &str) -> Result<Url, String> {
    let url =
        Url::parse(address).map_err(|error| format!("`{address}` is no address: {error}."))?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err(format!(
            "`{address}` is not safe to fetch keys from: the address must start with https://."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for address in [
            "https://id.example.org/keys",
            "http://127.0.0.1:8080/keys",
            "http://127.1.2.3/keys",
            "http://localhost/keys",
            "http://[::1]:9/keys",
        ] {
            assert!(Place::key_set(address).is_ok(), "{address}");
            assert!(Place::discovery(address).is_ok(), "{address}");
        }
        for address in [
            "http://id.example.org/keys",
            "http://localhost.example.org/keys",
            "http://127.0.0.1.example.org/keys",
            "http://127.0.0.1@example.org/keys",
            "http://10.0.0.1/keys",
            "file:///etc/keys",
            "ftp://localhost/keys",
            "id.example.org",
            "liaison",
            "",
        ] {
            assert!(Place::key_set(address).is_err(), "{address}");
            assert!(Place::discovery(address).is_err(), "{address}");
        }
    }

    #[test]
    fn an_issuer_describes_itself_below_its_address() {
        for (issuer, expected) in [
            (
                "https://sso.example.org/realms/standards",
                "https://sso.example.org/realms/standards/.well-known/openid-configuration",
            ),
            (
                "https://accounts.example.org/",
                "https://accounts.example.org/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(description(issuer).unwrap().as_str(), expected);
        }
    }
}
